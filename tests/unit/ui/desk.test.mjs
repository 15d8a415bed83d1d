// The desk of the leading tab, over a WebSocket that does what the test says.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

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

let desk, delivered, states, now;
beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  now = 1_000;
  mock.method(performance, "now", () => now);
  document.hidden = false;
  opened.length = 0;
  delivered = [];
  states = [];
  desk = new Desk((...message) => delivered.push(message), (state) => states.push(state));
});
afterEach(() => {
  desk.close();
  mock.timers.reset();
  mock.restoreAll();
});
const wire = () => opened.at(-1);
const pass = (ms, step = 500) => {
  for (let left = ms; left > 0; left -= step) {
    now += Math.min(step, left);
    mock.timers.tick(Math.min(step, left));
  }
};

test("what is wanted before the connection is there is asked for when it is", () => {
  desk.asked("a", { op: "subscribe", number: 1, request: { topic: "jobs", ids: ["7"] } });
  wire().open();

  assert.equal(wire().address, "ws://localhost:8080/ws");
  assert.deepEqual(wire().sent, [{ type: "subscribe", payload: { topic: "jobs", ids: ["7"], id: 1 } }]);
  assert.equal(states.at(-1), "live");
});

test("an answer goes to the tab that asked, what has no number goes to all", () => {
  wire().open();
  desk.asked("a", { op: "subscribe", number: 5, request: { topic: "job:1" } });
  desk.asked("b", { op: "subscribe", number: 5, request: { topic: "job:2" } });
  wire().say("snapshot", { id: 2, rows: [] });
  wire().say("queue_stats", { pending: 1 });

  assert.deepEqual(delivered.map(([tab, number, { type }]) => [tab, number, type]), [["b", 5, "snapshot"], [null, null, "queue_stats"]]);
});

test("only what came into sight and what left it is told", () => {
  wire().open();
  const request = { topic: "jobs", ids: ["1", "2"] };
  desk.asked("a", { op: "subscribe", number: 1, request });
  request.ids = ["2", "3"]; // the tab goes on with its own list
  desk.asked("a", { op: "ids", number: 1, request: { ids: ["2", "3"] } });
  desk.asked("a", { op: "ids", number: 1, request: { ids: ["2", "3"] } });

  assert.deepEqual(wire().sent.slice(1), [{ type: "ids", payload: { id: 1, add: ["3"], remove: ["1"] } }]);
});

test("after a break every subscription goes on from the cursor it had reached", () => {
  wire().open();
  desk.asked("a", { op: "subscribe", number: 1, request: { topic: "logs:1", limit: 100 } });
  wire().say("logs", { id: 1, cursor: "x.1.40", logs: [] });
  wire().break();
  assert.equal(states.at(-1), "resuming");
  pass(1_500);
  wire().open();

  assert.equal(opened.length, 2);
  assert.deepEqual(wire().sent, [{ type: "subscribe", payload: { topic: "logs:1", limit: 100, cursor: "x.1.40", id: 1 } }]);
  assert.equal(states.at(-1), "live");
});

test("a tab that leaves takes its subscriptions along and nobody else's", () => {
  wire().open();
  desk.asked("a", { op: "subscribe", number: 1, request: { topic: "queue" } });
  desk.asked("b", { op: "subscribe", number: 1, request: { topic: "queue" } });
  desk.asked("a", { op: "leave" });

  assert.deepEqual(wire().sent.slice(2), [{ type: "unsubscribe", payload: { id: 1 } }]);
});

test("a server that does not answer a question is doubted, then left", () => {
  wire().open();
  pass(5_500);
  assert.equal(wire().sent.at(-1).type, "ping");
  assert.equal(states.at(-1), "live");
  pass(2_500);
  assert.equal(states.at(-1), "resuming");
  assert.equal(wire().readyState, 1);
  wire().say("pong", {});
  assert.equal(states.at(-1), "live");

  pass(13_500);
  assert.equal(opened[0].readyState, 3);
});

test("who was merely quiet is neither doubted nor left, however late a hidden tab asks", () => {
  wire().open();
  document.hidden = true;
  pass(60_000, 60_000);
  assert.equal(wire().sent.at(-1).type, "ping");
  wire().say("pong", {});
  pass(60_000, 60_000);

  assert.deepEqual(states, ["live"]);
  assert.equal(opened.length, 1);
});

test("after a sleep nothing is called live until the server has said something", () => {
  wire().open();
  pass(60_000, 60_000);
  assert.equal(states.at(-1), "resuming");

  wire().say("pong", {});

  assert.equal(states.at(-1), "live");
});

test("a connection that neither opens nor fails is given up", () => {
  pass(7_000);

  assert.equal(opened[0].readyState, 3);
  pass(2_000);
  assert.equal(opened.length, 2);
});

test("who looks at a tab need not wait for the timers of the hidden one that leads", () => {
  wire().open();
  wire().break();
  now += 60_000; // and no timer came
  desk.hurry();

  assert.equal(opened.length, 2);
});

test("a desk that closed, for another tab leads now, says and hears nothing more", () => {
  wire().open();
  const heard = [states.length, delivered.length];
  desk.close();
  wire().say("queue_stats", { pending: 1 });
  wire().break();
  pass(60_000);

  assert.deepEqual([states.length, delivered.length], heard);
  assert.equal(opened.length, 1);
});

test("a live plane that never came is told apart from one that was lost", () => {
  wire().break();
  pass(3_000);
  wire().break();

  assert.deepEqual(states, ["connecting", "polling"]);
});
