// The definitions page: a list, one of them in full, and an editor that checks while one types.

import { ago } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { button, searchField } from "../kit/control.js";
import { confirmAction } from "../kit/dialog.js";
import { createStore } from "../kit/store.js";
import { failure, notice, skeleton } from "../kit/states.js";
import { statusShape } from "../kit/status.js";
import { post, put, read, remove as removeAt } from "../live/api.js";
import { keys } from "../shell/keys.js";
import { keep } from "../shell/router.js";
import { complain, toast } from "../shell/toast.js";
import { detailOf } from "./detail.js";
import { editor } from "./editor.js";
import { TEMPLATE, initial, reduce } from "./reducer.js";
import { runDialog } from "./run.js";

const AGAIN_MS = 15_000;
const at = (id) => `/api/job-definitions/${encodeURIComponent(id)}`;

/** Open the page. Returns how to close it. */
export function openDefinitions(main, { params }) {
  document.title = "Definitions · Quaero";
  main.className = "two definitions";
  const store = createStore(reduce, initial({ chosen: params.get("id"), q: params.get("q") ?? "" }), render);
  const { dispatch } = store;

  const search = searchField("Search definitions", store.state.q, (q) => {
    dispatch({ type: "searched", q });
    keep({ q });
    readList();
  });
  const list = h("ul", { class: "cards" });
  const listState = h("div");
  const write = editor({ typed: (text) => dispatch({ type: "typed", text }), validate, save, leave: () => choose(store.state.chosen || store.state.list[0]?.id) });
  const detail = h("div", { class: "detail" });
  main.append(h("h1", { class: "unseen", text: "Definitions" }),
    h("section", { class: "panel side", "aria-label": "Definitions" }, h("div", { class: "toolbar" }, search, button("plus", "New", writeNew, { title: "Write a new definition (n)" })), list, listState),
    h("section", { class: "panel main-part", "aria-label": "The chosen definition" }, write.element, detail));

  async function readList() {
    try {
      dispatch({ type: "list", ...(await read("/api/job-definitions", { q: store.state.q, limit: 200 })) });
      if (store.state.chosen === null && store.state.list.length) choose(store.state.list[0].id, { quiet: true });
      else if (store.state.chosen && !store.state.editing) readDetail();
    } catch (trouble) {
      dispatch({ type: "failed", trouble });
    }
  }

  async function readDetail() {
    const { chosen } = store.state;
    if (!chosen) return;
    try {
      dispatch({ type: "detail", detail: await read(at(chosen)) });
    } catch (trouble) {
      dispatch({ type: "unread", id: chosen, trouble });
    }
  }

  function choose(id, { quiet = false } = {}) {
    dispatch({ type: "chosen", id: id ?? null });
    if (!quiet) keep({ id });
    readDetail();
  }

  function writeNew() {
    dispatch({ type: "chosen", id: "", editing: true, draft: TEMPLATE });
  }

  function edit() {
    const { detail: now } = store.state;
    if (now.read_only) dispatch({ type: "chosen", id: "", editing: true, draft: now.toml.replace(/^id = ".*"$/m, `id = "${now.id}-copy"`) });
    else dispatch({ type: "chosen", id: now.id, editing: true, draft: now.toml });
  }

  async function validate() {
    const text = store.state.draft;
    if (text === null) return;
    try {
      dispatch({ type: "validated", text, validation: await post("/api/job-definitions/validate", { toml: text }) });
    } catch (trouble) {
      dispatch({ type: "refused", trouble });
    }
  }

  async function save() {
    const { chosen, draft, saving } = store.state;
    if (saving) return;
    dispatch({ type: "saving" });
    try {
      const kept = chosen ? await put(at(chosen), { toml: draft }) : await post("/api/job-definitions", { toml: draft });
      dispatch({ type: "saved", detail: kept });
      keep({ id: kept.id });
      toast(`${kept.name} is kept.`);
      readList();
    } catch (trouble) {
      dispatch({ type: "refused", trouble });
    }
  }

  async function remove() {
    const { id, name } = store.state.detail;
    if (!(await confirmAction({ title: `Delete ${name}?`, body: [h("p", { text: "The trees it made stay." })], action: "Delete", danger: true }))) return;
    try {
      await removeAt(at(id));
      choose(null);
      readList();
    } catch (error) {
      complain(error);
    }
  }

  function render(state, before) {
    keyed(list, state.list, (one) => one.id, (one) => card(one.id, choose), (element, one) => element.show(one, one.id === state.chosen));
    if (state.load !== before?.load || state.list !== before?.list) {
      if (state.load === "loading") listState.replaceChildren(skeleton(5));
      else if (state.load === "failed") listState.replaceChildren(failure(state.trouble, readList));
      else if (state.list.length) listState.replaceChildren();
      else if (state.q) listState.replaceChildren(notice("Nothing matches", null));
      else listState.replaceChildren(notice("No definitions yet", "A definition names steps and what they depend on, and can run on a schedule. Put TOML files into the definitions directory, or write one here.", button("plus", "Write a definition", writeNew, { class: "primary" })));
    }
    setAttribute(main, "data-empty", state.load === "ready" && !state.list.length && !state.q && !state.editing);
    write.show(state);
    setProperty(detail, "hidden", state.editing);
    if (!state.editing && ["detail", "editing", "chosen", "unread"].some((name) => state[name] !== before?.[name])) {
      if (state.detail) detail.replaceChildren(...detailOf(state.detail, { run: () => runDialog(state.detail), edit, remove }));
      else detail.replaceChildren(state.unread ? failure(state.unread, readDetail) : state.chosen ? skeleton(8) : notice("Choose a definition", "Or write a new one."));
    }
  }

  const forgetKeys = keys("Definitions", {
    n: ["New definition", writeNew],
    r: ["Run the chosen one", () => store.state.detail && runDialog(store.state.detail)],
    i: ["Edit the chosen one", () => store.state.detail && edit()],
  });
  const timer = setInterval(() => !document.hidden && !store.state.editing && readList(), AGAIN_MS);
  store.flush();
  readList();
  const stay = (event) => { // what is being written is not lost by closing the tab, or by a login that ran out
    const { editing, draft, detail } = store.state;
    if (editing && draft !== null && draft !== TEMPLATE && draft !== detail?.toml) event.preventDefault();
  };
  addEventListener("beforeunload", stay);
  return () => {
    removeEventListener("beforeunload", stay);
    main.removeAttribute("data-empty");
    store.close();
    write.close();
    clearInterval(timer);
    forgetKeys();
  };
}

function card(id, choose) {
  const [name, shapes, about, when] = [h("b"), h("span", { class: "shapes" }), h("small"), h("small", { class: "num" })];
  const element = h("li", null, h("button", { class: "card", type: "button", on: { click: () => choose(id) } }, h("span", { class: "card-top" }, name, shapes), about, when));
  element.show = (one, chosen) => {
    setAttribute(element.firstChild, "aria-current", chosen ? "true" : null);
    setText(name, one.name);
    keyed(shapes, one.last_runs, (run) => `${run.id} ${run.status}`, (run) => h("i", { data: { status: run.status }, title: `${run.status}, ${ago(run.created_at)}` }, statusShape(run.status)));
    setText(about, one.problem ?? (one.description || one.id));
    setAttribute(about, "class", one.problem ? "bad" : null);
    setText(when, one.schedule ? one.schedule_text : one.last_runs.length ? `last run ${ago(one.last_runs[0].created_at)}` : "by hand");
  };
  return element;
}
