// The colours of a map's codes, read from the stylesheet, so that the canvas follows the theme.

import { STATUS_CODES, durationOf } from "./cells.js";

const GROUPS = ["#d55e00", "#0072b2", "#cc79a7", "#e69f00", "#56b4e9", "#009e73", "#b0a100", "#8c6bb1"]; // told apart by the colour-blind

const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

function packed(colour) {
  probe.fillStyle = "#000";
  probe.fillStyle = colour;
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  return (255 << 24) | (b << 16) | (g << 8) | r;
}

function resolved(element, name) {
  const test = document.createElement("i");
  test.style.color = `var(${name})`;
  element.append(test);
  const { color } = getComputedStyle(test);
  test.remove();
  return color;
}

const mix = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));

/** A colour for every code, packed as a canvas keeps it. */
export function palette(element, by, legend) {
  const colours = new Uint32Array(256);
  const quiet = packed(resolved(element, "--map-quiet"));
  colours.fill(quiet);
  if (by === "status") STATUS_CODES.forEach((status, code) => { colours[code] = packed(resolved(element, `--map-${status}`)); });
  else if (by === "error") {
    colours.fill(packed(resolved(element, "--failed")));
    colours[0] = quiet;
    legend.forEach((group, i) => { colours[group.code] = packed(GROUPS[i % GROUPS.length]); });
  } else {
    for (let code = 1; code < 256; code++) colours[code] = packed(heat(durationOf(code)));
  }
  return colours;
}

// Short is pale blue, long is dark red-brown: lightness alone already orders them.
const HEAT = [[1, [198, 219, 239]], [100, [127, 188, 204]], [1_000, [230, 200, 90]], [10_000, [226, 125, 45]], [60_000, [178, 24, 43]], [600_000, [84, 10, 50]]];

/** The colour of a duration in milliseconds. */
export function heat(ms) {
  const at = HEAT.findIndex(([limit]) => ms <= limit);
  if (at === 0) return `rgb(${HEAT[0][1]})`;
  if (at < 0) return `rgb(${HEAT.at(-1)[1]})`;
  const [[low, from], [high, to]] = [HEAT[at - 1], HEAT[at]];
  return `rgb(${mix(from, to, Math.log(ms / low) / Math.log(high / low))})`;
}

/** The colour of a group of failures. */
export const groupColour = (i) => GROUPS[i % GROUPS.length];

/** The steps of the scale of durations, for the legend. */
export const heatSteps = HEAT.map(([ms]) => ms);
