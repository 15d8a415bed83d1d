// The log of a job, of one of its steps, or of its whole tree: chooses the scope, the rest is <q-log>.

import { h, keyed, setAttribute, setProperty } from "../kit/dom.js";
import "../logs/viewer.js";

const WHOLE = "Whole tree";

/** The panel. The viewer is in the page only while it is looked at: what nobody looks at costs nothing. */
export function logPanel() {
  const scopes = h("div", { class: "segments", role: "group", "aria-label": "Whose log" });
  const element = h("div", { class: "log-panel" }, scopes);
  let viewer = null;
  let chosen = null;

  function choose(name, job) {
    chosen = name;
    setAttribute(viewer, "step", chosen);
    mark();
    viewer.isConnected || element.append(viewer);
    setAttribute(viewer, "job", job);
  }

  function mark() {
    for (const button of scopes.children) setAttribute(button, "aria-pressed", String(button.dataset.step === (chosen ?? "")));
  }

  function leave() {
    viewer?.remove();
    viewer = null;
  }

  return {
    element,
    show({ job, steps }, visible) {
      setProperty(element, "hidden", !visible);
      if (!visible) return leave();
      const names = steps.map((step) => step.name);
      keyed(scopes, names.length ? ["", ...names] : [], (name) => name,
        (name) => h("button", { type: "button", data: { step: name }, text: name || WHOLE, on: { click: () => choose(name || null, job.id) } }));
      setProperty(scopes, "hidden", !names.length);
      if (!viewer) {
        viewer = h("q-log", { job: job.id, level: "debug" });
        choose(names.includes(chosen) ? chosen : null, job.id);
      }
    },
    close: leave,
  };
}
