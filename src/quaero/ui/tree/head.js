// The head of a tree page: what it is, how far it is, how fast, how much longer, and what can be done.

import { ago, count, dateTime, duration, elapsed, etaText, percent, plural, rate } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { title } from "../kit/summary.js";
import { TERMINAL, showStatus, showTally, tallyBar } from "../kit/status.js";
import { button } from "../kit/control.js";
import { ended, paceOf } from "./reducer.js";

/** The head; `act(action, body)` does something to this job. */
export function treeHead({ act }) {
  const crumbs = h("nav", { class: "crumbs", "aria-label": "Where this job is" });
  const name = h("h1");
  const badge = h("span", { class: "badge large" });
  const facts = h("p", { class: "facts num" });
  const bar = tallyBar();
  const text = h("p", { class: "exact num" });
  const share = h("span", { class: "part num" });
  const pace = h("span", { class: "num" });
  const eta = h("span", { class: "num" });
  const message = h("p", { class: "message" });
  const buttons = {
    cancel: button("stop", "Cancel", () => act("cancel"), { title: "Cancel this job and all below it (c)" }),
    failed: button("retry", "Retry failed", () => act("retry", { failed_children: true }), { title: "Only the failed jobs below (e)" }),
    retry: button("retry", "Retry", () => act("retry"), { title: "Run the function again, in a new round" }),
    rerun: button("rerun", "Rerun", () => act("rerun"), { title: "A new tree with the same payload" }),
    delete: button("trash", "Delete", () => act("delete"), { class: "quiet" }),
  };
  const element = h("header", { class: "tree-head panel" }, crumbs,
    h("div", { class: "title" }, badge, name, h("span", { class: "spring" }), h("div", { class: "actions" }, Object.values(buttons))),
    facts, h("div", { class: "far" }, bar, share), h("div", { class: "pace" }, text, h("span", { class: "spring" }), pace, eta), message);

  function showActions(job, isRoot) {
    const closed = TERMINAL.has(job.status);
    setProperty(buttons.cancel, "hidden", closed);
    setProperty(buttons.cancel, "disabled", job.cancel_requested);
    setText(buttons.cancel.lastChild, job.cancel_requested ? "Cancelling…" : "Cancel");
    setProperty(buttons.failed, "hidden", !(job.tally.failed > 0));
    setText(buttons.failed.lastChild, `Retry ${plural(job.tally.failed, "failed job", "failed")}`);
    setProperty(buttons.retry, "hidden", !closed || job.kind === "definition");
    setProperty(buttons.rerun, "hidden", !isRoot);
    setProperty(buttons.delete, "hidden", !isRoot || !closed);
  }

  function showProgress(job, state) {
    const has = job.tally.total > 0;
    const own = !has && job.progress?.total ? { total: job.progress.total, completed: job.progress.current, failed: 0, cancelled: 0, running: 0 } : null;
    setProperty(bar.parentElement, "hidden", !has && !own);
    if (has || own) showTally(bar, has ? job.tally : own);
    setText(share, has ? percent(ended(job.tally), job.tally.total) : own ? percent(own.completed, own.total) : "");
    setText(text, has ? job.progress_text : own ? `${count(own.completed)} of ${count(own.total)}` : "");
    const perSecond = paceOf(state);
    setText(pace, perSecond === null || !has ? "" : `${rate(perSecond)} jobs/s`);
    setText(eta, TERMINAL.has(job.status) ? "" : etaText(job.eta));
    const error = job.status === "failed" && job.error ? `${job.error.type}: ${job.error.message}` : "";
    const warned = job.warnings && job.status === "completed" ? `Completed with ${plural(job.warnings, "warning")}.` : "";
    setText(message, error || warned || (has ? "" : job.progress?.message) || "");
    setAttribute(message, "data-bad", !!error || null);
  }

  return {
    element,
    show(state) {
      const { job } = state;
      if (!job) return;
      const isRoot = job.parent_id === null;
      const path = [["/", "Queue"]];
      if (!isRoot) path.push([`/jobs/${job.root_id}`, `Tree ${job.root_id}`]);
      if (!isRoot && job.parent_id !== job.root_id) path.push([`/jobs/${job.parent_id}`, job.step ? `${job.step} · ${job.parent_id}` : `Parent ${job.parent_id}`]);
      keyed(crumbs, path, ([href]) => href, ([href]) => h("a", { href }), (link, [, words]) => setText(link, words));
      setText(name, title(job));
      showStatus(badge, job.status);
      const attempt = job.attempt > 1 ? ` · attempt ${job.attempt} of ${job.max_attempts}` : "";
      const round = job.round > 1 ? ` · round ${job.round}` : "";
      const lasted = job.started_at ? ` · ${TERMINAL.has(job.status) ? "took" : "for"} ${duration(elapsed(job))}` : "";
      const tags = (job.tags ?? []).length ? ` · ${job.tags.join(", ")}` : "";
      setText(facts, `Job ${job.id} · ${job.kind}${attempt}${round} · ${job.started_at ? `started ${ago(job.started_at)}` : `created ${ago(job.created_at)}`}${lasted}${tags}`);
      setAttribute(facts, "title", `created ${dateTime(job.created_at)}`);
      showActions(job, isRoot);
      showProgress(job, state);
    },
  };
}
