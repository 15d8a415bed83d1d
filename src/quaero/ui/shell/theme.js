// Light, dark, or what the system says. Kept in this browser.

const KEY = "quaero-theme";
const THEMES = ["system", "light", "dark"];

function apply(theme) {
  document.documentElement.style.colorScheme = theme === "system" ? "" : theme;
  document.documentElement.dataset.theme = theme;
  document.dispatchEvent(new CustomEvent("quaero:theme"));
}

function kept() {
  try {
    return localStorage.getItem(KEY) ?? "system";
  } catch {
    return "system";
  }
}

/** Use what was chosen before. */
export function startTheme() {
  apply(kept());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => apply(kept()));
}

/** Go on to the next theme; returns its name. */
export function nextTheme() {
  const theme = THEMES[(THEMES.indexOf(kept()) + 1) % THEMES.length];
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // a browser that keeps nothing still shows it
  }
  apply(theme);
  return theme;
}
