// What marks the course of a tree: what its root and its steps recorded of themselves.
//
// Of a journal of any length the first and the last entries are read: to look for those few among millions would cost more
// than they tell. That a job began and how it ended is known without: its row says so.

import { count, duration } from "../kit/format.js";
import { read } from "../live/api.js";

const AT_EACH_END = 500;

/** The moments of a tree and its steps, oldest first. */
export async function momentsOf(root, steps, signal) {
  const ask = (order) => read(`/api/jobs/${root.id}/logs`, { level: "info", limit: AT_EACH_END, order }, signal);
  const [first, last] = (await Promise.all([ask("asc"), ask("desc")])).map((page) => page.logs);
  const jobs = [root, ...steps];
  const ids = new Set(jobs.map((job) => job.id));
  const entries = new Map([...first, ...last].filter((entry) => isMoment(entry, ids)).map((entry) => [entry.seq, entry]));
  const told = [...entries.values()].sort((a, b) => a.seq - b.seq);
  return joined(told.concat(unread(first, last.toReversed(), root), untold(jobs, told)).sort((a, b) => Date.parse(a.timestamp) - Date.parse(b.timestamp)));
}

/** What is said of the entries that were not looked at, between the first ones and the last ones; nothing if none were left out. */
export function unread(first, last, root) {
  const [before, behind] = [first.at(-1), last[0]];
  if (first.length < AT_EACH_END || !behind || behind.seq <= before.seq + 1) return [];
  return [{ seq: "unread", timestamp: before.timestamp, level: "info", job_id: root.id, step: null, fields: {},
    message: `What entries ${count(before.seq + 1)} to ${count(behind.seq - 1)} tell stands in the log` }];
}

const isMoment = (entry, ids) => entry.originator !== "worker" && (ids.has(entry.job_id) || entry.fields?.lost);

/** What rows say of beginnings and ends, as far as no entry does. */
export function untold(jobs, told) {
  const known = new Set(told.map((entry) => `${entry.job_id} ${entry.fields?.status}`));
  return jobs.flatMap((job) => [["running", job.started_at], [job.status, job.finished_at]]
    .filter(([status, at]) => at && !known.has(`${job.id} ${status}`))
    .map(([status, at]) => ({
      seq: `${job.id} ${status}`, timestamp: at, level: status === "failed" ? "error" : "info", job_id: job.id,
      step: job.parent_id === null ? null : job.name, message: `Status changed: ${status}`, fields: { status },
    })));
}

const spawned = (entry) => (/^Spawned [\d,]+$/.test(entry.message) ? entry.fields?.count ?? 0 : 0);

/** Spawns that follow each other are one moment: a hundred thousand children come a thousand at a time. */
export function joined(entries) {
  const moments = [];
  for (const entry of entries) {
    const last = moments.at(-1);
    if (spawned(entry) && last?.spawns && last.job_id === entry.job_id) last.spawns.push(entry);
    else moments.push(spawned(entry) ? { ...entry, spawns: [entry] } : entry);
  }
  return moments.map((moment) => (moment.spawns?.length > 1 ? { ...moment, message: spawnText(moment.spawns) } : moment));
}

function spawnText(spawns) {
  const took = Date.parse(spawns.at(-1).timestamp) - Date.parse(spawns[0].timestamp);
  return `Spawned ${count(spawns.reduce((sum, entry) => sum + spawned(entry), 0))} in ${count(spawns.length)} batches over ${duration(took)}`;
}
