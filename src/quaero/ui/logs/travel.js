// Moving in a log: to its end, to a line, to where the scrollbar was dragged, by keys. What is not in the run is fetched.

import { indexOf } from "./book.js";

const DRAG_MS = 90; // a scrollbar on its way asks for nothing
const LINE = 20; // pixels a key moves

/** Where a position lies in the whole log, 0…1. */
export const shareOf = ({ oldest, head }, seq) => (head > oldest ? (seq - oldest) / (head - oldest) : 1);

export class Travel {
  #drag = 0;

  /** `book()` and `source()` as they are now; `counter()` names what lines are numbered by; `arrived(seq)`, `moved()` hear. */
  constructor({ scroller, book, source, counter, arrived, moved }) {
    Object.assign(this, { scroller, book, source, counter, arrived, moved });
  }

  /** Go to the end and stay there. */
  async follow() {
    await this.source().follow();
    this.scroller.follow();
    this.moved();
  }

  /** Go to a line by the number it shows, and mark it. */
  goToLine(number) {
    const counter = this.counter();
    return this.#goTo(counter, number, counter === "seq" ? { seq: number } : { line: number });
  }

  /** Go to a position, and mark its line. */
  goTo(seq) {
    return this.#goTo("seq", seq, { seq });
  }

  async #goTo(counter, value, place) {
    if (!this.#has(counter, value) && !(await this.source().jump(place))) return;
    const { lines } = this.book();
    const index = lines.findIndex((line) => line[counter] >= value);
    if (index < 0) return;
    if (lines[index][counter] === value) this.arrived(lines[index].seq); // else the filter leaves it out
    this.scroller.goTo(index, 0.3);
    this.moved();
  }

  /** The scrollbar was dragged to a part of the whole. */
  dragged(share) {
    clearTimeout(this.#drag);
    this.#drag = setTimeout(() => {
      const { oldest, head } = this.book();
      return share >= 0.999 ? this.follow() : this.goQuietly(Math.round(oldest + share * (head - oldest)));
    }, DRAG_MS);
  }

  /** Go to a position, and mark nothing. */
  async goQuietly(seq) {
    if (!this.#has("seq", seq) && !(await this.source().jump({ seq }))) return;
    this.scroller.goTo(indexOf(this.book().lines, seq));
    this.moved();
  }

  #has(counter, value) {
    const { lines } = this.book();
    return value >= lines[0]?.[counter] && value <= lines.at(-1)?.[counter];
  }

  /** A key that moves; false if it is none. */
  pressed({ key, shiftKey }) {
    const page = this.scroller.element.clientHeight - 2 * LINE;
    const by = { ArrowDown: LINE, j: LINE, ArrowUp: -LINE, k: -LINE, PageDown: page, " ": shiftKey ? -page : page, PageUp: -page }[key];
    if (by) {
      if (by < 0) this.scroller.following = false;
      this.scroller.by(by);
    } else if (key === "End" || key === "G" || key === "f") this.follow();
    else if (key === "Home") this.goQuietly(this.book().oldest);
    else return false;
    return true;
  }
}
