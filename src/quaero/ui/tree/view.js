// The tree page: reads and subscribes, hands messages to the reducer, and shows the state it gives back.

import { compact, plural } from "../kit/format.js";
import { h, setProperty } from "../kit/dom.js";
import { confirmAction } from "../kit/dialog.js";
import { createStore } from "../kit/store.js";
import { failure, notice, skeleton } from "../kit/states.js";
import { describe } from "../kit/status.js";
import { tabs } from "../kit/control.js";
import { mayPass, read } from "../live/api.js";
import { ACTIONS, act as actOn } from "../live/actions.js";
import { subscribe, whileNotLive } from "../live/connection.js";
import { mapPanel } from "../map/panel.js";
import { announce } from "../shell/announce.js";
import { keys } from "../shell/keys.js";
import { go, keep } from "../shell/router.js";
import { complain, toast } from "../shell/toast.js";
import { childrenPanel, ORDERS } from "./children.js";
import { detailsPanel } from "./details.js";
import { errorsPanel } from "./errors.js";
import { failuresOf } from "./failures.js";
import { treeHead } from "./head.js";
import { logPanel, logOf } from "./log.js";
import { momentsOf } from "./moments.js";
import { NO_FILTER, TABS, initial, offered, reduce } from "./reducer.js";
import { slowPanel } from "./slow.js";
import { stepsPanel } from "./steps.js";
import { timelinePanel } from "./timeline.js";

const RANKED = 12;
const AGAIN_MS = 1_500;
const NAMES = { children: "Children", errors: "Errors", slow: "Slow and silent", timeline: "Timeline", log: "Log", details: "Details" };

function fromParams(params) {
  const order = params.get("order");
  return {
    scope: params.get("step"),
    tab: TABS.includes(params.get("tab")) ? params.get("tab") : null,
    filter: { ...NO_FILTER, status: (params.get("status") ?? "").split(",").filter(Boolean), q: params.get("q") ?? "", order: order in ORDERS ? order : NO_FILTER.order },
  };
}

