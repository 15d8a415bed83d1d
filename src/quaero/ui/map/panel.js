// The run map with what belongs round it: colour by, size, legend, what is under the pointer, what can be done with a selection.

import { count, duration, elapsed, plural } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { button } from "../kit/control.js";
import { title as titleOf } from "../kit/summary.js";
import { statusLabel, statusShape } from "../kit/status.js";
import { ask, mayPass, read } from "../live/api.js";
import { FEW } from "../live/actions.js";
import { subscribe } from "../live/connection.js";
import { actOnMany } from "../queue/bulk.js";
import { go } from "../shell/router.js";
import { complain } from "../shell/toast.js";
import { STATUS_CODES, parseMap } from "./cells.js";
import { groupColour, heat, heatSteps } from "./colours.js";
import "./element.js";

const BY = { status: "Status", duration: "Duration", error: "Error" };
const LINGER_MS = 140; // before a cell under the pointer is asked about
const AGAIN_MS = 2_000;

/** The panel; `logs({of, children})` shows the log of some children, `8..15`, of a job. */
export function mapPanel({ logs, changed }) {
  let state = { scope: null, by: "status", cells: null, version: -1, streams: false };
  let live = null;
  let reading = null;
  let again = 0;
  let fetched = new Map();

  const title = h("h2", { text: "Run map" });
  const about = h("span", { class: "soft num" });
  const modes = Object.entries(BY).map(([by, text]) => h("button", { type: "button", data: { by }, text, on: { click: () => begin(state.scope, by) } }));
  const map = h("q-map", { class: "map" });
  const legend = h("ul", { class: "legend num" });
  const tip = h("div", { class: "tip", hidden: true });
  const spoken = h("p", { class: "unseen", role: "status" });
  const chosenText = h("strong", { class: "num" });
  const chosen = h("div", { class: "selection", role: "region", "aria-label": "Selected children", hidden: true }, chosenText, h("span", { class: "spring" }),
    button("documents", "Logs", () => logs({ of: state.scope, children: chosenChildren() })),
    button("retry", "Retry", () => act("retry")), button("stop", "Cancel", () => act("cancel")), button("close", "Clear", () => { map.chosen = null; }, { class: "quiet" }));
  const element = h("section", { class: "panel map-panel", "aria-label": "Run map" },
    h("header", null, title, about, h("span", { class: "spring" }), h("div", { class: "segments", role: "group", "aria-label": "Colour by" }, modes),
      h("div", { class: "segments", role: "group", "aria-label": "Size of cells" }, h("button", { type: "button", text: "−", "aria-label": "Smaller", on: { click: () => map.zoom(-1) } }),
        h("button", { type: "button", text: "Fit", on: { click: () => map.zoom(0) } }), h("button", { type: "button", text: "+", "aria-label": "Larger", on: { click: () => map.zoom(1) } }))),
    h("div", { class: "pad" }, map, chosen, legend), tip, spoken);

  async function begin(scope, by = state.by) {
    live?.close();
    live = null;
    reading?.abort();
    reading = new AbortController();
    if (scope !== state.scope) fetched = new Map();
    state = { ...state, scope, by, streams: false, cells: scope === state.scope && by === state.by ? state.cells : null };
    for (const mode of modes) setAttribute(mode, "aria-pressed", String(mode.dataset.by === by));
    await load();
  }

  async function load() {
    const { scope, by } = state;
    try {
      const answer = await ask("GET", `/api/jobs/${scope}/map`, { query: { by, format: "binary" }, signal: reading.signal, raw: true });
      const cells = parseMap(await answer.arrayBuffer());
      if (scope !== state.scope || by !== state.by) return;
      state.cells = cells;
      map.show(cells, by);
      showLegend();
      listen(cells.head.cursor);
    } catch (error) {
      complain(error);
      if (mayPass(error)) loadAgain();
    }
  }

  /** Go on from where this map stands: what was told of the one before it may be missing in it. */
  function listen(cursor) {
    live?.close();
    live = subscribe({ topic: `map:${state.scope}`, by: state.by, cursor }, arrived);
  }

  function arrived({ type, payload }) {
    if (!state.cells) return;
    if (type !== "map") return;
    state.streams = true;
    if (payload.reset) {
      load();
      return;
    }
    const { cells, by } = state;
    const groups = cells.head.legend.length;
    const own = by === "error" ? cells.translation(payload.legend) : (code) => code;
    let moved = false;
    for (const [id, code] of payload.changes) moved = cells.set(id, own(code)) || moved;
    if (!moved) return;
    if (cells.head.legend.length > groups) map.show(cells, by); // in a colour that was not there yet
    map.refresh();
    showLegend();
    showChosen();
  }

  /** Without the live plane it is read again, now and then. */
  function loadAgain() {
    if (again || !state.scope) return;
    again = setTimeout(() => {
      again = 0;
      load();
    }, AGAIN_MS);
  }

  function showLegend() {
    const { cells, by } = state;
    const counts = cells.counts();
    let items;
    if (by === "status") items = STATUS_CODES.map((status, code) => ({ key: status, status, text: statusLabel(status), n: counts[code] })).filter(({ n }) => n);
    else if (by === "error") {
      items = cells.head.legend.map((group, i) => ({ key: group.fingerprint, colour: groupColour(i), text: group.message, n: counts[group.code] })).filter(({ n }) => n);
      items.push({ key: "none", text: "did not fail", n: counts[0] });
    } else items = heatSteps.map((ms, i) => ({ key: ms, colour: heat(ms), text: `${i ? "" : "≤ "}${duration(ms)}` }));
    keyed(legend, items, ({ key }) => key, ({ status, colour }) => h("li", { data: status ? { status } : {} }, status ? statusShape(status) : h("i", { vars: { background: colour ?? "var(--map-quiet)" } }), h("span"), h("b")),
      (line, { text, n }) => {
        setText(line.children[1], text);
        setText(line.children[2], n === undefined ? "" : count(n));
      });
    setText(about, plural(cells.count, "child", "children"));
    setAttribute(map, "aria-label", `${plural(cells.count, "child", "children")}: ${items.map(({ text, n }) => `${n ?? ""} ${text}`).join(", ")}. Arrow keys move, Enter opens, Shift selects.`);
  }

  // --- pointing

  let linger = 0;
  async function tell(id, index) {
    let job = fetched.get(id);
    if (!job) {
      try {
        job = await read(`/api/jobs/${id}`);
      } catch {
        return;
      }
      fetched.set(id, job);
      setTimeout(() => fetched.delete(id), AGAIN_MS);
    }
    if (tip.dataset.id !== id) return;
    const failure = job.error ? `${job.error.type}: ${job.error.message}` : "";
    const took = job.started_at ? duration(elapsed(job)) : "not begun";
    tip.lastChild.replaceChildren(h("p", { text: `${titleOf(job)} · ${statusLabel(job.status)} · ${took}` }), failure ? h("p", { class: "bad", text: failure }) : "");
    setText(spoken, `${count(index + 1)}: job ${id}, ${statusLabel(job.status)}, ${took}. ${failure}`);
  }

  map.addEventListener("cell", ({ detail: { index, x, y } }) => {
    clearTimeout(linger);
    const id = index >= 0 ? state.cells?.idAt(index) : null;
    if (!id) {
      tip.hidden = true;
      tip.dataset.id = "";
      return;
    }
    const status = state.by === "status" ? ` · ${statusLabel(STATUS_CODES[state.cells.codes[index]])}` : "";
    if (tip.dataset.id !== id) {
      tip.dataset.id = id;
      tip.replaceChildren(h("p", { class: "num" }, h("b", { text: `${count(index + 1)}` }), ` · job ${id}${status}`), h("div"));
      linger = setTimeout(() => tell(id, index), LINGER_MS);
    }
    tip.hidden = false;
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - 330))}px`;
    const isLow = y > innerHeight * 0.65; // there is more room above
    tip.style.top = isLow ? "" : `${y + 16}px`;
    tip.style.bottom = isLow ? `${innerHeight - y + 12}px` : "";
  });
  map.addEventListener("open", ({ detail }) => state.cells.idAt(detail) && go(`/jobs/${state.cells.idAt(detail)}`));
  function chosenChildren() {
    const [from, to] = map.chosen;
    return `${state.cells.idAt(from)}..${state.cells.idAt(to - 1)}`;
  }

  function showChosen() {
    const detail = map.chosen;
    chosen.hidden = !detail;
    if (!detail) return;
    const counts = state.cells.counts(...detail);
    const parts = state.by === "status" ? STATUS_CODES.map((status, code) => counts[code] && `${count(counts[code])} ${statusLabel(status).toLowerCase()}`).filter(Boolean).join(", ") : "";
    setText(chosenText, `${plural(detail[1] - detail[0], "child", "children")} selected${parts ? `: ${parts}` : ""}`);
  }
  map.addEventListener("chosen", showChosen);

  async function act(action) {
    const [from, to] = map.chosen;
    const few = to - from <= FEW && Array.from({ length: to - from }, (_, i) => state.cells.idAt(from + i));
    if (!(await actOnMany(action, few ? { ids: few } : { filter: { parent_id: state.scope, children: chosenChildren() } }))) return;
    map.chosen = null;
    changed();
  }

  return {
    element,
    loadAgain,
    /** The id of the child in a place, null while it is not known. */
    idAt: (place) => state.cells?.idAt(place) ?? null,
    show({ scope, steps, job }) {
      const of = steps.find((step) => step.id === scope) ?? job;
      setProperty(element, "hidden", !scope || !of || of.tally.total === 0);
      if (element.hidden) return;
      setText(title, steps.length ? `Run map of ${of.name ?? of.kind}` : "Run map");
      if (scope !== state.scope) begin(scope);
      else if (state.cells && !state.streams && of.version !== state.version) loadAgain();
      state.version = of.version;
    },
    close() {
      live?.close();
      reading?.abort();
      clearTimeout(again);
      clearTimeout(linger);
    },
  };
}
