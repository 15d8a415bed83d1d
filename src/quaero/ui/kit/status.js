// What a status is called and how it looks: a colour, a shape and a word, so that no one of them is needed alone.

import { h, setAttribute, svg } from "./dom.js";

export const STATUSES = ["pending", "running", "waiting", "completed", "failed", "cancelled"];
export const TERMINAL = new Set(["completed", "failed", "cancelled"]);

const LABELS = { waiting: "Orchestrating" };

// Each shape differs in outline: ring, half disc, branching dots, disc with tick, octagon with cross, ring with bar.
const SHAPES = {
  pending: [["circle", { cx: 8, cy: 8, r: 5.5, class: "line dashed" }]],
  running: [["circle", { cx: 8, cy: 8, r: 5.5, class: "line" }], ["path", { d: "M8 3.5a4.5 4.5 0 0 1 0 9z", class: "solid" }]],
  waiting: [
    ["path", { d: "M8 5v3M8 8H4v3M8 8h4v3", class: "line" }], ["circle", { cx: 8, cy: 3.6, r: 2, class: "solid" }],
    ["circle", { cx: 4, cy: 12.4, r: 2, class: "solid" }], ["circle", { cx: 12, cy: 12.4, r: 2, class: "solid" }],
  ],
  completed: [["circle", { cx: 8, cy: 8, r: 6.3, class: "solid" }], ["path", { d: "M5.2 8.2l2 2 3.6-4.2", class: "mark" }]],
  failed: [
    ["path", { d: "M5.5 1.8h5l3.7 3.7v5l-3.7 3.7h-5l-3.7-3.7v-5z", class: "solid" }],
    ["path", { d: "M5.8 5.8l4.4 4.4m0-4.4l-4.4 4.4", class: "mark" }],
  ],
  cancelled: [["circle", { cx: 8, cy: 8, r: 5.5, class: "line" }], ["path", { d: "M4.3 11.7l7.4-7.4", class: "line" }]],
};

/** The word for people. */
export const statusLabel = (status) => LABELS[status] ?? status[0].toUpperCase() + status.slice(1);

/** The shape of a status; decoration, the word stands beside it. */
export function statusShape(status) {
  const parts = (SHAPES[status] ?? SHAPES.pending).map(([tag, props]) => svg(tag, props));
  return svg("svg", { class: "shape", viewBox: "0 0 16 16", "aria-hidden": "true" }, parts);
}

/** A badge: shape and word. */
export function statusBadge(status) {
  const badge = h("span", { class: "badge" });
  showStatus(badge, status);
  return badge;
}

/** Make a badge show another status. */
export function showStatus(badge, status) {
  if (badge.dataset.status === status) return;
  setAttribute(badge, "data-status", status);
  badge.replaceChildren(statusShape(status), h("span", { class: "word", text: statusLabel(status) }));
}

/** A bar of what is done, by status. Its words are said beside it. */
export function tallyBar() {
  const parts = ["completed", "failed", "cancelled", "running"].map((status) => h("i", { data: { status } }));
  return h("span", { class: "bar", "aria-hidden": "true" }, parts);
}

/** Make a bar show a tally. */
export function showTally(bar, tally) {
  const all = tally.total || 1;
  for (const part of bar.children) {
    const n = tally[part.dataset.status];
    const share = `${((100 * n) / all).toFixed(2)}%`;
    if (part.style.width !== share) part.style.width = share;
    setAttribute(part, "data-some", n > 0 || null); // one of a million still shows
  }
}

/** A badge's word, for a live region. */
export const describe = (job) => `${job.name ?? job.kind}, job ${job.id}, is ${statusLabel(job.status).toLowerCase()}`;

