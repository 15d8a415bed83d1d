// Small controls with their labels.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** A search field that tells its text a moment after the last key. */
export function searchField(label, value, changed, pause = 250) {
  const field = h("input", { type: "search", value, placeholder: label, "aria-label": label, spellcheck: "false", autocomplete: "off" });
  let timer = 0;
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => changed(field.value.trim()), pause);
  });
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    clearTimeout(timer);
    changed(field.value.trim());
  });
  return h("label", { class: "search" }, icon("search"), field);
}

/** A choice of `{value: text}`. */
export function selectField(label, options, value, changed) {
  const select = h("select", { "aria-label": label, title: label, on: { change: () => changed(select.value) } },
    Object.entries(options).map(([key, text]) => h("option", { value: key, text })));
  select.value = value;
  return select;
}

/** A button with an icon and a word. */
export function button(name, text, press, props = {}) {
  return h("button", { type: "button", ...props, on: { click: press } }, name && icon(name), h("span", { text }));
}

/** Scroll a narrow list of tabs, and nothing else, until all of one is seen. */
function bringIntoSight(list, one) {
  const [box, inner] = [list.getBoundingClientRect(), one.getBoundingClientRect()];
  if (inner.left < box.left) list.scrollLeft -= box.left - inner.left;
  else if (inner.right > box.right) list.scrollLeft += inner.right - box.right;
}

/** Tabs by the pattern of the platform: arrow keys move, the panel follows. `choose(name)` hears. */
export function tabs(label, names, choose) {
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": label });
  const buttons = new Map(Object.entries(names).map(([name, text]) => [name,
    h("button", { type: "button", role: "tab", id: `tab-${name}`, "aria-controls": `panel-${name}`, data: { tab: name }, on: { click: () => choose(name) } },
      h("span", { text }), h("span", { class: "count num" }))]));
  list.append(...buttons.values());
  list.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    const shown = [...buttons.keys()].filter((name) => !buttons.get(name).hidden);
    const at = shown.findIndex((name) => buttons.get(name) === document.activeElement);
    const next = shown[(at + by + shown.length) % shown.length];
    buttons.get(next).focus();
    choose(next);
    event.preventDefault();
  });
  list.show = (chosen) => {
    for (const [name, one] of buttons) {
      one.setAttribute("aria-selected", String(name === chosen));
      one.tabIndex = name === chosen ? 0 : -1;
    }
    if (list.dataset.chosen !== chosen) bringIntoSight(list, buttons.get(chosen));
    list.dataset.chosen = chosen;
  };
  list.count = (name, text) => {
    const place = buttons.get(name).lastChild;
    if (place.textContent === text) return;
    place.textContent = text;
    delete list.dataset.chosen; // what stands beside it has moved
  };
  list.offer = (name, offered) => { buttons.get(name).hidden = !offered; };
  return list;
}
