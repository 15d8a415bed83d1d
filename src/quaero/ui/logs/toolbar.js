// The log viewer's bar: level, search, and how lines are shown.

import { h, setAttribute, setProperty } from "../kit/dom.js";
import { button, searchField, selectField } from "../kit/control.js";

const LEVELS = { debug: "All levels", info: "Info and up", warn: "Warnings and errors", error: "Errors" };
const TIMES = { time: "Time", relative: "Since start", date: "Date and time" };

/** The bar; `on…` hear what is chosen. Returns {element, field, found, wrap, offer(address)}. */
export function toolbar({ level, times, wrap, onLevel, onTimes, onSearch, onHit, onOnly, onWrap, onCopy }) {
  const search = searchField("Search this log", "", onSearch, 150);
  const field = search.querySelector("input");
  field.addEventListener("keydown", (event) => event.key === "Enter" && onHit(event.shiftKey ? -1 : 1));
  const found = h("span", { class: "found num", "aria-live": "polite" });
  const wraps = toggle("Wrap", wrap, onWrap);
  const download = h("a", { class: "get", download: "", title: "Download as text" }, "Download");
  const element = h("header", { class: "log-bar" },
    selectField("Level", LEVELS, level, onLevel), search, found,
    button("", "↑", () => onHit(-1), { title: "Previous hit (N)", class: "hit", "aria-label": "Previous hit" }),
    button("", "↓", () => onHit(1), { title: "Next hit (n)", class: "hit", "aria-label": "Next hit" }),
    toggle("Only hits", false, onOnly, "toggle hit"), h("span", { class: "spring" }),
    selectField("Times", TIMES, times, onTimes), wraps,
    button("copy", "Copy", onCopy, { title: "Copy the chosen lines, or those in sight" }), download);
  return {
    element, field, found, wrap: wraps,
    offer(address) {
      setProperty(download, "hidden", !address);
      if (address) setAttribute(download, "href", address);
    },
  };
}

function toggle(text, pressed, press, name = "toggle") {
  const one = h("button", { type: "button", class: name, "aria-pressed": String(pressed), text });
  one.addEventListener("click", () => {
    const on = one.getAttribute("aria-pressed") !== "true";
    one.setAttribute("aria-pressed", String(on));
    press(on);
  });
  return one;
}
