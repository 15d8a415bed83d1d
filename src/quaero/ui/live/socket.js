// One WebSocket that comes back by itself, and knows whether it is alive.
//
//     closed ──> opening ──> open ──(silence, question, no answer)──> closed ──(1 s … 30 s, jittered)──> opening …
//
// It knows nothing of what it carries. A cut cable or a sleeping machine never closes a connection by itself, so after
// ASK_MS of silence the server is asked. Silence alone proves nothing, for the timers of a hidden tab come as late as once
// a minute; a question without an answer is doubt after DOUBT_MS, and the end after ANSWER_MS.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const LOOK_MS = 1_000;
const ASK_MS = 5_000;
const DOUBT_MS = 1_500;
const ANSWER_MS = 6_000;

export class Socket {
  #socket = null;
  #failures = 0;
  #retry = 0;
  #due = 0; // when the next attempt is to be made
  #watch = 0;
  #heard = 0;
  #looked = 0;
  #asked = 0; // when a question was put that nothing has answered yet, else 0
  #doubt = false;

  /** `onOpen`, `onMessage(message)`, and `onChange` whenever `isLive` may have changed without them. */
  constructor({ onOpen, onMessage, onChange }) {
    this.onOpen = onOpen;
    this.onMessage = onMessage;
    this.onChange = onChange;
    this.everOpen = false;
    addEventListener("online", this.#atOnce);
    addEventListener("offline", this.#cutOff);
    for (const event of ["visibilitychange", "resume"]) document.addEventListener(event, this.#atOnce);
    this.#connect();
  }

  get isOpen() { return this.#socket?.readyState === WebSocket.OPEN; }
  /** Whether there is no reason to think that the server is gone. */
  get isLive() { return this.isOpen && !this.#doubt; }
  get failures() { return this.#failures; }

  /** Send, if it is open; whoever needs it sent later says so again on open. */
  send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  /** Somebody looks: an attempt that is due is made, however late the timers of this tab come. */
  hurry() {
    if (!this.#socket && performance.now() >= this.#due) this.#connect();
  }

  close() {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    removeEventListener("online", this.#atOnce);
    removeEventListener("offline", this.#cutOff);
    for (const event of ["visibilitychange", "resume"]) document.removeEventListener(event, this.#atOnce);
    const socket = this.#socket;
    this.#socket = null; // what it still says is nobody's
    socket?.close();
  }

  #connect() {
    clearTimeout(this.#retry);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.#socket = socket;
    this.#heard = this.#looked = this.#asked = performance.now();
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#look(), LOOK_MS);
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#failures = 0;
      this.everOpen = true;
      this.#doubt = false;
      this.#hear();
      this.onOpen();
    };
    socket.onmessage = (event) => {
      if (socket !== this.#socket) return;
      this.#hear();
      this.onMessage(JSON.parse(event.data));
    };
    socket.onclose = () => {
      if (socket === this.#socket) this.#lost();
    };
  }

  #lost() {
    this.#socket = null;
    clearInterval(this.#watch);
    this.#failures += 1;
    this.onChange();
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#failures - 1, 5));
    const wait = 100 + Math.random() * longest;
    this.#due = performance.now() + wait;
    this.#retry = setTimeout(() => this.#connect(), wait);
  }

  #hear() {
    this.#heard = performance.now();
    this.#asked = 0;
    this.#trust(true);
  }

  #trust(trusted) {
    if (this.#doubt === !trusted) return;
    this.#doubt = !trusted;
    this.onChange();
  }

  #look() {
    const now = performance.now();
    const slept = now - this.#looked > 3 * LOOK_MS && !document.hidden;
    this.#looked = now;
    if (this.#asked && now - this.#asked > ANSWER_MS) {
      const dead = this.#socket;
      this.#lost();
      dead?.close();
    } else if (!this.#asked && now - this.#heard >= ASK_MS) this.#ask(slept);
    else if (this.isOpen && this.#asked && now - this.#asked > DOUBT_MS) this.#trust(false);
  }

  /** Ask the server whether it is there; nothing is taken for live meanwhile if there is a reason to doubt it. */
  #ask(inDoubt = false) {
    this.#asked = performance.now();
    this.send({ type: "ping", payload: {} });
    if (inDoubt) this.#trust(false);
  }

  #atOnce = () => {
    if (document.hidden) return;
    if (!this.#socket) this.#connect();
    else if (this.isOpen && !this.#asked && performance.now() - this.#heard > ASK_MS) this.#ask(true);
  };

  // the system says there is no network: whether the server is out of reach shows in its answer
  #cutOff = () => this.isOpen && !this.#asked && this.#ask(true);
}
