// A window on lines of different heights, of which only those in sight are in the page.
//
// The truth is an anchor: which line stands at the upper edge, and how much of it is hidden. Wheel, touch and keys move
// the anchor by pixels over the lines as they were measured; dragging the scrollbar jumps by proportion, because the
// whole is far too tall to lay out. Two things never move by themselves: what is being read, when lines are added before
// it, and the end, when it is followed.

import { h } from "../kit/dom.js";

const TALLEST = 4_000_000; // pixels of the scrollbar's run; engines lose precision above
const SPARE = 400; // pixels kept beyond each edge
const SETTLE_MS = 180;

export class Scroller {
  #run = h("div", { class: "log-run" });
  #window = h("div", { class: "log-window" });
  #rows = []; // elements in the window, in order; row.index says of which line
  #free = [];
  #index = 0;
  #hidden = 0; // pixels of the anchor's line above the edge
  #lastScroll = 0;
  #asked = false;
  #settle = 0;
  #line; // the usual height of a line

  /** `lines`: {length(), show(row, index), make(), share(index) → 0…1, whole() → lines in all, moved(first, last)}. */
  constructor(element, lines, line = 20) {
    this.element = element;
    this.lines = lines;
    this.#line = line;
    this.following = true;
    this.#run.append(this.#window);
    element.append(this.#run);
    element.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.ask()).observe(element);
  }

