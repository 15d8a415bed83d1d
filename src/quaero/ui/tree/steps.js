// The steps of a definition as a list: how far each is; opened, what failed in it. One opens by itself when it starts or fails.

import { count, duration, elapsed } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { showStatus, showTally, tallyBar } from "../kit/status.js";
import { icon } from "../kit/icons.js";
import { stepGraph } from "./graph.js";

/** The panel of steps; `choose(id)` shows a step's children, `toggle(id)` opens or closes it. */
export function stepsPanel({ choose, toggle }) {
  const graph = stepGraph({ choose });
  const drawing = h("div", { class: "graph-place scroll", tabindex: 0, role: "region", "aria-label": "Graph of steps" }, graph.element);
  const list = h("ol", { class: "steps" });
  const element = h("section", { class: "panel", "aria-label": "Steps" }, drawing, list);
  return {
    element,
    show(state) {
      const { steps, scope, open, stepErrors, job } = state;
      setProperty(element, "hidden", steps.length === 0);
      setProperty(drawing, "hidden", steps.length < 2);
      if (!steps.length || !job) return;
      if (steps.length > 1) graph.show(state);
      keyed(list, steps, (step) => step.id, (step) => makeStep(step, choose, toggle), (item, step) => item.show(step, { chosen: step.id === scope, open: open.has(step.id), errors: stepErrors.get(step.id) ?? [] }));
    },
  };
}

function makeStep({ id }, choose, toggle) {
  const fold = h("button", { class: "fold plain", type: "button", on: { click: () => toggle(id) } }, icon("next"));
  const badge = h("span", { class: "badge" });
  const name = h("button", { class: "step-name", type: "button", on: { click: () => choose(id) } });
  const bar = tallyBar();
  const text = h("span", { class: "text num" });
  const lasted = h("span", { class: "lasted num" });
  const link = h("a", { class: "jump", href: `/jobs/${id}`, text: "Open" });
  const inside = h("div", { class: "inside" });
  const item = h("li", null, h("div", { class: "step" }, fold, name, badge, bar, text, lasted, link), inside);
  item.show = (step, { chosen, open, errors }) => {
    setAttribute(item, "data-chosen", chosen || null);
    setAttribute(fold, "aria-expanded", String(open));
    setAttribute(fold, "aria-label", `${open ? "Close" : "Open"} step ${step.name}`);
    setText(name, step.name);
    setAttribute(name, "title", "Show the jobs of this step below");
    setAttribute(name, "aria-pressed", String(chosen));
    setAttribute(link, "aria-label", `Open step ${step.name}`);
    showStatus(badge, step.status);
    showTally(bar, step.tally);
    setText(text, step.tally.total ? step.progress_text : "");
    setText(lasted, step.started_at ? duration(elapsed(step)) : "");
    setProperty(inside, "hidden", !open);
    if (open) showInside(inside, step, errors);
  };
  return item;
}

function showInside(inside, step, errors) {
  const lines = [];
  const { result, payload } = step;
  if (step.tally.failed) for (const group of errors.slice(0, 3)) lines.push([`e${group.message}`, `${count(group.count)} × ${group.message}`, group.example_job_id]);
  if (step.error) lines.unshift(["own", `${step.error.type}: ${step.error.message}`, step.id]);
  const counted = Object.entries(step.counts ?? {}).map(([key, n]) => `${key.replaceAll("_", " ")} ${count(n)}`).join(" · ");
  if (counted) lines.push(["counts", counted, null]);
  if (step.progress?.message) lines.push(["progress", step.progress.message, null]);
  if (!lines.length) lines.push(["none", step.blocked ? "Waits for the steps before it." : result || payload ? "Nothing has failed." : "", null]);
  keyed(inside, lines, ([key]) => key, ([key]) => h("p", { class: key.startsWith("e") || key === "own" ? "bad" : "soft" }, h("span"), h("a", { text: "example" })), (line, [, words, example]) => {
    setText(line.firstChild, words);
    setProperty(line.lastChild, "hidden", !example);
    setAttribute(line.lastChild, "href", example ? `/jobs/${example}` : null);
  });
}
