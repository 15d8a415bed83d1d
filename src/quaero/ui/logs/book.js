// What the log viewer holds of a log: one unbroken run of the entries that match, somewhere in a log of any length.
//
//     oldest ……………[ lines ]……………… head          detached: the run lies in the middle; what is live is only counted
//     oldest …………………………………[ lines ] = head       attached: the run ends at the live end and grows with it
//
// Everything is a position (`seq`). Whatever arrives twice is dropped by its position; whatever the server says is not
// there any more stands in the run as a line of its own. An anchor is a position the server gave a token for: from it the
// run is continued, in both directions, after one of its ends was let go.

export const KEPT = 20_000; // lines in memory
const TRIMMED_TO = 14_000;

export const emptyLedger = () => ({ first: null, last: null, received: 0, missing: 0, duplicate: 0 });

export const initial = () => ({
  lines: [],
  anchors: [],
  attached: false,
  start: false, // nothing matches before the run
  position: null, // how far the live end was scanned
  head: 0,
  oldest: 1,
  fresh: 0, // lines that came while nobody followed
  trimmed: 0, // lines let go at the front since the last change of the run, for whoever keeps an index into it
  added: 0, // lines put before the front, likewise
  epoch: 0, // another run
  ended: false,
  loading: true,
  trouble: null,
  ledger: emptyLedger(),
});

/** The book after a message: a page that was asked for, or one of the live plane. */
export function reduce(book, message) {
  switch (message.type) {
    case "asked": return { ...book, loading: true };
    case "failed": return { ...book, loading: false, trouble: message.error };
    case "again": return { ...book, trouble: null };
    case "end-page": return atEnd(book, message.page, message.waiting);
    case "jump-page": return somewhere(book, message.page);
    case "earlier-page": return earlier(book, message.page);
    case "later-page": return later(book, message.page);
    case "hello": return hello(book, message.payload);
    case "logs": return live(book, message.payload, message.following);
    case "gap": return hole(book, message.payload);
    case "status": return { ...book, head: Math.max(book.head, message.payload.log_head ?? 0) };
    case "end": return { ...book, ended: true };
    case "seen": return book.fresh ? { ...book, fresh: 0 } : book;
    default: return book;
  }
}

/** The token from which older entries are read, null if there is none; what is there already is dropped again. */
export function tokenBefore(book) {
  const first = book.lines[0]?.seq ?? Infinity;
  let best = null;
  for (const anchor of book.anchors) if (anchor.seq >= first && (best === null || anchor.seq < best.seq)) best = anchor;
  return best?.token ?? null;
}

/** The token from which newer entries are read. */
export function tokenAfter(book) {
  const last = book.lines.at(-1)?.seq ?? -Infinity;
  let best = null;
  for (const anchor of book.anchors) if (anchor.seq <= last && (best === null || anchor.seq >= best.seq)) best = anchor;
  return best?.token ?? null;
}

/** The index of the first line at or behind a position. */
export function indexOf(lines, seq) {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (lines[middle].seq < seq) low = middle + 1;
    else high = middle;
  }
  return low;
}

// --- pages, oldest first whatever the order they came in

function run(page) {
  return page.order === "desc" ? page.logs.toReversed() : page.logs;
}

/** The anchors of a page: the tokens on its older and on its newer side. */
function edges(page, lines) {
  const [older, newer] = page.order === "desc" ? [page.next_cursor, page.prev_cursor] : [page.prev_cursor, page.next_cursor];
  const found = [];
  if (older) found.push({ seq: lines[0]?.seq ?? page.oldest, token: older });
  if (newer) found.push({ seq: lines.at(-1)?.seq ?? page.oldest, token: newer });
  return found;
}

const bounds = (book, page) => ({ head: Math.max(book.head, page.head), oldest: page.oldest, loading: false, trouble: null });

function atEnd(book, page, waiting) {
  const lines = run(page);
  let next = {
    ...book, ...bounds(book, page), lines, anchors: edges(page, lines), attached: true, start: page.next_cursor === null,
    position: page.head, fresh: 0, added: 0, trimmed: 0, epoch: book.epoch + 1, ledger: emptyLedger(),
  };
  next.ledger = counted(next.ledger, lines);
  for (const payload of waiting) next = live(next, payload, true);
  return next;
}

