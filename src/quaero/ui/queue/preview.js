// What an action on many jobs would touch, in words. The server counted it.

import { count, plural } from "../kit/format.js";

/** What a preview says, line by line. */
export function previewLines(action, { matching, is_lower_bound: isBound, is_below_lower_bound: isBelowBound, actionable, below, by_status: statuses }) {
  const least = isBound ? "at least " : "";
  const lines = [`${least}${plural(actionable, "job")} ${actionable === 1 ? "is" : "are"} touched, of ${least}${count(matching)} chosen`];
  if (below.total && action !== "retry") {
    const open = below.pending + below.running;
    const more = isBelowBound ? "at least " : "";
    lines.push(action === "cancel" ? `${more}${plural(open, "open job")} below ${open === 1 ? "is" : "are"} cancelled with ${actionable === 1 ? "it" : "them"}` : `${more}${plural(below.total, "job")} below ${action === "delete" ? "go too" : "are not copied: they are spawned anew"}`);
  }
  const left = matching - actionable;
  if (left > 0) lines.push(`${count(left)} ${left === 1 ? "stays as it is" : "stay as they are"}: ${action === "cancel" ? "already ended" : action === "delete" ? "still open, cancel first" : statuses.completed ? "completed or still open" : "still open"}`);
  return lines;
}
