// The state of a view: one reducer `(state, message) → state`, and a render that follows it at most once a frame.

/** A store. `render(state, previous)` runs in the next frame after a change; in a hidden tab, four times a second. */
export function createStore(reducer, initial, render) {
  let state = initial;
  let shown = null;
  let asked = false;
  let closed = false;

  function draw() {
    asked = false;
    if (closed || state === shown) return;
    const previous = shown;
    shown = state;
    render(state, previous);
  }

  function ask() {
    if (asked) return;
    asked = true;
    if (document.hidden) setTimeout(draw, 250);
    else requestAnimationFrame(draw);
  }

  return {
    get state() { return state; },
    /** Hand a message to the reducer. */
    dispatch(message) {
      const next = reducer(state, message);
      if (next === state) return;
      state = next;
      ask();
    },
    /** Draw now; for the first time, or where a measurement must follow. */
    flush: draw,
    close() { closed = true; },
  };
}
