// The settings page's tables: configuration, tokens, audit, health.

import { ago, dateTime, duration } from "../kit/format.js";
import { h } from "../kit/dom.js";
import { button } from "../kit/control.js";

const table = (label, heads, rows, look = "plain") => h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, h("table", { class: look },
  h("thead", null, h("tr", null, heads.map((text) => h("th", { scope: "col", text })))), h("tbody", null, rows)));

const row = (first, ...cells) => h("tr", null, h("th", { scope: "row", class: "mono", text: first }), cells.map((cell) => h("td", null, cell)));

/** Every setting with its value and where it was written. */
export function configurationTable(settings) {
  return table("Configuration", ["Setting", "Value", "Written in", "Meaning"], settings.map((one) => {
    const line = row(one.key, h("span", { class: "mono", text: one.value === "" ? "(empty)" : one.value }), h("span", { class: one.source === "default" ? "soft" : "", text: one.source }), h("span", { class: "soft", text: `${one.meaning.replaceAll("`", "")} (${one.variable})` }));
    if (one.source !== "default") line.className = "set";
    return line;
  }), "plain stacked");
}

/** Who may come in. `revoke(token)` is each one's button. */
export function tokensTable(tokens, revoke) {
  return table("Tokens", ["Id", "Name", "Scope", "Made", "Expires", "Last used", ""], tokens.map((one) => row(one.id, one.name, one.scope, ago(one.created_at),
    one.expires_at ? dateTime(one.expires_at) : "never", one.last_used_at ? ago(one.last_used_at) : "never",
    one.revoked_at ? h("span", { class: "soft", text: `revoked ${ago(one.revoked_at)}` }) : button("trash", "Revoke", () => revoke(one), { class: "quiet small", "aria-label": `Revoke ${one.name}` }))));
}

/** Who did what. */
export function auditTable(entries) {
  return table("Audit", ["When", "Who", "From", "Did", "To", "Answer"], entries.map((one) => row(dateTime(one.at), one.who, one.address, h("span", { class: "mono", text: one.action }), one.target, String(one.status))));
}

/** What a worker runs: how many jobs, and the few that have run longest. */
function runs(running, jobs) {
  const named = jobs.slice(0, 3).map((job, i) => [i ? ", " : ": ", h("a", { href: `/jobs/${job.id}`, text: job.name ?? job.kind, title: `job ${job.id}, since ${dateTime(job.started_at)}` })]);
  return [running ? `${running}` : h("span", { class: "soft", text: "nothing" }), ...named.flat(), running > 3 ? ", …" : ""];
}

/** How this server and its workers are. */
export function healthFacts({ version, ready, stats, session, workers }) {
  const facts = [
    ["Version", version.version], ["Serves", ready ? "yes" : "no: it is stopping, or its store does not answer"], ["This process", version.server_instance_id], ["Incarnation of the store", version.incarnation],
    ["You are", `${session.name} (${session.scope})`], ["Your session ends", session.expires_at ? dateTime(session.expires_at) : "never"],
    ["Throughput", `${stats.throughput.toFixed(1)} jobs per second over the last minute`],
    ["Pick-up", stats.latency ? `median ${duration(stats.latency.p50_ms)}, 95 % within ${duration(stats.latency.p95_ms)}, longest ${duration(stats.latency.max_ms)}` : "nothing started in the last minute"],
  ];
  const list = table("Workers", ["Worker", "Host", "Process", "State", "Started", "Lease until", "Runs"], workers.map(({ worker: one, running, jobs }) => row(one.id, one.host, String(one.pid), one.state, ago(one.started_at), dateTime(one.lease_until), runs(running, jobs))));
  return [h("dl", { class: "facts num" }, facts.map(([name, value]) => [h("dt", { text: name }), h("dd", { text: value })])), h("h3", { text: "Workers" }), workers.length ? list : h("p", { class: "warning", text: "No worker is running: nothing will be picked up." })];
}
