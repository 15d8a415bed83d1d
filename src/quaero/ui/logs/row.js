// One line of the viewer: number, time, level, where it is from, and what it says.

import { h, setAttribute, setText } from "../kit/dom.js";
import { count, dateTime, timeOfDay } from "../kit/format.js";
import { fillMessage } from "./text.js";

const WHY = {
  retention: "are not here any more: their time was up (retention)",
  skipped_by_request: "before were not asked for",
  reset: "are not here any more: the store was replaced",
};

/** An empty row; made once, filled many times. */
export function makeRow() {
  const row = h("div", { class: "line" },
    h("a", { class: "no num" }), h("time", { class: "at num" }), h("span", { class: "level" }),
    h("a", { class: "from" }), h("span", { class: "says", dir: "auto" }));
  [row.no, row.at, row.level, row.from, row.says] = row.children;
  row.shown = null;
  return row;
}

/** Fill a row. `look`: {version, needle, times, from, step, numbered, current, range, started}. */
export function showRow(row, line, look) {
  if (row.shown === line && row.version === look.version) return;
  if (row.shown !== line || row.needle !== look.needle) fillText(row, line, look.needle);
  row.shown = line;
  row.version = look.version;
  row.needle = look.needle;
  if (line.gap) return;
  const number = look.numbered ? line.line_number : line.seq;
  setText(row.no, count(number));
  setAttribute(row.no, "href", `#L${number}`);
  row.number = number;
  setText(row.at, timeText(line, look));
  setAttribute(row.at, "datetime", line.timestamp);
  setAttribute(row.at, "title", dateTime(line.timestamp));
  setAttribute(row, "data-current", line.seq === look.current || null);
  setAttribute(row, "data-chosen", (look.range && number >= look.range[0] && number <= look.range[1]) || null);
  showOrigin(row, line, look);
}

function fillText(row, line, needle) {
  setAttribute(row, "data-gap", !!line.gap);
  setAttribute(row, "data-level", line.level ?? null);
  setAttribute(row, "data-origin", line.originator ?? null);
  setAttribute(row, "data-status", line.fields?.status ?? null);
  if (line.gap) {
    for (const cell of [row.no, row.at, row.level, row.from]) cell.textContent = "";
    row.number = null;
    const { from, to, why } = line.gap;
    setText(row.says, `${count(to - from + 1)} entries ${WHY[why] ?? `are not here: ${why}`}`);
    return;
  }
  setText(row.level, line.level);
  fillMessage(row.says, line.message, needle);
}

function showOrigin(row, line, look) {
  setAttribute(row.from, "hidden", !look.from);
  if (!look.from) return;
  setText(row.from, line.step && !look.step ? `${line.step} · ${line.job_id}` : `job ${line.job_id}`);
  setAttribute(row.from, "href", line.job_id === "0" ? null : `/jobs/${line.job_id}`);
  setAttribute(row.from, "title", line.job_id === "0" ? null : `job ${line.job_id}`);
}

function timeText(line, { times, started }) {
  if (times === "time") return timeOfDay(line.timestamp);
  if (times === "date") return dateTime(line.timestamp);
  const seconds = (Date.parse(line.timestamp) - started) / 1_000;
  return `${seconds < 0 ? "−" : "+"}${Math.abs(seconds).toFixed(3)}`;
}
