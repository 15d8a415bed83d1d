// <q-map>: every child of a job as a cell. Hover tells, click opens, dragging or Shift with the arrows selects a range.
//
// It is given cells and says what the viewer does, by events: `cell` (index under the pointer or cursor, or -1),
// `open` (index), `chosen` ([from, to) or null).

import { h, setAttribute } from "../kit/dom.js";
import { fitting, layout, zoomed } from "./cells.js";
import { palette } from "./colours.js";
import { paint } from "./painter.js";

const DRAG = 4; // pixels before a press becomes a selection

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
    this.addEventListener("pointercancel", () => { this.#press = null; });
    this.addEventListener("pointerleave", () => !this.#press && this.#tell(-1));
    this.addEventListener("keydown", this.#key);
    document.addEventListener("quaero:theme", this.#recolour);
    this.#observer = new ResizeObserver(() => this.#relayout());
    this.#observer.observe(this);
  }

  disconnectedCallback() {
    this.#observer?.disconnect();
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

  #tell(index, event = null) {
    this.dispatchEvent(new CustomEvent("cell", { detail: { index, x: event?.clientX, y: event?.clientY } }));
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
    if (index >= 0) this.#press = { index, x: event.clientX, y: event.clientY, dragging: false };
  };

  #move = (event) => {
    const index = this.#indexAt(event);
    this.#tell(index, event);
    const press = this.#press;
    if (!press || event.pointerType === "touch") return;
    if (!press.dragging && Math.hypot(event.clientX - press.x, event.clientY - press.y) < DRAG) return;
    if (!press.dragging) this.setPointerCapture(event.pointerId);
    press.dragging = true;
    if (index >= 0) this.#choose([Math.min(press.index, index), Math.max(press.index, index) + 1]);
  };

  #up = (event) => {
    const press = this.#press;
    this.#press = null;
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
    this.#tell(this.#cursor);
  }
}

customElements.define("q-map", QMap);
