// The log viewer's book: one unbroken run of entries, whatever order pages and live messages come in.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KEPT, indexOf, initial, reduce, tokenAfter, tokenBefore } from "../../../src/quaero/ui/logs/book.js";

// a log of `head` entries, served as the interface serves it; tokens are positions with a letter before them
const seqs = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => ({ seq: from + n, message: `line ${from + n}` }));
const position = (token) => Number(token.slice(1));

function older(head, token, limit, oldest = 1) {
  const below = token ? position(token) : head + 1;
  const logs = seqs(Math.max(oldest, below - limit), below - 1).reverse();
  const last = logs.at(-1)?.seq ?? oldest;
  return { order: "desc", logs, count: logs.length, head, oldest, next_cursor: last > oldest ? `c${last}` : null, prev_cursor: token ? `c${below - 1}` : `c${head}` };
}

function newer(head, token, limit, oldest = 1) {
  const after = position(token);
  const logs = seqs(after + 1, Math.min(head, after + limit));
  return { order: "asc", logs, count: logs.length, head, oldest, next_cursor: `c${logs.at(-1)?.seq ?? head}`, prev_cursor: after >= oldest ? `c${after + 1}` : null };
}

const logs = (prev, to) => ({ prev, to, logs: seqs(prev + 1, to), cursor: `c${to}` });
const opened = (head, limit = 10) => reduce(initial(), { type: "end-page", page: older(head, null, limit), waiting: [] });
const numbers = (book) => book.lines.map((line) => line.seq);
const isWhole = (book) => numbers(book).every((seq, n) => n === 0 || seq === numbers(book)[n - 1] + 1);

test("live lines join the page at the end, and what comes twice is dropped and counted", () => {
  let book = opened(100);
  book = reduce(book, { type: "logs", payload: logs(98, 103), following: true });

  assert.deepEqual(numbers(book).slice(-4), [100, 101, 102, 103]);
  assert.equal(book.ledger.duplicate, 2);
  assert.ok(isWhole(book));
});

test("what was live while the page was on its way joins it without a hole", () => {
  const page = older(105, null, 10);
  const book = reduce(initial(), { type: "end-page", page, waiting: [logs(100, 104), logs(104, 109)] });

  assert.deepEqual(numbers(book), seqs(96, 109).map((line) => line.seq));
});

test("earlier pages are put before the run until the beginning, and the reader is told how many", () => {
  let book = opened(35);
  while (!book.start) book = reduce(book, { type: "earlier-page", page: older(35, tokenBefore(book), 10) });

  assert.equal(book.lines[0].seq, 1);
  assert.equal(book.added, 25);
  assert.ok(isWhole(book));
  assert.equal(tokenBefore(book) && book.start, true);
});

test("following a long log keeps a bounded number of lines, from which one can still go back", () => {
  let book = opened(100);
  for (let at = 100; at < 100 + 3 * KEPT; at += 500) book = reduce(book, { type: "logs", payload: logs(at, at + 500), following: true });
  assert.ok(book.lines.length <= KEPT);
  const first = book.lines[0].seq;

  const back = reduce(book, { type: "earlier-page", page: older(book.head, tokenBefore(book), 1000) });

  assert.ok(back.lines[0].seq < first);
  assert.ok(isWhole(back));
});

test("scrolled up, new lines are counted; a jump into the middle goes on in both directions", () => {
  let book = opened(10_000);
  book = reduce(book, { type: "jump-page", page: newer(10_000, "c4000", 10) });
  book = reduce(book, { type: "logs", payload: logs(10_000, 10_007), following: false });
  assert.equal(book.fresh, 7);
  assert.equal(book.attached, false);

  book = reduce(book, { type: "later-page", page: newer(10_007, tokenAfter(book), 10) });
  book = reduce(book, { type: "earlier-page", page: older(10_007, tokenBefore(book), 10) });

  assert.deepEqual([numbers(book)[0], numbers(book).at(-1)], [3991, 4020]);
  assert.ok(isWhole(book));
});

test("a hole the server tells stands in the run, and counts as missing", () => {
  let book = opened(10);
  book = reduce(book, { type: "gap", payload: { from: 11, to: 50, why: "retention" } });
  book = reduce(book, { type: "logs", payload: logs(50, 52), following: true });

  assert.deepEqual(book.lines.slice(-3).map((line) => line.gap?.why ?? line.seq), ["retention", 51, 52]);
  assert.equal(book.ledger.missing, 40);
});

test("any walk through a growing log leaves one unbroken run", () => {
  let seed = 7;
  const random = (n) => (seed = (seed * 48_271) % 2_147_483_647) % n;
  let head = 2_000;
  let book = opened(head, 50);
  for (let turn = 0; turn < 2_000; turn++) {
    const way = random(6);
    if (way <= 1) {
      const to = head + random(80);
      const prev = Math.max(0, head - random(20));
      book = reduce(book, { type: "logs", payload: logs(prev, to), following: way === 0 });
      head = to;
    } else if (way === 2 && !book.start && tokenBefore(book)) book = reduce(book, { type: "earlier-page", page: older(head, tokenBefore(book), 60) });
    else if (way === 3 && !book.attached) book = reduce(book, { type: "later-page", page: newer(head, tokenAfter(book), 60) });
    else if (way === 4) book = reduce(book, { type: "jump-page", page: newer(head, `c${random(head - 100)}`, 60) });
    else if (way === 5 && !book.attached) book = reduce(book, { type: "end-page", page: older(head, null, 60), waiting: [] });

    assert.ok(isWhole(book), `turn ${turn}`);
  }
});

test("a line is found by its position", () => {
  const lines = seqs(10, 20);

  assert.equal(indexOf(lines, 15), 5);
  assert.equal(indexOf(lines, 1), 0);
  assert.equal(indexOf(lines, 99), 11);
});
