// The state of a tree page: `(state, message) → state`. Nothing here touches the page or the network.

import { noPages, withPage } from "../kit/pages.js";
import { merged } from "../queue/reducer.js";

const PACE_MS = 30_000;

export const TABS = ["children", "errors", "slow", "timeline", "log", "details"];
export const NO_FILTER = { status: [], q: "", order: "created_at" };

/** Before anything was read. `scope`: whose children are shown; null: chosen by what happens in the tree. */
export const initial = (id, { scope = null, tab = null, filter = NO_FILTER } = {}) => ({
  id,
  load: "loading", // loading | ready | failed | gone
  trouble: null,
  job: null,
  steps: [],
  open: new Set(), // steps that are opened
  closed: new Set(), // steps that somebody closed by hand
  wanted: scope,
  scope: null,
  tab,
  filter,
  pages: noPages,
  jobs: new Map(),
  errors: null, // groups of what failed: of a root in its tree, of any other job among its children
  stepErrors: new Map(), // likewise of each step, by its id
  slowest: null,
  silent: null,
  milestones: null,
  pace: [],
});

/** How many of a job's tally have ended. */
export const ended = (tally) => tally.completed + tally.failed + tally.cancelled;

const isOpen = (step) => step.status === "running" || step.status === "waiting";

/** Whose children are worth looking at: what was asked for, else what runs, what failed, what is largest. */
export function chooseScope({ wanted, job, steps }) {
  if (!steps.length) return job?.id ?? null;
  const known = steps.find((step) => step.id === wanted);
  const chosen = known ?? steps.find(isOpen) ?? steps.find((step) => step.status === "failed")
    ?? steps.reduce((most, step) => (step.tally.total > most.tally.total ? step : most));
  return chosen.id;
}

/** A tab that has something to show for this job. */
export function offered({ job, steps }) {
  const hasChildren = !!job && (job.tally.total > 0 || steps.length > 0);
  return {
    children: hasChildren,
    errors: !!job && (job.tally.failed > 0 || job.status === "failed"),
    slow: hasChildren,
    timeline: !!job && job.parent_id === null,
    log: true,
    details: true,
  };
}

function withScope(state) {
  const scope = chooseScope(state);
  return scope === state.scope ? state : { ...state, scope, pages: noPages, slowest: null, silent: null };
}

// A step opens by itself when it starts running or has failed; what somebody closed stays closed.
function opened(state, before) {
  const open = new Set(state.open);
  for (const step of state.steps) {
    const was = before.find((one) => one.id === step.id)?.status;
    const began = (isOpen(step) || step.status === "failed") && was !== step.status;
    if (began && !state.closed.has(step.id)) open.add(step.id);
  }
  return { ...state, open };
}

const newer = (known, job) => !known || known.version <= job.version;

function withRows(state, rows) {
  let { job } = state;
  const steps = new Map(state.steps.map((step) => [step.id, step]));
  for (const row of rows) {
    if (row.id === state.id && newer(job, row)) job = { ...job, ...row };
    else if (row.parent_id === state.id && row.kind && state.isDefinition && newer(steps.get(row.id), row)) steps.set(row.id, { ...steps.get(row.id), ...row });
  }
  const next = { ...state, job, steps: [...steps.values()].sort((a, b) => a.id - b.id), jobs: merged(state.jobs, rows.filter((row) => state.jobs.has(row.id))) };
  return withScope(opened(sampled(next), state.steps));
}

function sampled(state, now = Date.now()) {
  if (!state.job) return state;
  const done = ended(state.job.tally);
  const last = state.pace.at(-1);
  if (last && now - last.at < 400) return state;
  return { ...state, pace: [...state.pace.filter(({ at }) => now - at < PACE_MS), { at: now, done, total: state.job.tally.total }] };
}

/** Jobs ended per second of late: as told, else as seen here. */
export function paceOf({ job, pace }) {
  if (!job || job.finished_at) return null;
  if (typeof job.rate === "number") return job.rate;
  const [first, last] = [pace[0], pace.at(-1)];
  if (!first || last.at - first.at < 1_500) return null;
  return Math.max(0, (1_000 * (last.done - first.done)) / (last.at - first.at));
}

export function reduce(state, message) {
  switch (message.type) {
    case "job": {
      const isDefinition = message.job.steps !== undefined || message.job.kind === "definition";
      const next = { ...state, isDefinition, load: "ready", trouble: null };
      return withRows({ ...next, job: newer(next.job, message.job) ? message.job : next.job }, message.steps ?? []);
    }
    case "rows":
      return state.job ? withRows(state, message.rows) : state;
    case "gone":
      return { ...state, load: "gone" };
    case "page": {
      if (message.scope !== state.scope || message.filter !== state.filter) return state;
      const { jobs, total_count: total, total_is_lower_bound: isLowerBound } = message.answer;
      const pages = withPage(message.only ? noPages : state.pages, message.number, jobs.map((job) => job.id), total, isLowerBound);
      return { ...state, pages, jobs: merged(state.jobs, jobs) };
    }
    case "scoped":
      return withScope({ ...state, wanted: message.id });
    case "tab":
      return { ...state, tab: message.tab };
    case "filtered":
      return { ...state, filter: { ...state.filter, ...message.changes }, pages: noPages };
    case "toggledStep": {
      const [open, closed] = [new Set(state.open), new Set(state.closed)];
      if (open.delete(message.id)) closed.add(message.id);
      else {
        open.add(message.id);
        closed.delete(message.id);
      }
      return { ...state, open, closed };
    }
    case "errors":
      return { ...state, errors: message.errors };
    case "stepErrors":
      return { ...state, stepErrors: new Map(message.steps.map((step) => [step.step_id, step.child_summary.error_groups])) };
    case "ranked":
      return message.scope === state.scope ? { ...state, slowest: message.slowest, silent: message.silent } : state;
    case "milestones":
      return { ...state, milestones: message.milestones };
    case "failed":
      return { ...state, load: state.job ? state.load : message.trouble.status === 404 ? "gone" : "failed", trouble: message.trouble };
    default:
      return state;
  }
}
