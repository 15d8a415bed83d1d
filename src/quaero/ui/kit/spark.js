// A sparkline: the last values of one measure, drawn as one SVG path that is changed in place.

import { setAttribute, svg } from "./dom.js";

const WIDTH = 120;
const HEIGHT = 28;

/** An empty sparkline. Its meaning is said in words beside it. */
export function sparkline() {
  return svg("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("path", { class: "area" }), svg("path", { class: "trace", "vector-effect": "non-scaling-stroke" }));
}

/** Draw values, oldest first, null where there is none; `slots` is how many fill the width. */
export function drawSpark(element, values, slots = 61) {
  const [area, trace] = element.children;
  const top = Math.max(...values.map((value) => value ?? 0)) || 1;
  const step = WIDTH / (slots - 1);
  const start = WIDTH - (values.length - 1) * step;
  const x = (i) => (start + i * step).toFixed(1);
  const point = (i) => `${x(i)} ${(HEIGHT - 1 - (values[i] / top) * (HEIGHT - 4)).toFixed(1)}`;
  let [line, ground] = ["", ""];
  for (const [from, to] of runs(values)) {
    const way = `M${Array.from({ length: to - from }, (_, n) => point(from + n)).join("L")}`;
    line += to - from > 1 ? way : `${way}h0.1`; // a single value is a dot
    ground += `${way}L${x(to - 1)} ${HEIGHT}L${x(from)} ${HEIGHT}Z`;
  }
  setAttribute(trace, "d", line || `M0 ${HEIGHT - 1}H${WIDTH}`);
  setAttribute(area, "d", ground || null);
}

/** Where values follow each other without a gap, as [from, to). */
function runs(values) {
  const found = [];
  values.forEach((value, i) => {
    if (value === null || value === undefined) return;
    if (found.at(-1)?.[1] === i) found.at(-1)[1] += 1;
    else found.push([i, i + 1]);
  });
  return found;
}
