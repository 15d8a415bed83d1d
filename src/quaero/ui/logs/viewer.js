// The log viewer: `<q-log job="42" step="crawl" level="info">`, or without a job the service log.
//
// Attributes: `job`, `step` (name or id), `children` (`8..15`: only some, with what is below them), `own` (the job's own
// lines, not those below it), `whole` (nobody else's lines stand in its journal), `level`. Changing one begins anew: where
// the address says (`#L17`), else at the end. Tells `level` when another is chosen.

import { h, setAttribute, setProperty, setText } from "../kit/dom.js";
import { count, plural } from "../kit/format.js";
import { keepHere, kept } from "../kit/kept.js";
import { createStore } from "../kit/store.js";
import { button } from "../kit/control.js";
import { TERMINAL } from "../kit/status.js";
import { onStanding } from "../live/connection.js";
import { keys } from "../shell/keys.js";
import { toast } from "../shell/toast.js";
import { indexOf, initial, reduce, tokenAfter, tokenBefore } from "./book.js";
import { Hits } from "./hits.js";
import { copyLines, parseRange, rangeText } from "./range.js";
import { makeRow, showRow } from "./row.js";
import { Scroller } from "./scroller.js";
import { Source } from "./source.js";
import { stateText } from "./standing.js";
import { findIn } from "./text.js";
import { toolbar } from "./toolbar.js";
import { Travel, shareOf } from "./travel.js";

const NEAR = 60; // lines from an end of the run at which more is fetched

const chosen = (name, usual) => kept(`quaero.log.${name}`) ?? usual;
const choose = (name, value) => keepHere(`quaero.log.${name}`, value);

/** Whether lines of several jobs stand side by side, so that each must say where it is from. Looks at both ends only. */
function severalJobs(lines) {
  const ends = lines.slice(0, 500).concat(lines.slice(-500)).filter((line) => !line.gap);
  return ends.some((line) => line.job_id !== ends[0].job_id);
}

class QLog extends HTMLElement {
  static observedAttributes = ["job", "step", "children", "own", "level"];

  #store = null;
  #book = initial(); // as it was drawn last: places of lines are counted in it, and a line that came since has none yet
  #source = null;
  #scroller = null;
  #hits = null;
  #look = { version: 1, needle: "", times: chosen("times", "time"), from: true, step: null, numbered: false, current: null, range: null, started: 0 };
  #standing = { state: "connecting" };
  #stopStanding = null;
  #forgetKeys = null;
  #only = false;
  #travel = null;
  #ended = null;

  connectedCallback() {
    if (!this.#scroller) this.#build();
    this.#stopStanding = onStanding((standing) => {
      this.#standing = standing;
      this.#showState();
    });
    this.#forgetKeys = keys("Log", {
      f: ["Follow the end", () => this.#travel.follow()],
      n: ["Next hit", () => this.#toHit(1)],
      N: ["Previous hit", () => this.#toHit(-1)],
      w: ["Wrap long lines", () => this.bar.wrap.click()],
    });
    this.#begin();
  }

  disconnectedCallback() {
    this.#stopStanding?.();
    this.#forgetKeys?.();
    this.#hits?.stop();
    this.#end();
  }

