// <q-map>: every child of a job as a cell. Hover tells, click opens, dragging or Shift with the arrows selects a range. A
// finger scrolls the page as everywhere; where it rests it tells and selects, and from then on it drags.
//
// It is given cells and says what the viewer does, by events: `cell` (index under the pointer or cursor, or -1),
// `open` (index), `chosen` ([from, to) or null).

import { h, setAttribute } from "../kit/dom.js";
import { STATUS_CODES, fitting, layout, zoomed } from "./cells.js";
import { palette } from "./colours.js";
import { paint } from "./painter.js";

const LOUD = { status: Uint8Array.from(STATUS_CODES, (status) => status === "failed"), error: new Uint8Array(256).fill(1, 1), duration: new Uint8Array(256) };
const DRAG = 4; // pixels before a press becomes a selection
const HOLD_MS = 400; // for which a finger rests before it selects

export class QMap extends HTMLElement {
  #canvas = h("canvas", { "aria-hidden": "true" });
  #run = h("div", { class: "run" }, this.#canvas);
  #cells = null;
  #by = "status";
  #size = 0;
  #fit = true;
  #place = null;
  #colours = null;
  #chosen = null;
  #cursor = -1;
  #press = null;
  #anchor = -1;
  #asked = false;
  #observer = null;

  connectedCallback() {
    if (!this.#run.isConnected) this.append(this.#run);
    this.tabIndex = 0;
    setAttribute(this, "role", "application");
    setAttribute(this, "aria-roledescription", "map of children");
    this.addEventListener("scroll", this.#ask, { passive: true });
    this.addEventListener("pointerdown", this.#down);
    this.addEventListener("pointermove", this.#move);
    this.addEventListener("pointerup", this.#up);
    this.addEventListener("pointercancel", this.#release);
    this.addEventListener("pointerleave", this.#left);
    this.addEventListener("blur", this.#left);
    this.addEventListener("touchmove", this.#hold, { passive: false });
    this.addEventListener("contextmenu", this.#hold);
    this.addEventListener("keydown", this.#key);
    document.addEventListener("quaero:theme", this.#recolour);
    this.#observer = new ResizeObserver(() => this.#relayout());
    this.#observer.observe(this);
  }

  disconnectedCallback() {
    this.#observer?.disconnect();
    this.#release();
    document.removeEventListener("quaero:theme", this.#recolour);
  }

  /** Show these cells; the selection stays where the same children are shown. */
  show(cells, by) {
    const sameTree = this.#cells?.head.job_id === cells?.head.job_id;
    this.#cells = cells;
    this.#by = by;
    if (!sameTree) {
      this.#choose(null);
      this.#cursor = -1;
      this.#fit = true;
    }
    this.#recolour();
    this.#relayout();
  }

  /** Cells changed in place, or came. */
  refresh() {
    if (this.#cells && this.#place && Math.ceil(this.#cells.count / this.#place.columns) !== this.#place.rows) this.#relayout();
    this.#ask();
  }

  get chosen() { return this.#chosen; }
  set chosen(range) { this.#choose(range); }

  /** Larger or smaller cells; 0 fits them all again. */
  zoom(by) {
    this.#fit = by === 0;
    if (by) this.#size = zoomed(this.#size, by);
    this.#relayout();
  }

  #recolour = () => {
    if (!this.#cells || !this.isConnected) return;
    this.#colours = palette(this, this.#by, this.#cells.head.legend ?? []);
    this.#ask();
  };

  #relayout() {
    if (!this.#cells || !this.clientWidth) return;
    const width = this.clientWidth;
    const usual = Math.max(160, Math.min(560, innerHeight * 0.5));
    if (this.#fit) {
      const comfortable = fitting(this.#cells.count, width, Math.min(230, usual));
      this.#size = comfortable > 1 ? comfortable : fitting(this.#cells.count, width, usual);
    }
    const most = this.#size === 1 ? Math.max(usual, innerHeight - 180) : usual; // all at once, if that can be had
    this.#place = layout(this.#cells.count, width, this.#size);
    const tall = this.#place.rows * this.#size;
    this.style.height = `${Math.max(this.#size, Math.min(tall, most))}px`;
    this.#run.style.height = `${tall}px`;
    this.#ask();
  }

  #ask = () => {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      if (this.isConnected) this.#paint();
    });
  };

  #paint() {
    if (!this.#cells || !this.#place || !this.#colours) return;
    paint(this.#canvas, {
      cells: this.#cells, colours: this.#colours, place: this.#place, top: this.scrollTop, width: this.clientWidth, height: this.clientHeight,
      chosen: this.#chosen, cursor: this.#cursor, marks: { cursor: getComputedStyle(this).color },
      loud: LOUD[this.#by],
    });
  }

  #indexAt(event) {
    if (!this.#place) return -1;
    const box = this.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / this.#place.size);
    const row = Math.floor((event.clientY - box.top + this.scrollTop) / this.#place.size);
    const index = row * this.#place.columns + column;
    return column >= 0 && column < this.#place.columns && row >= 0 && index < this.#cells.count ? index : -1;
  }

  #tell(index, { clientX: x, clientY: y } = {}) {
    this.dispatchEvent(new CustomEvent("cell", { detail: { index, x, y } }));
  }

  #choose(range) {
    const before = this.#chosen;
    if (before === range || (before && range && before[0] === range[0] && before[1] === range[1])) return;
    this.#chosen = range;
    this.#ask();
    this.dispatchEvent(new CustomEvent("chosen", { detail: range }));
  }

  #down = (event) => {
    if (event.button !== 0 || !this.#cells) return;
    const index = this.#indexAt(event);
    if (index < 0) return;
    const press = this.#press = { index, x: event.clientX, y: event.clientY, dragging: false, isTouch: event.pointerType === "touch", timer: 0 };
    if (press.isTouch) press.timer = setTimeout(() => this.#drag(press, event, index), HOLD_MS);
  };

  #release = () => {
    clearTimeout(this.#press?.timer);
    this.#press = null;
  };

  #left = () => !this.#press && this.#tell(-1);

  /** While a finger selects, it neither scrolls nor opens a menu. */
  #hold = (event) => {
    if (this.#press?.isTouch && (this.#press.dragging || event.type === "contextmenu")) event.preventDefault();
  };

  #drag(press, event, index) {
    if (!press.dragging) this.setPointerCapture(event.pointerId);
    press.dragging = true;
    this.#tell(index, event);
    if (index >= 0) this.#choose([Math.min(press.index, index), Math.max(press.index, index) + 1]);
  }

  #move = (event) => {
    const index = this.#indexAt(event);
    const press = this.#press;
    const isStill = press && !press.dragging && Math.hypot(event.clientX - press.x, event.clientY - press.y) < DRAG;
    if (press && !isStill && (press.dragging || !press.isTouch)) this.#drag(press, event, index);
    else if (press?.isTouch && !isStill) this.#release(); // it swipes
    else if (event.pointerType !== "touch") this.#tell(index, event);
  };

  #up = (event) => {
    const press = this.#press;
    this.#release();
    if (!press || press.dragging) return;
    if (event.shiftKey && this.#anchor >= 0) this.#choose([Math.min(this.#anchor, press.index), Math.max(this.#anchor, press.index) + 1]);
    else if (this.#chosen) this.#choose(null);
    else this.dispatchEvent(new CustomEvent("open", { detail: press.index }));
    this.#anchor = press.index;
  };

  #key = (event) => {
    if (!this.#cells?.count || !this.#place || event.ctrlKey || event.metaKey || event.altKey) return;
    const { columns } = this.#place;
    const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -this.#cells.count, End: this.#cells.count, PageDown: 10 * columns, PageUp: -10 * columns }[event.key];
    if (by !== undefined) this.#moveCursor(by, event.shiftKey);
    else if (event.key === "Enter" && this.#cursor >= 0) this.dispatchEvent(new CustomEvent("open", { detail: this.#cursor }));
    else if (event.key === "Escape" && this.#chosen) this.#choose(null);
    else if (event.key === "+" || event.key === "=") this.zoom(1);
    else if (event.key === "-") this.zoom(-1);
    else if (event.key === "0") this.zoom(0);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  #moveCursor(by, extend) {
    const before = this.#cursor;
    this.#cursor = before < 0 ? 0 : Math.max(0, Math.min(this.#cells.count - 1, before + by));
    if (extend) {
      if (this.#anchor < 0 || !this.#chosen) this.#anchor = Math.max(0, before);
      this.#choose([Math.min(this.#anchor, this.#cursor), Math.max(this.#anchor, this.#cursor) + 1]);
    } else this.#anchor = this.#cursor;
    const y = Math.floor(this.#cursor / this.#place.columns) * this.#place.size;
    if (y < this.scrollTop) this.scrollTop = y;
    else if (y + this.#place.size > this.scrollTop + this.clientHeight) this.scrollTop = y + this.#place.size - this.clientHeight;
    this.#ask();
    const box = this.getBoundingClientRect();
    const x = (this.#cursor % this.#place.columns) * this.#place.size;
    this.#tell(this.#cursor, { clientX: box.left + x, clientY: box.top + y + this.#place.size - this.scrollTop });
  }
}

customElements.define("q-map", QMap);
