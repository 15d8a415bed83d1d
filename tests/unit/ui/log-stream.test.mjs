// The public log client against a server that breaks off wherever it likes.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import "../../../src/quaero/ui/js/log-stream.js";

const { EventReader, streamJob } = globalThis.QuaeroLogs;
const frame = (event, data, id) => `${id === undefined ? "" : `id: c${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;
const line = (seq) => ({ seq, message: `line ${seq}` });

test("events are read the same however the text was cut", () => {
  const text = "retry: 1000\nid: c4\ndata:\n\n: note\nevent: logs\r\nid: c9\r\ndata: {\"a\":1}\r\ndata: 2\r\n\r\nevent: ping\rdata: x\r\r";
  const whole = new EventReader().read(`${text}\n`);
  assert.deepEqual(whole.map(({ event, data }) => [event, data]), [["message", ""], ["logs", '{"a":1}\n2'], ["ping", "x"]]);

  for (let cut = 1; cut < text.length; cut++) {
    const reader = new EventReader();
    assert.deepEqual([...reader.read(text.slice(0, cut)), ...reader.read(`${text.slice(cut)}\n`)], whole, `cut at ${cut}`);
  }
});

test("an id counts only once its event is complete", () => {
  const reader = new EventReader();
  reader.read("id: c1\ndata: a\n\nid: c2\ndata: half");

  assert.equal(reader.lastId, "c1");
});

/** A server of one log of `last` lines; `serve(write, after, connection)` writes what it likes and ends or breaks off. */
async function serving(serve, run) {
  let connections = 0;
  const server = createServer((request, response) => {
    const at = new URL(request.url, "http://x");
    const cursor = at.searchParams.get("cursor");
    serve({ at, response, after: cursor ? Number(cursor.slice(1)) : 0, connection: ++connections });
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  try {
    return await run(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function followed(baseUrl, options = {}) {
  const lines = [];
  return new Promise((resolve, reject) => {
    const stream = streamJob("7", {
      baseUrl,
      onLogs: (more) => lines.push(...more.map((one) => one.seq)),
      onEnd: () => resolve({ lines, stream }),
      ...options,
    });
    setTimeout(() => reject(new Error(`no end; ${lines.length} lines, ${JSON.stringify(stream.getState())}`)), 45_000).unref();
    stream.connect();
  });
}

const hurried = (test) => async (t) => {
  t.mock.method(Math, "random", () => 0); // full jitter may be no wait at all: take that
  await test(t);
};

test("what is asked for is asked for again after a break: a step, a level, some children", hurried(async () => {
  const asked = [];
  await serving(({ at, response, connection }) => {
    asked.push(Object.fromEntries(at.searchParams));
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(frame("hello", { head: 9, mode: "tail" }));
    if (connection > 1) response.write(frame("end", { log_head: 9 }));
    response.end();
  }, (baseUrl) => followed(baseUrl, { step: "fetch", level: "warn", children: "8..15" }));

  const wanted = { step: "fetch", level: "warn", children: "8..15" };
  assert.deepEqual(asked, [wanted, wanted]);
}));

test("a stream that breaks off in the middle of anything loses and doubles nothing", hurried(async () => {
  const last = 400;
  let seed = 3;
  const random = (n) => (seed = (seed * 48_271) % 2_147_483_647) % n;

  const { lines, stream } = await serving(({ response, after, connection }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    let text = `retry: 10\nid: c${after}\ndata:\n\n${frame("hello", { v: 1, head: last, oldest: 1, mode: after ? "resume" : "tail" })}`;
    for (let prev = after; prev < last;) {
      const to = Math.min(last, prev + 1 + random(9));
      const logs = Array.from({ length: to - prev }, (_, n) => line(prev + 1 + n));
      text += frame("logs", { prev, to, logs, meta: {} }, to);
      prev = to;
    }
    text += frame("end", { log_head: last });
    if (connection > 60) return response.end(text);
    response.write(text.slice(0, 100 + random(400)), () => response.destroy());
  }, followed);

  assert.deepEqual(lines, Array.from({ length: last }, (_, n) => n + 1));
  assert.deepEqual(stream.ledger, { first: 1, last, received: last, missing: 0, duplicate: 0 });
  assert.equal(stream.getState().state, "ended");
}));

test("what comes twice is dropped and counted; a hole nobody told of is asked for again", hurried(async () => {
  const troubles = [];
  const { lines, stream } = await serving(({ response, after, connection }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(frame("hello", { head: 5, oldest: 1, mode: "resume" }));
    if (connection === 1) {
      response.write(frame("logs", { prev: 0, to: 2, logs: [line(1), line(2)] }, 2));
      response.write(frame("logs", { prev: 4, to: 5, logs: [line(5)] }, 5));
      return;
    }
    assert.equal(after, 2);
    response.write(frame("logs", { prev: 1, to: 5, logs: [line(2), line(3), line(4), line(5)] }, 5));
    response.end(frame("end", { log_head: 5 }));
  }, (base) => followed(base, { onError: (error) => troubles.push(error.message) }));

  assert.deepEqual(lines, [1, 2, 3, 4, 5]);
  assert.equal(stream.ledger.duplicate, 1);
  assert.match(troubles.join(), /positions 3 to 4/);
}));

test("what was not asked for is not missing, what is gone is", async () => {
  const { lines, stream } = await serving(({ response }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(frame("hello", { head: 90, oldest: 41, mode: "tail" }));
    response.write(frame("gap", { from: 1, to: 40, why: "retention" }, 40));
    response.write(frame("gap", { from: 41, to: 88, why: "skipped_by_request" }, 88));
    response.write(frame("logs", { prev: 88, to: 90, logs: [line(89), line(90)] }, 90));
    response.end(frame("end", { log_head: 90 }));
  }, (base) => followed(base, { limit: 2 }));

  assert.deepEqual(lines, [89, 90]);
  assert.equal(stream.ledger.missing, 40);
});

test("where streams say nothing, pages are fetched from the same position", hurried(async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] }); // the watchdog is not what this is about
  const { lines } = await serving(({ at, response, after, connection }) => {
    if (at.pathname.endsWith("/stream")) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (connection === 1) {
        response.write(frame("hello", { head: 2, oldest: 1, mode: "tail" }));
        return response.write(frame("logs", { prev: 0, to: 2, logs: [line(1), line(2)] }, 2), () => response.destroy());
      }
      return response.end(); // a proxy that swallows what streams say
    }
    response.writeHead(200, { "content-type": "application/json" });
    if (at.pathname === "/api/jobs/7") return response.end(JSON.stringify({ id: "7", status: "completed", log_head: 6 }));
    const logs = [3, 4, 5, 6].filter((seq) => seq > after).map(line);
    response.end(JSON.stringify({ logs, count: logs.length, next_cursor: "c6", prev_cursor: "c3", mode: "page" }));
  }, followed);

  assert.deepEqual(lines, [1, 2, 3, 4, 5, 6]);
}));

test("a refusal that asking again cannot change is told once and ends it", async () => {
  await serving(({ response }) => {
    response.writeHead(404, { "content-type": "application/problem+json" });
    response.end(JSON.stringify({ detail: "there is no job 7" }));
  }, (baseUrl) => new Promise((resolve) => {
    streamJob("7", { baseUrl, onError: (error) => {
      assert.equal(error.message, "there is no job 7");
      resolve();
    } }).connect();
  }));
});

test("the end of a closed tree answers 204, and that is the end", async () => {
  const { stream } = await serving(({ response }) => response.writeHead(204).end(), followed);

  assert.equal(stream.getState().state, "ended");
});

test("a sign of life moves the cursor: what follows it is no hole, and neither is what follows it after a break", hurried(async () => {
  const troubles = [];
  const { lines } = await serving(({ response, after, connection }) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write(`id: c${after}\ndata:\n\n${frame("hello", { head: 8, oldest: 1, mode: after ? "resume" : "tail" })}`);
    if (!after) response.write(frame("logs", { prev: 0, to: 2, logs: [line(1), line(2)] }, 2));
    if (!after) return response.write(frame("ping", { timestamp: "", head: 8 }, 8), () => response.destroy()); // 3 to 8 match nothing
    assert.equal(after, 8);
    if (connection === 2) response.write(frame("logs", { prev: 8, to: 9, logs: [line(9)] }, 9));
    response.write(frame("ping", { timestamp: "", head: 12 }, 12));
    response.write(frame("logs", { prev: 12, to: 13, logs: [line(13)] }, 13));
    response.end(frame("end", { log_head: 13 }));
  }, (base) => followed(base, { onError: (error) => troubles.push(error.message) }));

  assert.deepEqual(lines, [1, 2, 9, 13]);
  assert.doesNotMatch(troubles.join(), /did not arrive/);
}));

test("a stream goes on from a page that looked further than its last line", hurried(async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const troubles = [];
  const lines = [];
  let stream = null;
  await serving(({ at, response, after }) => {
    if (at.pathname.endsWith("/stream")) {
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (!after) return response.end(); // a proxy that swallows what streams say
      response.write(frame("hello", { head: 9, oldest: 1, mode: "resume" }));
      response.write(frame("logs", { prev: after, to: 9, logs: [line(9)] }, 9));
      return response.end(frame("end", { log_head: 9 }));
    }
    response.writeHead(200, { "content-type": "application/json" });
    if (at.pathname.endsWith("/logs")) return response.end(JSON.stringify({ logs: [line(2), line(1)], count: 2, next_cursor: null, prev_cursor: "c8", mode: "page" }));
    response.end(JSON.stringify({ id: "7", status: "running", log_head: 8 }));
    stream.reconnect();
  }, (baseUrl) => new Promise((resolve) => {
    stream = streamJob("7", { baseUrl, onLogs: (more) => lines.push(...more.map((one) => one.seq)), onEnd: resolve, onError: (error) => troubles.push(error.message) });
    stream.connect();
  }));

  assert.deepEqual(lines, [1, 2, 9]);
  assert.deepEqual(troubles, []);
}));
