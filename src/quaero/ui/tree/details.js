// Everything recorded about one job, in full: payload, result, error, counts, times.

import { count, dateTime } from "../kit/format.js";
import { h, setProperty } from "../kit/dom.js";

const pretty = (value) => (value === null || value === undefined ? "–" : JSON.stringify(value, null, 2));

/** Which try it is; a definition's root has no function of its own to try. */
const attemptOf = ({ kind, attempt, max_attempts: most }) => (kind === "definition" ? "– (its steps run)" : attempt ? `${attempt} of ${most}` : `not begun, ${most} at most`);

/** The panel; `read()` gives the job with what a list leaves out. */
export function detailsPanel() {
  const element = h("div", { class: "pad details" });
  let shown = null;
  return {
    element,
    show({ job }, visible) {
      setProperty(element, "hidden", !visible);
      if (!visible || (shown && shown.id === job.id && shown.version === job.version)) return;
      shown = job;
      const facts = [
        ["Id", job.id], ["Kind", job.kind], ["Name", job.name ?? "–"], ["Step", job.step ?? "–"], ["Attempt", attemptOf(job)],
        ["Round", job.round], ["Priority", job.priority], ["Tags", (job.tags ?? []).join(", ") || "–"], ["Created", dateTime(job.created_at)],
        ["Started", dateTime(job.started_at)], ["Finished", dateTime(job.finished_at)], ["Warnings", job.warnings], ["Log entries up to", count(job.log_head)], ["Version", job.version],
        ...Object.entries(job.counts ?? {}).map(([name, n]) => [name.replaceAll("_", " "), count(n)]),
      ];
      const part = (title, text) => h("section", null, h("h3", { text: title }), h("pre", { text, tabindex: 0 }));
      element.replaceChildren(h("dl", { class: "facts num" }, facts.map(([name, value]) => [h("dt", { text: name }), h("dd", { text: String(value) })])),
        h("div", { class: "texts" }, job.error && part("Error", `${job.error.type}: ${job.error.message}\n\n${job.error.traceback ?? ""}`.trim()), part("Payload", pretty(job.payload)), part("Result", pretty(job.result))));
    },
  };
}
