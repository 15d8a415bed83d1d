// Which view an address means. Views come and go inside one document; what a view keeps of itself stands in the query.

const routes = [];
let leave = null;

/** `pattern` has one group at most; `open(main, {id, params})` returns how to close the view. */
export function route(pattern, open, name) {
  routes.push({ pattern, open, name });
}

/** Go to an address inside the page. */
export function go(address, { replace = false } = {}) {
  if (replace) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  show();
}

/** Keep something in the query of this address, without another step in the history; null takes it away. `lines`: what stands behind its `#`. */
export function keep(changes, lines = location.hash) {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === undefined || value === "") params.delete(name);
    else params.set(name, value);
  }
  const query = params.toString();
  history.replaceState(history.state, "", location.pathname + (query ? `?${query}` : "") + lines);
}

function show() {
  leave?.();
  leave = null;
  const main = document.getElementById("main");
  main.replaceChildren();
  main.className = "";
  const found = routes.find(({ pattern }) => pattern.test(location.pathname)) ?? routes[0];
  const [, id] = found.pattern.exec(location.pathname) ?? [];
  main.dataset.view = found.name;
  document.dispatchEvent(new CustomEvent("quaero:view", { detail: found.name }));
  leave = found.open(main, { id, params: new URLSearchParams(location.search) }) ?? null;
  scrollTo(0, 0);
}

function clicked(event) {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest("a[href]");
  if (!link || link.target || link.hasAttribute("download") || link.origin !== location.origin) return;
  if (!routes.some(({ pattern }) => pattern.test(link.pathname))) return;
  event.preventDefault();
  go(link.pathname + link.search + link.hash);
  document.getElementById("main").focus({ preventScroll: true });
}

/** Begin, when every view is known. */
export function startRouting() {
  document.addEventListener("click", clicked);
  addEventListener("popstate", show);
  show();
}
