// The groups of what failed in a job: of a root in all its tree, of any other job among its children. The server counts groups
// per tree; how many of one are children of a job, the list of its children says.

import { read } from "../live/api.js";

const MOST = 20; // groups of a tree that are looked for among the children of one job

/** The groups of a job, most frequent first; none of a job without children, whose own error says it all. */
export async function failuresOf(job, signal) {
  if (job.parent_id !== null && !job.tally.failed) return [];
  const { errors } = await read(`/api/jobs/${job.id}/errors`, {}, signal);
  if (job.parent_id === null) return errors;
  const own = await Promise.all(errors.slice(0, MOST).map(async (group) => {
    const page = await read(`/api/jobs/${job.id}/children`, { fingerprint: group.fingerprint, limit: 1 }, signal);
    return { ...group, count: page.total_count, first_seen: null, last_seen: null, example_job_ids: page.jobs.map((one) => one.id) };
  }));
  return own.filter((group) => group.count).sort((a, b) => b.count - a.count);
}
