// What a view shows when there is nothing to show: loading, empty, failed. Each says what it means and what can be done.

import { h } from "./dom.js";

/** A quiet notice in place of content; `text` may be words and elements. */
export function notice(title, text, ...actions) {
  return h("div", { class: "notice" }, h("p", { class: "notice-title", text: title }), text && h("p", null, text), actions.length ? h("div", { class: "actions" }, actions) : null);
}

/** Grey bars where rows will be. */
export function skeleton(rows = 6) {
  return h("div", { class: "skeleton", "aria-hidden": "true" }, Array.from({ length: rows }, () => h("i")));
}

/** Something could not be read. */
export function failure(error, retry) {
  return notice("This could not be read", error.message, h("button", { class: "primary", text: "Try again", on: { click: retry } }));
}
