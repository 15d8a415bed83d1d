// Asking the REST interface. A problem it tells becomes an error with the sentence meant for people.

export class Trouble extends Error {
  constructor(message, status = 0, problem = null) {
    super(message);
    this.status = status;
    this.problem = problem;
  }
}

/** Where a login leads back to; called when the server no longer knows who we are. */
function login() {
  if (location.pathname !== "/login") location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search + location.hash)}`);
}

/** One request; JSON in, JSON out. Raises Trouble. */
export async function ask(method, path, { query, body, signal, raw = false } = {}) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null && value !== "");
  const address = given.length ? `${path}?${new URLSearchParams(given)}` : path;
  const init = { method, signal, headers: { accept: "application/json" }, credentials: "same-origin" };
  if (body !== undefined) {
    init.headers["content-type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(address, init);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("The server cannot be reached.");
  }
  if (answer.ok) return raw ? answer : answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => null);
  if (answer.status === 401) login();
  throw new Trouble(problem?.detail ?? problem?.title ?? `${method} ${path} answered ${answer.status}`, answer.status, problem);
}

/** Whether asking again may help: the server was away, or had too much to do. */
export const mayPass = ({ status }) => status === 0 || status === 429 || status >= 500;

export const read = (path, query, signal) => ask("GET", path, { query, signal });
export const post = (path, body = {}) => ask("POST", path, { body });
export const put = (path, body) => ask("PUT", path, { body });
export const remove = (path) => ask("DELETE", path);
