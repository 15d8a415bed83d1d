// What a view sees of the live plane: `subscribe` to a topic, and a state that tells the truth about what is shown.
//
//     tab ──BroadcastChannel──┐
//     tab ──BroadcastChannel──┼──> leading tab: desk ──one WebSocket──> gateway
//     tab (leads) ────────────┘
//
// The leader is whoever holds the lock. When it goes, the next one leads, and every tab says again what it shows, from
// the position it has reached. A browser may put the leading tab to sleep, lock and all: a tab that somebody sees takes the
// lead from one that does not answer. State shown is dropped only when the store's incarnation changes.

import { Desk } from "./desk.js";

const LEADER = "quaero-leader";
const ASK_MS = 2_000;

const tab = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
const channel = "BroadcastChannel" in globalThis ? new BroadcastChannel("quaero-live") : null;
const subscriptions = new Map();
const listeners = new Set();
let desk = null;
let leader = null; // whose desk knows what this tab shows
let next = 1;
let unanswered = 0; // questions to the leader since it was last heard
let incarnation = null;
let shown = { state: "connecting", since: Date.now(), leads: false };

/** How the connection stands: `connecting`, `live`, `resuming`, `stale`, `polling`; and since when. */
export const standing = () => shown;

/** Hear of every change of the state, and at once of how it is. Returns the way to stop. */
export function onStanding(listener) {
  listeners.add(listener);
  listener(shown);
  return () => listeners.delete(listener);
}

function become(state) {
  if (state === shown.state && shown.leads === !!desk) return;
  shown = { state, since: state === shown.state ? shown.since : Date.now(), leads: !!desk };
  for (const listener of listeners) listener(shown);
}

/**
 * Subscribe to a topic. `handle(message)` gets every message of it; `{type, payload}`.
 * Returns `{ids(list), close()}`.
 */
export function subscribe(request, handle) {
  const number = next++;
  const entry = { request: { ...request }, handle };
  subscriptions.set(number, entry);
  toDesk({ op: "subscribe", number, request: entry.request });
  return {
    ids(list) {
      entry.request.ids = list;
      toDesk({ op: "ids", number, request: { ids: list } });
    },
    close() {
      subscriptions.delete(number);
      toDesk({ op: "unsubscribe", number });
    },
  };
}

/** Run `work` every `ms` while the live plane is not there, so that what is shown stays near the truth without it. */
export function whileNotLive(work, ms = 3_000) {
  const timer = setInterval(() => {
    if (shown.state !== "live" && !document.hidden) work();
  }, ms);
  return () => clearInterval(timer);
}

function toDesk(asked) {
  if (!leader) return; // what is wanted by then is said when there is one
  if (desk) desk.asked(tab, asked);
  else channel?.postMessage({ to: LEADER, from: tab, asked });
}

function sayAgain() {
  for (const [number, { request }] of subscriptions) toDesk({ op: "subscribe", number, request });
}

function deliver(to, number, message) {
  if (to === null || to === tab) receive(number, message);
  if (to !== tab) channel?.postMessage({ to: to ?? "all", leader: tab, number, message });
}

function receive(number, message) {
  if (message.type === "status" && message.payload?.incarnation) arrivedAt(message.payload.incarnation);
  if (number !== null) {
    const entry = subscriptions.get(number);
    if (entry && message.payload?.cursor) entry.request.cursor = message.payload.cursor;
    entry?.handle(message);
  } else if (message.type === "queue_stats") {
    for (const entry of subscriptions.values()) if (entry.request.topic === "queue") entry.handle(message);
  }
}

function arrivedAt(now) {
  if (incarnation !== null && incarnation !== now) location.reload();
  incarnation = now;
}

function tell(state) {
  become(state);
  channel?.postMessage({ to: "all", leader: tab, state });
}

function lead() {
  leader = tab;
  desk = new Desk(deliver, tell);
  channel?.postMessage({ to: "all", leader: tab, took: true });
  sayAgain();
  desk.report();
}

/** Another tab leads now. */
function follow() {
  if (!desk) return;
  desk.close();
  desk = leader = null;
  ask();
}

function hear({ data }) {
  if (data.to === LEADER) {
    if (!desk) return;
    if (data.asked) desk.asked(data.from, data.asked);
    if (data.question) desk.report();
    if (data.seen) desk.hurry();
    return;
  }
  if (data.to !== "all" && data.to !== tab) return;
  if (data.took) follow();
  if (desk) return;
  unanswered = 0;
  if (data.leader !== leader && !data.message) {
    leader = data.leader;
    sayAgain();
  }
  if (data.state) become(data.state);
  if (data.message && data.leader === leader) receive(data.number, data.message);
}

/** Take part. Called once. A tab is heard only when it holds its own lock, for by that the leader knows that it lives. */
export function start() {
  if (!channel || !navigator.locks) {
    lead();
    return;
  }
  navigator.locks.request(`quaero-tab-${tab}`, () => {
    takeTurns();
    return new Promise(() => undefined); // held until this tab goes
  });
}

/** Lead when it is this tab's turn; `steal` makes it so at once. Who is robbed of the lead waits for the next turn. */
function takeLead(steal = false) {
  navigator.locks.request(LEADER, { steal }, () => {
    if (!desk) lead();
    return new Promise(() => undefined);
  }).catch(() => {
    follow();
    takeLead();
  });
}

function takeTurns() {
  channel.onmessage = hear;
  takeLead();
  ask();
  setInterval(lookAfterLeader, ASK_MS);
  addEventListener("pagehide", () => toDesk({ op: "leave" }));
  addEventListener("pageshow", (event) => event.persisted && sayAgain());
}

function ask() {
  unanswered += 1;
  channel.postMessage({ to: LEADER, from: tab, question: true, seen: !document.hidden });
}

function lookAfterLeader() {
  if (desk) return;
  if (unanswered > 1 && !document.hidden) {
    unanswered = 0;
    takeLead(true);
  } else if (unanswered) become(unanswered > 1 ? "stale" : "resuming");
  ask();
}
