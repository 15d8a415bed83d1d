// Keys. A view declares what its keys do and in which words; the help sheet is made of exactly that.

import { isTyping } from "../kit/dom.js";

const groups = new Map();
let prefix = "";
let forget = 0;

/** Declare keys: `{"/": ["Search", fn], "g q": ["Go to the queue", fn]}`. Returns how to take them back. */
export function keys(title, bindings) {
  groups.set(title, bindings);
  return () => groups.delete(title);
}

/** Everything declared now, for the help sheet. */
export const declared = () => [...groups].map(([title, bindings]) => [title, Object.entries(bindings).map(([key, [text]]) => [key, text])]);

function find(combination) {
  for (const bindings of [...groups.values()].reverse()) if (combination in bindings) return bindings[combination][1];
  return null;
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (isTyping(event)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const combination = prefix ? `${prefix} ${event.key}` : event.key;
  const action = find(combination) ?? find(event.key);
  clearTimeout(forget);
  prefix = "";
  if (action) {
    event.preventDefault();
    action(event);
  } else if (event.key === "g") {
    prefix = "g";
    forget = setTimeout(() => { prefix = ""; }, 1_200);
  }
});
