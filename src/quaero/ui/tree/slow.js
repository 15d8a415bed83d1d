// Which children take longest, and which run but have said nothing for longest: where a tree that is "stuck" is stuck.

import { duration, elapsed } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { notice, skeleton } from "../kit/states.js";
import { title } from "../kit/summary.js";
import { showStatus } from "../kit/status.js";

/** The panel. */
export function slowPanel() {
  const slow = table("Slowest", "Longest from start to end, or to now");
  const silent = table("Longest silent", "Running, and nothing recorded for longest");
  const element = h("div", { class: "pad ranks" }, slow.element, silent.element);
  return {
    element,
    show({ slowest, silent: quiet }, visible) {
      setProperty(element, "hidden", !visible);
      if (!visible) return;
      slow.show(slowest, (job) => elapsed(job) ?? 0, "Nothing has begun yet");
      silent.show(quiet, silence, "Nothing is running");
    },
  };
}

/** For how long a job has said nothing, in milliseconds. */
const silence = (job) => Math.max(0, Date.now() - Date.parse(job.silent_since ?? job.started_at ?? job.created_at));

function table(title, meaning) {
  const list = h("ol", { class: "rank" });
  const body = h("div");
  const element = h("section", { "aria-label": title }, h("h3", { text: title }), h("p", { class: "soft", text: meaning }), body, list);
  return {
    element,
    show(jobs, figure, none) {
      if (jobs === null) body.replaceChildren(skeleton(4));
      else if (!jobs.length) body.replaceChildren(notice(none));
      else body.replaceChildren();
      const longest = Math.max(1, ...(jobs ?? []).map(figure));
      keyed(list, jobs ?? [], (job) => job.id, makeRank, (item, job) => item.show(job, duration(figure(job)), figure(job) / longest));
    },
  };
}

function makeRank() {
  const [badge, name, number, share] = [h("span", { class: "badge" }), h("a", { class: "name" }), h("span", { class: "num" }), h("i", { class: "share" })];
  const item = h("li", null, badge, name, number, share);
  item.show = (job, figure, part) => {
    showStatus(badge, job.status);
    setText(name, `${title(job)} · ${job.id}`);
    setAttribute(name, "href", `/jobs/${job.id}`);
    setText(number, figure);
    share.style.width = `${(100 * part).toFixed(1)}%`;
  };
  return item;
}
