// The log viewer's source between a server that answers when the test says and the one connection: whatever overlaps,
// the run is never broken, and at the end it is the end of the log.

import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";

delete globalThis.BroadcastChannel; // one tab
globalThis.location = { protocol: "http:", host: "localhost:8080", reload() {} };
globalThis.document = { hidden: false, addEventListener() {}, removeEventListener() {} };
Object.defineProperty(globalThis, "navigator", { value: {} });
globalThis.addEventListener = globalThis.removeEventListener = () => undefined;

const PARTS = 400; // entries in one message at most
const seqs = (from, to) => Array.from({ length: Math.max(0, to - from + 1) }, (_, n) => ({ seq: from + n, message: `line ${from + n}` }));
const position = (token) => Number(token.slice(1));
const settle = () => new Promise(setImmediate);

/** A log of `head` entries. Nothing it was asked is looked up (`look`) or answered (`give`) by itself. */
const server = { head: 0, asked: [], sockets: [], told: new Map() };

function page({ order, cursor, from_seq: from, limit }) {
  const { head } = server;
  if (order === "desc") {
    const below = cursor ? position(cursor) : head + 1;
    const logs = seqs(Math.max(1, below - limit), below - 1).reverse();
    const last = logs.at(-1)?.seq ?? 1;
    return { logs, count: logs.length, head, oldest: 1, next_cursor: last > 1 ? `c${last}` : null, prev_cursor: `c${cursor ? below - 1 : head}` };
  }
  const after = cursor ? position(cursor) : from - 1;
  const logs = seqs(after + 1, Math.min(head, after + Number(limit)));
  return { logs, count: logs.length, head, oldest: 1, next_cursor: `c${logs.at(-1)?.seq ?? head}`, prev_cursor: after >= 1 ? `c${after + 1}` : null };
}

globalThis.fetch = (address, { signal }) => new Promise((resolve, reject) => {
  const ask = { query: Object.fromEntries(new URL(address, "http://x").searchParams), resolve, reject, found: null };
  server.asked.push(ask);
  signal.addEventListener("abort", () => reject(Object.assign(new Error(), { name: "AbortError" })));
});
const look = (ask) => { ask.found ??= page(ask.query); };
async function give(ask) {
  look(ask);
  server.asked.splice(server.asked.indexOf(ask), 1);
  ask.resolve({ ok: true, status: 200, json: async () => ask.found });
  await settle();
}
async function refuse(ask) {
  server.asked.splice(server.asked.indexOf(ask), 1);
  ask.reject(new TypeError("no network"));
  await settle();
}

globalThis.WebSocket = class {
  static OPEN = 1;
  readyState = 0;
  constructor() { server.sockets.push(this); }
  send(text) {
    const { type, payload } = JSON.parse(text);
    if (type === "ping") this.say("pong", {});
    if (type === "unsubscribe") server.told.delete(payload.id);
    if (type !== "subscribe") return;
    server.told.set(payload.id, payload.cursor ? position(payload.cursor) : Math.max(0, server.head - payload.limit));
    const cursor = `c${server.told.get(payload.id)}`;
    this.say("hello", { id: payload.id, mode: payload.cursor ? "resume" : "tail", head: server.head, oldest: 1, cursor });
  }
  close() { this.readyState = 3; }
  open() {
    this.readyState = 1;
    this.onopen();
  }
  say(type, payload) { queueMicrotask(() => this.readyState === 1 && this.onmessage({ data: JSON.stringify({ type, payload }) })); }
  break() {
    this.readyState = 3;
    server.told.clear();
    this.onclose({});
  }
};
/** Tell everybody what comes next, up to a position. */
async function tell(upto = server.head) {
  for (const [id, at] of server.told) {
    const to = Math.min(upto, at + PARTS);
    if (to <= at) continue;
    server.told.set(id, to);
    server.sockets.at(-1).say("logs", { id, prev: at, to, logs: seqs(at + 1, to), cursor: `c${to}` });
  }
  await settle();
}

mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
let now = 0;
mock.method(performance, "now", () => now);
async function pass(ms) {
  for (; ms > 0; ms -= 500) {
    now += 500;
    mock.timers.tick(500);
    await settle();
    if (server.sockets.at(-1).readyState === 0) server.sockets.at(-1).open();
    await settle();
  }
}

const { initial, reduce, tokenAfter, tokenBefore } = await import("../../../src/quaero/ui/logs/book.js");
const { Source } = await import("../../../src/quaero/ui/logs/source.js");
const { start } = await import("../../../src/quaero/ui/live/connection.js");
start();
server.sockets.at(-1).open();

let book, source, following;
function begin() {
  Object.assign(server, { head: 100, asked: [] });
  following = true;
  book = {
    state: initial(),
    broken: null,
    dispatch(message) {
      this.state = reduce(this.state, message);
      const { lines } = this.state;
      const hole = lines.findIndex((line, n) => n > 0 && line.seq !== lines[n - 1].seq + 1);
      if (hole > 0) this.broken ??= `with ${message.type}, ${lines[hole - 1].seq} is followed by ${lines[hole].seq}`;
    },
  };
  source = new Source({ job: "7", level: "debug" }, book, { following: () => following, onStatus() {} });
}
async function end() {
  source.close();
  await settle();
}
beforeEach(begin);
afterEach(end);

