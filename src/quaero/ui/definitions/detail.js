// One definition: what it is, when it runs, its steps, its last runs.

import { ago, dateTime, duration, plural } from "../kit/format.js";
import { h } from "../kit/dom.js";
import { button } from "../kit/control.js";
import { statusBadge } from "../kit/status.js";

/** A definition as elements; `run`, `edit`, `remove` are its buttons. */
export function detailOf(definition, { run, edit, remove }) {
  const { problem, read_only: isFile } = definition;
  return [
    h("header", { class: "about" }, h("div", { class: "title" }, h("h2", { text: definition.name }), h("span", { class: "chip mono", text: definition.id }), !definition.enabled && h("span", { class: "chip", text: "not enabled" }),
      h("span", { class: "spring" }), button("play", "Run", run, { class: "primary", disabled: !!problem || !definition.enabled }), button("definitions", isFile ? "Copy and edit" : "Edit", edit), !isFile && button("trash", "Delete", remove, { class: "quiet" })),
    definition.description && h("p", { text: definition.description }), problem && h("p", { class: "warning", text: problem })),
    h("dl", { class: "facts num" }, facts(definition).flatMap(([name, value]) => [h("dt", { text: name }), h("dd", { text: value })])),
    section("Steps", steps(definition.steps)),
    section("Last runs", definition.last_runs.length ? runs(definition.last_runs) : h("p", { class: "soft", text: "It has not run yet." })),
    definition.toml && section("As a file", h("pre", { text: definition.toml, tabindex: 0 })),
  ].filter(Boolean);
}

const section = (title, ...inside) => h("section", null, h("h3", { text: title }), inside);

function facts(definition) {
  const schedule = definition.schedule ? `${definition.schedule_text} (${definition.schedule})` : "by hand";
  return [
    ["Schedule", schedule],
    ["Next", definition.next_runs.length ? definition.next_runs.slice(0, 3).map(dateTime).join(" · ") : "–"],
    ["Timeout", definition.timeout_ms ? duration(definition.timeout_ms) : "none"],
    ["Tags", definition.tags.join(", ") || "–"],
    ["Starts by itself", definition.auto_start ? "when Quaero starts" : "no"],
    ["From", definition.read_only ? "a file of the definitions directory" : "the store"],
    ["Changed", ago(definition.updated_at)],
  ];
}

function steps(list) {
  const rows = list.map((step) => h("tr", null, h("th", { scope: "row", text: step.name }), h("td", { class: "mono", text: step.type }), h("td", { text: step.depends.join(", ") || "–" }),
    h("td", { class: "num", text: step.limit || "–" }), h("td", { text: step.on_error }), h("td", { class: "mono small", text: JSON.stringify(step.payload) })));
  return h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": plural(list.length, "step") }, h("table", { class: "plain" },
    h("thead", null, h("tr", null, ["Step", "Kind", "After", "Limit", "On error", "Payload"].map((text) => h("th", { scope: "col", text })))), h("tbody", null, rows)));
}

function runs(list) {
  return h("ol", { class: "runs" }, list.map((run) => h("li", null, statusBadge(run.status), h("a", { href: `/jobs/${run.id}`, text: `Job ${run.id}` }),
    h("span", { class: "num soft", text: run.progress_text }), h("span", { class: "num", text: duration(run.duration_ms) }), h("span", { class: "num soft", text: ago(run.created_at) }))));
}
