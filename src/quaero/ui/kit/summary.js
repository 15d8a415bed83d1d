// What tells one job from its siblings, in a few words: its name, else what its payload is about; and what came of it.

const TELLING = ["url", "path", "file", "title", "key", "name", "id"];

const isScalar = (value) => typeof value === "string" || typeof value === "number" || typeof value === "boolean";

/** What a job is called: its name; a root's kind; of a child, whose siblings are of one kind, what it is about. */
export const title = (job) => job.name || (job.parent_id === null ? job.kind : about(job) || job.kind);

/** The most telling value of a payload; "" if none stands out. */
export function about(job) {
  const payload = job.payload ?? {};
  const telling = TELLING.find((key) => isScalar(payload[key]) && payload[key] !== "");
  if (telling) return String(payload[telling]);
  const scalars = Object.entries(payload).filter(([, value]) => isScalar(value));
  return scalars.length === 1 ? `${scalars[0][0]} ${scalars[0][1]}` : "";
}

/** The first values of a result, in a line, but for what its job is called; "" without any. */
export function outcome(result, name) {
  if (result === null || result === undefined) return "";
  const isNews = (value) => isScalar(value) && value !== "" && String(value) !== name;
  if (isScalar(result)) return isNews(result) ? String(result) : "";
  return Object.entries(result).filter(([, value]) => isNews(value)).slice(0, 4)
    .map(([key, value]) => `${key.replaceAll("_", " ")} ${String(value).slice(0, 60)}`).join(" · ");
}
