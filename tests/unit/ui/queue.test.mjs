// The queue page's state: what messages do to it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fromParams, toParams, toQuery } from "../../../src/quaero/ui/queue/filter.js";
import { initial, reduce } from "../../../src/quaero/ui/queue/reducer.js";
import { previewLines } from "../../../src/quaero/ui/queue/preview.js";
import { idAt, noPages, withPage } from "../../../src/quaero/ui/kit/pages.js";

const tally = { total: 0, pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
const job = (id, fields = {}) => ({ id: String(id), status: "pending", version: 1, finished_at: null, tally, ...fields });
const answer = (jobs, total = jobs.length) => ({ jobs, total_count: total, total_is_lower_bound: false });
const after = (...messages) => messages.reduce(reduce, initial());

test("a page fills its rows and nothing else", () => {
  const state = after({ type: "page", number: 2, answer: answer([job(7), job(6)], 500) });

  assert.equal(idAt(state.pages, 200), "7");
  assert.equal(idAt(state.pages, 0), undefined);
  assert.equal(state.pages.total, 500);
  assert.equal(state.load, "ready");
});

test("a list that nobody counted to its end grows as one goes down, and finds its end", () => {
  const full = Array.from({ length: 100 }, (_, i) => String(i));
  const begun = withPage(noPages, 0, full, 10_000, true);
  const further = withPage(begun, 150, full, 10_000, true);
  const beyond = withPage(further, 200, [], 10_000, true);
  const last = withPage(beyond, 160, full.slice(0, 7), 10_000, true);

  assert.deepEqual([begun.total, begun.known, begun.isLowerBound], [20_000, 10_000, true]);
  assert.equal(further.total, 25_100);
  assert.ok(beyond.total >= 15_100 && beyond.total < 20_000);
  assert.deepEqual([last.total, last.isLowerBound], [16_007, false]);
});

test("an older version of a job never takes the place of a newer one", () => {
  const state = after(
    { type: "page", number: 0, answer: answer([job(1, { version: 5, status: "completed" })]) },
    { type: "rows", rows: [job(1, { version: 4, status: "running" })] });

  assert.equal(state.jobs.get("1").status, "completed");
});

test("rows of jobs that are not shown change nothing", () => {
  const state = after({ type: "page", number: 0, answer: answer([job(1)]) });

  assert.equal(reduce(state, { type: "rows", rows: [job(9)] }), state);
});

test("another filter forgets pages and selection, and says it is loading", () => {
  const state = after(
    { type: "page", number: 0, answer: answer([job(1)]) },
    { type: "toggled", index: 0 },
    { type: "filtered", changes: { status: ["failed"] } });

  assert.equal(state.load, "loading");
  assert.equal(state.selected.size, 0);
  assert.equal(state.pages.total, 0);
});

test("a range is selected from the row that was selected last", () => {
  const state = after(
    { type: "page", number: 0, answer: answer([1, 2, 3, 4, 5].map((id) => job(id))) },
    { type: "toggled", index: 1 },
    { type: "toggled", index: 3, range: true });

  assert.deepEqual([...state.selected], ["2", "3", "4"]);
});

test("selecting a row twice leaves it unselected", () => {
  const state = after({ type: "page", number: 0, answer: answer([job(1)]) }, { type: "toggled", index: 0 }, { type: "toggled", index: 0 });

  assert.equal(state.selected.size, 0);
});

test("a trouble while rows are shown keeps them", () => {
  const shown = after({ type: "page", number: 0, answer: answer([job(1)]) }, { type: "failed", trouble: new Error("gone") });

  assert.equal(shown.load, "ready");
  assert.equal(after({ type: "failed", trouble: new Error("gone") }).load, "failed");
});

const at = (second) => new Date(1_700_000_000_000 + second * 1_000).toISOString();
const going = (second, throughput, version = second) => ({ type: "stats", now: 0, stats: { throughput, version, latency: null, timestamp: at(second) } });
const moments = (...rates) => ({ type: "history", moments: rates.map((throughput, i) => ({ timestamp: at(10 * i), throughput, latency: { p50_ms: i } })) });
const shown = ({ history }) => history.map(({ throughput }) => throughput);

test("what the server tells of the past stands before what is heard, whichever comes first", () => {
  const heard = going(25, 9);

  assert.deepEqual(shown(after(moments(1, 2, 3), heard)), [1, 2, 3, 9]);
  assert.deepEqual(shown(after(heard, moments(1, 2, 3))), [1, 2, 3, 9]);
});

test("a moment has one value, the last one; where nothing was told the one before still holds", () => {
  assert.deepEqual(shown(after(moments(1), going(1, 5), going(9, 6), going(41, 7))), [1, 6, 6, 6, 6, 7]);
});

test("time goes by on the server's clock, also when nothing is told", () => {
  const then = after(moments(1), going(5, 4)); // heard when our clock said 0

  assert.deepEqual(shown(reduce(then, { type: "passed", now: 4_000 })), [1, 4]);
  assert.deepEqual(shown(reduce(then, { type: "passed", now: 16_000 })), [1, 4, 4, 4]);
  assert.equal(reduce(then, { type: "passed", now: 4_000 }), then);
});

test("only the last ten minutes stand behind a sparkline", () => {
  const messages = Array.from({ length: 100 }, (_, i) => going(10 * i, i));

  const { history } = after(...messages);

  assert.equal(history.length, 61);
  assert.equal(history.at(-1).throughput, 99);
  assert.equal(after(...messages, going(100_000, 1)).history.length, 61);
});

test("a filter survives the way through the address", () => {
  const filter = fromParams(new URLSearchParams("status=failed,running&kind=crawler&q=a%20b&since=1h&order=created_at"));

  assert.deepEqual(fromParams(new URLSearchParams(toParams(filter))), filter);
  assert.equal(toQuery(filter, Date.parse("2026-01-01T12:00:00Z")).created_after, "2026-01-01T11:00:00.000Z");
});

test("an address that says nonsense filters by nothing", () => {
  assert.deepEqual(fromParams(new URLSearchParams("order=sideways&since=never")), initial().filter);
});

test("a preview says what is touched, what goes with it, and what stays", () => {
  const tally = { total: 0, pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };

  const lines = previewLines("cancel", { matching: 5, is_lower_bound: false, actionable: 3, by_status: tally, below: { ...tally, total: 9, pending: 6, running: 1 } });

  assert.deepEqual(lines, ["3 jobs are touched, of 5 chosen", "7 open jobs below are cancelled with them", "2 stay as they are: already ended"]);
});

test("a preview that did not count all that is below says so", () => {
  const tally = { total: 0, pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };

  const lines = previewLines("cancel", { matching: 1, is_lower_bound: false, is_below_lower_bound: true, actionable: 1, by_status: tally, below: { ...tally, total: 9, pending: 9 } });

  assert.deepEqual(lines, ["1 job is touched, of 1 chosen", "at least 9 open jobs below are cancelled with it"]);
});

test("a new root is told once, however often it changes", () => {
  const state = after({ type: "created", ids: ["7"] }, { type: "created", ids: ["7", "8"] });

  assert.equal(state.fresh.size, 2);
  assert.equal(reduce(state, { type: "created", ids: ["8"] }), state);
});
