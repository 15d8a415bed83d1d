// The settings page: what this server is set to and where that was written, who may come in, who did what, how it is.

import { h, setProperty } from "../kit/dom.js";
import { button, tabs } from "../kit/control.js";
import { choice, confirmAction, openDialog } from "../kit/dialog.js";
import { createStore } from "../kit/store.js";
import { failure, notice, skeleton } from "../kit/states.js";
import { post, read, remove } from "../live/api.js";
import { keys } from "../shell/keys.js";
import { keep } from "../shell/router.js";
import { complain } from "../shell/toast.js";
import "../logs/viewer.js";
import { auditTable, configurationTable, healthFacts, tokensTable } from "./tables.js";
import { TABS, initial, reduce } from "./reducer.js";

const NAMES = { configuration: "Configuration", health: "Health", tokens: "Tokens", audit: "Audit", log: "Service log" };

/** Open the page. Returns how to close it. */
export function openSettings(main, { params }) {
  document.title = "Settings · Quaero";
  main.className = "settings";
  const store = createStore(reduce, initial(params.get("tab")), render);
  const { dispatch } = store;
  const bar = tabs("Settings", NAMES, (tab) => {
    dispatch({ type: "tab", tab });
    keep({ tab });
    load();
  });
  const panels = new Map(TABS.map((tab) => [tab, h("div", { role: "tabpanel", id: `panel-${tab}`, "aria-labelledby": `tab-${tab}`, class: "pad" })]));
  main.append(h("h1", { class: "unseen", text: "Settings" }), h("section", { class: "panel" }, bar, [...panels.values()]));

  const readers = {
    configuration: async () => (await read("/api/settings")).settings,
    tokens: async () => (await read("/api/tokens")).tokens,
    audit: async () => (await read("/api/audit", { limit: 200 })).entries,
    async health() {
      const ready = read("/api/ready").then(() => true, () => false);
      const [version, stats, session] = await Promise.all([read("/api/version"), read("/api/queue/stats"), read("/api/session")]);
      const { workers } = await read("/api/workers");
      return { version, stats, session, workers, ready: await ready };
    },
    log: async () => true,
  };

  async function load() {
    const { tab } = store.state;
    try {
      dispatch({ type: "read", tab, data: await readers[tab]() });
    } catch (trouble) {
      dispatch({ type: "failed", tab, trouble });
    }
  }

  const makers = {
    configuration: (settings) => [configurationTable(settings)],
    tokens: (tokens) => [h("div", { class: "toolbar" }, h("p", { class: "soft", text: "Whoever shows a token may do what its scope allows. Only its hash is kept." }), h("span", { class: "spring" }), button("plus", "New token", makeToken)),
      tokens.length ? tokensTable(tokens, revoke) : notice("No tokens", "On loopback none is needed; off loopback Quaero serves only with one.")],
    audit: (entries) => (entries.length ? [auditTable(entries)] : [notice("Nothing was changed yet", "Every change that somebody makes through the interface stands here.")]),
    health: healthFacts,
    log: () => [h("q-log", { level: "info" })],
  };

  async function makeToken() {
    const name = h("input", { type: "text", required: true, maxlength: 100 });
    const scope = h("select", null, ["viewer", "submitter", "operator", "admin"].map((word) => h("option", { value: word, text: word })));
    const lasts = h("input", { type: "text", placeholder: "90d; empty: for ever" });
    const field = (label, control) => h("label", { class: "field" }, label, control);
    if ((await openDialog({ title: "New token", body: [field("Name", name), field("Scope", scope), field("Lasts", lasts)], buttons: [choice("", "Close", { class: "quiet" }), choice("make", "Make it", { class: "primary" })] })) !== "make") return;
    try {
      const made = await post("/api/tokens", { name: name.value, scope: scope.value, ...(lasts.value ? { expires_in: lasts.value } : {}) });
      load();
      await openDialog({ title: "Copy it now", body: [h("p", { text: "This is the only time the token is shown." }), h("pre", { class: "token", text: made.token, tabindex: 0 })], buttons: [
        h("button", { type: "button", text: "Copy", on: { click: ({ target }) => navigator.clipboard.writeText(made.token).then(() => { target.textContent = "Copied"; }, complain) } }), choice("", "Done", { class: "primary" })] });
    } catch (error) {
      complain(error);
    }
  }

  async function revoke(token) {
    if (!(await confirmAction({ title: `Revoke ${token.name}?`, body: [h("p", { text: "What is open with it closes within two seconds. It cannot be given back." })], action: "Revoke", danger: true }))) return;
    remove(`/api/tokens/${encodeURIComponent(token.id)}`).then(load, complain);
  }

  function render(state, before) {
    bar.show(state.tab);
    for (const [tab, panel] of panels) {
      setProperty(panel, "hidden", tab !== state.tab);
      if (tab !== state.tab) {
        if (tab === "log") panel.replaceChildren();
        continue;
      }
      const [data, trouble] = [state.data[tab], state.trouble[tab]];
      if (tab === before?.tab && data === before.data[tab] && trouble === before.trouble[tab]) continue;
      if (data) panel.replaceChildren(...makers[tab](data));
      else panel.replaceChildren(trouble ? failure(trouble, load) : skeleton(8));
    }
  }

  const forgetKeys = keys("Settings", Object.fromEntries(TABS.map((tab, i) => [String(i + 1), [NAMES[tab], () => bar.querySelector(`[data-tab="${tab}"]`).click()]])));
  const timer = setInterval(() => !document.hidden && store.state.tab === "health" && load(), 5_000);
  store.flush();
  load();
  return () => {
    store.close();
    clearInterval(timer);
    forgetKeys();
  };
}
