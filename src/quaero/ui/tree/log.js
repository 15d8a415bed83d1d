// The log of a job, of one of its steps, of its whole tree, or of children that were selected on the map: chooses the
// scope, the rest is <q-log>.

import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import "../logs/viewer.js";

const WHOLE = "whole";
const SELECTED = "selected";
const RANGE = /^\d+\.\.\d+$/;
const LEVELS = ["debug", "info", "warn", "error"];

/** The selected children an address names, `?children=8..15&of=7`; null without any. */
function selectionOf(params, id) {
  const [children, of] = [params.get("children") ?? "", params.get("of") ?? id];
  return RANGE.test(children) && /^\d+$/.test(of) ? { children, of } : null;
}

/** What an address says about the log: whose, and from which level on. */
export const logOf = (params, id) => ({ selection: selectionOf(params, id), step: params.get("log"), level: LEVELS.includes(params.get("level")) ? params.get("level") : null });

// of a job with children, the changes of each child (debug) would hide what they say
const hasChildren = (job) => job.tally.total > 0;

/**
 * The panel. The viewer is in the page only while it is looked at: what nobody looks at costs nothing. A line is named by
 * its number in what is shown, so the address keeps what that is: `keep(changes, lines)`.
 */
export function logPanel({ selection, step, level, keep }) {
  const scopes = h("div", { class: "segments", role: "group", "aria-label": "Whose log" });
  const element = h("div", { class: "log-panel" }, scopes);
  let viewer = null;
  let chosen = selection ? SELECTED : step ? `=${step}` : WHOLE;
  let shown = null;

  function choose(name) {
    chosen = name;
    const { children = null, of = null } = name === SELECTED ? selection : {};
    keep({ children, of: of === shown?.job.id ? null : of, log: name.startsWith("=") ? name.slice(1) : null }, "");
    if (shown) show(shown, true);
  }

  /** What the viewer is to show: {job, step, children, own, whole}. */
  function wanted({ job }) {
    if (chosen === SELECTED) return { job: selection.of, step: null, children: selection.children, own: null, whole: null };
    const isAlone = !hasChildren(job) && !job.step; // then its lines are counted by itself: 1, 2, 3 …
    return { job: job.id, step: chosen === WHOLE ? null : chosen.slice(1), children: null, own: isAlone ? "" : null, whole: job.parent_id === null && chosen === WHOLE ? "" : null };
  }

  function look(scope, job) {
    const usual = chosen !== SELECTED && hasChildren(job) ? "info" : "debug";
    if (viewer?.usualLevel !== usual) {
      leave();
      viewer = Object.assign(h("q-log", { level: level ?? usual }), { usualLevel: usual });
      viewer.addEventListener("level", ({ detail }) => keep({ level: (level = detail) }));
    }
    const isShown = viewer.isConnected && Object.entries(scope).every(([name, value]) => viewer.getAttribute(name) === value);
    if (isShown) return;
    viewer.remove(); // so that it begins once, however many attributes change
    for (const [name, value] of Object.entries(scope)) setAttribute(viewer, name, value);
    element.append(viewer);
  }

  function leave() {
    viewer?.remove();
    viewer = null;
  }

  function show(state, visible) {
    shown = state;
    setProperty(element, "hidden", !visible);
    if (!visible) return leave();
    const names = state.steps.map((step) => `=${step.name}`);
    if (![WHOLE, SELECTED, ...names].includes(chosen)) chosen = WHOLE;
    const choices = [WHOLE, ...names, ...(selection ? [SELECTED] : [])];
    keyed(scopes, choices, (name) => name, (name) => h("button", { type: "button", on: { click: () => choose(name) } }), (button, name) => {
      setText(button, name === WHOLE ? (state.job.parent_id === null ? "Whole tree" : "Whole job") : name === SELECTED ? `Selected: jobs ${selection.children.replace("..", " to ")}` : name.slice(1));
      setAttribute(button, "aria-pressed", String(name === chosen));
    });
    setProperty(scopes, "hidden", choices.length < 2);
    look(wanted(state), state.job);
  }

  return {
    element,
    show,
    /** Show the log of some children, {of, children}. */
    select(some) {
      selection = some;
      choose(SELECTED);
    },
    close: leave,
  };
}