/** Open the page of one job. Returns how to close it. */
export function openTree(main, { id, params }) {
  document.title = `Job ${id} · Quaero`;
  main.className = "tree";
  const store = createStore(reduce, initial(id, fromParams(params)), render);
  const { dispatch } = store;
  const reading = new AbortController();
  let due = 0;
  let once = 0;

  const head = treeHead({ act });
  const steps = stepsPanel({ choose, toggle: (step) => dispatch({ type: "toggledStep", id: step }) });
  const map = mapPanel({ logs: showLogs, changed: readJob });
  const bar = tabs("About this job", NAMES, showTab);
  const panels = {
    children: childrenPanel({ store, change, idOfPlace: map.idAt }),
    errors: errorsPanel({ retry: (group) => act("retry", { failed_children: true, fingerprint: group.fingerprint }, group) }),
    slow: slowPanel(), timeline: timelinePanel(), log: logPanel({ ...logOf(params, id), keep }), details: detailsPanel(),
  };
  const places = Object.entries(panels).map(([name, panel]) => h("div", { role: "tabpanel", id: `panel-${name}`, "aria-labelledby": `tab-${name}` }, panel.element));
  const body = h("div");
  const lower = h("section", { class: "panel lower", "aria-label": "Inside" }, bar, places);
  main.append(body, head.element, steps.element, map.element, lower);

  // --- reading

  async function readJob() {
    clearTimeout(once);
    try {
      const job = await read(`/api/jobs/${id}`, {}, reading.signal);
      const inside = job.steps?.length ? (await read(`/api/jobs/${id}/children`, { limit: 1_000, order: "created_at" }, reading.signal)).jobs : [];
      dispatch({ type: "job", job, steps: inside });
    } catch (trouble) {
      if (trouble.name === "AbortError") return;
      dispatch({ type: "failed", trouble });
      if (mayPass(trouble)) once = setTimeout(readJob, 2 * AGAIN_MS);
    }
  }

  const readers = {
    async errors() {
      dispatch({ type: "errors", errors: await failuresOf(store.state.job, reading.signal) });
    },
    async stepErrors() {
      dispatch({ type: "stepErrors", steps: (await read(`/api/jobs/${id}/tree`, {}, reading.signal)).steps });
    },
    async slow() {
      const { scope } = store.state;
      const ask = (query) => read(`/api/jobs/${scope}/children`, { limit: RANKED, ...query }, reading.signal);
      const [slowest, silent] = await Promise.all([ask({ order: "-duration" }), ask({ order: "-silent" })]);
      const since = silent.silent_since ?? {};
      dispatch({ type: "ranked", scope, slowest: slowest.jobs, silent: silent.jobs.map((job) => ({ ...job, silent_since: since[job.id] })) });
    },
    async timeline() {
      const { job, steps } = store.state;
      dispatch({ type: "milestones", milestones: await momentsOf(job, steps, reading.signal) });
    },
  };

  function readTab() {
    due = 0;
    const { tab, job, steps: inside } = store.state;
    if (!job) return;
    if (inside.some((step) => step.tally.failed)) readers.stepErrors().catch(complain);
    readers[tab]?.().catch(complain);
  }

  function readTabSoon(ms = AGAIN_MS) {
    if (due && ms) return;
    clearTimeout(due);
    due = setTimeout(readTab, ms);
  }

  // --- living

  const live = subscribe({ topic: `job:${id}`, rows: true, errors: true }, ({ type, payload }) => {
    if (type === "error") return;
    if (payload.gone?.includes(id)) dispatch({ type: "gone" });
    if (payload.errors && store.state.job?.parent_id === null) dispatch({ type: "errors", errors: payload.errors });
    if (payload.rows?.length) dispatch({ type: "rows", rows: payload.rows });
  });
  const stopFetching = whileNotLive(() => {
    readJob();
    panels.children.readAgain();
    readTabSoon(0);
  }, 2_500);
  const clock = setInterval(() => store.state.job && !store.state.job.finished_at && show(store.state), 1_000);

  // --- doing

  async function act(action, request = {}, group = null) {
    const { job } = store.state;
    const { word, danger } = ACTIONS[action];
    const n = group?.count ?? job.tally.failed;
    const what = request.failed_children ? `${plural(n, "failed job")}${group ? ` with “${group.message.slice(0, 80)}”` : ""}` : `${job.name ?? job.kind} (job ${job.id})`;
    const open = job.tally.pending + job.tally.running;
    const below = job.tally.total ? `${plural(job.tally.total, "job")} below, the log` : "The log";
    const touches = { cancel: open ? `${plural(open, "open job")} below ${open === 1 ? "is" : "are"} cancelled with it.` : "It is asked to stop, and killed after the grace period.", delete: `${below} and the documents go with it. This cannot be undone.`,
      retry: request.failed_children ? "Only these run again, each in a new round; what closed above them opens again." : "Its function runs again, in a new round.", rerun: "A new tree with the same payload; this one stays." };
    if (!(await confirmAction({ title: `${word} ${what}?`, body: [h("p", { text: touches[action] })], action: word, danger }))) return;
    try {
      const done = await actOn(action, id, request);
      toast(action === "rerun" ? `Running again as job ${done.job.id}.` : `${plural(done.affected, "job")} ${ACTIONS[action].done}.`);
      if (action === "rerun") go(`/jobs/${done.job.id}`);
      else if (action === "delete") go("/");
      else readJob();
    } catch (error) {
      complain(error);
    }
  }

  function choose(step) {
    dispatch({ type: "scoped", id: step });
    keep({ step });
  }

  function change(changes) {
    dispatch({ type: "filtered", changes });
    const { status, q, order } = store.state.filter;
    keep({ status: status.join(","), q, order: order === NO_FILTER.order ? "" : order });
  }

  function showLogs(selection) {
    panels.log.select(selection);
    showTab("log");
    lower.scrollIntoView({ block: "nearest" });
  }

  function showTab(tab) {
    dispatch({ type: "tab", tab });
    keep({ tab });
  }

  // --- showing

  const tabOf = (state) => {
    const possible = offered(state);
    return possible[state.tab] ? state.tab : possible.children ? "children" : "log";
  };

  function show(state) {
    const tab = tabOf(state);
    head.show(state);
    steps.show(state);
    map.show(state);
    for (const [name, possible] of Object.entries(offered(state))) bar.offer(name, possible);
    bar.count("errors", state.job.tally.failed ? compact(state.job.tally.failed) : "");
    bar.show(tab);
    for (const [name, panel] of Object.entries(panels)) {
      setProperty(panel.element.parentElement, "hidden", name !== tab);
      panel.show(state, name === tab);
    }
  }

  function render(state, before) {
    const isThere = !!state.job && state.load !== "gone";
    for (const one of [head.element, lower]) setProperty(one, "hidden", !isThere);
    if (!isThere) {
      for (const one of [steps.element, map.element]) setProperty(one, "hidden", true);
      if (state.load === "gone") body.replaceChildren(notice(`There is no job ${id}`, "It was deleted, or its time of keeping is over.", h("a", { href: "/", text: "To the queue" })));
      else body.replaceChildren(state.load === "failed" ? failure(state.trouble, readJob) : skeleton(8));
      return;
    }
    body.replaceChildren();
    const tab = tabOf(state);
    if (tab !== state.tab) dispatch({ type: "tab", tab });
    show(state);
    document.title = `${state.job.name ?? state.job.kind} · Quaero`;
    const moved = before?.job?.version !== state.job.version;
    if (tab !== before?.tab || state.scope !== before?.scope) readTabSoon(0);
    else if (moved) readTabSoon();
    if (before?.job && before.job.status !== state.job.status) announce(describe(state.job));
  }

  const forgetKeys = keys("This job", {
    ...Object.fromEntries(TABS.map((tab, i) => [String(i + 1), [NAMES[tab], () => offered(store.state)[tab] && showTab(tab)]])),
    m: ["Go to the run map", () => map.element.querySelector("q-map").focus()],
    c: ["Cancel", () => store.state.job && !store.state.job.finished_at && act("cancel")],
    e: ["Retry what failed", () => store.state.job?.tally.failed && act("retry", { failed_children: true })],
    u: ["Up: parent or queue", () => go(store.state.job?.parent_id ? `/jobs/${store.state.job.parent_id}` : "/")],
  });
  store.flush();
  readJob();

  return () => {
    store.close();
    reading.abort();
    live.close();
    stopFetching();
    clearInterval(clock);
    clearTimeout(due);
    clearTimeout(once);
    map.close();
    panels.children.close();
    panels.log.close();
    forgetKeys();
  };
}
