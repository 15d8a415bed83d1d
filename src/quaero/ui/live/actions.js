// Doing something to jobs: one, many, or all that match a filter. What is asked for stands in one place.

import { post, remove } from "./api.js";

export const ACTIONS = {
  cancel: { word: "Cancel", done: "cancelled", danger: true, icon: "stop", on: "pending,running,waiting" },
  retry: { word: "Retry", done: "retried", icon: "retry", on: "failed,cancelled" },
  rerun: { word: "Rerun", done: "run again", icon: "rerun" },
  delete: { word: "Delete", done: "deleted", danger: true, icon: "trash" },
};

const AT_ONCE = 4;
export const FEW = 25; // jobs acted on one by one; more go as one bulk job
export const MOST_IDS = 10_000;

/** One job. Answers `{affected, job}`. */
export function act(action, id, body = {}) {
  return action === "delete" ? remove(`/api/jobs/${id}`) : post(`/api/jobs/${id}/${action}`, body);
}

/** Many jobs, a few at a time. Answers how many took it, and why the others did not. */
export async function actOnEach(action, ids, { body = {}, told = () => undefined } = {}) {
  const waiting = [...ids];
  const outcome = { done: 0, affected: 0, refused: [] };
  async function work() {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      try {
        outcome.affected += (await act(action, id, body)).affected ?? 0;
        outcome.done += 1;
      } catch (error) {
        outcome.refused.push({ id, error });
      }
      told(outcome);
    }
  }
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, waiting.length) }, work));
  return outcome;
}

/** What an action on all jobs of a filter would touch, as the server counts it. */
export const previewBulk = (action, filter, options = {}) => post("/api/jobs/bulk", { action, filter, ...options, preview: true });

/** Act on all jobs of a filter, as one job of its own. Answers `{matching, is_lower_bound, job}`. */
export const actInBulk = (action, filter, options = {}) => post("/api/jobs/bulk", { action, filter, ...options });

/** What became of it, as a sentence. */
export function outcomeText(action, { done, refused }) {
  const word = ACTIONS[action].done;
  const jobs = (n) => (n === 1 ? "1 job" : `${n.toLocaleString("en-US")} jobs`);
  if (!refused.length) return `${jobs(done)} ${word}.`;
  return `${jobs(done)} ${word}, ${jobs(refused.length)} not: ${refused[0].error.message}`;
}
