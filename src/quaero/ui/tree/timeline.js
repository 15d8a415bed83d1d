// When did what happen: the steps as bars over time, and the moments recorded for the tree and its steps.

import { dateTime, duration, timeOfDay } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { notice, skeleton } from "../kit/states.js";

/** The panel. */
export function timelinePanel() {
  const bars = h("ol", { class: "gantt" });
  const axis = h("div", { class: "axis num" }, h("span"), h("span"), h("span"));
  const list = h("ol", { class: "moments" });
  const body = h("div");
  const element = h("div", { class: "pad timeline" }, bars, axis, body, list);
  return {
    element,
    show({ job, steps, milestones }, visible, now = Date.now()) {
      setProperty(element, "hidden", !visible);
      if (!visible) return;
      const begin = Date.parse(job.created_at);
      const end = Math.max(begin + 1, job.finished_at ? Date.parse(job.finished_at) : now);
      keyed(bars, [job, ...steps], (one) => one.id, makeBar, (bar, one) => bar.show(one, begin, end, now));
      setText(axis.children[0], dateTime(job.created_at));
      setText(axis.children[1], duration((end - begin) / 2));
      setText(axis.children[2], job.finished_at ? timeOfDay(job.finished_at) : "now");
      if (milestones === null) body.replaceChildren(skeleton(4));
      else if (!milestones.length) body.replaceChildren(notice("Nothing has happened yet"));
      else body.replaceChildren();
      keyed(list, milestones ?? [], (entry) => `${entry.seq} ${entry.message}`, makeMoment);
    },
  };
}

function makeBar() {
  const [name, track, bar, lasted] = [h("span", { class: "gantt-name" }), h("span", { class: "track" }), h("i"), h("span", { class: "num soft" })];
  track.append(bar);
  const item = h("li", null, name, track, lasted);
  item.show = (job, begin, end, now) => {
    const from = job.started_at ? Date.parse(job.started_at) : end;
    const to = job.finished_at ? Date.parse(job.finished_at) : now;
    setText(name, job.name ?? job.kind);
    setAttribute(item, "data-status", job.status);
    bar.style.marginLeft = `${(100 * (from - begin)) / (end - begin)}%`;
    bar.style.width = `${Math.max(0.2, (100 * Math.max(0, to - from)) / (end - begin))}%`;
    setText(lasted, job.started_at ? duration(to - from) : "not begun");
  };
  return item;
}

function makeMoment(entry) {
  return h("li", { data: { level: entry.level, ...(entry.fields?.status && { status: entry.fields.status }) } }, h("time", { datetime: entry.timestamp, text: timeOfDay(entry.timestamp) }),
    h("span", { class: "chip", text: entry.step ?? "tree" }), h("span", { text: entry.message }));
}
