// Follow the log of a job or of the service from any page: no dependency, no build step.
//
//     <script src="/static/js/log-stream.js"></script>
//     const stream = QuaeroLogs.streamJob("42", { level: "info", onLogs: (lines) => … });
//     stream.connect();
//
// A reader is a position: the cursor of the last thing it was sent. Whatever breaks, it comes back with that cursor and
// gets the rest, every line once and in order; `ledger` shows that it did. Where streams are blocked on the way (a proxy
// that buffers), it fetches pages with the same cursor instead, and tries the stream again now and then.
//
// One file, longer than ours are: other people's pages take it with one plain `<script src>`, and what stands after that
// tag finds `QuaeroLogs` there. A plain script cannot import, and there is no step that would join parts.
//
//     idle ─connect─> connecting ──hello──> live ──cut──> waiting ─(jitter 1 s … 30 s)─> connecting …
//                         └─(no hello, three times)─> polling ──(a minute)──> connecting
//     live or polling ──end──> ended

(() => {
  "use strict";

  const FIRST_WAIT = 1_000;
  const LONGEST_WAIT = 30_000;
  const HELLO_WITHIN = 5_000; // milliseconds until an answer without a hello counts as buffered on the way
  const QUIET_AFTER = 16_000; // three pings missed: the connection is gone, whatever the system says
  const BLOCKED_AFTER = 3; // connections in a row that never said hello
  const STREAM_AGAIN = 60_000;
  const POLL_EVERY = 2_000;
  const PAGE = 1_000;
  const NOT_ASKED_FOR = "skipped_by_request"; // a gap by a `limit` or a position: nothing is lost

  const nothing = () => undefined;

  /** Server-sent events out of text, however it was cut on the way. Lines may end in \n, \r\n or \r. */
  class EventReader {
    #rest = "";
    #event = "";
    #data = [];
    #id = "";
    lastId = ""; // of the last event that is complete: the rest of one that was cut must be asked for again

    /** The events that are complete with this text: {event, data, id}. */
    read(text) {
      const all = this.#rest + text;
      const lines = all.split(/\r\n|\n|\r(?!$)/);
      this.#rest = lines.pop();
      const found = [];
      for (const line of lines) {
        if (line === "") {
          this.lastId = this.#id;
          if (this.#data.length) found.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.lastId });
          this.#event = "";
          this.#data = [];
          continue;
        }
        const colon = line.indexOf(":");
        if (colon === 0) continue;
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        if (field === "event") this.#event = value;
        else if (field === "data") this.#data.push(value);
        else if (field === "id" && !value.includes("\0")) this.#id = value;
      }
      return found;
    }
  }

  /** What was received, counted by position. `missing`: what the server said is gone, though it was asked for; `duplicate`: what came again and was dropped. */
  const emptyLedger = () => ({ first: null, last: null, received: 0, missing: 0, duplicate: 0 });

  class LogStream {
    #path;
    #options;
    #filters;
    #state = "idle";
    #cursor = null;
    #position = null; // the last position scanned, as far as it was told; null before the first
    #isExact = false; // whether the cursor stands there; a sign of life and a page move the cursor alone
    #head = null;
    #failures = 0;
    #mute = 0;
    #ended = false;
    #abort = null;
    #timer = 0;
    #watch = 0;
    #heard = 0;
    #run = 0; // a new number for each connection, so that what an old one still says is not heard

    constructor(path, options = {}) {
      this.#path = path;
      this.#options = options;
      this.#filters = pick(options);
      this.ledger = emptyLedger();
      for (const name of ["onLogs", "onStatus", "onGap", "onEnd", "onError", "onConnect", "onDisconnect"]) {
        this[name] = options[name] ?? nothing;
      }
    }

    /** Begin, or go on from where it stopped. `filters`: {step, level, children, limit}. */
    connect(filters) {
      if (filters) this.#take(filters);
      if (this.#ended) return this;
      this.#failures = 0;
      this.#open();
      return this;
    }

    /** Stop; `connect` goes on from here. */
    disconnect() {
      this.#stop();
      this.#become("idle");
      return this;
    }

    /** Connect again. Other filters begin anew, the same go on. */
    reconnect(filters) {
      this.#stop();
      return this.connect(filters);
    }

    /** Forget what was counted, not the position. */
    clear() {
      this.ledger = emptyLedger();
      return this;
    }

    /** {state, cursor, head, attempts, filters, ledger}; state: idle, connecting, live, waiting, polling or ended. */
    getState() {
      return {
        state: this.#state,
        cursor: this.#cursor,
        head: this.#head,
        attempts: this.#failures,
        filters: { ...this.#filters },
        ledger: { ...this.ledger },
      };
    }

    #take(filters) {
      const wanted = { ...this.#filters, ...pick(filters) };
      if (["step", "level", "children"].some((name) => wanted[name] !== this.#filters[name])) this.#begin();
      this.#filters = wanted;
    }

    #begin() {
      this.#cursor = null;
      this.#position = null;
      this.#isExact = false;
      this.#ended = false;
      this.clear();
    }

    #become(state) {
      this.#state = state;
    }

    #stop() {
      this.#run += 1;
      clearTimeout(this.#timer);
      clearInterval(this.#watch);
      this.#abort?.abort();
      this.#abort = null;
    }

    #address(path, more = {}) {
      const given = { ...this.#filters, ...more };
      if (this.#cursor !== null) given.cursor = this.#cursor;
      const address = new URL((this.#options.baseUrl ?? "") + path, globalThis.location?.href);
      for (const [name, value] of Object.entries(given)) {
        if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
      }
      return address;
    }

    #ask(address, accept) {
      return (this.#options.fetch ?? fetch)(address, {
        headers: { accept, ...this.#options.headers },
        credentials: this.#options.credentials ?? "same-origin",
        cache: "no-store",
        signal: this.#abort.signal,
      });
    }

    async #open() {
      this.#stop();
      const run = this.#run;
      this.#abort = new AbortController();
      this.#become("connecting");
      this.#heard = Date.now();
      let answered = false;
      let greeted = false;
      let limit = HELLO_WITHIN;
      this.#watch = setInterval(() => Date.now() - this.#heard > limit && this.#abort?.abort(), 500);
      let trouble = null;
      let wait = null;
      try {
        const answer = await this.#ask(this.#address(this.#path.stream), "text/event-stream");
        if (run !== this.#run) return;
        if (answer.status === 204) return this.#finish({ log_head: this.#position });
        if (!answer.ok) throw await refusal(answer);
        answered = true;
        const reader = new EventReader();
        const chunks = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (;;) {
          const { value, done } = await chunks.read();
          if (run !== this.#run) return;
          if (done) break;
          this.#heard = Date.now();
          for (const told of reader.read(value)) {
            if (told.event === "hello") limit = QUIET_AFTER;
            // a server that says goodbye was heard as well: nothing on the way holds streams back
            if (told.event === "hello" || told.event === "bye") greeted = true;
            wait = this.#hear(told) ?? wait;
            if (run !== this.#run) return;
          }
          // an id may come without an event: the priming one does
          if (reader.lastId) this.#cursor = reader.lastId;
        }
      } catch (error) {
        if (run !== this.#run) return;
        trouble = error;
      }
      if (greeted) this.#mute = 0;
      else if (answered) this.#mute += 1;
      this.#lost(trouble, wait);
    }

    #lost(trouble, wait) {
      this.#stop();
      if (trouble && trouble.name !== "AbortError") this.onError(trouble);
      this.onDisconnect({ error: trouble, cursor: this.#cursor });
      if (trouble?.final) return this.#become("idle");
      if (this.#mute >= BLOCKED_AFTER) return this.#startPolling();
      this.#failures += 1;
      this.#become("waiting");
      const longest = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** Math.min(this.#failures - 1, 5));
      this.#timer = setTimeout(() => this.#open(), wait ?? Math.random() * longest);
    }

    /** One event; returns how long to wait before coming back, if it says so. */
    #hear({ event, data, id }) {
      const told = parsed(data);
      if (told === null) return null;
      if (event === "hello") this.#hello(told);
      else if (event === "logs") this.#logs(told, id);
      else if (event === "status") this.#status(told);
      else if (event === "ping") this.#ping(told, id);
      else if (event === "gap") this.#gap(told);
      else if (event === "end") this.#finish(told);
      else if (event === "bye") return told.retry_ms;
      return null;
    }

    #hello(told) {
      this.#failures = 0;
      this.#head = told.head;
      if (told.mode === "reset") {
        this.#position = null;
        this.#isExact = false;
        this.clear();
        this.onGap({ from: null, to: null, why: "reset" });
      }
      this.#become("live");
      this.onConnect(told);
    }

    #logs(told, id) {
      if (this.#isExact && told.prev > this.#position) {
        // a hole the server did not announce: never shown over, asked for again
        this.onError(new Error(`positions ${this.#position + 1} to ${told.prev} did not arrive`));
        this.#open();
        return;
      }
      const fresh = this.#position === null ? told.logs : told.logs.filter((line) => line.seq > this.#position);
      this.ledger.duplicate += told.logs.length - fresh.length;
      this.#arrived(fresh, told.meta);
      this.#position = Math.max(this.#position ?? 0, told.to);
      this.#head = Math.max(this.#head ?? 0, told.to);
      if (id) this.#cursor = id;
      this.#isExact = true;
    }

    #arrived(lines, meta) {
      if (lines.length) {
        this.ledger.first ??= lines[0].seq;
        this.ledger.last = lines[lines.length - 1].seq;
        this.ledger.received += lines.length;
      }
      this.onLogs(lines, meta);
    }

    #status(told) {
      if (told.log_head !== undefined) this.#head = Math.max(this.#head ?? 0, told.log_head);
      this.onStatus(told);
    }

    #ping(told, id) {
      if (told.head !== undefined) this.#head = told.head;
      if (!id || id === this.#cursor) return;
      this.#cursor = id;
      this.#isExact = false;
    }

    #gap(told) {
      if (told.why !== NOT_ASKED_FOR) this.ledger.missing += Math.max(0, told.to - told.from + 1);
      if (this.#position === null || told.to > this.#position) this.#position = told.to;
      this.onGap(told);
    }

    #finish(told) {
      this.#ended = true;
      this.#stop();
      this.#become("ended");
      this.onEnd(told);
    }

    // --- where streams are blocked: the same positions, fetched

    #startPolling() {
      this.#become("polling");
      this.#mute = BLOCKED_AFTER - 1; // one more mute answer and it polls again
      const until = Date.now() + STREAM_AGAIN;
      this.#abort = new AbortController();
      this.#poll(this.#run, until);
    }

    async #poll(run, until) {
      let pause = POLL_EVERY;
      try {
        const more = await this.#fetchPage(run);
        if (run !== this.#run) return;
        this.#failures = 0;
        if (more) pause = 0;
        else if (await this.#isOver(run)) return;
      } catch (error) {
        if (run !== this.#run) return;
        this.onError(error);
        if (error.final) return this.#become("idle");
        this.#failures += 1;
        pause = Math.random() * Math.min(LONGEST_WAIT, POLL_EVERY * 2 ** Math.min(this.#failures, 4));
      }
      if (run !== this.#run) return;
      this.#timer = setTimeout(() => (Date.now() > until ? this.#open() : this.#poll(run, until)), pause);
    }

    /** Fetch what comes next; whether there may be more at once. */
    async #fetchPage(run) {
      const begins = this.#cursor === null;
      const limit = begins ? (this.#filters.limit ?? 100) : PAGE;
      const answer = await this.#ask(this.#address(this.#path.page, { limit, order: begins ? "desc" : "asc" }), "application/json");
      if (!answer.ok) throw await refusal(answer);
      const page = await answer.json();
      if (run !== this.#run) return false;
      if (page.mode === "reset") {
        this.#begin();
        this.onGap({ from: null, to: null, why: "reset" });
        return true;
      }
      const lines = begins ? page.logs.reverse() : page.logs;
      const fresh = lines.filter((line) => this.#position === null || line.seq > this.#position);
      this.ledger.duplicate += lines.length - fresh.length;
      if (fresh.length) this.#arrived(fresh, { displayed_count: fresh.length, has_more: begins, total_count: page.total_count });
      this.#position = Math.max(this.#position ?? 0, fresh.at(-1)?.seq ?? 0);
      this.#isExact = false;
      this.#cursor = begins ? (page.prev_cursor ?? this.#cursor) : (page.next_cursor ?? this.#cursor);
      return !begins && page.count === PAGE;
    }

    async #isOver(run) {
      if (!this.#path.job) return false;
      const answer = await this.#ask(new URL((this.#options.baseUrl ?? "") + this.#path.job, globalThis.location?.href), "application/json");
      if (!answer.ok) throw await refusal(answer);
      const job = await answer.json();
      if (run !== this.#run) return true;
      this.#status({ job, steps: job.steps ?? [], log_head: job.log_head });
      if (!["completed", "failed", "cancelled"].includes(job.status)) return false;
      if (await this.#fetchPage(run)) return false; // what came between the page and the status
      if (run === this.#run) this.#finish({ log_head: job.log_head });
      return true;
    }
  }

  function pick({ step, level, children, limit } = {}) {
    return Object.fromEntries(Object.entries({ step, level, children, limit }).filter(([, value]) => value !== undefined));
  }

  function parsed(data) {
    try {
      return JSON.parse(data);
    } catch {
      return null; // a proxy's own words, or a version that speaks otherwise
    }
  }

  async function refusal(answer) {
    const problem = await answer.json().catch(() => null);
    const error = new Error(problem?.detail ?? `the server answered ${answer.status}`);
    error.status = answer.status;
    // asking again cannot help: no such job, not allowed, not understood
    error.final = [400, 401, 403, 404, 422].includes(answer.status);
    return error;
  }

  const streamJob = (jobId, options) => {
    const job = `/api/jobs/${encodeURIComponent(jobId)}`;
    return new LogStream({ stream: `${job}/logs/stream`, page: `${job}/logs`, job }, options);
  };
  const streamService = (options) => new LogStream({ stream: "/api/service/logs/stream", page: "/api/logs" }, options);

  globalThis.QuaeroLogs = Object.freeze({
    streamJob,
    streamService,
    createJobStream: streamJob,
    createServiceStream: streamService,
    LogStream,
    EventReader,
  });
})();
