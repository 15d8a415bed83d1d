// Every child of a job as one small number, in order of id: what the run map paints. Pure; grows as children come.
//
// Ids come as runs of consecutive numbers, so a million children are a handful of pairs and a million bytes.

export const STATUS_CODES = ["pending", "running", "waiting", "completed", "failed", "cancelled"];
const SPARE = 1.5;
const OTHER = 255; // failed with something that has no code of its own

export class Cells {
  /** `head` as the interface gives it; `runs` as [first id, how many]; `codes` one byte a child. */
  constructor(head, runs, codes) {
    this.head = head;
    this.codes = codes;
    this.count = codes.length;
    this.starts = [];
    this.firsts = [];
    this.runLength = 0;
    for (const [first, n] of runs) this.#addRun(first, n);
  }

  #addRun(first, n) {
    const last = this.firsts.length - 1;
    if (last >= 0 && this.firsts[last] + (this.runLength - this.starts[last]) === first) this.runLength += n;
    else {
      this.starts.push(this.runLength);
      this.firsts.push(first);
      this.runLength += n;
    }
  }

  /** The id of the child in a place, as a string; null beyond the end. */
  idAt(index) {
    if (index < 0 || index >= this.count) return null;
    const run = place(this.starts, index);
    return String(this.firsts[run] + index - this.starts[run]);
  }

  /** The place of a child, -1 if it has none. */
  indexOf(id) {
    const number = Number(id);
    const run = place(this.firsts, number);
    if (run < 0) return -1;
    const index = this.starts[run] + number - this.firsts[run];
    const end = run + 1 < this.starts.length ? this.starts[run + 1] : this.count;
    return index < end ? index : -1;
  }

  /** Take a newer code for a child; a new child goes to the end. True if something changed. */
  set(id, code) {
    const index = this.indexOf(id);
    if (index >= 0) {
      if (this.codes[index] === code) return false;
      this.codes[index] = code;
      return true;
    }
    const number = Number(id);
    const last = this.firsts.length - 1;
    if (last >= 0 && number < this.firsts[last]) return false;
    this.#addRun(number, 1);
    this.#push(code);
    return true;
  }

  #push(code) {
    if (this.count === this.codes.length) {
      const roomier = new Uint8Array(Math.max(64, Math.ceil(this.count * SPARE)));
      roomier.set(this.codes.subarray(0, this.count));
      this.codes = roomier;
    }
    this.codes[this.count] = code;
    this.count += 1;
  }

  /**
   * How the codes of one message of a map by error read here: each message numbers its groups anew. A group that is not
   * known yet gets the next number.
   */
  translation(groups = []) {
    const { legend } = this.head;
    const known = new Map(legend.map((group) => [group.fingerprint, group.code]));
    const read = new Map([[0, 0]]);
    for (const group of groups) {
      let code = known.get(group.fingerprint) ?? legend.length + 1;
      if (code >= OTHER) code = OTHER;
      else if (!known.has(group.fingerprint)) legend.push({ ...group, code });
      read.set(group.code, code);
    }
    return (code) => read.get(code) ?? OTHER;
  }

  /** How many there are of each code between two places. */
  counts(from = 0, to = this.count) {
    const found = new Uint32Array(256);
    const { codes } = this;
    for (let i = from; i < to; i++) found[codes[i]] += 1;
    return found;
  }
}

function place(sorted, value) {
  let low = 0;
  let high = sorted.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle - 1;
  }
  return high;
}

/** The binary form: length of the head, the head as JSON, a zero byte, gaps and lengths as varints, the codes. */
export function parseMap(buffer) {
  const front = new DataView(buffer).getUint32(0, true);
  const bytes = new Uint8Array(buffer, 4, front);
  const zero = bytes.indexOf(0);
  const head = JSON.parse(new TextDecoder().decode(bytes.subarray(0, zero)));
  const numbers = [];
  let value = 0;
  let shift = 1;
  for (const byte of bytes.subarray(zero + 1)) {
    value += (byte & 127) * shift;
    shift *= 128;
    if (byte & 128) continue;
    numbers.push(value);
    value = 0;
    shift = 1;
  }
  const runs = [];
  let end = 0;
  for (let i = 0; i < numbers.length; i += 2) {
    runs.push([end + numbers[i], numbers[i + 1]]);
    end += numbers[i] + numbers[i + 1];
  }
  return new Cells(head, runs, new Uint8Array(buffer, 4 + front));
}

/** Milliseconds that a code of a map by duration begins with. */
export const durationOf = (code) => 2 ** Math.floor((code - 1) / 4) * (1 + ((code - 1) % 4) / 4) - 1;

/** How cells of a size lie in a place of a width: columns, rows. A gap only where cells are large enough to show it. */
export function layout(count, width, size) {
  const columns = Math.max(1, Math.floor(width / size));
  return { columns, rows: Math.ceil(count / columns), size, gap: size >= 6 ? 2 : size >= 4 ? 1 : 0 };
}

const SIZES = [14, 12, 10, 8, 6, 5, 4, 3, 2, 1];

/** The largest cells with which everything fits into a height; the smallest, if nothing does. */
export function fitting(count, width, height) {
  return SIZES.find((size) => layout(count, width, size).rows * size <= height) ?? 1;
}

/** The next size in a direction. */
export function zoomed(size, by) {
  const at = SIZES.indexOf(size);
  return SIZES[Math.max(0, Math.min(SIZES.length - 1, at - by))];
}
