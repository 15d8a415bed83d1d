// The live region: what a screen reader hears without asking. At most one sentence every few seconds, the latest one,
// and never the same twice: a page that changes a thousand times a second must not chatter.

import { h } from "../kit/dom.js";

const PAUSE_MS = 5_000;
const region = h("p", { class: "unseen", role: "status", "aria-live": "polite" });
let waiting = null;
let timer = 0;
let said = "";

function say() {
  timer = 0;
  if (waiting === null) return;
  if (waiting !== said) region.textContent = said = waiting;
  waiting = null;
  timer = setTimeout(say, PAUSE_MS);
}

/** Say this soon; it takes the place of what was not said yet. */
export function announce(sentence) {
  waiting = sentence;
  if (!timer) timer = setTimeout(say, 300);
}

export const liveRegion = region;
