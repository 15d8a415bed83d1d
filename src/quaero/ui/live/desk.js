// The desk of the leading tab: it holds the one connection and carries subscriptions of every tab over it.
//
// A subscription is known by tab and number; on the wire it has a number of its own. What comes back with that number
// goes to its tab, what has none goes to all. A tab that died is noticed by its lock, and its subscriptions end.

import { Socket } from "./socket.js";

export class Desk {
  #byWire = new Map();
  #wireOf = new Map();
  #tabs = new Set();
  #next = 1;

  /** `deliver(tab, number, message)`: tab null is everyone. `tell(state)` hears how the connection stands. */
  constructor(deliver, tell) {
    this.deliver = deliver;
    this.tell = tell;
    this.socket = new Socket({ onOpen: () => this.#resume(), onMessage: (m) => this.#arrived(m), onChange: () => this.report() });
  }

  /** Say again how the connection stands. */
  report() {
    const { isLive, everOpen, failures } = this.socket;
    this.tell(isLive ? "live" : everOpen ? (failures > 2 ? "stale" : "resuming") : failures > 1 ? "polling" : "connecting");
  }

  /** Somebody who sees a tab asks how it stands: do not wait for the timers of one that is hidden. */
  hurry() { this.socket.hurry(); }

  /** What a tab asks for: subscribe, change, unsubscribe. */
  asked(tab, { op, number, request }) {
    this.#notice(tab);
    const key = `${tab} ${number}`;
    if (op === "subscribe") {
      const wire = this.#wireOf.get(key) ?? this.#next++;
      this.#wireOf.set(key, wire);
      this.#byWire.set(wire, { tab, number, request: { ...request } });
      this.#send("subscribe", { ...request, id: wire });
    } else if (op === "ids") {
      const wire = this.#wireOf.get(key);
      const known = this.#byWire.get(wire);
      if (!known) return;
      const before = new Set(known.request.ids ?? []);
      const after = new Set(request.ids);
      known.request = { ...known.request, ids: request.ids };
      const add = request.ids.filter((id) => !before.has(id));
      const gone = [...before].filter((id) => !after.has(id));
      if (add.length || gone.length) this.#send("ids", { id: wire, add, remove: gone });
    } else if (op === "unsubscribe") this.#end(key);
    else if (op === "leave") this.#forget(tab);
  }

  close() { this.socket.close(); }

  #send(type, payload) { this.socket.send({ type, payload }); }

  #resume() {
    for (const [wire, { request }] of this.#byWire) this.#send("subscribe", { ...request, id: wire });
    this.report();
  }

  #arrived(message) {
    const wire = message.payload?.id;
    const known = typeof wire === "number" ? this.#byWire.get(wire) : null;
    if (known) {
      if (message.payload.cursor) known.request.cursor = message.payload.cursor;
      this.deliver(known.tab, known.number, message);
    } else if (wire === undefined || wire === null) this.deliver(null, null, message);
  }

  #end(key) {
    const wire = this.#wireOf.get(key);
    if (wire === undefined) return;
    this.#wireOf.delete(key);
    this.#byWire.delete(wire);
    this.#send("unsubscribe", { id: wire });
  }

  #notice(tab) {
    if (this.#tabs.has(tab) || !navigator.locks) return;
    this.#tabs.add(tab);
    navigator.locks.request(`quaero-tab-${tab}`, () => this.#forget(tab)).catch(() => undefined);
  }

  #forget(tab) {
    this.#tabs.delete(tab);
    for (const key of [...this.#wireOf.keys()]) if (key.startsWith(`${tab} `)) this.#end(key);
  }
}
