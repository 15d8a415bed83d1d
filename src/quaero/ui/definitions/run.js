// The dialog that runs a definition: which one, with what changed for this run.

import { h } from "../kit/dom.js";
import { choice, openDialog } from "../kit/dialog.js";
import { skeleton } from "../kit/states.js";
import { post, read } from "../live/api.js";
import { go } from "../shell/router.js";
import { toast } from "../shell/toast.js";

/** Ask what to run, run it, and go there. `chosen` is a definition to begin with. */
export async function runDialog(chosen = null) {
  const given = chosen && chosen.steps ? chosen : null;
  const body = h("div", { class: "run" }, skeleton(3));
  const start = choice("run", "Run", { class: "primary", disabled: true });
  let dialog = null;
  let picked = null;

  const overrides = h("textarea", { rows: 6, spellcheck: "false", class: "mono", "aria-label": "Changes for this run, as JSON" });
  const problem = h("p", { class: "problem", role: "alert" });

  function pick(definition) {
    picked = definition;
    overrides.placeholder = example(definition);
    start.disabled = !!definition.problem || !definition.enabled;
    problem.textContent = definition.problem ?? (definition.enabled ? "" : "This definition is not enabled.");
  }

  start.addEventListener("click", async (event) => {
    event.preventDefault(); // it closes when the server has taken it
    problem.textContent = "";
    start.disabled = true;
    try {
      const changes = overrides.value.trim() ? JSON.parse(overrides.value) : {};
      const job = await post(`/api/job-definitions/${encodeURIComponent(picked.id)}/execute`, changes);
      dialog.close("run");
      toast(`Running as job ${job.id}.`);
      go(`/jobs/${job.id}`);
    } catch (error) {
      problem.textContent = error instanceof SyntaxError ? `The changes are not JSON: ${error.message}` : error.message;
      start.disabled = false;
    }
  });

  read("/api/job-definitions", { limit: 200 }).then(({ definitions }) => {
    const runnable = given ? [given] : definitions;
    if (!runnable.length) {
      body.replaceChildren(h("p", { text: "There are no definitions yet. Put a TOML file into the definitions directory, or write one on the Definitions page." }));
      return;
    }
    const options = h("div", { class: "choices", role: "radiogroup", "aria-label": "Definition" }, runnable.map((definition, i) => h("label", { class: "choice" },
      h("input", { type: "radio", name: "definition", checked: i === 0, on: { change: () => pick(definition) } }),
      h("span", null, h("b", { text: definition.name }), h("small", { text: definition.description || definition.id })))));
    body.replaceChildren(options, h("label", { class: "field" }, "Changes for this run (JSON, optional)", overrides), problem);
    pick(runnable[0]);
    body.querySelector("input")?.focus();
  }).catch((error) => body.replaceChildren(h("p", { class: "problem", text: error.message })));

  await openDialog({ title: given ? `Run ${given.name}` : "Run a definition", body, buttons: [choice("", "Close", { class: "quiet" }), start], onOpen: (one) => { dialog = one; } });
}

/** A change that this definition would take, as a hint of the form. */
function example(definition) {
  const step = definition.steps[0];
  const [name, value] = Object.entries(step?.payload ?? {}).find(([, one]) => typeof one === "number") ?? ["limit", 5];
  return step ? JSON.stringify({ step: { [step.name]: { [name]: value } } }) : "{}";
}