function somewhere(book, page) {
  const lines = run(page);
  return {
    ...book, ...bounds(book, page), lines, anchors: edges(page, lines), attached: false, start: page.prev_cursor === null,
    added: 0, trimmed: 0, epoch: book.epoch + 1,
  };
}

function earlier(book, page) {
  const first = book.lines[0]?.seq ?? Infinity;
  const more = run(page).filter((line) => line.seq < first);
  let lines = more.concat(book.lines);
  let attached = book.attached;
  if (lines.length > KEPT) {
    lines = lines.slice(0, TRIMMED_TO);
    attached = false;
  }
  return {
    ...book, ...bounds(book, page), lines, attached, start: page.next_cursor === null,
    anchors: within(book.anchors.concat(edges(page, more.length ? more : lines)), lines), added: book.added + more.length,
  };
}

function later(book, page) {
  const last = book.lines.at(-1)?.seq ?? -Infinity;
  const more = run(page).filter((line) => line.seq > last);
  const position = book.attached && more.length ? Math.max(book.position ?? 0, more.at(-1).seq) : book.position;
  const ledger = book.attached ? counted(book.ledger, more) : book.ledger;
  const next = { ...book, ...bounds(book, page), position, ledger, anchors: book.anchors.concat(edges(page, more.length ? more : book.lines)) };
  return trim({ ...next, lines: book.lines.concat(more) });
}

/** Only anchors that can still continue the run: one outside would skip what was let go. */
function within(anchors, lines) {
  if (!lines.length) return anchors;
  const [first, last] = [lines[0].seq, lines.at(-1).seq];
  return anchors.filter((anchor) => anchor.seq >= first && anchor.seq <= last);
}

function trim(book) {
  if (book.lines.length <= KEPT) return book;
  const over = book.lines.length - TRIMMED_TO;
  const lines = book.lines.slice(over);
  return { ...book, lines, start: false, anchors: within(book.anchors, lines), trimmed: book.trimmed + over };
}

// --- the live plane

function hello(book, { mode, head, oldest }) {
  const next = { ...book, head: Math.max(mode === "reset" ? 0 : book.head, head), oldest: oldest ?? book.oldest, ended: false };
  return mode === "reset" ? { ...next, lines: [], anchors: [], position: null, ledger: emptyLedger(), epoch: book.epoch + 1 } : next;
}

function live(book, payload, following) {
  const { to, logs, cursor } = payload;
  const known = book.position ?? -Infinity;
  const fresh = logs.filter((line) => line.seq > known);
  const ledger = counted({ ...book.ledger, duplicate: book.ledger.duplicate + logs.length - fresh.length }, fresh);
  const next = { ...book, ledger, position: Math.max(known, to), head: Math.max(book.head, to) };
  if (!following) next.fresh = book.fresh + fresh.length;
  if (!book.attached) return next;
  if (!fresh.length) return next;
  next.lines = book.lines.concat(fresh);
  if (cursor) next.anchors = book.anchors.concat({ seq: fresh.at(-1).seq, token: cursor });
  return following ? trim(next) : next.lines.length > 2 * KEPT ? { ...book, ...detached(next) } : next;
}

/** Nobody follows and more came than is kept: from here on it is counted, and fetched when somebody comes. */
function detached(next) {
  const lines = next.lines.slice(0, KEPT);
  return { ...next, lines, attached: false, anchors: within(next.anchors, lines) };
}

function hole(book, { from, to, why }) {
  const lost = why === "skipped_by_request" ? 0 : Math.max(0, to - from + 1);
  const ledger = { ...book.ledger, missing: book.ledger.missing + lost };
  const next = { ...book, ledger, position: Math.max(book.position ?? 0, to) };
  return book.attached ? { ...next, lines: book.lines.concat({ seq: to, gap: { from, to, why } }) } : next;
}

function counted(ledger, lines) {
  if (!lines.length) return ledger;
  return { ...ledger, first: ledger.first ?? lines[0].seq, last: lines.at(-1).seq, received: ledger.received + lines.length };
}
