// The filter of the queue page, in the address and as the interface wants it.

import { NO_FILTER } from "./reducer.js";

export const SINCE = { "": "Any time", "15m": "Last 15 minutes", "1h": "Last hour", "24h": "Last 24 hours", "7d": "Last 7 days" };
const MINUTES = { "15m": 15, "1h": 60, "24h": 1_440, "7d": 10_080 };

export const ORDERS = { "-created_at": "Newest first", created_at: "Oldest first" };

/** The filter an address stands for; what it does not know is left out. */
export function fromParams(params) {
  const order = params.get("order");
  return {
    ...NO_FILTER,
    status: (params.get("status") ?? "").split(",").filter(Boolean),
    kind: params.get("kind") ?? "",
    tag: params.get("tag") ?? "",
    q: params.get("q") ?? "",
    since: params.get("since") in MINUTES ? params.get("since") : "",
    order: order in ORDERS ? order : NO_FILTER.order,
  };
}

/** How the address keeps it. */
export const toParams = (filter) => ({
  status: filter.status.join(","), kind: filter.kind, tag: filter.tag, q: filter.q, since: filter.since,
  order: filter.order === NO_FILTER.order ? "" : filter.order,
});

/** What a list is asked for. */
export function toQuery(filter, now = Date.now()) {
  return {
    status: filter.status.join(","), kind: filter.kind, tag: filter.tag, q: filter.q, order: filter.order,
    created_after: filter.since ? new Date(now - MINUTES[filter.since] * 60_000).toISOString() : "",
  };
}

/** Whether it leaves anything out. */
export const isFiltering = (filter) => !!(filter.status.length || filter.kind || filter.tag || filter.q || filter.since);

/** What it keeps, in words. */
export function describeFilter(filter) {
  const parts = [];
  if (filter.status.length) parts.push(`status ${filter.status.join(" or ")}`);
  if (filter.kind) parts.push(`kind ${filter.kind}`);
  if (filter.tag) parts.push(`tag ${filter.tag}`);
  if (filter.q) parts.push(`text “${filter.q}”`);
  if (filter.since) parts.push(SINCE[filter.since].toLowerCase());
  return parts.join(", ");
}
