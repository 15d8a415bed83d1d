// The children of a job, or of one of its steps, as a long list with filters.

import { count } from "../kit/format.js";
import { h, setAttribute, setProperty, setText } from "../kit/dom.js";
import { idAt, idsBetween, pagesBetween, PAGE } from "../kit/pages.js";
import { makeRow, rowHead, showRow } from "../kit/row.js";
import { searchField, selectField } from "../kit/control.js";
import { failure, notice, skeleton } from "../kit/states.js";
import { STATUSES, statusLabel, statusShape } from "../kit/status.js";
import "../kit/virtual.js";
import { mayPass, read } from "../live/api.js";
import { subscribe } from "../live/connection.js";
import { go } from "../shell/router.js";

export const ORDERS = { created_at: "In order", "-created_at": "Newest first" };
const AGAIN_MS = 1_000;
const FARTHEST = 100_000; // rows of a filtered list that offsets reach
const phone = matchMedia("(max-width: 760px)");

/** The panel; it reads and subscribes by itself for the scope that the state names. `idOfPlace` knows ids from the map. */
export function childrenPanel({ store, change, idOfPlace }) {
  const { dispatch } = store;
  let sight = [0, 0];
  let live = null;
  let shown = { scope: null, filter: null };
  let reading = new AbortController();
  let again = 0;
  let trouble = null; // why the last page that was asked for did not come
  const asked = new Set();

  const search = searchField("Search children by name, kind, key, id", store.state.filter.q, (q) => change({ q }));
  const order = selectField("Order", ORDERS, store.state.filter.order, (value) => change({ order: value }));
  const chips = STATUSES.map((status) => h("button", { class: "chip-button", type: "button", data: { status }, on: { click: () => toggle(status) } }, statusShape(status), h("span", { text: statusLabel(status) }), h("span", { class: "num n" })));
  const list = h("q-list", { "aria-label": "Children" });
  const body = h("div");
  const foot = h("p", { class: "foot num" });
  const element = h("div", { class: "children" }, h("div", { class: "toolbar" }, h("div", { class: "chips", role: "group", "aria-label": "Status" }, chips), h("span", { class: "spring" }), search, order),
    h("div", { class: "rows" }, rowHead(), list, body, foot));

  function toggle(status) {
    const { status: chosen } = store.state.filter;
    change({ status: chosen.includes(status) ? chosen.filter((one) => one !== status) : [...chosen, status] });
  }

  function layOut() {
    list.setup({
      height: phone.matches ? 56 : 36,
      row: () => makeRow(),
      show: (row, index) => showRow(row, store.state.jobs.get(idAt(store.state.pages, index))),
      range: inSight,
      open: (index) => idAt(store.state.pages, index) && go(`/jobs/${idAt(store.state.pages, index)}`),
    });
  }

  async function readPage(number, only = false) {
    if (asked.has(number) && !only) return;
    asked.add(number);
    const { scope, filter } = store.state;
    try {
      const query = { status: filter.status.join(","), q: filter.q, order: filter.order, limit: PAGE, ...placeOf(number, filter) };
      dispatch({ type: "page", number, only, scope, filter, answer: await read(`/api/jobs/${scope}/children`, query, reading.signal) });
      live?.ids(idsBetween(store.state.pages, ...sight));
      trouble = null;
    } catch (error) {
      if (error.name === "AbortError") return;
      trouble = error;
      showBody(store.state);
      if (mayPass(error)) readAgain();
    } finally {
      asked.delete(number);
    }
  }

  /** What stands in place of rows, while there are none. */
  function showBody({ pages, filter }) {
    const isPlain = !filter.status.length && !filter.q;
    const what = pages.total ? "rows" : trouble ? "trouble" : pages.byNumber.size ? (isPlain ? "none" : "no match") : "loading";
    if (body.dataset.what === what) return;
    body.dataset.what = what;
    if (what === "rows") body.replaceChildren();
    else if (what === "trouble") body.replaceChildren(failure(trouble, () => readPage(0, true)));
    else if (what === "loading") body.replaceChildren(skeleton(5));
    else body.replaceChildren(notice("No children to show", isPlain ? "None was spawned yet." : "None matches this filter."));
  }

  /** Where a page begins: far down by the id before it, which the map knows, else by counting. */
  function placeOf(number, filter) {
    const place = number * PAGE;
    if (!place) return {};
    const isPlain = !filter.status.length && !filter.q;
    const before = isPlain ? idOfPlace(filter.order === "created_at" ? place - 1 : store.state.pages.total - place) : null;
    return before ? { cursor: `j${before}` } : { offset: place };
  }

  function inSight(first, last) {
    sight = [first, last];
    if (!shown.scope) return;
    for (const number of pagesBetween(first, last)) if (!store.state.pages.byNumber.has(number)) readPage(number);
    live?.ids(idsBetween(store.state.pages, ...sight));
  }

  function readAgain() {
    if (again) return;
    again = setTimeout(() => {
      again = 0;
      for (const number of pagesBetween(...sight)) readPage(number);
    }, AGAIN_MS);
  }

  function begin(state) {
    live?.close();
    reading.abort();
    reading = new AbortController();
    asked.clear();
    trouble = null;
    shown = { scope: state.scope, filter: state.filter };
    list.goTo(0);
    readPage(0, true);
    const { status, q, order: by } = state.filter;
    const request = { topic: `children:${state.scope}`, rows: true, limit: 1, ids: [], status: status.join(",") };
    if (q) request.q = q;
    if (by.endsWith("created_at")) request.order = by;
    live = subscribe(request, ({ type, payload }) => {
      if (type !== "snapshot") return;
      dispatch({ type: "rows", rows: payload.rows });
      if (payload.total_count !== undefined && payload.total_count !== store.state.pages.total) readAgain();
    });
  }

  phone.addEventListener("change", layOut);
  layOut();

  return {
    element,
    /** Read what is in sight again. */
    readAgain,
    show(state, visible) {
      setProperty(element, "hidden", !visible);
      if (!visible) return;
      if (state.scope && (state.scope !== shown.scope || state.filter !== shown.filter)) begin(state);
      const { tally } = state.steps.find((step) => step.id === state.scope) ?? state.job;
      for (const chip of chips) {
        const { status } = chip.dataset;
        setAttribute(chip, "aria-pressed", String(state.filter.status.includes(status)));
        setText(chip.lastChild, tally[status] === undefined ? "" : count(tally[status]));
      }
      const isPlain = !state.filter.status.length && !state.filter.q;
      list.length = isPlain ? state.pages.total : Math.min(state.pages.total, FARTHEST);
      list.refresh();
      setProperty(list, "hidden", !state.pages.total);
      showBody(state);
      setText(foot, !state.pages.byNumber.size ? "" : `${state.pages.isLowerBound ? "at least " : ""}${count(state.pages.known)} ${isPlain ? "children" : "match"}`);
    },
    close() {
      live?.close();
      reading.abort();
      clearTimeout(again);
      phone.removeEventListener("change", layOut);
    },
  };
}
