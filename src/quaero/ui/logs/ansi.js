// What a program wrote for a terminal, as pieces of text with a style. Only colours and weights survive; every other
// control sequence is left out, so hostile output can move no cursor, set no title and hide no text.
//
//     ESC [ … m        select graphic rendition: kept as far as it is known here
//     ESC [ … letter   any other control sequence: dropped
//     ESC ] … BEL|ST   operating system commands, links among them: dropped
//     other controls   dropped, but for the tab and the line feed: a traceback is one message of many lines

const SEQUENCE =
  /(?:\u001b\[|\u009b)([0-?]*)[ -/]*([@-~])|(?:\u001b[\]PX^_]|[\u0090\u0098\u009d-\u009f])[^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)?|\u001b[ -/]*[0-~]?|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/;

const PLAIN = Object.freeze({ fg: null, bg: null, bold: false, dim: false, italic: false, underline: false, strike: false, inverse: false });
const ON = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };
const OFF = { 22: ["bold", "dim"], 23: ["italic"], 24: ["underline"], 27: ["inverse"], 29: ["strike"] };

/** Pieces of a line: [{text, style}], style null where it is plain. */
export function pieces(line) {
  if (!CONTROL.test(line)) return [{ text: line, style: null }];
  const found = [];
  let style = PLAIN;
  let from = 0;
  for (const match of line.matchAll(SEQUENCE)) {
    put(found, line.slice(from, match.index), style);
    from = match.index + match[0].length;
    if (match[2] === "m") style = rendition(style, match[1]);
  }
  put(found, line.slice(from), style);
  return found.length ? found : [{ text: "", style: null }];
}

/** The line without any control sequence: what is searched, copied and read aloud. */
export const plain = (line) => (CONTROL.test(line) ? line.replace(SEQUENCE, "") : line);

function put(found, text, style) {
  if (text) found.push({ text, style: style === PLAIN ? null : style });
}

function rendition(style, parameters) {
  const codes = parameters.split(/[;:]/).map((code) => (/^\d*$/.test(code) ? Number(code) : -1));
  let next = { ...style };
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) next = { ...PLAIN };
    else if (ON[code]) next[ON[code]] = true;
    else if (OFF[code]) for (const name of OFF[code]) next[name] = false;
    else if (code === 38 || code === 48) {
      const [colour, used] = extended(codes, at + 1);
      if (colour !== null) next[code === 38 ? "fg" : "bg"] = colour;
      at += used;
    } else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
    else if (code === 39) next.fg = null;
    else if (code === 49) next.bg = null;
  }
  return Object.keys(PLAIN).every((name) => next[name] === PLAIN[name]) ? PLAIN : next;
}

/** A colour of `38;5;n` or `38;2;r;g;b`, and how many codes it took. A number is one of 16, a string is in CSS. */
function extended(codes, at) {
  if (codes[at] === 5) return [indexed(codes[at + 1]), 2];
  if (codes[at] === 2) {
    const parts = codes.slice(at + 1, at + 4);
    return [parts.length === 3 && parts.every(isByte) ? `rgb(${parts.join(" ")})` : null, 4];
  }
  return [null, 0];
}

const isByte = (n) => n >= 0 && n <= 255;

function indexed(n) {
  if (n === undefined || !isByte(n)) return null;
  if (n < 16) return n;
  if (n >= 232) return `rgb(${Array(3).fill(8 + 10 * (n - 232)).join(" ")})`;
  const level = (part) => (part ? 55 + 40 * part : 0);
  const cube = n - 16;
  return `rgb(${level(Math.floor(cube / 36))} ${level(Math.floor(cube / 6) % 6)} ${level(cube % 6)})`;
}
