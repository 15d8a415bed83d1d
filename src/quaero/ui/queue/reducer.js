// The state of the queue page: `(state, message) → state`. Nothing here touches the page or the network.

import { idAt, knownIds, noPages, withPage } from "../kit/pages.js";

const HISTORY = 61; // moments behind a sparkline: the last ten minutes, and now
const MOMENT_MS = 10_000;

export const NO_FILTER = { status: [], kind: "", tag: "", q: "", since: "", order: "-created_at" };

/** Before anything was read. */
export const initial = (filter = NO_FILTER) => ({
  filter,
  pages: noPages,
  jobs: new Map(),
  load: "loading", // loading | ready | failed
  trouble: null,
  fresh: new Set(), // roots that came since, not shown yet
  selected: new Set(),
  allMatching: false,
  anchor: -1,
  stats: null,
  history: [], // {moment, throughput, latency}, oldest first, one for every moment
  skew: null, // by how much the server's clock is ahead of ours
});

/** A job known before gives way only to one that is as new or newer. */
export function merged(jobs, arrived) {
  const next = new Map(jobs);
  for (const job of arrived) {
    const known = next.get(job.id);
    if (!known || known.version <= job.version) next.set(job.id, job);
  }
  return next;
}

function forgotten(jobs, pages) {
  if (jobs.size < 6_000) return jobs;
  const known = knownIds(pages);
  return new Map([...jobs].filter(([id]) => known.has(id)));
}

const noSelection = { selected: new Set(), allMatching: false, anchor: -1 };

function toggled(state, { index, range }) {
  const id = idAt(state.pages, index);
  if (id === undefined) return state;
  const selected = new Set(state.selected);
  if (range && state.anchor >= 0) {
    const [from, to] = [Math.min(state.anchor, index), Math.max(state.anchor, index)];
    for (let i = from; i <= to; i++) if (idAt(state.pages, i) !== undefined) selected.add(idAt(state.pages, i));
  } else if (!selected.delete(id)) selected.add(id);
  return { ...state, selected, allMatching: false, anchor: index };
}

/** The moment a time belongs to: the next one, for what is told of a moment is how it went until then. */
const momentOf = (ms) => Math.ceil(ms / MOMENT_MS);

/** The history up to a moment: what was told last still holds in those of which nothing was told. */
function upTo(history, moment) {
  const last = history.at(-1);
  if (!last || last.moment >= moment) return history;
  const missing = Math.min(moment - last.moment, HISTORY);
  return history.concat(Array.from({ length: missing }, (_, i) => ({ ...last, moment: moment - missing + i + 1 }))).slice(-HISTORY);
}

/** The history with how it goes now. */
function going(history, ms, stats) {
  const now = { moment: momentOf(ms), throughput: stats.throughput, latency: latencyOf(stats) };
  return upTo(history, now.moment).filter(({ moment }) => moment !== now.moment).concat(now).slice(-HISTORY);
}

/** The history as the server tells it, and what was heard since. */
function told(history, moments) {
  const known = moments.map(({ timestamp, ...stats }) => ({ moment: momentOf(Date.parse(timestamp)), throughput: stats.throughput, latency: latencyOf(stats) }));
  const last = known.at(-1)?.moment ?? -Infinity;
  return known.concat(history.filter(({ moment }) => moment > last)).slice(-HISTORY);
}

export function reduce(state, message) {
  switch (message.type) {
    case "filtered":
      return { ...state, ...noSelection, filter: { ...state.filter, ...message.changes }, pages: noPages, load: "loading", trouble: null, fresh: new Set() };
    case "page": {
      const { jobs, total_count: total, total_is_lower_bound: isLowerBound } = message.answer;
      const base = message.only ? noPages : state.pages;
      const pages = withPage(base, message.number, jobs.map((job) => job.id), total, isLowerBound);
      return { ...state, pages, jobs: forgotten(merged(state.jobs, jobs), pages), load: "ready", trouble: null, fresh: message.only ? new Set() : state.fresh };
    }
    case "rows": {
      const known = message.rows.filter((job) => state.jobs.has(job.id));
      return known.length ? { ...state, jobs: merged(state.jobs, known) } : state;
    }
    case "created":
      return message.ids.every((id) => state.fresh.has(id)) ? state : { ...state, fresh: new Set([...state.fresh, ...message.ids]) };
    case "toggled":
      return toggled(state, message);
    case "selectedShown":
      return { ...state, selected: new Set(message.ids), allMatching: false };
    case "selectedAll":
      return { ...state, allMatching: true };
    case "cleared":
      return { ...state, ...noSelection };
    case "stats": {
      const { stats, now = Date.now() } = message;
      if (state.stats && stats.version < state.stats.version) return state;
      const next = { ...state, stats: { ...state.stats, ...stats } };
      if (!stats.timestamp) return next; // asked for, not told: the history comes with it
      const at = Date.parse(stats.timestamp);
      return { ...next, history: going(state.history, at, stats), skew: at - now };
    }
    case "history":
      return { ...state, history: told(state.history, message.moments) };
    case "passed": {
      const history = state.skew === null ? state.history : upTo(state.history, momentOf((message.now ?? Date.now()) + state.skew));
      return history === state.history ? state : { ...state, history };
    }
    case "failed":
      return { ...state, load: state.pages.byNumber.size ? state.load : "failed", trouble: message.trouble };
    default:
      return state;
  }
}

/** The pick-up latency in milliseconds, however finely it is told; null if it is not. */
export function latencyOf(stats) {
  const told = stats.latency;
  if (told === null || told === undefined) return null;
  return typeof told === "number" ? told : told.p50_ms ?? null;
}
