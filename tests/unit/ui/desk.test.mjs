// The desk of the leading tab, over a WebSocket that does what the test says.

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

const opened = [];
globalThis.location = { protocol: "http:", host: "localhost:8080" };
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
Object.defineProperty(globalThis, "navigator", { value: {} }); // no locks: no tab dies here unless it says so
globalThis.addEventListener = globalThis.removeEventListener = () => undefined;
globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 0;
  sent = [];
  constructor(address) {
    this.address = address;
    opened.push(this);
  }
  send(text) { this.sent.push(JSON.parse(text)); }
  close() { this.readyState = 3; }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  say(type, payload) { this.onmessage({ data: JSON.stringify({ type, payload }) }); }
  break() {
    this.readyState = 3;
    this.onclose({});
  }
};
const { Desk } = await import("../../../src/quaero/ui/live/desk.js");

let desk, delivered, states;
beforeEach(() => {
  opened.length = 0;
  delivered = [];
  states = [];
  desk = new Desk((...message) => delivered.push(message), (state) => states.push(state));
});
const wire = () => opened.at(-1);
const done = (work) => { try { work(); } finally { desk.close(); } };

test("what is wanted before the connection is there is asked for when it is", () => done(() => {
  desk.asked("a", { op: "subscribe", number: 1, request: { topic: "jobs", ids: ["7"] } });
  wire().open();

  assert.equal(wire().address, "ws://localhost:8080/ws");
  assert.deepEqual(wire().sent, [{ type: "subscribe", payload: { topic: "jobs", ids: ["7"], id: 1 } }]);
  assert.equal(states.at(-1), "live");
}));

test("an answer goes to the tab that asked, what has no number goes to all", () => done(() => {
  wire().open();
  desk.asked("a", { op: "subscribe", number: 5, request: { topic: "job:1" } });
  desk.asked("b", { op: "subscribe", number: 5, request: { topic: "job:2" } });
  wire().say("snapshot", { id: 2, rows: [] });
  wire().say("queue_stats", { pending: 1 });

  assert.deepEqual(delivered.map(([tab, number, { type }]) => [tab, number, type]), [["b", 5, "snapshot"], [null, null, "queue_stats"]]);
}));

test("only what came into sight and what left it is told", () => done(() => {
  wire().open();
  const request = { topic: "jobs", ids: ["1", "2"] };
  desk.asked("a", { op: "subscribe", number: 1, request });
  request.ids = ["2", "3"]; // the tab goes on with its own list
  desk.asked("a", { op: "ids", number: 1, request: { ids: ["2", "3"] } });
  desk.asked("a", { op: "ids", number: 1, request: { ids: ["2", "3"] } });

  assert.deepEqual(wire().sent.slice(1), [{ type: "ids", payload: { id: 1, add: ["3"], remove: ["1"] } }]);
}));

test("after a break every subscription goes on from the cursor it had reached", (t) => done(() => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  wire().open();
  desk.asked("a", { op: "subscribe", number: 1, request: { topic: "logs:1", limit: 100 } });
  wire().say("logs", { id: 1, cursor: "x.1.40", logs: [] });
  wire().break();
  assert.equal(states.at(-1), "resuming");
  t.mock.timers.tick(31_000);
  wire().open();

  assert.equal(opened.length, 2);
  assert.deepEqual(wire().sent, [{ type: "subscribe", payload: { topic: "logs:1", limit: 100, cursor: "x.1.40", id: 1 } }]);
  assert.equal(states.at(-1), "live");
}));

test("a tab that leaves takes its subscriptions along and nobody else's", () => done(() => {
  wire().open();
  desk.asked("a", { op: "subscribe", number: 1, request: { topic: "queue" } });
  desk.asked("b", { op: "subscribe", number: 1, request: { topic: "queue" } });
  desk.asked("a", { op: "leave" });

  assert.deepEqual(wire().sent.slice(2), [{ type: "unsubscribe", payload: { id: 1 } }]);
}));

test("a server that does not answer a question is left, one that was merely quiet is not", (t) => done(() => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let now = 0;
  t.mock.method(performance, "now", () => now);
  const pass = (ms) => { now += ms; t.mock.timers.tick(ms); };
  wire().open();
  now += 60_000; // a hidden tab: the timer comes once a minute
  pass(5_000);
  assert.equal(wire().sent.at(-1).type, "ping");
  wire().say("pong", {});
  pass(5_000);
  assert.equal(states.at(-1), "live");

  pass(5_000);
  pass(5_000);
  assert.equal(states.at(-1), "resuming");
}));

test("a live plane that never came is told apart from one that was lost", (t) => done(() => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  wire().break();
  t.mock.timers.tick(3_000);
  wire().break();

  assert.deepEqual(states, ["connecting", "polling"]);
}));