  attributeChangedCallback(name, before, now) {
    if (this.isConnected && this.#scroller && before !== now) this.#begin(name === "level" ? this.#place : null);
  }

  // --- parts

  #build() {
    const bar = toolbar({
      level: this.getAttribute("level") ?? "info",
      times: this.#look.times,
      wrap: chosen("wrap", "yes") === "yes",
      onLevel: (level) => {
        this.setAttribute("level", level);
        this.dispatchEvent(new CustomEvent("level", { detail: level }));
      },
      onTimes: (times) => {
        choose("times", times);
        this.#change({ times });
      },
      onSearch: (text) => this.#search(text),
      onHit: (by) => this.#toHit(by),
      onOnly: (on) => {
        this.#only = on;
        this.#begin(this.#place);
      },
      onWrap: (on) => {
        choose("wrap", on ? "yes" : "no");
        setAttribute(this, "wrap", on);
        this.#scroller.forget();
      },
      onCopy: () => this.#copy(),
    });
    this.bar = bar;
    this.pane = h("div", { class: "log-pane", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Log lines" });
    this.fresh = button("down", "", () => this.#travel.follow(), { class: "fresh", hidden: true });
    this.empty = h("p", { class: "log-empty", hidden: true });
    this.foot = h("footer", { class: "log-state num" });
    this.#hits = new Hits(() => this.#showHits());
    this.append(bar.element, h("div", { class: "log-body" }, this.pane, this.#hits.marks, this.fresh, this.empty), this.foot);
    this.#scroller = new Scroller(this.pane, {
      length: () => this.#lines.length,
      make: makeRow,
      show: (row, index) => showRow(row, this.#lines[index], this.#look),
      share: (index) => shareOf(this.#book, this.#lines[index]?.seq ?? 0),
      whole: () => this.#book.head - this.#book.oldest + 1,
      atEnd: () => this.#book.attached,
      dragged: (share) => this.#travel.dragged(share),
      moved: (first, last) => this.#inSight(first, last),
    });
    this.#travel = new Travel({
      scroller: this.#scroller,
      book: () => {
        this.#store.flush();
        return this.#book;
      },
      source: () => this.#source,
      counter: () => (this.#look.numbered ? "line_number" : "seq"),
      arrived: (seq) => this.#change({ current: seq }),
      moved: () => this.#showFresh(),
    });
    setAttribute(this, "wrap", chosen("wrap", "yes") === "yes");
    this.pane.addEventListener("keydown", (event) => this.#pressed(event));
    this.pane.addEventListener("click", (event) => this.#clicked(event));
  }

  // --- the book

  get #lines() { return this.#book.lines; }

  /** Where somebody reads, to go on from there through another filter; null: at the end. */
  get #place() { return this.#scroller.following ? null : this.#lines[this.#scroller.index]?.seq ?? null; }

  /** Show another log or filter: from a place, at the end (null), or (undefined) where the address says. */
  #begin(place) {
    this.#end();
    const scope = {
      job: this.getAttribute("job"), step: this.getAttribute("step"), children: this.getAttribute("children"), own: this.hasAttribute("own"),
      level: this.getAttribute("level") ?? "info", q: this.#only ? this.#hits.needle : "",
    };
    this.#look = { ...this.#look, from: false, step: scope.step, numbered: scope.own || !!scope.step, started: 0, version: this.#look.version + 1 };
    if (place === undefined) Object.assign(this.#look, { range: null, current: null }); // numbers mean other lines in another log
    this.#ended = null;
    this.#book = initial();
    this.#store = createStore(reduce, this.#book, (book, before) => this.#render(book, before));
    this.#source = new Source(scope, this.#store, { following: () => this.#scroller.following, onStatus: (told) => this.#heard(told) });
    this.#hits.source = this.#source;
    this.bar.offer(this.#source.download);
    this.#scroller.following = true;
    this.#scroller.forget();
    this.#open(place);
  }

  #end() {
    this.#source?.close();
    this.#store?.close();
  }

  async #open(place) {
    const source = this.#source;
    const range = place === undefined ? parseRange(location.hash) : null;
    await source.open();
    if (source !== this.#source) return;
    if (place) await this.#travel.goQuietly(place);
    if (!range) return;
    this.#change({ range });
    await this.#travel.goToLine(range[0]);
  }

  #heard(told) {
    if (told.job) this.#ended = TERMINAL.has(told.job.status) ? told.job.status : null;
    if (this.onstatus) this.onstatus(told);
  }

  #render(book, before) {
    this.#book = book;
    const moved = (book.added - (before?.added ?? 0)) - (book.trimmed - (before?.trimmed ?? 0));
    if (before && book.epoch !== before.epoch) this.#scroller.forget();
    else if (moved) this.#scroller.shift(moved);
    if (book.lines.length && !this.#look.started) this.#look.started = Date.parse(book.lines.find((line) => !line.gap)?.timestamp ?? 0);
    if (before && book.lines !== before.lines && book.attached) {
      const since = before.lines.at(-1)?.seq ?? 0;
      this.#hits.arrived(book.lines.slice(indexOf(book.lines, since + 1)), (line) => findIn(line.message, this.#hits.needle) >= 0);
      this.#showHits();
    }
    const many = !this.hasAttribute("own") && book.lines !== before?.lines && !this.#look.from && severalJobs(book.lines);
    if (many) this.#change({ from: true });
    this.style.setProperty("--digits", String(book.head.toLocaleString("en-US").length));
    this.#scroller.ask();
    this.#showState();
  }

  #inSight(first, last) {
    const book = this.#store.state;
    if (!book.loading && !book.trouble) {
      if (first < NEAR && !book.start) this.#more("earlier", tokenBefore(book));
      else if (last > book.lines.length - NEAR && !book.attached) this.#more("later", tokenAfter(book));
    }
    this.#showFresh();
  }

  #more(way, token) {
    if (token) this.#source[way](token);
  }

  #pressed(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === "n") this.#toHit(1);
    else if (event.key === "N") this.#toHit(-1);
    else if (event.key === "w") this.bar.wrap.click();
    else if (event.key === "c") this.#copy();
    else if (event.key === "/") this.bar.field.focus();
    else if (!this.#travel.pressed(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  // --- search

  #search(text) {
    if (text.toLowerCase() === this.#hits.needle) return;
    this.#hits.look(text);
    this.#change({ needle: text.toLowerCase() });
    if (this.#only) this.#begin(this.#place);
  }

  #toHit(by) {
    const from = this.#lines[this.#scroller.index]?.seq ?? 0;
    const seq = this.#hits.step(by, by > 0 ? from : from + 1);
    if (seq !== null) this.#travel.goTo(seq);
    this.#showHits();
  }

  #showHits() {
    setText(this.bar.found, this.#hits.text);
    setAttribute(this, "data-searching", !!this.#hits.needle);
    this.#hits.draw(this.#book.oldest, this.#book.head, getComputedStyle(this).getPropertyValue("--hit"));
  }

  // --- lines chosen

  #clicked(event) {
    const number = event.target.closest?.(".no");
    const row = number?.closest(".line");
    if (!row?.number) return;
    event.preventDefault();
    const begin = event.shiftKey && this.#look.range ? this.#look.range[0] : row.number;
    const range = [Math.min(begin, row.number), Math.max(begin, row.number)];
    this.#change({ range });
    history.replaceState(history.state, "", rangeText(range));
  }

  #copy() {
    const { range, numbered } = this.#look;
    const shown = this.#lines.slice(this.#scroller.first, this.#scroller.last + 1);
    copyLines(range ? this.#lines : shown, range, numbered).then((n) => toast(`${plural(n, "line")} copied.`), () => toast("This browser does not let a page of this address copy.", { tone: "bad" }));
  }

  // --- what is told about it

  #change(look) {
    this.#look = { ...this.#look, ...look, version: this.#look.version + 1 };
    this.#scroller.ask();
  }

  #showFresh() {
    const { fresh } = this.#book;
    const away = !this.#scroller.following;
    if (!away && fresh) this.#store.dispatch({ type: "seen" });
    setProperty(this.fresh, "hidden", !away);
    if (away) setText(this.fresh.lastChild, fresh ? `${count(fresh)} new` : this.#book.ended ? "To the end" : "Follow");
  }

  #showState() {
    const book = this.#book;
    const { state, text, empty } = stateText(book, this.#standing, { ended: this.#ended, isWhole: !this.hasAttribute("job") || this.hasAttribute("whole") });
    setAttribute(this.foot, "data-state", state);
    setText(this.foot, text);
    setProperty(this.empty, "hidden", !empty);
    setText(this.empty, empty);
    this.#showFresh();
  }
}

customElements.define("q-log", QLog);
