// The head of the queue page: every job of the store by status (each a filter), the pace, the workers.

import { ago, compact, count, duration, plural, rate } from "../kit/format.js";
import { h, keyed, setAttribute, setText } from "../kit/dom.js";
import { drawSpark, sparkline } from "../kit/spark.js";
import { STATUSES, statusLabel, statusShape } from "../kit/status.js";
import { icon } from "../kit/icons.js";
import { choice, openDialog } from "../kit/dialog.js";
import { latencyOf } from "./reducer.js";

/** The strip; `toggle(status)` filters by a status, `workers()` gives those known. */
export function statusStrip({ toggle, workers }) {
  const tiles = new Map(STATUSES.map((status) => [status, tile(status, () => toggle(status))]));
  const pace = measure("Throughput");
  const pickup = measure("Pick-up");
  const people = h("button", { class: "tile measure", type: "button", on: { click: () => openWorkers(workers()) } },
    h("span", { class: "label" }, icon("workers"), h("span", { text: "Workers" })), h("span", { class: "figure" }, h("span", { class: "value num" }), h("span", { class: "unit" })));
  const element = h("section", { class: "strip", "aria-label": "Queue" },
    h("div", { class: "tiles", role: "group", "aria-label": "Jobs by status" }, [...tiles.values()].map((one) => one.element)),
    h("div", { class: "measures" }, pace.element, pickup.element, people));
  return {
    element,
    show({ stats, history, filter }) {
      for (const [status, one] of tiles) one.show(stats?.[status], filter.status.includes(status));
      pace.show(stats ? `${rate(stats.throughput)}` : "–", "jobs/s", history.map(({ throughput }) => throughput));
      const latency = stats && latencyOf(stats);
      const lately = history.map(({ latency: then }) => then);
      pickup.element.hidden = latency === null && lately.every((then) => then === null);
      pickup.show(duration(latency), latency === null ? "" : "median", lately);
      const all = stats?.workers ?? [];
      setText(people.querySelector(".value"), stats ? count(all.length) : "–");
      setText(people.querySelector(".unit"), onHosts(all));
      setAttribute(people, "data-none", (stats && all.length === 0) || null);
      setAttribute(people, "aria-label", stats ? `${plural(all.length, "worker")}; show them` : "Workers");
    },
  };
}

/** Where the workers are: "on vm", "on 3 hosts". */
function onHosts(all) {
  const hosts = new Set(all.map((one) => one.host));
  return hosts.size ? `on ${hosts.size === 1 ? [...hosts][0] : `${hosts.size} hosts`}` : "";
}

function tile(status, press) {
  const value = h("span", { class: "value num", text: "–" });
  const element = h("button", { class: "tile", type: "button", data: { status }, on: { click: press } },
    h("span", { class: "label" }, statusShape(status), h("span", { text: statusLabel(status) })), value);
  return {
    element,
    show(n, chosen) {
      setText(value, n === undefined ? "–" : n < 1_000_000 ? count(n) : compact(n));
      setAttribute(element, "aria-pressed", String(chosen));
      setAttribute(element, "data-zero", n === 0 || null);
    },
  };
}

function measure(name) {
  const spark = sparkline();
  const value = h("span", { class: "value num" });
  const unit = h("span", { class: "unit" });
  const element = h("div", { class: "tile measure", title: "The last ten minutes" }, h("span", { class: "label", text: name }), h("span", { class: "figure" }, value, unit), spark);
  return {
    element,
    show(text, unitText, values) {
      setText(value, text);
      setText(unit, unitText);
      drawSpark(spark, values);
    },
  };
}

function openWorkers(workers) {
  const rows = h("tbody");
  keyed(rows, workers, (one) => one.id, (one) => h("tr", null,
    h("td", { class: "num", text: one.id }), h("td", { text: one.host }), h("td", { class: "num", text: one.pid }),
    h("td", { text: one.state }), h("td", { text: ago(one.started_at) }), h("td", { class: "kinds", text: (one.kinds ?? []).map((kind) => kind.name ?? kind).join(", ") })));
  const body = workers.length
    ? h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Workers" }, h("table", { class: "plain" },
      h("thead", null, h("tr", null, ["Id", "Host", "Process", "State", "Started", "Kinds"].map((text) => h("th", { scope: "col", text })))), rows))
    : h("p", { text: "No worker is running, so nothing is picked up. Start one with “quaero work”, or everything with “quaero up”." });
  openDialog({ title: "Workers", wide: true, body, buttons: [choice("", "Close", { autofocus: true })] });
}
