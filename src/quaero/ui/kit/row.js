// One job as a row of a list: made once, shown again and again. Used for roots and for children.

import { ago, duration, elapsed, percent } from "./format.js";
import { h, setAttribute, setProperty, setText } from "./dom.js";
import { about, outcome, title } from "./summary.js";
import { showStatus, showTally, tallyBar } from "./status.js";

/** An empty row; `select(index, range)` hears of its checkbox, if it is to have one. */
export function makeRow({ select = null } = {}) {
  const box = select && h("input", { type: "checkbox", "aria-label": "Select", tabindex: -1 });
  box?.addEventListener("click", (event) => {
    event.preventDefault();
    select(row.index, event.shiftKey);
  });
  const parts = {
    box,
    badge: h("span", { class: "badge" }),
    name: h("a", { class: "name", tabindex: -1 }),
    kind: h("span", { class: "kind" }),
    tags: h("span", { class: "tags" }),
    bar: tallyBar(),
    text: h("span", { class: "text" }),
    done: h("span", { class: "done num" }),
    duration: h("span", { class: "duration num" }),
    when: h("span", { class: "when num" }),
  };
  const row = h("div", { class: "row job", role: "row" },
    box && h("span", { class: "cell pick", role: "gridcell" }, h("label", null, box)),
    h("span", { class: "cell status", role: "gridcell" }, parts.badge),
    h("span", { class: "cell what", role: "gridcell" }, parts.name, parts.kind, parts.tags),
    h("span", { class: "cell progress", role: "gridcell" }, parts.bar, parts.done, parts.text),
    h("span", { class: "cell lasted", role: "gridcell" }, parts.duration),
    h("span", { class: "cell created", role: "gridcell" }, parts.when));
  row.parts = parts;
  return row;
}

/** Show a job; undefined is a row that is on its way. */
export function showRow(row, job, { selected = false, now = Date.now() } = {}) {
  setAttribute(row, "data-unread", !job || null);
  if (!job) return;
  const { parts } = row;
  setAttribute(row, "aria-selected", parts.box ? String(selected) : null);
  if (parts.box) {
    setProperty(parts.box, "checked", selected);
    setAttribute(parts.box, "aria-label", `Select job ${job.id}`);
  }
  showStatus(parts.badge, job.status);
  const name = title(job);
  showName(parts.name, name);
  setAttribute(parts.name, "href", `/jobs/${job.id}`);
  const beside = name === job.kind ? about(job) : job.kind;
  setText(parts.kind, beside ? `${beside} · ${job.id}` : job.id);
  const tags = (job.tags ?? []).join(" · ");
  setText(parts.tags, tags);
  showProgress(parts, job, name);
  setText(parts.duration, job.started_at ? duration(elapsed(job, now)) : "–");
  setText(parts.when, ago(job.created_at, now));
  setAttribute(parts.when, "title", job.created_at);
}

/** A name; of an address the host gives way first where there is little room, for its siblings have it too. */
function showName(element, name) {
  if (element.textContent === name) return;
  const [, host, rest] = /^(https?:\/\/[^/]*)(\/.+)$/.exec(name) ?? [];
  element.replaceChildren(...(host ? [h("span", { class: "host", text: host }), h("span", { text: rest })] : [name]));
  setAttribute(element, "title", name);
}

function showProgress(parts, job, name) {
  const { tally, progress, error } = job;
  const has = tally.total > 0;
  const steps = !has && progress?.total && job.status !== "failed" ? progress : null;
  setProperty(parts.bar, "hidden", !has && !steps);
  if (has) showTally(parts.bar, tally);
  else if (steps) showTally(parts.bar, { total: steps.total, completed: steps.current, failed: 0, cancelled: 0, running: 0 });
  const ended = tally.completed + tally.failed + tally.cancelled;
  setText(parts.done, has ? percent(ended, tally.total) : steps ? percent(steps.current, steps.total) : "");
  const failure = job.status === "failed" && error ? `${error.type}: ${error.message}` : "";
  const message = progress?.message === name ? "" : progress?.message;
  const text = has ? job.progress_text : failure || (job.finished_at ? outcome(job.result, name) : message) || "";
  setText(parts.text, text);
  setAttribute(parts.text, "title", failure || text);
  setAttribute(parts.text, "data-bad", (!has && !!failure) || null);
}

/** The names of the columns. */
export function rowHead({ pick = null, names = ["Status", "Job", "Progress", "Lasted", "Created"] } = {}) {
  const [status, what, progress, lasted, created] = names;
  const cell = (name, text) => h("span", { class: `cell ${name}`, text });
  return h("div", { class: "row head", "aria-hidden": pick ? null : "true" }, pick && h("span", { class: "cell pick" }, pick),
    cell("status", status), cell("what", what), cell("progress", progress), cell("lasted", lasted), cell("created", created));
}
