// The pages of a long list that were read: which rows are known, which are on their way, which may be forgotten.
//
// Rows are asked for by page of PAGE rows. Only some pages are kept; what is far from sight is forgotten first.

export const PAGE = 100;
const KEPT = 40;

/** No page read yet. `total` is how long the list is taken to be; `known` how many rows are known to be there. */
export const noPages = { byNumber: new Map(), total: 0, known: 0, isLowerBound: false };

const AHEAD = 10_000; // rows offered beyond those that are known, while nobody has counted them

/**
 * A page arrived. Where the server has counted only so far, the list is taken to be longer than what is known, and
 * finds its end when somebody goes there: a page that is not full is the last one, an empty one lies beyond the end.
 */
export function withPage(pages, number, ids, total, isLowerBound) {
  const byNumber = new Map(pages.byNumber);
  byNumber.delete(number);
  byNumber.set(number, ids);
  while (byNumber.size > KEPT) byNumber.delete(byNumber.keys().next().value);
  const end = number * PAGE + ids.length;
  const known = Math.max(pages.known, total, ids.length ? end : 0);
  if (!isLowerBound) return { byNumber, total: Math.max(total, ids.length ? end : 0), known, isLowerBound };
  if (ids.length && ids.length < PAGE) return { byNumber, total: end, known: end, isLowerBound: false };
  const longest = ids.length ? Math.max(pages.total, known + AHEAD) : Math.floor((known + number * PAGE) / 2);
  return { byNumber, total: Math.max(known, longest), known, isLowerBound: longest > known };
}

/** The id in a row, undefined while it is not known. */
export const idAt = (pages, index) => pages.byNumber.get(Math.floor(index / PAGE))?.[index % PAGE];

/** The numbers of the pages between two rows. */
export function pagesBetween(first, last) {
  const numbers = [];
  for (let n = Math.floor(first / PAGE); n <= Math.floor(Math.max(first, last - 1) / PAGE); n++) numbers.push(n);
  return numbers;
}

/** The ids between two rows, as far as they are known. */
export function idsBetween(pages, first, last) {
  const ids = [];
  for (let index = first; index < last; index++) {
    const id = idAt(pages, index);
    if (id !== undefined) ids.push(id);
  }
  return ids;
}

/** Every id that is known. */
export const knownIds = (pages) => new Set([...pages.byNumber.values()].flat());
