// Where the viewer's entries come from: pages by REST, the live end by the one connection, both by position.
//
//     open:    page at the end ──its newer token──> subscribe: nothing between the two, nothing twice
//     jump:    page at a position; the subscription goes on and only counts
//     follow:  what is live waits while the page at the end is fetched, then joins it
//
// Who opens, jumps or follows begins another run: pages still on their way for the one before are given up, for they
// would not join it.

import { mayPass, read } from "../live/api.js";
import { subscribe, whileNotLive } from "../live/connection.js";

const PAGE = 500;
const AGAIN_MS = 3_000;
const FIRST_HITS = 1; // in the first answer: the server stops at it, and does not look through the rest for more
const SEARCHED = 5_000; // in each later one
const MOST_HITS = 20_000;

export class Source {
  #book;
  #subscription = null;
  #waiting = null;
  #run = new AbortController(); // pages on their way for the run as it is, or as it is asked to be
  #calm = null;

  /** `scope`: {job, step, children, own, level, q}; without a job the service log. `book` is the store of the book. `following()`. */
  constructor(scope, book, { following, onStatus }) {
    this.scope = scope;
    this.#book = book;
    this.following = following;
    this.onStatus = onStatus;
    this.#calm = whileNotLive(() => this.#fallBack());
  }

  /** The end of the log, and live from there. */
  async open() { await this.#atEnd(); }

  close() {
    this.#run.abort();
    this.#calm();
    this.#subscription?.close();
  }

  /** Go to the end again, from wherever the run lies. */
  async follow() {
    if (!this.#book.state.attached) await this.#atEnd();
  }

  /** Go to a place: {seq} or {line}; the run begins some lines before it. Whether it is there now. */
  async jump({ seq, line }, before = 100) {
    if (!this.#subscription && !(await this.#atEnd())) return false;
    const at = seq !== undefined ? { from_seq: Math.max(1, seq - before) } : { from_line: Math.max(1, line - before) };
    const going = this.#beginning("jump-page", { order: "asc", ...at });
    this.#release();
    return !!(await going);
  }

  /** More before the run. */
  async earlier(token) { await this.#page("earlier-page", { order: "desc", cursor: token }); }

  /** More behind the run, when it is not at the live end; at the end of the log it joins what is live. */
  async later(token) {
    const page = await this.#page("later-page", { order: "asc", cursor: token });
    if (page && page.count < PAGE) await this.#atEnd();
  }

  /** Positions of entries that contain `q`, in order; `found(seqs, done, isCut)` hears them as they are found. */
  async search(q, found, signal) {
    let cursor = null;
    let hits = [];
    this.#lastHit(q, signal).then((seq) => seq && !hits.length && found([seq], false, false), () => undefined); // what troubles it troubles the others too
    for (let limit = FIRST_HITS; ; limit = SEARCHED) {
      const page = await read(this.#path, { ...this.#query, q, order: "asc", limit, cursor }, signal);
      hits = hits.concat(page.logs.map((line) => line.seq));
      const isAll = page.count < limit;
      const isCut = !isAll && hits.length >= MOST_HITS;
      found(hits, isAll || isCut, isCut);
      if (isAll || isCut) return;
      cursor = page.next_cursor;
    }
  }

  /** The newest hit: most often near to what is read, while the first question has all the log to look through. */
  async #lastHit(q, signal) {
    return (await read(this.#path, { ...this.#query, q, order: "desc", limit: 1 }, signal)).logs[0]?.seq;
  }

  /** Where the whole of it can be fetched as text. */
  get download() {
    const { job, step, children, level } = this.scope;
    if (!job) return null;
    const given = Object.entries({ step, children, level }).filter(([, value]) => value);
    return `/api/jobs/${job}/logs/download?${new URLSearchParams(given)}`;
  }

  get #path() { return this.scope.job ? `/api/jobs/${this.scope.job}/logs` : "/api/logs"; }

  get #query() {
    const { step, children, own, level, q, job } = this.scope;
    return { step, children, level, q, include_children: own && job ? "false" : undefined };
  }

  get #newest() {
    const { anchors } = this.#book.state;
    return anchors.reduce((best, anchor) => (anchor.seq >= (best?.seq ?? 0) ? anchor : best), null)?.token;
  }

  async #atEnd() {
    this.#waiting ??= [];
    const page = await this.#beginning("end-page", { order: "desc" }, () => this.#release(), () => this.#atEnd());
    if (page && !this.#subscription) this.#listen(page.prev_cursor);
    return page;
  }

  /** Live, from the head of the first page on: whoever is told later goes on from what was told before. */
  #listen(cursor) {
    const { job, step, children, level } = this.scope;
    const request = { topic: job ? `logs:${job}` : "logs:service", level, cursor, limit: PAGE };
    if (step) request.step = step;
    if (children) request.children = children;
    this.#subscription = subscribe(request, (message) => this.#heard(message));
  }

  /** What waited for a page that does not come is only counted. */
  #release() {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const payload of waiting) this.#book.dispatch({ type: "logs", payload, following: this.following() });
  }

  /** The first page of another run; of those asked for, the last one counts. */
  #beginning(...asked) {
    this.#run.abort();
    this.#run = new AbortController();
    return this.#page(...asked);
  }

  /**
   * A page; null if there was trouble, or another run was begun meanwhile. Trouble that may pass is over after a while: a
   * page that is still in sight is asked for again then.
   */
  async #page(type, more, onFailed = () => undefined, again = () => this.#book.dispatch({ type: "again" })) {
    const { signal } = this.#run;
    this.#book.dispatch({ type: "asked" });
    try {
      const page = await read(this.#path, { ...this.#query, limit: PAGE, ...more }, signal);
      if (signal.aborted) return null;
      page.order = more.order;
      this.#book.dispatch({ type, page, waiting: this.#waiting ?? [] });
      if (type === "end-page") this.#waiting = null;
      return page;
    } catch (error) {
      if (signal.aborted) return null;
      this.#book.dispatch({ type: "failed", error });
      onFailed();
      if (mayPass(error)) setTimeout(() => signal.aborted || again(), AGAIN_MS);
      return null;
    }
  }

  #heard({ type, payload }) {
    if (type === "status" || type === "hello") this.onStatus(payload);
    if (type !== "logs") return this.#book.dispatch({ type, payload });
    const wanted = this.#wanted(payload);
    if (this.#waiting) this.#waiting.push(wanted);
    else this.#book.dispatch({ type, payload: wanted, following: this.following() });
  }

  /** What is live passes the filters that only pages know. */
  #wanted(payload) {
    const { q, own, job } = this.scope;
    if (!q && !own) return payload;
    const needle = q?.toLowerCase();
    const logs = payload.logs.filter((line) => (!needle || line.message.toLowerCase().includes(needle)) && (!own || line.job_id === job));
    return { ...payload, logs };
  }

  #fallBack() {
    const book = this.#book.state;
    if (book.attached && !book.ended && !book.loading && this.#newest) this.#page("later-page", { order: "asc", cursor: this.#newest });
  }
}
