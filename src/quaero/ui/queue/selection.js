// What can be done with the roots that are selected, and an honest preview of what that touches.

import { count, plural } from "../kit/format.js";
import { h, setText } from "../kit/dom.js";
import { confirmAction } from "../kit/dialog.js";
import { button } from "../kit/control.js";
import { ACTIONS, actOnEach, outcomeText } from "../live/actions.js";
import { toast } from "../shell/toast.js";
import { touched } from "./reducer.js";

const MEANS = {
  cancel: "Nothing below a cancelled job is started any more; what runs is asked to stop and killed after the grace period.",
  retry: "A retried job opens a new round: its function runs again, and what closed above it opens again.",
  rerun: "Each becomes a new tree with the same payload; the old ones stay.",
  delete: "The trees go with their logs, results and documents. This cannot be undone.",
};

/** The bar over the list while something is selected. */
export function selectionBar({ store, reload }) {
  const text = h("strong");
  const buttons = Object.entries(ACTIONS).map(([action, { word, icon }]) => button(icon, word, () => act(action)));
  const element = h("div", { class: "selection", role: "region", "aria-label": "Selection", hidden: true },
    text, h("span", { class: "spring" }), buttons, button("close", "Clear", () => store.dispatch({ type: "cleared" }), { class: "quiet" }));

  async function act(action) {
    const ids = [...store.state.selected];
    if (!ids.length) return;
    const { word, danger } = ACTIONS[action];
    const sure = await confirmAction({
      title: `${word} ${plural(ids.length, "job")}?`,
      body: [h("ul", { class: "preview" }, preview(action, touched(store.state)).map((line) => h("li", { text: line }))), h("p", { class: "soft", text: MEANS[action] })],
      action: `${word} ${plural(ids.length, "job")}`,
      danger,
    });
    if (!sure) return;
    const outcome = await actOnEach(action, ids, { told: ({ done }) => setText(text, `${word}: ${count(done)} of ${count(ids.length)}`) });
    toast(outcomeText(action, outcome), { tone: outcome.refused.length ? "bad" : "plain" });
    store.dispatch({ type: "cleared" });
    reload();
  }

  return {
    element,
    act,
    show({ selected }) {
      element.hidden = selected.size === 0;
      setText(text, `${plural(selected.size, "job")} selected`);
    },
  };
}

/** What an action would touch, line by line, counted over what the page knows now. */
export function preview(action, { jobs, open, closed, failed, openBelow, below }) {
  if (action === "cancel") {
    return [
      `${plural(open, "open tree")} with ${plural(openBelow, "open job")} below`,
      ...(closed ? [`${plural(closed, "tree")} already ended and ${closed === 1 ? "stays" : "stay"} as ${closed === 1 ? "it is" : "they are"}`] : []),
    ];
  }
  if (action === "retry") {
    return [`${plural(closed, "ended tree")} ${closed === 1 ? "opens" : "open"} a new round (${count(failed)} failed)`, ...(open ? [`${plural(open, "tree")} still open: refused`] : [])];
  }
  if (action === "delete") {
    return [`${plural(closed, "ended tree")} with ${plural(below, "job")} below`, ...(open ? [`${plural(open, "tree")} still open: refused, cancel first`] : [])];
  }
  return [`${plural(jobs, "new tree")}`];
}
