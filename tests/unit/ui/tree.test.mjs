// The tree page's state, the map's cells, and where steps stand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Cells, durationOf, fitting, layout, parseMap } from "../../../src/quaero/ui/map/cells.js";
import { outcome } from "../../../src/quaero/ui/kit/summary.js";
import { dependencies, layers } from "../../../src/quaero/ui/tree/layers.js";
import { initial, offered, reduce } from "../../../src/quaero/ui/tree/reducer.js";

const tally = { total: 0, pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 };
const root = { id: "1", kind: "definition", parent_id: null, status: "waiting", version: 1, tally: { ...tally, total: 4 } };
const step = (id, status, fields = {}) => ({ id: String(id), kind: "crawler", parent_id: "1", name: `step ${id}`, status, version: 1, tally, ...fields });
const after = (...messages) => messages.reduce(reduce, initial("1"));

test("the children shown are those of the step that runs, and follow it", () => {
  const first = after({ type: "job", job: root, steps: [step(2, "running"), step(3, "pending")] });

  const next = reduce(first, { type: "rows", rows: [step(2, "completed", { version: 2 }), step(3, "running", { version: 2 })] });

  assert.equal(first.scope, "2");
  assert.equal(next.scope, "3");
});

test("a step that somebody chose stays chosen", () => {
  const state = after({ type: "job", job: root, steps: [step(2, "running"), step(3, "pending")] }, { type: "scoped", id: "3" });

  assert.equal(reduce(state, { type: "rows", rows: [step(2, "failed", { version: 2 })] }).scope, "3");
});

test("a step opens by itself when it starts and when it fails, but not against the will of who closed it", () => {
  const started = after({ type: "job", job: root, steps: [step(2, "pending")] }, { type: "rows", rows: [step(2, "running", { version: 2 })] });
  const closed = reduce(started, { type: "toggledStep", id: "2" });

  assert.ok(started.open.has("2"));
  assert.ok(!reduce(closed, { type: "rows", rows: [step(2, "failed", { version: 3 })] }).open.has("2"));
});

test("a late answer never takes a job back to an older state", () => {
  const state = after({ type: "job", job: { ...root, version: 9, status: "completed" }, steps: [] }, { type: "job", job: { ...root, version: 3 }, steps: [] });

  assert.equal(state.job.status, "completed");
});

test("what failed in a step is that step's", () => {
  const groups = [{ message: "no answer", count: 3, example_job_id: "40" }];
  const state = after({ type: "job", job: root, steps: [step(2, "failed"), step(3, "failed")] },
    { type: "stepErrors", steps: [{ step_id: "2", child_summary: { error_groups: groups } }, { step_id: "3", child_summary: { error_groups: [] } }] });

  assert.deepEqual([state.stepErrors.get("2"), state.stepErrors.get("3")], [groups, []]);
});

test("a page of another scope is not shown", () => {
  const state = after({ type: "job", job: root, steps: [step(2, "running"), step(3, "pending")] });
  const answer = { jobs: [step(9, "pending")], total_count: 1, total_is_lower_bound: false };

  assert.equal(reduce(state, { type: "page", scope: "3", filter: state.filter, number: 0, answer }), state);
});

test("what a job does not have is not offered", () => {
  const leaf = after({ type: "job", job: { ...root, id: "1", kind: "fetch", parent_id: "7", tally }, steps: [] });

  assert.deepEqual(Object.entries(offered(leaf)).filter(([, there]) => there).map(([name]) => name), ["log", "details"]);
});

test("a job that is not there is told apart from one that cannot be read", () => {
  assert.equal(after({ type: "failed", trouble: { status: 404 } }).load, "gone");
  assert.equal(after({ type: "failed", trouble: { status: 0 } }).load, "failed");
});

test("places and ids of a map belong together, across gaps", () => {
  const cells = new Cells({}, [[10, 3], [20, 2]], Uint8Array.of(0, 1, 2, 3, 4));

  assert.deepEqual([0, 1, 2, 3, 4].map((i) => cells.idAt(i)), ["10", "11", "12", "20", "21"]);
  assert.deepEqual(["10", "12", "21"].map((id) => cells.indexOf(id)), [0, 2, 4]);
  assert.deepEqual(["9", "13", "19", "22"].map((id) => cells.indexOf(id)), [-1, -1, -1, -1]);
  assert.equal(cells.idAt(5), null);
});

