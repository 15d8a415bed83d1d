// What failed in a tree, grouped by what failed: how often, when, an example; and just these again.

import { ago, count, plural } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { notice, skeleton } from "../kit/states.js";
import { button } from "../kit/control.js";

/** The panel; `retry(group)` retries the jobs of one group. */
export function errorsPanel({ retry }) {
  const list = h("ol", { class: "groups" });
  const body = h("div");
  const element = h("div", { class: "pad" }, body, list);
  return {
    element,
    show(state, visible) {
      setProperty(element, "hidden", !visible);
      if (!visible) return;
      const { errors, job } = state;
      const own = job.status === "failed" && job.error ? job.error : null;
      if (errors === null) body.replaceChildren(skeleton(3));
      else if (!errors.length && !own) body.replaceChildren(notice("Nothing has failed", "Failures would stand here, grouped by what failed."));
      else if (!errors.length) body.replaceChildren(h("pre", { text: own.traceback || `${own.type}: ${own.message}` }));
      else body.replaceChildren();
      const most = Math.max(1, ...(errors ?? []).map((group) => group.count));
      keyed(list, errors ?? [], (group) => group.fingerprint, (group) => makeGroup(group, () => retry(item(list, group.fingerprint))), (element, group) => element.show(group, most));
      list.groups = errors ?? [];
    },
  };
}

const item = (list, fingerprint) => list.groups.find((group) => group.fingerprint === fingerprint);

function makeGroup(group, retry) {
  const number = h("strong", { class: "num" });
  const share = h("i", { class: "share" });
  const message = h("p", { class: "group-message mono" });
  const when = h("p", { class: "soft num" });
  const example = h("a", { text: "Example" });
  const element = h("li", { class: "group" }, h("div", { class: "much" }, number, share), h("div", { class: "said" }, message, when),
    h("div", { class: "actions" }, example, button("retry", "Retry these", retry)));
  element.show = (now, most) => {
    setText(number, count(now.count));
    share.style.width = `${(100 * now.count) / most}%`;
    setText(message, now.message);
    const times = now.first_seen ? `first ${ago(now.first_seen)}, last ${ago(now.last_seen)} · ` : "";
    setText(when, `${plural(now.count, "job")} · ${times}${now.fingerprint}`);
    setAttribute(example, "href", now.example_job_ids.length ? `/jobs/${now.example_job_ids[0]}` : null);
  };
  return element;
}
