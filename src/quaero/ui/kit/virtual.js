// A list of any length that keeps only the rows in sight in the page.
//
//     <q-list>            the scroller: role=grid, focusable; one row at a time is current
//       <div class=run>   as tall as the list, up to what browsers can lay out
//         <div class=window>  the rows in sight, made once and used again
//
// Rows all have one height. The truth about the position is `top`, counted in rows: beyond LONGEST pixels the scrollbar
// stands for it in proportion, while wheel, touch and keys still move by exactly what they say.

import { h, setAttribute } from "./dom.js";

const LONGEST = 6_000_000; // pixels; engines lose precision above
const SPARE = 4; // rows kept beyond each edge

export class QList extends HTMLElement {
  #run = h("div", { class: "run" });
  #window = h("div", { class: "window" });
  #rows = [];
  #length = 0;
  #height = 40;
  #top = 0;
  #lastScroll = 0;
  #asked = false;
  #current = -1;
  #resize = null;
  #settle = 0;
  #drawn = [-1, -1];

  /** `row()` makes an empty row, `show(element, index)` fills it, `range(first, last)` hears what is in sight. */
  setup({ height, row, show, range, open, select }) {
    this.#height = height;
    this.makeRow = row;
    this.showRow = show;
    this.onRange = range;
    this.onOpen = open;
    this.onSelect = select;
    this.#drawn = [-1, -1];
    this.#window.replaceChildren();
    this.#rows = [];
    this.style.setProperty("--row-height", `${height}px`);
    this.#run.style.height = `${Math.min(this.#length * height, LONGEST)}px`;
    this.#ask();
    return this;
  }

  connectedCallback() {
    if (!this.#run.isConnected) {
      this.#run.append(this.#window);
      this.append(this.#run);
    }
    setAttribute(this, "role", "grid");
    this.tabIndex = 0;
    this.addEventListener("scroll", this.#scrolled, { passive: true });
    this.addEventListener("keydown", this.#pressed);
    this.addEventListener("click", this.#clicked);
    this.#resize = new ResizeObserver(() => this.#ask());
    this.#resize.observe(this);
  }

  disconnectedCallback() {
    this.#resize?.disconnect();
    clearTimeout(this.#settle);
  }

  /** How many rows there are. */
  get length() { return this.#length; }

  set length(n) {
    if (n === this.#length) return;
    this.#length = n;
    setAttribute(this, "aria-rowcount", n);
    this.#run.style.height = `${Math.min(n * this.#height, LONGEST)}px`;
    if (this.#current >= n) this.#setCurrent(n - 1);
    this.#top = Math.min(this.#top, this.#last());
    this.#ask();
  }

  get top() { return this.#top; }
  get height() { return this.#height; }
  get current() { return this.#current; }
  set current(index) { this.#setCurrent(index); }
  /** The rows that are seen in full, [first, last). */
  get seen() { return [Math.ceil(this.#top - 0.01), Math.min(this.#length, Math.floor(this.#top + this.visible + 0.01))]; }
  get visible() { return Math.max(1, this.clientHeight / this.#height); }

  /** Show what is in sight again, because what the rows say has changed. */
  refresh() { this.#ask(); }

  /** Bring a row into sight: at the top, or with "near" only as far as needed. */
  goTo(index, how = "top") {
    const fits = Math.floor(this.visible);
    let top = index;
    if (how === "near") top = index < this.#top ? index : index >= this.#top + fits ? index - fits + 1 : this.#top;
    this.#setTop(top);
    this.#syncBar();
    this.#ask();
  }

  #last() { return Math.max(0, this.#length - this.visible); }

  #scale() {
    const real = this.#length * this.#height - this.clientHeight;
    const shown = Math.min(this.#length * this.#height, LONGEST) - this.clientHeight;
    return real > 0 && shown > 0 ? real / shown : 1;
  }

  #setTop(top) { this.#top = Math.max(0, Math.min(top, this.#last())); }

  #syncBar() {
    this.#lastScroll = Math.round((this.#top * this.#height) / this.#scale());
    this.scrollTop = this.#lastScroll;
    this.#lastScroll = this.scrollTop;
  }

  #scrolled = () => {
    const moved = this.scrollTop - this.#lastScroll;
    if (!moved) return;
    this.#lastScroll = this.scrollTop;
    const scale = this.#scale();
    if (scale === 1 || Math.abs(moved) > 2 * this.clientHeight) this.#setTop((this.scrollTop * scale) / this.#height);
    else {
      this.#setTop(this.#top + moved / this.#height);
      clearTimeout(this.#settle);
      this.#settle = setTimeout(() => this.#syncBar(), 160);
    }
    this.#ask();
    this.dispatchEvent(new CustomEvent("moved"));
  };

  #ask() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#asked = false;
    if (!this.isConnected || !this.makeRow) return;
    this.#setTop(this.#top);
    const first = Math.max(0, Math.floor(this.#top) - SPARE);
    const last = Math.min(this.#length, Math.ceil(this.#top + this.visible) + SPARE);
    while (this.#rows.length < last - first) {
      const row = this.makeRow();
      row.id ||= `row-${++made}`;
      this.#rows.push(row);
      this.#window.append(row);
    }
    const size = this.#rows.length;
    for (let slot = 0; slot < size; slot++) setAttribute(this.#rows[slot], "hidden", true);
    for (let index = first; index < last; index++) {
      const row = this.#rows[index % size];
      setAttribute(row, "hidden", null);
      setAttribute(row, "aria-rowindex", index + 1);
      setAttribute(row, "data-current", index === this.#current || null);
      row.index = index;
      row.style.transform = `translateY(${(index - first) * this.#height}px)`;
      this.showRow(row, index);
    }
    const scrolled = this.scrollTop - (this.#top - first) * this.#height;
    this.#window.style.transform = `translateY(${scrolled}px)`;
    const at = this.#current >= first && this.#current < last ? this.#rows[this.#current % size].id : null;
    setAttribute(this, "aria-activedescendant", at);
    if (first !== this.#drawn[0] || last !== this.#drawn[1]) {
      this.#drawn = [first, last];
      this.onRange?.(first, last);
    }
  }

  #setCurrent(index) {
    this.#current = Math.max(-1, Math.min(index, this.#length - 1));
    this.#ask();
  }

  #pressed = (event) => {
    if (event.target !== this || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(this.visible) - 1);
    const by = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -this.#length, End: this.#length }[event.key];
    if (by !== undefined) {
      this.#setCurrent(Math.max(0, this.#current + by));
      this.goTo(this.#current, "near");
    } else if (event.key === "Enter" && this.#current >= 0) this.onOpen?.(this.#current, event);
    else if ((event.key === " " || event.key === "x") && this.#current >= 0 && this.onSelect) this.onSelect(this.#current, event);
    else return;
    event.preventDefault();
  };

  #clicked = (event) => {
    const row = event.target.closest("[aria-rowindex]");
    if (!row || !this.contains(row)) return;
    this.#setCurrent(row.index);
    if (!event.target.closest("a, button, input, label")) this.onOpen?.(row.index, event);
  };
}

let made = 0;

customElements.define("q-list", QList);
