// Acting on many jobs: asks with a preview the server counted, then does it: a few at once, many as a job of their own.

import { plural } from "../kit/format.js";
import { h } from "../kit/dom.js";
import { choice, confirmAction, openDialog } from "../kit/dialog.js";
import { ACTIONS, FEW, MOST_IDS, actInBulk, actOnEach, outcomeText, previewBulk } from "../live/actions.js";
import { previewLines } from "./preview.js";
import { complain, toast } from "../shell/toast.js";

const MEANS = {
  cancel: "Nothing below a cancelled job is started any more; what runs is asked to stop, and killed after the grace period.",
  retry: "A retried job opens a new round: its function runs again, and what closed above it opens again.",
  rerun: "Each becomes a new tree with the same payload; the old ones stay.",
  delete: "The trees go with their logs, results and documents. This cannot be undone.",
};

/** Ask, then act on `ids`, or on what it can act on of everything that matches a `filter`. True if it was done. */
export async function actOnMany(action, { ids = null, filter = { ids: ids.slice(0, MOST_IDS) }, options = {} }) {
  const { word, danger, on } = ACTIONS[action];
  try {
    const counted = await previewBulk(action, filter, options);
    const body = [h("ul", { class: "preview" }, previewLines(action, counted).map((text) => h("li", { text }))), h("p", { class: "soft", text: MEANS[action] })];
    if (!counted.actionable) {
      await openDialog({ title: `Nothing to ${word.toLowerCase()}`, body: body[0], buttons: [choice("", "Close", { autofocus: true })] });
      return false;
    }
    const title = `${word} ${plural(counted.actionable, "job")}?`;
    if (!(await confirmAction({ title, body, action: `${word} ${plural(counted.actionable, "job")}`, danger }))) return false;
    if (ids && ids.length <= FEW && !options.failed_children) {
      const outcome = await actOnEach(action, ids);
      toast(outcomeText(action, outcome), { tone: outcome.done ? "plain" : "bad" });
    } else {
      const isRange = !!filter.children; // many that it cannot act on may lie between those it can
      const { job } = await actInBulk(action, isRange ? { ...filter, status: on } : filter, options);
      toast(`${word}: a job of its own does it.`, { link: { text: `Follow job ${job.id}`, href: `/jobs/${job.id}` } });
    }
    return true;
  } catch (error) {
    complain(error);
    return false;
  }
}