test("a map grows at its end and changes in place", () => {
  const cells = new Cells({}, [[10, 2]], Uint8Array.of(0, 0));
  for (let id = 12; id < 2_000; id++) cells.set(String(id), 1);
  cells.set("5000", 3);

  assert.equal(cells.count, 1_991);
  assert.equal(cells.idAt(1_990), "5000");
  assert.equal(cells.set("11", 4), true);
  assert.equal(cells.set("11", 4), false);
  assert.deepEqual([...cells.counts().subarray(0, 5)], [1, 1_988, 0, 1, 1]);
});

test("the binary form of a map is read as it is written", () => {
  const head = new TextEncoder().encode(JSON.stringify({ job_id: "1", count: 301 }));
  const ids = [0, 200 & 127 | 128, 200 >> 7, 300 & 127 | 128, 300 >> 7, 5, 1]; // gap 200, 300 ids; gap 5, one id
  const front = head.length + ids.length;
  const buffer = new ArrayBuffer(4 + front + 301);
  new DataView(buffer).setUint32(0, front, true);
  new Uint8Array(buffer).set([...head, ...ids], 4);
  new Uint8Array(buffer)[4 + front + 300] = 4;

  const cells = parseMap(buffer);

  assert.deepEqual([cells.count, cells.idAt(0), cells.idAt(299), cells.idAt(300), cells.codes[300]], [301, "200", "499", "505", 4]);
});

test("cells are as large as fits, and a million still fit", () => {
  assert.equal(fitting(10, 1_000, 200), 14);
  assert.ok(layout(1_000_000, 1_300, 1).rows <= 770);
  assert.deepEqual(layout(100, 140, 14), { columns: 10, rows: 10, size: 14, gap: 2 });
});

test("codes of durations begin where the interface says", () => {
  assert.deepEqual([1, 5, 7, 41].map(durationOf), [0, 1, 2, 1_023]);
});

test("steps stand right of what they depend on, and a circle ends", () => {
  const depends = dependencies({ step: { a: {}, b: { depends: "a" }, c: { depends: ["a"] }, d: { depends: "b, c" }, x: { depends: "y" }, y: { depends: "x" } } });

  const { columns, edges } = layers(["a", "b", "c", "d", "x", "y"], depends);

  assert.deepEqual(columns.slice(0, 3).map((column) => column.filter((name) => "abcd".includes(name))), [["a"], ["b", "c"], ["d"]]);
  assert.equal(edges.length, 6);
});

test("groups of a message are read by what they are, whatever numbers it gives them", () => {
  const head = { legend: [{ code: 1, fingerprint: "a", message: "A" }, { code: 2, fingerprint: "b", message: "B" }] };
  const cells = new Cells(head, [[10, 4]], Uint8Array.of(0, 0, 0, 0));

  const own = cells.translation([{ code: 1, fingerprint: "b" }, { code: 2, fingerprint: "new", message: "New" }]);

  assert.deepEqual([0, 1, 2, 255].map(own), [0, 2, 3, 255]);
  assert.deepEqual(head.legend.map((group) => group.fingerprint), ["a", "b", "new"]);
  assert.equal(cells.translation()(0), 0);
});

test("groups beyond those a byte can number are failures of another sort", () => {
  const cells = new Cells({ legend: [] }, [], new Uint8Array());

  const own = cells.translation(Array.from({ length: 260 }, (_, i) => ({ code: i + 1, fingerprint: `f${i}` })));

  assert.deepEqual([254, 255, 256].map(own), [254, 255, 255]);
});

test("what came of a job does not repeat its name", () => {
  const result = { url: "https://example.org/", final_url: "https://example.org/", status: 200, title: "Front page" };

  assert.equal(outcome(result, "https://example.org/"), "status 200 · title Front page");
  assert.equal(outcome("done", "done"), "");
  assert.equal(outcome(7, "seven"), "7");
  assert.equal(outcome(null, "x"), "");
});
