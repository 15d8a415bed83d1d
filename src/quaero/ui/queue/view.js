// The queue page: reads and subscribes, hands messages to the reducer, and shows the state it gives back.

import { count, plural } from "../kit/format.js";
import { h, setProperty, setText } from "../kit/dom.js";
import { createStore } from "../kit/store.js";
import { PAGE, idAt, idsBetween, pagesBetween } from "../kit/pages.js";
import { makeRow, rowHead, showRow } from "../kit/row.js";
import { failure, notice, skeleton } from "../kit/states.js";
import { button } from "../kit/control.js";
import "../kit/virtual.js";
import { mayPass, read } from "../live/api.js";
import { standing, subscribe, whileNotLive } from "../live/connection.js";
import { announce } from "../shell/announce.js";
import { keys } from "../shell/keys.js";
import { go, keep } from "../shell/router.js";
import { complain } from "../shell/toast.js";
import { runDialog } from "../definitions/run.js";
import { describeFilter, fromParams, isFiltering, toParams, toQuery } from "./filter.js";
import { initial, reduce } from "./reducer.js";
import { selectionBar } from "./selection.js";
import { statusStrip } from "./strip.js";
import { toolbar } from "./toolbar.js";

const AGAIN_MS = 1_000; // the least time between two readings of what is in sight
const FARTHEST = 100_000; // rows that offsets reach; a filter finds what lies beyond
const phone = matchMedia("(max-width: 760px)");

