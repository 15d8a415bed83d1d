// What stands round every view: the bar with the way to each of them, how the connection stands, the theme, the help.

import { roughly } from "../kit/format.js";
import { h, setAttribute, setText } from "../kit/dom.js";
import { icon } from "../kit/icons.js";
import { choice, openDialog } from "../kit/dialog.js";
import { onStanding, standing } from "../live/connection.js";
import { announce, liveRegion } from "./announce.js";
import { declared, keys } from "./keys.js";
import { go } from "./router.js";
import { sessionPlace } from "./session.js";
import { toasts } from "./toast.js";
import { nextTheme } from "./theme.js";

const PLACES = [["queue", "/", "Queue"], ["definitions", "/definitions", "Definitions"], ["documents", "/documents", "Documents"], ["settings", "/settings", "Settings"]];
const WORDS = {
  connecting: ["Connecting", "Reading for the first time"],
  live: ["Live", "What you see follows the store within a second"],
  resuming: ["Resuming", "The connection was lost; what you see may be a little old"],
  stale: ["Stale", "The server does not answer; what you see is old"],
  polling: ["Fetching", "No live connection; asking again every few seconds"],
};

function navigation() {
  const links = PLACES.map(([name, href, text]) => h("a", { href, data: { place: name } }, icon(name), h("span", { text })));
  document.addEventListener("quaero:view", ({ detail }) => {
    for (const link of links) setAttribute(link, "aria-current", link.dataset.place === detail ? "page" : null);
  });
  return h("nav", { "aria-label": "Views" }, links);
}

function connection() {
  const word = h("span", { class: "word" });
  const chip = h("span", { class: "connection" }, h("i", { "aria-hidden": "true" }), word);
  let before = null;
  function show({ state, since }) {
    setAttribute(chip, "data-state", state);
    setAttribute(chip, "title", WORDS[state][1]);
    setText(word, state === "stale" ? `Stale for ${roughly(Date.now() - since)}` : WORDS[state][0]);
    document.body.dataset.standing = state;
    if (before !== null && before !== state && (state === "live" || state === "stale")) announce(WORDS[state][1]);
    before = state;
  }
  onStanding(show);
  setInterval(() => standing().state === "stale" && show(standing()), 5_000);
  return chip;
}

/** The sheet of keys, made of what is declared now. */
export function openHelp() {
  if (document.querySelector("dialog[open]")) return;
  const key = (text) => text.split(" ").map((one) => h("kbd", { text: one === "ArrowDown" ? "↓" : one }));
  const body = declared().map(([title, bindings]) => h("section", null, h("h3", { text: title }),
    h("dl", { class: "keys" }, bindings.map(([name, text]) => [h("dt", null, key(name)), h("dd", { text })]))));
  openDialog({ title: "Keys", wide: true, body: h("div", { class: "key-groups" }, body), buttons: [choice("", "Close", { autofocus: true })] });
}

function listKeys() {
  const focused = () => document.querySelector("q-list");
  return { j: ["Next row", () => focused()?.focus()], k: ["Previous row", () => focused()?.focus()], Enter: ["Open the row", () => focused()?.focus()] };
}

/** Build it, once. */
export function buildShell() {
  const theme = h("button", { class: "plain", "aria-label": "Theme", title: "Theme: system, light, dark", on: { click: () => announce(`Theme: ${nextTheme()}`) } }, icon("theme"));
  const help = h("button", { class: "plain", "aria-label": "Keys", title: "Keys (?)", on: { click: openHelp } }, icon("help"));
  const mark = h("a", { class: "mark", href: "/", "aria-label": "Quaero: queue" }, h("i", { class: "logo", "aria-hidden": "true" }), h("span", { text: "Quaero" }));
  document.getElementById("shell").replaceWith(
    h("header", { class: "top" }, mark, navigation(), h("div", { class: "tools" }, connection(), sessionPlace(), theme, help)), liveRegion);
  document.body.append(toasts);
  keys("Lists", listKeys());
  keys("Everywhere", {
    "?": ["This sheet", openHelp],
    "g q": ["Queue", () => go("/")],
    "g d": ["Definitions", () => go("/definitions")],
    "g o": ["Documents", () => go("/documents")],
    "g s": ["Settings", () => go("/settings")],
    t: ["Theme: system, light, dark", () => announce(`Theme: ${nextTheme()}`)],
    "/": ["Search in this view", () => document.querySelector("main input[type=search]")?.focus()],
  });
}
