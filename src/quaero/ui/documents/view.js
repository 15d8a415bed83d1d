// The documents page: what jobs kept, searched, read and exported.

import { ago, count, dateTime } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { button, searchField } from "../kit/control.js";
import { createStore } from "../kit/store.js";
import { failure, notice, skeleton } from "../kit/states.js";
import { read } from "../live/api.js";
import { announce } from "../shell/announce.js";
import { keys } from "../shell/keys.js";
import { keep } from "../shell/router.js";
import { pieces } from "./marks.js";
import { initial, reduce } from "./reducer.js";

const PAGE = 50;

/** Open the page. Returns how to close it. */
export function openDocuments(main, { params }) {
  document.title = "Documents · Quaero";
  main.className = "two documents";
  const store = createStore(reduce, initial({ q: params.get("q") ?? "", tree: params.get("tree") ?? "", chosen: params.get("id") }), render);
  const { dispatch } = store;
  let reading = new AbortController();

  const search = searchField("Search titles and texts", store.state.q, (q) => ask({ q }));
  const tree = h("input", { type: "text", class: "short", inputmode: "numeric", value: store.state.tree, placeholder: "Tree id", "aria-label": "Only documents of this tree", on: { change: () => ask({ tree: tree.value.replace(/\D/g, "") }) } });
  const list = h("ul", { class: "cards" });
  const body = h("div");
  const more = button("down", "More", readMore, { class: "quiet" });
  const exports = ["jsonl", "markdown"].map((format) => h("a", { download: true, data: { format }, text: format === "jsonl" ? "JSON lines" : "Markdown" }));
  const reader = h("article", { class: "detail reader", tabindex: 0, "aria-label": "The chosen document" });
  main.append(h("h1", { class: "unseen", text: "Documents" }),
    h("section", { class: "panel side", "aria-label": "Documents" }, h("div", { class: "toolbar" }, search, tree), list, body, more, h("p", { class: "foot" }, "Export as ", exports[0], " or ", exports[1])),
    h("section", { class: "panel main-part" }, reader));

  function ask(changes) {
    dispatch({ type: "asked", changes });
    keep(changes);
    readPage(true);
  }

  async function readPage(first) {
    if (first) {
      reading.abort();
      reading = new AbortController();
    }
    const { q, tree: root, cursor } = store.state;
    try {
      const page = await read("/api/documents", { q, job_id: root, limit: PAGE, cursor: first ? null : cursor }, reading.signal);
      dispatch({ type: "page", first, q, tree: root, ...page });
      if (first && store.state.chosen) choose(store.state.chosen);
      else if (first && page.documents.length) choose(page.documents[0].id, { quiet: true });
    } catch (trouble) {
      if (trouble.name !== "AbortError") dispatch({ type: "failed", trouble });
    }
  }

  function readMore() {
    dispatch({ type: "reading" });
    readPage(false);
  }

  async function choose(id, { quiet = false } = {}) {
    dispatch({ type: "chosen", id });
    if (!quiet) keep({ id });
    try {
      dispatch({ type: "document", document: await read(`/api/documents/${encodeURIComponent(id)}`) });
    } catch (trouble) {
      dispatch({ type: "unread", id, trouble });
    }
  }

  function step(by) {
    const { list: known, chosen } = store.state;
    const at = known.findIndex((one) => one.id === chosen);
    const next = known[Math.max(0, Math.min(known.length - 1, at + by))];
    if (next) choose(next.id);
  }

  function render(state, before) {
    keyed(list, state.list, (one) => one.id, (one) => card(one, choose), (element, one) => setAttribute(element.firstChild, "aria-current", one.id === state.chosen ? "true" : null));
    setAttribute(main, "data-empty", state.load === "ready" && !state.list.length && !state.q && !state.tree);
    setProperty(more, "hidden", !state.cursor);
    setProperty(more, "disabled", state.reading);
    for (const link of exports) setAttribute(link, "href", `/api/documents/export?${new URLSearchParams({ format: link.dataset.format, ...(state.q ? { q: state.q } : {}), ...(state.tree ? { job_id: state.tree } : {}) })}`);
    if (state.load !== before?.load || state.list !== before?.list) renderState(state);
    if (!before || ["document", "chosen", "unread"].some((name) => state[name] !== before[name])) renderReader(state);
    if (state.load === "ready" && before?.load === "loading") announce(`${count(state.list.length)}${state.cursor ? " or more" : ""} documents`);
  }

  function renderState(state) {
    if (state.load === "loading") body.replaceChildren(skeleton(6));
    else if (state.load === "failed") body.replaceChildren(failure(state.trouble, () => readPage(true)));
    else if (state.list.length) body.replaceChildren();
    else body.replaceChildren(notice(state.q || state.tree ? "Nothing found" : "No documents yet", state.q || state.tree ? "No document has all these words." : "Jobs keep documents with job.document(…); the crawler keeps the text of every page."));
  }

  function renderReader({ document: one, chosen, unread }) {
    if (!one) {
      reader.replaceChildren(unread ? failure(unread, () => choose(chosen)) : chosen ? skeleton(10) : notice("Nothing chosen", "Choose a document to read it."));
      return;
    }
    const isWeb = /^https?:\/\//i.test(one.url);
    reader.replaceChildren(h("header", { class: "about" }, h("h2", { text: one.title || one.url || `Document ${one.id}` }),
      one.url && (isWeb ? h("a", { class: "url", href: one.url, target: "_blank", rel: "noopener noreferrer", text: one.url }) : h("p", { class: "url", text: one.url })),
      h("p", { class: "soft num" }, `kept ${ago(one.created_at)} (${dateTime(one.created_at)}) · ${count(one.size)} characters · `, h("a", { href: `/jobs/${one.job_id}`, text: `job ${one.job_id}` }), " of ", h("a", { href: `/jobs/${one.root_id}`, text: `tree ${one.root_id}` })),
      one.truncated && h("p", { class: "warning", text: "The text was longer than a document may be, and was cut." })),
    h("div", { class: "text" }, pieces(one.text, store.state.q).map(([text, hit]) => (hit ? h("mark", { text }) : text))));
    reader.scrollTop = 0;
  }

  const forgetKeys = keys("Documents", { ArrowDown: ["Next document", () => step(1)], ArrowUp: ["Previous document", () => step(-1)] });
  store.flush();
  readPage(true);
  return () => {
    main.removeAttribute("data-empty");
    store.close();
    reading.abort();
    forgetKeys();
  };
}

function card(one, choose) {
  const snippet = one.snippet ?? "";
  return h("li", null, h("button", { class: "card", type: "button", on: { click: () => choose(one.id) } }, h("b", { text: one.title || one.url || `Document ${one.id}` }),
    one.url && h("small", { class: "url", text: one.url }), h("small", { class: "snippet", text: snippet })));
}
