// Making and changing elements. Text only ever enters the page as text: there is no way here to make markup of a string.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `h("p", {class: "hint", on: {click: go}}, "text", child)`. Null children are left out. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same in SVG. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name === "on") for (const [type, listener] of Object.entries(value)) element.addEventListener(type, listener);
    else if (name === "vars") for (const [key, given] of Object.entries(value)) element.style.setProperty(key, given);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "text") element.textContent = value;
    else if (name in PROPERTIES) element[name] = value;
    else setAttribute(element, name, value);
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) element.append(child);
  return element;
}

const PROPERTIES = { value: 1, checked: 1, disabled: 1, hidden: 1, indeterminate: 1, selected: 1 };

/** Set, or with null and false take away; touches the page only if something changes. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? "" : String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Set the text of an element, only if it changed. */
export function setText(element, text) {
  const given = text === null || text === undefined ? "" : String(text);
  if (element.textContent !== given) element.textContent = given;
}

/** Set a property (`hidden`, `disabled`, …), only if it changed. */
export function setProperty(element, name, value) {
  if (element[name] !== value) element[name] = value;
}

/** Make a container's children follow a list: one element per key, made once, updated in place, in order. */
export function keyed(container, items, keyOf, make, update) {
  const known = container.keyedChildren ?? (container.keyedChildren = new Map());
  const wanted = new Set();
  let place = container.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    wanted.add(key);
    let element = known.get(key);
    if (!element) known.set(key, (element = make(item)));
    update?.(element, item);
    if (element === place) place = place.nextSibling;
    else container.insertBefore(element, place);
  }
  for (const [key, element] of known) {
    if (wanted.has(key)) continue;
    element.remove();
    known.delete(key);
  }
}

/** Whether keys typed now go into a field. */
export function isTyping(event) {
  const target = event.target;
  return target instanceof HTMLElement && target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
}
