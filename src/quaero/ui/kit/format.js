// Numbers, durations, times and sentences, made once and the same everywhere.

const whole = new Intl.NumberFormat("en-US");
const compactForm = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

/** 184233 → "184,233". */
export const count = (n) => whole.format(n ?? 0);

/** 184233 → "184.2K", for narrow places. */
export const compact = (n) => (n < 10_000 ? whole.format(n ?? 0) : compactForm.format(n));

/** "1 job", "3 jobs". */
export const plural = (n, word, words = `${word}s`) => `${count(n)} ${n === 1 ? word : words}`;

/** A rate per second with as many digits as mean something: "0.25", "3.1", "842", "12,400". */
export function rate(perSecond) {
  if (!perSecond) return "0";
  if (perSecond < 1) return perSecond.toFixed(2);
  return perSecond < 100 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

/** Milliseconds for people: "12 ms", "3.4 s", "4m 05s", "2h 10m", "3d 4h". */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return "–";
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const two = (n) => String(n).padStart(2, "0");
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h ${two(Math.floor((seconds % 3_600) / 60))}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3_600)}h`;
}

/** Milliseconds in one unit, for a range. */
export function roughly(ms) {
  const seconds = Math.max(1, Math.round(ms / 1_000));
  if (seconds < 100) return `${seconds} s`;
  if (seconds < 5_400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${(seconds / 3_600).toFixed(seconds < 36_000 ? 1 : 0)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** How much longer, as a sentence that promises no more than is known. */
export function etaText(eta) {
  if (!eta) return "";
  const [low, high] = [roughly(eta.low_ms), roughly(eta.high_ms)];
  const [, unit] = high.split(" ");
  const range = low === high ? low : low.endsWith(unit) ? `${low.split(" ")[0]}–${high}` : `${low} – ${high}`;
  return eta.growing ? `${range} left, if no more children come` : `${range} left`;
}

/** How long a job has run: to its end, or to now while it is open. */
export function elapsed(job, now = Date.now()) {
  if (!job.started_at) return null;
  return (job.finished_at ? Date.parse(job.finished_at) : now) - Date.parse(job.started_at);
}

/** "just now", "12 s ago", "3 min ago", "5 h ago", "3 Nov 2026, 14:02:07". */
export function ago(iso, now = Date.now()) {
  if (!iso) return "–";
  const then = new Date(iso);
  const seconds = (now - then.getTime()) / 1_000;
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return dateTime(iso);
}

const dateTimeForm = new Intl.DateTimeFormat("en-GB", {
  year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
});
const timeForm = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3 });

/** A moment in full, in the viewer's own time zone. */
export const dateTime = (iso) => (iso ? dateTimeForm.format(new Date(iso)) : "–");

/** The time of day with milliseconds. */
export const timeOfDay = (iso) => (iso ? timeForm.format(new Date(iso)) : "");

/** A part of a whole, which is 100 % only when nothing is missing. */
export function percent(part, all) {
  if (!all) return "0%";
  const value = (100 * part) / all;
  return part < all && value > 99 ? "99%" : `${Math.floor(value)}%`;
}
