// A sparkline: the last values of one measure, drawn as one SVG path that is changed in place.

import { setAttribute, svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** An empty sparkline. Its meaning is said in words beside it. */
export function sparkline() {
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "area" }), svg("path", { class: "trace", "vector-effect": "non-scaling-stroke" }));
}

/** Draw values, oldest first; `slots` is how many fill the width. */
export function drawSpark(element, values, slots = 60) {
  const [area, trace] = element.children;
  if (values.length < 2) {
    setAttribute(area, "d", null);
    setAttribute(trace, "d", `M0 ${HEIGHT - 1}H${WIDTH}`);
    return;
  }
  const top = Math.max(...values) || 1;
  const step = WIDTH / (slots - 1);
  const start = WIDTH - (values.length - 1) * step;
  const points = values.map((value, i) => `${(start + i * step).toFixed(1)} ${(HEIGHT - 1 - (value / top) * (HEIGHT - 4)).toFixed(1)}`);
  setAttribute(trace, "d", `M${points.join("L")}`);
  setAttribute(area, "d", `M${points.join("L")}L${WIDTH} ${HEIGHT}L${start.toFixed(1)} ${HEIGHT}Z`);
}