  get index() { return this.#index; }
  get first() { return this.#rows[0]?.index ?? 0; }
  get last() { return this.#rows.at(-1)?.index ?? -1; }

  /** Draw in the next frame. */
  ask() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => this.#draw());
  }

  /** Lines were put before the first, or let go there: what is read stays where it is. */
  shift(by) {
    this.#index = Math.max(0, this.#index + by);
    for (const row of this.#rows) row.index += by;
  }

  /** Everything is another: show it anew. */
  forget() {
    for (const row of this.#rows) row.index = NaN;
    this.ask();
  }

  /** Put a line at a part of the window's height. */
  goTo(index, share = 0) {
    this.following = false;
    this.#index = Math.max(0, Math.min(index, this.lines.length() - 1));
    this.#hidden = 0;
    this.#draw();
    this.#moveBy(-share * this.element.clientHeight);
    this.#draw();
    this.#syncBar();
  }

  /** Move by pixels, as keys do. */
  by(pixels) {
    this.#moveBy(pixels);
    this.ask();
    this.#settleSoon();
  }

  /** Go to the end, and stay there. */
  follow() {
    this.following = true;
    this.ask();
  }

  #scrolled() {
    const moved = this.element.scrollTop - this.#lastScroll;
    if (Math.abs(moved) < 1) return;
    this.#lastScroll = this.element.scrollTop;
    const room = this.element.scrollHeight - this.element.clientHeight;
    if (Math.abs(moved) > Math.max(1_500, 3 * this.element.clientHeight) && room > 0) {
      this.following = false;
      this.lines.dragged(this.element.scrollTop / room);
    } else {
      if (moved < 0) this.following = false;
      this.#moveBy(moved);
      this.#settleSoon();
    }
    this.ask();
  }

  #moveBy(pixels) {
    let hidden = this.#hidden + pixels;
    while (hidden < 0 && this.#index > 0) hidden += this.#heightOf(--this.#index);
    for (let height = this.#heightOf(this.#index); hidden >= height && this.#index < this.lines.length() - 1; height = this.#heightOf(this.#index)) {
      hidden -= height;
      this.#index += 1;
    }
    this.#hidden = Math.max(0, hidden);
  }

  #heightOf(index) {
    const row = this.#rows[index - (this.#rows[0]?.index ?? 0)];
    return row?.index === index && row.offsetHeight ? row.offsetHeight : this.#line;
  }

  #settleSoon() {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#syncBar(), SETTLE_MS);
  }

  /** The scrollbar tells where in the whole log the window is. */
  #syncBar() {
    const room = this.element.scrollHeight - this.element.clientHeight;
    const share = this.following ? 1 : this.lines.share(this.#index);
    // never at the very edges while there is more: a bar at its end cannot be pushed further
    const edge = Math.min(200, room / 4);
    const free = share <= 0 ? 0 : share >= 1 ? room : edge + share * (room - 2 * edge);
    this.element.scrollTop = Math.round(free);
    this.#lastScroll = this.element.scrollTop;
    this.#place();
  }

  #draw() {
    this.#asked = false;
    const count = this.lines.length();
    const tall = Math.min(TALLEST, Math.max(this.lines.whole(), count) * this.#line);
    this.#resize(`${Math.max(tall, this.element.clientHeight)}px`, !count);
    if (!count) return;
    this.#index = Math.min(this.#index, count - 1);
    if (this.following) this.#fillFromEnd(count);
    else this.#fillFromAnchor(count);
    this.#place();
    if (this.following) this.#syncBarAtEnd();
    this.lines.moved(this.first, this.last);
  }

  /** The run gets another height. Where the bar goes because of that is nobody's scrolling. */
  #resize(height, isEmpty) {
    if (this.#run.style.height === height && !isEmpty) return;
    const before = this.element.scrollTop;
    this.#run.style.height = height;
    if (isEmpty) for (const row of this.#rows.splice(0)) this.#release(row);
    this.#lastScroll += this.element.scrollTop - before;
  }

  #syncBarAtEnd() {
    this.element.scrollTop = this.element.scrollHeight;
    this.#lastScroll = this.element.scrollTop;
    this.#place();
  }

  #fillFromEnd(count) {
    const wanted = Math.ceil((this.element.clientHeight + SPARE) / this.#line) + 1;
    this.#show(Math.max(0, count - wanted), count);
    let below = this.element.clientHeight;
    let index = count - 1;
    while (index > this.first && below > this.#heightOf(index)) below -= this.#heightOf(index--);
    this.#index = index;
    this.#hidden = Math.max(0, this.#heightOf(index) - below);
  }

  #fillFromAnchor(count) {
    const above = Math.ceil(SPARE / this.#line);
    const fits = Math.ceil((this.element.clientHeight + SPARE) / this.#line) + 1;
    this.#show(Math.max(0, this.#index - above), Math.min(count, this.#index + fits));
    if (this.last === count - 1) this.#stopAtEnd();
  }

  /** The last line never leaves the lower edge upwards. */
  #stopAtEnd() {
    let below = -this.#hidden;
    for (let index = this.#index; index <= this.last; index++) below += this.#heightOf(index);
    const lacking = this.element.clientHeight - below;
    if (lacking <= 0) return;
    this.#moveBy(-lacking);
    if (this.lines.atEnd()) this.following = true;
  }

  /** Have exactly the lines first…last-1 in the window, keeping the rows of those that were there. */
  #show(first, last) {
    const kept = new Map();
    for (const row of this.#rows) {
      if (row.index >= first && row.index < last) kept.set(row.index, row);
      else this.#release(row);
    }
    const rows = [];
    for (let index = first; index < last; index++) {
      const row = kept.get(index) ?? this.#free.pop() ?? this.lines.make();
      row.index = index;
      row.hidden = false;
      this.lines.show(row, index);
      rows.push(row);
    }
    let at = this.#window.firstChild;
    for (const row of rows) {
      if (row === at) at = at.nextSibling;
      else this.#window.insertBefore(row, at);
    }
    this.#rows = rows;
  }

  #release(row) {
    row.index = NaN;
    row.remove();
    if (this.#free.length < 200) this.#free.push(row);
  }

  #place() {
    let above = this.#hidden;
    for (const row of this.#rows) {
      if (row.index >= this.#index) break;
      above += row.offsetHeight;
    }
    this.#window.style.transform = `translateY(${this.element.scrollTop - above}px)`;
  }
}
