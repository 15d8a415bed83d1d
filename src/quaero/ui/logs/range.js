// A line or some lines of a log, as they stand in an address: `#L17`, `#L17-L40`.

import { plain } from "./ansi.js";

/** [first, last] of an address's end, null if it names no lines. */
export function parseRange(text) {
  const match = /^#?L?(\d{1,12})(?:-L?(\d{1,12}))?$/.exec(text ?? "");
  if (!match) return null;
  const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])];
  return first <= last ? [first, last] : [last, first];
}

/** The end of an address that names these lines. */
export const rangeText = ([first, last]) => (first === last ? `#L${first}` : `#L${first}-L${last}`);

/** Put lines on the clipboard as text; of those within a range, if there is one. How many there were. */
export async function copyLines(lines, range, numbered) {
  const wanted = lines.filter((line) => {
    const number = numbered ? line.line_number : line.seq;
    return !line.gap && (!range || (number >= range[0] && number <= range[1]));
  });
  await navigator.clipboard.writeText(wanted.map((line) => `${line.timestamp} ${line.level} ${plain(line.message).replaceAll("\n", "\n    ")}`).join("\n"));
  return wanted.length;
}
