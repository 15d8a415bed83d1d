// Short messages about what was just done, or could not be. They leave by themselves, but not while looked at.

import { h } from "../kit/dom.js";

const STAY_MS = 6_000;
const place = h("div", { class: "toasts", role: "region", "aria-label": "Messages" });

/** Show a message; `link` is `{text, href}`. */
export function toast(text, { tone = "plain", link = null } = {}) {
  const close = h("button", { class: "plain small", "aria-label": "Dismiss", text: "×", on: { click: () => item.remove() } });
  const item = h("div", { class: "toast", role: tone === "bad" ? "alert" : "status", data: { tone } },
    h("span", { text }), link && h("a", { href: link.href, text: link.text }), close);
  place.append(item);
  let timer = setTimeout(() => item.remove(), STAY_MS);
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => { timer = setTimeout(() => item.remove(), STAY_MS); });
}

/** Say that something failed. */
export const complain = (error) => error.name !== "AbortError" && toast(error.message, { tone: "bad" });

export const toasts = place;
