// Light, dark, or what the system says. Kept in this browser.

import { keepHere, kept } from "../kit/kept.js";

const KEY = "quaero-theme";
const THEMES = ["system", "light", "dark"];
let chosen = kept(KEY) ?? "system";

function apply() {
  document.documentElement.style.colorScheme = chosen === "system" ? "" : chosen;
  document.documentElement.dataset.theme = chosen;
  document.dispatchEvent(new CustomEvent("quaero:theme"));
}

/** Use what was chosen before. */
export function startTheme() {
  apply();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
}

/** Go on to the next theme; returns its name. */
export function nextTheme() {
  chosen = THEMES[(THEMES.indexOf(chosen) + 1) % THEMES.length];
  keepHere(KEY, chosen);
  apply();
  return chosen;
}
