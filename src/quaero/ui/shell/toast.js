// Short messages about what was just done, or could not be. They leave by themselves, but not while looked at.

import { h } from "../kit/dom.js";
import { standing } from "../live/connection.js";

const STAY_MS = 6_000;
const place = h("div", { class: "toasts", role: "region", "aria-label": "Messages" });

/** Show a message; `link` is `{text, href}`. The same twice is shown once. */
export function toast(text, { tone = "plain", link = null } = {}) {
  for (const other of [...place.children]) if (other.textContent.startsWith(text)) other.remove();
  const close = h("button", { class: "plain small", "aria-label": "Dismiss", text: "×", on: { click: () => item.remove() } });
  const item = h("div", { class: "toast", role: tone === "bad" ? "alert" : "status", data: { tone } },
    h("span", { text }), link && h("a", { href: link.href, text: link.text }), close);
  place.append(item);
  let timer = setTimeout(() => item.remove(), STAY_MS);
  item.addEventListener("pointerenter", () => clearTimeout(timer));
  item.addEventListener("pointerleave", () => { timer = setTimeout(() => item.remove(), STAY_MS); });
}

/** Say that something failed; not that the server is away, which stands in the bar as long as it is so. */
export function complain(error) {
  const isAway = error.status === 0 && standing().state !== "live";
  if (error.name !== "AbortError" && !isAway) toast(error.message, { tone: "bad" });
}

export const toasts = place;