/** Open the queue page. Returns how to close it. */
export function openQueue(main, { params }) {
  document.title = "Queue · Quaero";
  main.className = "queue";
  const store = createStore(reduce, initial(fromParams(params)), render);
  const { dispatch } = store;
  let sight = [0, 0];
  let reading = new AbortController();
  let asked = new Set();
  let live = null;

  const strip = statusStrip({ toggle: toggleStatus, workers: () => store.state.stats?.workers ?? [] });
  const tools = toolbar({ filter: store.state.filter, change, run: runDialog });
  const list = document.createElement("q-list");
  list.setAttribute("aria-label", "Jobs");
  const all = h("input", { type: "checkbox", "aria-label": "Select all shown", on: { change: () => (all.checked ? selectShown() : dispatch({ type: "cleared" })) } });
  const selection = selectionBar({ store, reload });
  const fresh = button("down", "", showFresh, { class: "fresh", hidden: true });
  const body = h("div", { class: "rows-state" });
  const foot = h("p", { class: "foot num" });
  main.append(h("h1", { class: "unseen", text: "Queue" }), strip.element, tools.element,
    h("section", { class: "panel rows", "aria-label": "Roots" }, selection.element, rowHead({ pick: all }), fresh, list, body, foot));

  function layOut() {
    list.setup({
      height: phone.matches ? 62 : 40,
      row: () => makeRow({ select: (index, range) => dispatch({ type: "toggled", index, range }) }),
      show: (row, index) => {
        const id = idAt(store.state.pages, index);
        showRow(row, store.state.jobs.get(id), { selected: store.state.allMatching || store.state.selected.has(id) });
      },
      range: inSight,
      open: (index) => idAt(store.state.pages, index) && go(`/jobs/${idAt(store.state.pages, index)}`),
      select: (index, event) => dispatch({ type: "toggled", index, range: event.shiftKey }),
    });
  }

  // --- reading

  async function readPage(number, { only = false } = {}) {
    if (asked.has(number) && !only) return;
    asked.add(number);
    const { signal } = reading;
    try {
      const query = { ...toQuery(store.state.filter), limit: PAGE, offset: number * PAGE || undefined };
      dispatch({ type: "page", number, only, answer: await read("/api/jobs", query, signal) });
      watchSight();
    } catch (trouble) {
      if (trouble.name !== "AbortError") dispatch({ type: "failed", trouble });
      if (mayPass(trouble)) readAgain();
    } finally {
      asked.delete(number);
    }
  }

  function inSight(first, last) {
    sight = [first, last];
    for (const number of pagesBetween(first, last)) if (!store.state.pages.byNumber.has(number)) readPage(number);
    watchSight();
  }

  function watchSight() {
    live?.ids(idsBetween(store.state.pages, ...sight));
  }

  function reload() {
    reading.abort();
    reading = new AbortController();
    asked = new Set();
    listen();
    return readPage(0, { only: true });
  }

  let again = 0;
  function readAgain() {
    if (again) return;
    again = setTimeout(() => {
      again = 0;
      if (list.top < 1) readPage(0, { only: true });
      else for (const number of pagesBetween(...sight)) readPage(number);
    }, AGAIN_MS);
  }

  async function readStats() {
    try {
      const [stats, { moments }] = await Promise.all([read("/api/queue/stats"), read("/api/queue/history")]);
      dispatch({ type: "stats", stats });
      dispatch({ type: "history", moments });
    } catch (trouble) {
      complain(trouble);
    }
  }

  // --- living

  function listen() {
    live?.close();
    const { status, kind, tag, q, order } = toQuery(store.state.filter);
    const request = { topic: "jobs", rows: true, limit: 1, status, ids: idsBetween(store.state.pages, ...sight) };
    if (kind) request.kind = kind;
    if (tag) request.tag = tag;
    if (q) request.q = q;
    if (order.endsWith("created_at")) request.order = order;
    live = subscribe(request, ({ type, payload }) => {
      if (type !== "snapshot") return;
      const strange = payload.rows.map((job) => job.id).filter((id) => !store.state.jobs.has(id));
      dispatch({ type: "rows", rows: payload.rows });
      if (payload.gone?.length) readAgain();
      if (!strange.length) return;
      if (list.top < 1) readAgain();
      else dispatch({ type: "created", ids: strange });
    });
  }

  const queue = subscribe({ topic: "queue", rows: true }, ({ type, payload }) => {
    const stats = type === "queue_stats" ? payload : payload.stats ?? payload.queue;
    if (stats) dispatch({ type: "stats", stats });
  });
  const stopFetching = whileNotLive(() => {
    readAgain();
    readStats();
  });
  const clock = setInterval(() => {
    list.refresh();
    if (standing().state === "live") dispatch({ type: "passed" });
  }, 1_000);

  // --- doing

  function change(changes) {
    dispatch({ type: "filtered", changes });
    keep(toParams(store.state.filter));
    list.goTo(0);
    reload();
  }

  function toggleStatus(status) {
    const { status: chosen } = store.state.filter;
    change({ status: chosen.includes(status) ? chosen.filter((one) => one !== status) : [...chosen, status] });
  }

  function selectShown() {
    dispatch({ type: "selectedShown", ids: idsBetween(store.state.pages, ...list.seen) });
  }

  function showFresh() {
    list.goTo(0);
    readPage(0, { only: true });
  }

  // --- showing

  function render(state, before) {
    strip.show(state);
    tools.show(state.filter);
    selection.show(state);
    list.length = Math.min(state.pages.total, FARTHEST);
    list.refresh();
    list.hidden = state.pages.total === 0;
    setProperty(all, "checked", state.allMatching || state.selected.size > 0);
    setProperty(fresh, "hidden", state.fresh.size === 0);
    setText(fresh.lastChild, plural(state.fresh.size, "new job"));
    if (state.load !== before?.load || state.trouble !== before?.trouble || state.pages.total !== before?.pages.total) renderState(state);
    const shown = state.pages.isLowerBound ? `at least ${count(state.pages.known)}` : count(state.pages.total);
    const words = `${isFiltering(state.filter) ? ` with ${describeFilter(state.filter)}` : ""}${state.pages.total > FARTHEST ? `; the first ${count(FARTHEST)} stand here, a filter finds the others` : ""}`;
    setText(foot, state.load === "ready" && (state.pages.total || words) ? `${shown} ${state.pages.total === 1 ? "root" : "roots"}${words}` : "");
    if (state.load === "ready" && before?.load !== "ready") announce(foot.textContent);
  }

  function renderState(state) {
    if (state.load === "failed") body.replaceChildren(failure(state.trouble, reload));
    else if (state.load === "loading") body.replaceChildren(skeleton(8));
    else if (state.pages.total) body.replaceChildren();
    else if (isFiltering(state.filter)) {
      body.replaceChildren(notice("Nothing matches", `No root has ${describeFilter(state.filter)}.`,
        button("close", "Clear the filter", () => change({ status: [], kind: "", tag: "", q: "", since: "" }))));
    } else {
      body.replaceChildren(notice("No jobs yet", ["Run a definition, or submit work from a terminal: ", h("code", { text: "quaero submit KIND --payload '{…}'" })],
        button("play", "Run a definition", runDialog, { class: "primary" })));
    }
  }

  const forgetKeys = keys("Queue", {
    r: ["Run a definition", runDialog],
    x: ["Select the row", () => list.focus()],
    a: ["Select all shown", selectShown],
    Escape: ["Clear the selection", () => dispatch({ type: "cleared" })],
    c: ["Cancel the selected", () => selection.act("cancel")],
    e: ["Retry the selected", () => selection.act("retry")],
  });
  phone.addEventListener("change", layOut);
  layOut();
  store.flush();
  reload();
  readStats();

  return () => {
    store.close();
    reading.abort();
    live?.close();
    queue.close();
    stopFetching();
    clearInterval(clock);
    clearTimeout(again);
    forgetKeys();
    phone.removeEventListener("change", layOut);
  };
}
