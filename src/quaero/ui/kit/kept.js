// What a browser keeps for its user. One that keeps nothing, or may not, forgets and works all the same.

/** What was kept under a name; null if nothing was. */
export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keep something under a name. */
export function keepHere(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // it is shown now, and forgotten later
  }
}
