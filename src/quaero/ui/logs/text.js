// A message of a log as nodes: colours, links, and the words searched for. Text enters the page as text only.

import { h } from "../kit/dom.js";
import { pieces, plain } from "./ansi.js";

const LINK = /\bhttps?:\/\/[^\s<>"'`\u0000-\u001f]+/g;
const TRAILING = /[.,;:!?)\]}]+$/;
const LONGEST = 8_192; // characters of one line that are drawn; the whole of it can be copied and downloaded

/** Fill an element with a message. `needle` is the search, in lower case, or "". */
export function fillMessage(element, message, needle) {
  const shown = message.length > LONGEST ? message.slice(0, LONGEST) : message;
  const nodes = [];
  for (const { text, style } of pieces(shown)) {
    const inner = linked(text, needle);
    if (style) nodes.push(styled(style, inner));
    else nodes.push(...inner);
  }
  if (shown.length < message.length) nodes.push(h("i", { class: "cut" }, ` … ${message.length - LONGEST} characters more`));
  element.replaceChildren(...nodes);
}

/** Where a needle stands in a message without its colours; -1 if nowhere. */
export const findIn = (message, needle) => plain(message).toLowerCase().indexOf(needle);

function styled(style, inner) {
  const classes = [];
  let { fg, bg } = style;
  if (style.inverse) [fg, bg] = [bg ?? "back", fg ?? "ink"];
  for (const name of ["bold", "dim", "italic", "underline", "strike"]) if (style[name]) classes.push(`sgr-${name}`);
  const vars = {};
  paint("fg", fg, classes, vars);
  paint("bg", bg, classes, vars);
  return h("span", { class: classes.join(" "), vars }, inner);
}

function paint(side, colour, classes, vars) {
  if (colour === null) return;
  if (typeof colour === "number" || !colour.startsWith("rgb")) classes.push(`sgr-${side}-${colour}`);
  else {
    classes.push(`sgr-${side}-own`);
    vars[`--${side}`] = colour;
  }
}

function linked(text, needle) {
  const nodes = [];
  let from = 0;
  for (const match of text.matchAll(LINK)) {
    const address = match[0].replace(TRAILING, "");
    nodes.push(...marked(text.slice(from, match.index), needle));
    nodes.push(h("a", { href: address, target: "_blank", rel: "noopener noreferrer nofollow" }, marked(address, needle)));
    from = match.index + address.length;
  }
  nodes.push(...marked(text.slice(from), needle));
  return nodes;
}

function marked(text, needle) {
  if (!needle || !text) return text ? [text] : [];
  const nodes = [];
  const folded = text.toLowerCase();
  if (folded.length !== text.length) return [text]; // rare letters change length when folded: rather no mark than a wrong one
  let from = 0;
  for (let at = folded.indexOf(needle); at >= 0; at = folded.indexOf(needle, from)) {
    if (at > from) nodes.push(text.slice(from, at));
    nodes.push(h("mark", null, text.slice(at, at + needle.length)));
    from = at + needle.length;
  }
  if (from < text.length) nodes.push(text.slice(from));
  return nodes;
}
