// Reads the newest roots and the queue's counts every two seconds. All text from jobs is set as text, never as markup.
const INTERVAL_MS = 2000;
const rows = document.getElementById("jobs");
const stats = document.getElementById("stats");
const more = document.getElementById("more");

async function read(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

function cell(row, text) {
  const element = row.insertCell();
  element.textContent = text;
  return element;
}

function show(page) {
  const fresh = document.createDocumentFragment();
  for (const job of page.jobs) {
    const row = document.createElement("tr");
    cell(row, job.id);
    cell(row, job.name ?? job.kind);
    cell(row, job.status === "waiting" ? "orchestrating" : job.status).dataset.status = job.status;
    cell(row, job.tally.total ? job.progress_text : "");
    cell(row, new Date(job.created_at).toLocaleString());
    fresh.append(row);
  }
  rows.replaceChildren(fresh);
  const least = page.total_is_lower_bound ? "at least " : "";
  more.textContent = page.jobs.length
    ? `${page.jobs.length} of ${least}${page.total_count} shown`
    : "No jobs yet.";
}

async function refresh() {
  try {
    const [page, queue] = await Promise.all([read("/api/jobs?limit=50"), read("/api/queue/stats")]);
    show(page);
    stats.textContent =
      `${queue.pending} pending, ${queue.running + queue.waiting} running, ${queue.completed} completed, ` +
      `${queue.failed} failed; ${queue.throughput.toFixed(1)} per second; workers: ${queue.workers.length}`;
    stats.classList.remove("stale");
  } catch (trouble) {
    stats.textContent = `What you see may be old: ${trouble.message}. Trying again.`;
    stats.classList.add("stale");
  }
  setTimeout(refresh, document.hidden ? 5 * INTERVAL_MS : INTERVAL_MS);
}

refresh();