/** The log is open at its end. */
async function opened() {
  const open = source.open();
  await give(server.asked[0]);
  await open;
  await settle();
}

function endsAtTheHead() {
  const { lines, attached } = book.state;
  assert.equal(book.broken, null);
  assert.ok(attached);
  assert.equal(lines.at(-1).seq, server.head);
}

test("what is live joins the page at the end", async () => {
  await opened();
  server.head = 130;
  await tell();

  endsAtTheHead();
  assert.equal(book.state.lines.length, 130);
});

test("who asks for the end twice before it comes misses nothing", async () => {
  server.head = 5_000;
  await opened();
  source.jump({ seq: 1_000 });
  await give(server.asked[0]);

  source.follow();
  look(server.asked[0]);
  server.head = 5_010;
  await tell();
  source.follow();
  for (const ask of server.asked) look(ask);
  server.head = 5_020;
  await give(server.asked[0]);
  await tell();
  while (server.asked.length) await give(server.asked[0]);
  server.head = 5_030;
  await tell();

  endsAtTheHead();
});

test("what was asked for to continue a run does not join the next one", async () => {
  server.head = 5_000;
  await opened();
  source.jump({ seq: 2_000 });
  await give(server.asked[0]);
  source.earlier(tokenBefore(book.state));
  source.follow();
  await give(server.asked.at(-1));
  while (server.asked.length) await give(server.asked[0]);

  endsAtTheHead();
  assert.equal(book.state.lines[0].seq, 4_501);
  assert.equal(book.state.loading, false);
});

test("of two places asked for it shows the later one, whichever comes first", async () => {
  server.head = 5_000;
  await opened();
  const first = source.jump({ seq: 1_000 });
  const second = source.jump({ seq: 2_000 });
  for (const ask of [...server.asked].reverse()) await give(ask);

  assert.deepEqual([await first, await second], [false, true]);
  assert.equal(book.state.lines[0].seq, 1_900);
});

test("a log that could not be read at first, and whose connection broke meanwhile, misses nothing", async () => {
  source.open();
  server.sockets.at(-1).break();
  await refuse(server.asked[0]);
  source.follow();
  await give(server.asked[0]);
  server.head = 900;
  await pass(2_000);
  while (server.asked.length) await refuse(server.asked[0]);
  for (let n = 0; n < 3; n++) await tell();

  endsAtTheHead();
  assert.equal(book.state.lines.length, 900);
});

test("a page that could not be read is asked for again a little later, and is no trouble for ever", async () => {
  server.head = 5_000;
  await opened();
  source.earlier(tokenBefore(book.state));
  await refuse(server.asked[0]);
  assert.equal(book.state.trouble.message, "The server cannot be reached.");

  await pass(3_500);

  assert.equal(book.state.trouble, null); // so whatever is still in sight is asked for
  source.earlier(tokenBefore(book.state));
  await give(server.asked[0]);
  assert.equal(book.state.lines[0].seq, 4_001);
});

/** Numbers from a seed. */
function chance(seed) {
  let state = seed + 1;
  return (n) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

const MOVES = {
  grow: (any) => { server.head += 1 + any(700); },
  tell: (any) => tell(server.head - any(50)),
  look: (any) => server.asked.length && look(server.asked[any(server.asked.length)]),
  give: (any) => server.asked.length && give(server.asked[any(server.asked.length)]),
  refuse: (any) => server.asked.length && refuse(server.asked[any(server.asked.length)]),
  follow: () => { source.follow(); },
  jump: (any) => { source.jump({ seq: 1 + any(server.head) }); },
  inSight(any) { // as the viewer does
    const { loading, trouble, start: atStart, attached } = book.state;
    if (loading || trouble) return;
    const [way, token] = any(2) && !atStart ? ["earlier", tokenBefore(book.state)] : attached ? [] : ["later", tokenAfter(book.state)];
    if (token) source[way](token);
  },
  away: (any) => { following = !any(2); },
  break: () => server.sockets.at(-1).readyState === 1 && server.sockets.at(-1).break(),
  pass: (any) => pass(500 * (1 + any(8))),
};
const OFTEN = ["grow", "grow", "tell", "tell", "look", "give", "give", "give", "follow", "jump", "inSight", "inSight", "away", "refuse", "break", "pass"];

test("whatever overlaps, the run is never broken and ends with the log", async () => {
  for (let seed = 0; seed < 40 * Number(process.env.QUAERO_DEEP ?? 1); seed++) {
    const any = chance(seed);
    const moves = [];
    try {
      server.head = 1 + any(3_000);
      source.open();
      for (let n = 0; n < 40 && !book.broken; n++) {
        moves.push(OFTEN[any(OFTEN.length)]);
        await MOVES[moves.at(-1)](any);
        await settle();
      }
      for (let n = 0; n < 60 && !(book.state.attached && book.state.lines.at(-1)?.seq === server.head && !server.asked.length); n++) {
        while (server.asked.length) await give(server.asked[0]);
        await pass(4_000);
        if (!book.state.loading) source.follow();
        await tell();
      }
      server.head += 10;
      for (let n = 0; n < 30 && book.state.lines.at(-1)?.seq !== server.head; n++) {
        await pass(1_000);
        await tell();
      }
      endsAtTheHead();
    } catch (error) {
      error.message += ` (seed ${seed}: ${moves.join(" ")})`;
      throw error;
    }
    await end();
    begin();
  }
});
