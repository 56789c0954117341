/** The last calls, for whoever has to tell what went before something: numbers and results, nothing that a guest sent or received. */
export interface PastCall {
  readonly tid: number;
  readonly call: string;
  readonly nr: number;
  /** A result or a negative errno; undefined of a call that has not ended. */
  readonly result: number | undefined;
}

/** A power of two. */
const KEPT = 64;
const FIELDS = 3;
/** Not an answer of any call: the largest errno is 4095. */
const OPEN = -0x8000_0000;

export class CallHistory {
  readonly #calls = new Int32Array(KEPT * FIELDS);
  /** Calls ever begun. */
  #count = 0;
  readonly #nameOf: (nr: number) => string;

  constructor(nameOf: (nr: number) => string) {
    this.#nameOf = nameOf;
  }
  begun(tid: number, nr: number): void {
    const at = (this.#count & (KEPT - 1)) * FIELDS;
    this.#calls[at] = tid;
    this.#calls[at + 1] = nr;
    this.#calls[at + 2] = OPEN;
    this.#count = (this.#count + 1) & 0x3fff_ffff;
  }
  /** Of the thread's last call, unless that is long past: few threads have calls that overlap. */
  ended(tid: number, result: number): void {
    const last = this.#count;
    for (let i = 1; i <= KEPT && i <= last; i++) {
      const at = ((last - i) & (KEPT - 1)) * FIELDS;
      if (this.#calls[at] !== tid) continue;
      this.#calls[at + 2] = result | 0;
      return;
    }
  }
  /** Oldest first. */
  list(): PastCall[] {
    const count = Math.min(this.#count, KEPT);
    return Array.from({ length: count }, (_, i) => {
      const at = ((this.#count - count + i) & (KEPT - 1)) * FIELDS;
      const [tid = 0, nr = 0, result = OPEN] = this.#calls.subarray(at, at + FIELDS);
      return { tid, call: this.#nameOf(nr), nr, result: result === OPEN ? undefined : result };
    });
  }
}
