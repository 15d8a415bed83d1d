// The line under a log: how it stands, and whether all of it is here. It never says live when it is not.

import { count, plural } from "../kit/format.js";

const CONNECTION = {
  connecting: ["connecting", "connecting …"],
  resuming: ["resuming", "connection lost, resuming …"],
  stale: ["stale", "not live: the server does not answer"],
  polling: ["polling", "live connection blocked, asking every few seconds"],
};

/** {state, text, empty} of a book. `ended`: the job's status once it is terminal; `isWhole`: every entry of a tree belongs to it. */
export function stateText(book, standing, { ended, isWhole }) {
  const [state, how] = stand(book, standing);
  const parts = [how];
  if (book.ledger.received) {
    const { first, last, missing, duplicate } = book.ledger;
    const received = isWhole ? `${count(first)}–${count(last)}` : plural(book.ledger.received, "entry", "entries");
    parts.push(`${received} received, ${count(missing)} missing`);
    if (duplicate) parts.push(`${count(duplicate)} repeats dropped`);
  }
  if (book.head && isWhole) parts.push(`${plural(book.head - book.oldest + 1, "entry", "entries")} in the log`);
  if (book.oldest > 1) parts.push(`the first ${count(book.oldest - 1)} are past retention`);
  return { state, text: parts.join(" · "), empty: empty(book, ended) };
}

function stand(book, standing) {
  if (book.trouble) return ["stale", `could not be read: ${book.trouble.message}`];
  if (book.ended) return ["ended", "ended, complete"];
  if (standing.state !== "live") return CONNECTION[standing.state] ?? CONNECTION.connecting;
  return book.loading && !book.lines.length ? ["connecting", "loading …"] : ["live", "live"];
}

function empty(book, ended) {
  if (book.lines.length || book.loading || book.trouble) return "";
  return ended || book.ended ? "Nothing was logged at this level." : "Nothing at this level yet. Lines appear here as they are written.";
}
