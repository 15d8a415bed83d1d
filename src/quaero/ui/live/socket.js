// One WebSocket that comes back by itself, and knows whether it is alive.
//
//     closed ──> opening ──> open ──(nothing heard)──> closed ──(1 s … 30 s, jittered)──> opening …
//
// It knows nothing of what it carries. A server that says nothing within ANSWER_MS of a question counts as gone: a
// sleeping laptop or a cut cable never closes a connection by itself. Silence alone proves nothing, for the timers of a
// hidden tab come as late as once a minute.

const FIRST_MS = 1_000;
const LONGEST_MS = 30_000;
const ASK_MS = 5_000;
const ANSWER_MS = 6_000;

export class Socket {
  #socket = null;
  #failures = 0;
  #retry = 0;
  #watch = 0;
  #heard = 0;
  #asked = 0; // when a question was put that nothing has answered yet, else 0
  #closed = false;

  constructor({ onOpen, onMessage, onDown }) {
    this.onOpen = onOpen;
    this.onMessage = onMessage;
    this.onDown = onDown;
    this.everOpen = false;
    addEventListener("online", this.#atOnce);
    document.addEventListener("visibilitychange", this.#atOnce);
    this.#connect();
  }

  get isOpen() { return this.#socket?.readyState === WebSocket.OPEN; }
  get failures() { return this.#failures; }

  /** Send, if it is open; whoever needs it sent later says so again on open. */
  send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  close() {
    this.#closed = true;
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    removeEventListener("online", this.#atOnce);
    document.removeEventListener("visibilitychange", this.#atOnce);
    this.#socket?.close();
  }

  #connect() {
    clearTimeout(this.#retry);
    if (this.#closed) return;
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`);
    this.#socket = socket;
    socket.onopen = () => {
      this.#failures = 0;
      this.everOpen = true;
      this.#hear();
      clearInterval(this.#watch);
      this.#watch = setInterval(() => this.#check(), ASK_MS);
      this.onOpen();
    };
    socket.onmessage = (event) => {
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
    this.onDown();
    if (this.#closed) return;
    const longest = Math.min(LONGEST_MS, FIRST_MS * 2 ** Math.min(this.#failures - 1, 5));
    this.#retry = setTimeout(() => this.#connect(), 100 + Math.random() * longest);
  }

  #hear() {
    this.#heard = performance.now();
    this.#asked = 0;
  }

  #check() {
    const now = performance.now();
    if (this.#asked && now - this.#asked > ANSWER_MS) {
      const dead = this.#socket;
      this.#lost();
      dead?.close();
    } else if (!this.#asked && now - this.#heard >= ASK_MS - 500) {
      this.#asked = now;
      this.send({ type: "ping", payload: {} });
    }
  }

  #atOnce = () => {
    if (document.hidden) return;
    if (this.isOpen) this.#check();
    else if (!this.#socket) this.#connect();
  };
}
