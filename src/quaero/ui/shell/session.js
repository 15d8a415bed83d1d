// Who is looking, and what that allows: what somebody may not do is not offered. The server decides anyway.

import { h } from "../kit/dom.js";
import { read } from "../live/api.js";
import { whileNotLive } from "../live/connection.js";

/** Where the bar says who one is: nothing on loopback without a login, else the name and the way out. */
export function sessionPlace() {
  const place = h("span", { class: "session" });
  whileNotLive(() => read("/api/session").catch(() => undefined)); // a login that ran out leads to the next one, in any view
  read("/api/session").then((session) => {
    document.body.dataset.scope = session.scope;
    if (session.name === "loopback") return;
    place.append(h("span", { class: "who", title: `scope ${session.scope}`, text: session.name }),
      h("form", { method: "post", action: "/logout" }, h("button", { class: "plain", text: "Log out" })));
  }, () => undefined); // a server that cannot say it will refuse by itself
  return place;
}
