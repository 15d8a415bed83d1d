// The filters of the queue page in one line, and what can be run.

import { button, searchField, selectField } from "../kit/control.js";
import { h } from "../kit/dom.js";
import { ORDERS, SINCE, isFiltering } from "./filter.js";

/** The line; `change(part)` is told what changed, `run()` opens the dialog to run a definition. */
export function toolbar({ filter, change, run }) {
  const search = searchField("Search roots by name, kind, text", filter.q, (q) => change({ q }));
  const kind = textField("Kind", filter.kind, (value) => change({ kind: value }));
  const tag = textField("Tag", filter.tag, (value) => change({ tag: value }));
  const since = selectField("Created", SINCE, filter.since, (value) => change({ since: value }));
  const order = selectField("Order", ORDERS, filter.order, (value) => change({ order: value }));
  const clear = button("close", "Clear", () => change({ status: [], kind: "", tag: "", q: "", since: "" }), { class: "quiet" });
  const element = h("div", { class: "toolbar", role: "search" }, search, kind, tag, since, order, clear, h("span", { class: "spring" }),
    button("play", "Run", run, { class: "primary", title: "Run a definition (r)" }));
  const fields = { q: search.querySelector("input"), kind, tag, since, order };
  return {
    element,
    show(now) {
      clear.hidden = !isFiltering(now);
      for (const [name, field] of Object.entries(fields)) {
        if (field !== document.activeElement && field.value !== now[name]) field.value = now[name];
      }
    },
  };
}

function textField(label, value, changed) {
  const field = h("input", { type: "text", class: "short", value, placeholder: label, "aria-label": label, spellcheck: "false", autocomplete: "off" });
  field.addEventListener("change", () => changed(field.value.trim()));
  return field;
}
