// Paints the cells in sight onto a canvas, pixel by pixel: a million cells cost what their pixels cost.

const SEEN = 4; // pixels that a failure has at least, as long as there are few
const MOST_LOUD = 100;

/** Paint the rows between `top` and `top + height` (pixels of the page). `chosen` is [from, to) or null; `loud[code]` is 1 for a failure. */
export function paint(canvas, { cells, colours, place, top, width, height, chosen, cursor, marks, loud }) {
  const ratio = Math.min(2, globalThis.devicePixelRatio || 1);
  const [w, ht] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== w || canvas.height !== ht) {
    canvas.width = w;
    canvas.height = ht;
  }
  const context = canvas.getContext("2d");
  if (!w || !ht) return;
  const image = context.createImageData(w, ht);
  const pixels = new Uint32Array(image.data.buffer);
  const { columns, size, gap } = place;
  const step = size * ratio;
  const edge = Math.max(1, Math.round((size - gap) * ratio));
  const firstRow = Math.floor(top / size);
  const lastRow = Math.min(place.rows, Math.ceil((top + height) / size));
  for (let row = firstRow; row < lastRow; row++) {
    const y0 = Math.round((row * size - top) * ratio);
    const yFrom = Math.max(0, y0);
    const yTo = Math.min(ht, y0 + edge);
    if (yTo <= yFrom) continue;
    const begin = row * columns;
    const end = Math.min(begin + columns, cells.count);
    const line = yFrom * w;
    for (let index = begin; index < end; index++) {
      const x0 = Math.round((index - begin) * step);
      const inside = !chosen || (index >= chosen[0] && index < chosen[1]);
      const colour = inside ? colours[cells.codes[index]] : faded(colours[cells.codes[index]]);
      pixels.fill(colour, line + x0, line + Math.min(w, x0 + edge));
    }
    for (let y = yFrom + 1; y < yTo; y++) pixels.copyWithin(y * w, line, line + w);
  }
  if (edge < SEEN * ratio) for (const index of few(cells, loud, firstRow * columns, lastRow * columns)) {
    const [x, y] = [Math.round((index % columns) * step), Math.round((Math.floor(index / columns) * size - top) * ratio)];
    const wide = Math.round(SEEN * ratio);
    const colour = !chosen || (index >= chosen[0] && index < chosen[1]) ? colours[cells.codes[index]] : faded(colours[cells.codes[index]]);
    for (let line = Math.max(0, y); line < Math.min(ht, y + wide); line++) pixels.fill(colour, line * w + x, line * w + Math.min(w, x + wide));
  }
  context.putImageData(image, 0, 0);
  if (cursor >= 0) outline(context, place, cursor, top, ratio, marks.cursor);
}

/** The places of loud codes between two, if they are few: drawn larger, many would hide what lies between them. */
function few({ codes, count }, loud, from, to) {
  const found = [];
  for (let index = from; index < Math.min(to, count) && found.length <= MOST_LOUD; index++) if (loud[codes[index]]) found.push(index);
  return found.length <= MOST_LOUD ? found : [];
}

const faded = (packed) => (packed & 0x00ffffff) | 0x48000000;

function outline(context, { columns, size }, index, top, ratio, colour) {
  const x = (index % columns) * size - 2;
  const y = Math.floor(index / columns) * size - top - 2;
  const edge = Math.max(size, 5) + 3;
  context.strokeStyle = colour;
  context.lineWidth = 2 * ratio;
  context.strokeRect(x * ratio, y * ratio, edge * ratio, edge * ratio);
}
