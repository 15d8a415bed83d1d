// What can be done with the roots that are selected, with an honest preview: the server counts what would be touched.

import { count, plural } from "../kit/format.js";
import { h, setProperty, setText } from "../kit/dom.js";
import { button } from "../kit/control.js";
import { ACTIONS } from "../live/actions.js";
import { describeFilter, isFiltering, toQuery } from "./filter.js";
import { actOnMany } from "./bulk.js";

/** The bar over the list while something is selected. */
export function selectionBar({ store, reload }) {
  const text = h("strong");
  const all = button(null, "", () => store.dispatch({ type: "selectedAll" }), { class: "quiet" });
  const buttons = Object.entries(ACTIONS).map(([action, { word, icon }]) => button(icon, word, () => act(action)));
  const element = h("div", { class: "selection", role: "region", "aria-label": "Selection", hidden: true },
    text, all, h("span", { class: "spring" }), buttons, button("close", "Clear", () => store.dispatch({ type: "cleared" }), { class: "quiet" }));

  async function act(action) {
    const { selected, allMatching, filter } = store.state;
    if (!selected.size && !allMatching) return;
    const done = await actOnMany(action, allMatching ? { filter: bulkFilter(filter) } : { ids: [...selected] });
    if (!done) return;
    store.dispatch({ type: "cleared" });
    reload();
  }

  return {
    element,
    act,
    show({ selected, allMatching, pages, filter }) {
      setProperty(element, "hidden", selected.size === 0 && !allMatching);
      const matching = `${pages.isLowerBound ? "at least " : ""}${count(pages.known)}`;
      setText(text, allMatching ? `All ${matching} selected` : `${plural(selected.size, "job")} selected`);
      setProperty(all, "hidden", allMatching || pages.total <= selected.size || !isFiltering(filter));
      setText(all.lastChild, `Select all ${matching} with ${describeFilter(filter)}`);
    },
  };
}

/** The filter of the list as a bulk action takes it: conditions only, no order. */
export function bulkFilter(filter) {
  const { order, ...conditions } = toQuery(filter);
  return Object.fromEntries(Object.entries(conditions).filter(([, value]) => value !== ""));
}
