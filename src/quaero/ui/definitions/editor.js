// Writing a definition: its TOML, checked while it is typed, and what it would be.

import { dateTime, plural } from "../kit/format.js";
import { h, keyed, setAttribute, setProperty, setText } from "../kit/dom.js";
import { button } from "../kit/control.js";

const PAUSE_MS = 300;
const lowered = (sentence) => sentence[0].toLowerCase() + sentence.slice(1);

/** The editor; `typed(text)`, `save()` and `leave()` are told. */
export function editor({ typed, validate, save, leave }) {
  const text = h("textarea", { class: "mono source", rows: 24, spellcheck: "false", wrap: "off", autocapitalize: "off", "aria-label": "Definition as TOML" });
  const verdict = h("p", { role: "status" });
  const problems = h("ol", { class: "problems" });
  const next = h("p", { class: "soft num" });
  const keepIt = button(null, "Save", save, { class: "primary" });
  const refusal = h("p", { class: "problem", role: "alert" });
  const element = h("div", { class: "editor" }, text, h("div", { class: "verdict" }, verdict, next, problems, refusal,
    h("div", { class: "actions" }, keepIt, button(null, "Discard", leave, { class: "quiet" }))));
  let timer = 0;
  text.addEventListener("input", () => {
    typed(text.value);
    clearTimeout(timer);
    timer = setTimeout(validate, PAUSE_MS);
  });
  text.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "s") {
      event.preventDefault();
      save();
    }
  });

  function goToLine(line) {
    const start = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, text.value.indexOf("\n", start) < 0 ? text.value.length : text.value.indexOf("\n", start));
  }

  return {
    element,
    close: () => clearTimeout(timer),
    show({ draft, validation, saving, problem, editing }) {
      setProperty(element, "hidden", !editing || draft === null);
      if (element.hidden) return;
      if (text.value !== draft) {
        text.value = draft;
        validate();
      }
      const wrong = (validation?.problems ?? []).filter((one) => !one.is_hint).length;
      setText(verdict, !validation ? "Checking…" : !validation.valid ? plural(wrong, "problem") : validation.unrunnable ? `Valid, but not runnable now: ${validation.unrunnable}` : "Valid, and every kind is known.");
      setAttribute(verdict, "class", !validation ? "soft" : !validation.valid ? "problem" : validation.unrunnable ? "warning" : "good");
      setText(next, validation?.schedule_text ? `Runs ${lowered(validation.schedule_text)}${validation.next_runs.length ? `; next on ${dateTime(validation.next_runs[0])}` : ""}.` : "");
      keyed(problems, validation?.problems ?? [], (one) => `${one.key} ${one.line} ${one.reason}`, (one) => h("li", { data: { hint: one.is_hint || "" } },
        one.line ? h("button", { class: "plain", type: "button", text: `Line ${one.line}`, on: { click: () => goToLine(one.line) } }) : h("span", { class: "chip", text: one.key || "file" }),
        h("span", null, h("b", { class: "mono", text: one.key }), ` ${one.reason}`, one.remedy && h("i", { text: ` ${one.remedy}` }))));
      setProperty(keepIt, "disabled", saving || !validation?.valid);
      setText(refusal, problem?.message ?? "");
    },
  };
}
