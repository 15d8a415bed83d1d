// The moments of a timeline.

import assert from "node:assert/strict";
import { test } from "node:test";

const { joined, unread, untold } = await import("../../../src/quaero/ui/tree/moments.js");

const at = (second) => new Date(1_700_000_000_000 + second * 1_000).toISOString();
const spawn = (seq, count) => ({ seq, timestamp: at(seq), job_id: "1", message: `Spawned ${count.toLocaleString("en-US")}`, fields: { count } });

test("spawns that follow each other are one moment, others stay what they are", () => {
  const began = { seq: 1, timestamp: at(1), job_id: "1", message: "Status changed: running", fields: { status: "running" } };

  const moments = joined([began, spawn(2, 1_000), spawn(3, 1_000), spawn(4, 500), { ...began, seq: 5, message: "Status changed: waiting" }, spawn(6, 7)]);

  assert.deepEqual(moments.map(({ message }) => message),
    ["Status changed: running", "Spawned 2,500 in 3 batches over 2.0 s", "Status changed: waiting", "Spawned 7"]);
});

test("what was not looked at is said, and only that", () => {
  const run = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i, timestamp: at(from + i) }));
  const told = unread(run(1, 500), run(90_001, 90_500), { id: "1" });

  assert.deepEqual(told.map(({ message, timestamp }) => [message, timestamp]), [["What entries 501 to 90,000 tell stands in the log", at(500)]]);
  assert.deepEqual(unread(run(1, 500), run(301, 800), { id: "1" }), []);
  assert.deepEqual(unread(run(1, 40), run(1, 40), { id: "1" }), []);
  assert.deepEqual(unread([], [], { id: "1" }), []);
});

test("a beginning and an end that no entry tells stand in the row", () => {
  const job = { id: "1", parent_id: null, status: "failed", started_at: at(1), finished_at: at(9) };
  const told = [{ seq: 1, job_id: "1", fields: { status: "running" } }];

  assert.deepEqual(untold([job], told).map(({ message, timestamp }) => [message, timestamp]), [["Status changed: failed", at(9)]]);
  assert.deepEqual(untold([{ ...job, status: "running", finished_at: null }], told), []);
});
