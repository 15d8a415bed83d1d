// The steps of a definition as a graph by dependency, in SVG. A step is a button: it chooses whose children are shown.

import { percent } from "../kit/format.js";
import { setAttribute, setText, svg } from "../kit/dom.js";
import { statusLabel } from "../kit/status.js";
import { statusShape } from "../kit/status.js";
import { ended } from "./reducer.js";
import { dependencies, layers } from "./layers.js";

const [WIDE, TALL, ACROSS, DOWN] = [190, 50, 56, 14];

/** The graph; `choose(id)` hears which step was chosen. */
export function stepGraph({ choose }) {
  const edges = svg("g", { class: "edges" });
  const nodes = svg("g", { class: "nodes" });
  const element = svg("svg", { class: "graph", role: "group", "aria-label": "Steps by dependency" }, edges, nodes);
  let drawn = "";
  let known = new Map();

  function build(job, steps) {
    const names = steps.map((step) => step.name);
    const found = layers(names, dependencies(job.payload));
    const places = new Map();
    const rows = Math.max(...found.columns.map((column) => column.length));
    found.columns.forEach((column, x) => column.forEach((name, y) => {
      const offset = ((rows - column.length) * (TALL + DOWN)) / 2;
      places.set(name, [2 + x * (WIDE + ACROSS), 2 + offset + y * (TALL + DOWN)]);
    }));
    const [width, height] = [found.columns.length * (WIDE + ACROSS) - ACROSS + 4, rows * (TALL + DOWN) - DOWN + 4];
    setAttribute(element, "viewBox", `0 0 ${width} ${height}`);
    setAttribute(element, "width", width);
    setAttribute(element, "height", height);
    edges.replaceChildren(...found.edges.map(([from, to]) => edge(places.get(from), places.get(to))));
    known = new Map(steps.map((step) => [step.id, node(step, places.get(step.name), choose)]));
    nodes.replaceChildren(...[...known.values()].map((one) => one.element));
  }

  return {
    element,
    show({ job, steps, scope }) {
      const shape = steps.map((step) => step.id).join();
      if (shape !== drawn) {
        build(job, steps);
        drawn = shape;
      }
      for (const step of steps) known.get(step.id).show(step, step.id === scope);
    },
  };
}

function edge([x1, y1], [x2, y2]) {
  const [fromX, fromY, toX, toY] = [x1 + WIDE, y1 + TALL / 2, x2, y2 + TALL / 2];
  const bend = Math.max(20, (toX - fromX) / 2);
  return svg("path", { d: `M${fromX} ${fromY}C${fromX + bend} ${fromY} ${toX - bend} ${toY} ${toX} ${toY}` });
}

function node(step, [x, y], choose) {
  const press = () => choose(step.id);
  const name = svg("text", { x: 32, y: 21, class: "step-name" });
  const text = svg("text", { x: 32, y: 38, class: "step-text num" });
  const shape = svg("g", { transform: "translate(10 8)" });
  const done = svg("rect", { class: "done", x: 0, y: TALL - 4, height: 4, width: 0 });
  const element = svg("g", {
    class: "node", transform: `translate(${x} ${y})`, role: "button", tabindex: 0,
    on: { click: press, keydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); press(); } } },
  }, svg("rect", { class: "box", width: WIDE, height: TALL, rx: 8 }), done, shape, name, text);
  return {
    element,
    show(now, chosen) {
      const { tally, status } = now;
      if (element.dataset.status !== status) {
        const drawing = statusShape(status);
        drawing.setAttribute("width", 15);
        drawing.setAttribute("height", 15);
        shape.replaceChildren(drawing);
      }
      setAttribute(element, "data-status", status);
      setAttribute(element, "aria-pressed", String(chosen));
      setText(name, now.name.length > 21 ? `${now.name.slice(0, 20)}…` : now.name);
      const words = tally.total ? `${percent(ended(tally), tally.total)} of ${tally.total.toLocaleString("en-US")}${tally.failed ? ` · ${tally.failed} failed` : ""}` : statusLabel(status);
      setText(text, words);
      setAttribute(element, "aria-label", `${now.name}: ${statusLabel(status)}, ${now.progress_text}`);
      setAttribute(done, "width", tally.total ? (WIDE * ended(tally)) / tally.total : 0);
    },
  };
}
