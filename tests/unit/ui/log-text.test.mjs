// What hostile output becomes in the log viewer: colours survive, everything else a terminal would obey does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pieces, plain } from "../../../src/quaero/ui/logs/ansi.js";

const ESC = "\u001b";

test("colours become styles and end where they are reset", () => {
  const [a, red, b] = pieces(`a${ESC}[31mred${ESC}[0m b`);

  assert.deepEqual([a.text, red.text, b.text], ["a", "red", " b"]);
  assert.deepEqual([a.style, red.style.fg, b.style], [null, 1, null]);
});

test("256 colours and true colours are told in CSS that holds only numbers", () => {
  const [cube, own, none] = pieces(`${ESC}[38;5;208mo${ESC}[48;2;1;2;3mz${ESC}[0;38;2;1;2;999mq`);

  assert.equal(cube.style.fg, "rgb(255 135 0)");
  assert.equal(own.style.bg, "rgb(1 2 3)");
  assert.equal(none.style, null);
});

for (const [what, hostile] of Object.entries({
  "a cursor move": `${ESC}[2J${ESC}[1;1H`,
  "a title": `${ESC}]0;owned\u0007`,
  "a link": `${ESC}]8;;https://evil.example${ESC}\\`,
  "a device string": `${ESC}P1;2q#0${ESC}\\`,
  "an eight-bit control": "\u009b31m",
  "a bell and a backspace": "\u0007\b",
  "an unfinished sequence": `${ESC}[31`,
  "a string without an end": `${ESC}]0;owned`,
})) {
  test(`${what} leaves nothing a terminal or a page would obey`, () => {
    assert.doesNotMatch(plain(`x${hostile}y`), /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
    for (const { text } of pieces(`x${hostile}y`)) assert.doesNotMatch(text, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/);
  });
}

test("a traceback keeps its lines", () => {
  const traceback = "Traceback:\n  File x\r\nValueError";

  assert.equal(plain(traceback), "Traceback:\n  File x\nValueError");
  assert.equal(pieces(traceback).map(({ text }) => text).join(""), plain(traceback));
});

test("text without control characters is not touched", () => {
  assert.deepEqual(pieces("<b>ünïcode\t✓</b>"), [{ text: "<b>ünïcode\t✓</b>", style: null }]);
});
