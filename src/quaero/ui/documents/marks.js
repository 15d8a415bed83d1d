// Where the words of a search stand in a text. Pure.

const MOST = 2_000; // marks in one text

/** The text in pieces, as [text, whether it is a hit]. */
export function pieces(text, q) {
  const words = (q.match(/[\p{L}\p{N}]+/gu) ?? []).filter((word) => word.length > 1);
  if (!words.length) return [[text, false]];
  const found = new RegExp(`(${words.join("|")})`, "giu");
  const result = [];
  let at = 0;
  for (const hit of text.matchAll(found)) {
    if (result.length > 2 * MOST) break;
    if (hit.index > at) result.push([text.slice(at, hit.index), false]);
    result.push([hit[0], true]);
    at = hit.index + hit[0].length;
  }
  if (at < text.length) result.push([text.slice(at), false]);
  return result;
}
