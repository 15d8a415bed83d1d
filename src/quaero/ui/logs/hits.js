// The search in a log: positions of hits, found by the server page by page, walked with next and previous, and drawn as
// marks beside the scrollbar.

import { h } from "../kit/dom.js";
import { count, plural } from "../kit/format.js";
import { indexOf } from "./book.js";

const at = (seqs, seq) => indexOf(seqs.map((one) => ({ seq: one })), seq);

export class Hits {
  #source;
  #abort = null;
  marks = h("canvas", { class: "log-marks", "aria-hidden": "true" });
  needle = "";
  seqs = [];
  done = true;
  current = null;

  /** `changed()` is called whenever there is more to show. */
  constructor(changed) {
    this.changed = changed;
  }

  set source(source) {
    this.#source = source;
    if (this.needle) this.look(this.needle);
  }

  /** Look for a text; an empty one ends the search. */
  async look(text) {
    this.#abort?.abort();
    this.needle = text.toLowerCase();
    this.seqs = [];
    this.current = null;
    this.done = !text;
    this.isCut = false; // there are more than are kept
    this.trouble = null;
    this.changed();
    if (!text) return;
    const abort = (this.#abort = new AbortController());
    try {
      await this.#source.search(text, (seqs, done, isCut) => {
        if (abort.signal.aborted) return;
        this.seqs = seqs;
        this.done = done;
        this.isCut = isCut;
        this.changed();
      }, abort.signal);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.trouble = error;
      this.done = true;
      this.changed();
    }
  }

  /** Look no further: nobody sees it any more. */
  stop() { this.#abort?.abort(); }

  /** Lines that just came. */
  arrived(lines, matches) {
    if (!this.needle || !this.done || this.isCut) return;
    const last = this.seqs.at(-1) ?? 0;
    const more = lines.filter((line) => line.seq > last && !line.gap && matches(line)).map((line) => line.seq);
    if (more.length) this.seqs = this.seqs.concat(more);
  }

  /** The hit before (-1) or behind (1) a position, going round at the ends; null if there is none. */
  step(by, from) {
    if (!this.seqs.length) return null;
    const here = this.current ?? from;
    const index = at(this.seqs, here);
    const size = this.seqs.length;
    const next = by > 0 ? (this.seqs[index] === here && this.current !== null ? index + 1 : index) : index - 1;
    this.current = this.seqs[(next + size) % size];
    return this.current;
  }

  /** "3 of 128". */
  get text() {
    if (!this.needle) return "";
    if (this.trouble) return this.trouble.message;
    const all = `${this.isCut ? "the first " : ""}${count(this.seqs.length)}`;
    const hits = this.isCut ? `${all} hits` : plural(this.seqs.length, "hit");
    if (!this.seqs.length) return this.done ? "no hits" : "searching …";
    if (!this.done) return `${hits} so far, searching …`;
    return this.current === null ? hits : `${count(at(this.seqs, this.current) + 1)} of ${all}`;
  }

  /** Draw where the hits are between two positions of the log. */
  draw(oldest, head, colour) {
    const { marks } = this;
    const [width, height] = [marks.clientWidth, marks.clientHeight];
    if (!width || !height) return;
    const dots = devicePixelRatio || 1;
    marks.width = width * dots;
    marks.height = height * dots;
    const pen = marks.getContext("2d");
    pen.fillStyle = colour;
    const span = Math.max(1, head - oldest);
    let before = -1;
    for (const seq of this.seqs) {
      const y = Math.round(((seq - oldest) / span) * (marks.height - 2 * dots));
      if (y === before) continue;
      before = y;
      pen.fillRect(0, y, marks.width, 2 * dots);
    }
  }
}
