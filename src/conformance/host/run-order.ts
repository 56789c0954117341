/**
 * In which order a body's tasks run. Those whom one event wakes run in the order in which it wakes them, each until it waits again: on processors of their own, or by turns, they race for the
 * socket's lock and for what is in it, and a transcript differs from run to run (measured: two reads that wait on one stream, 169 times one way and 131 the other).
 *
 * SCHED_RR and not SCHED_FIFO, and for the tasks of bodies alone: what ends a process lets others run before it goes on, and with SCHED_FIFO nobody else ever does.
 */
interface Caller {
  perform(number: number, ...args: number[]): number;
}

/** x86_64's numbers. */
const SCHED_SETSCHEDULER = 144;
const SCHED_SETAFFINITY = 203;
const SCHED_GETAFFINITY = 204;
const SCHED_RR = 2;
/** Of a mask of processors, whatever the kernel was built for. */
const MASK_OCTETS = 1024;
const hasBit = (mask: Uint8Array, bit: number): boolean => ((mask[bit >> 3] ?? 0) & (1 << (bit & 7))) !== 0;

export class RunOrder {
  readonly #memory: Uint8Array;
  readonly #address: number;
  #processor: number | undefined = undefined;

  /** @param memory what the tasks have at `address`; its first octets are used, and left as 0 */
  constructor(memory: Uint8Array, address: number) {
    this.#memory = memory;
    this.#address = address;
  }
  /** A new body's first task; the others inherit it. Who may not choose does without. */
  apply(first: Caller): void {
    const memory = this.#memory;
    memory[0] = 1;
    const isRefused = first.perform(SCHED_SETSCHEDULER, 0, SCHED_RR, this.#address) < 0;
    memory[0] = 0;
    if (isRefused) return;
    const processor = (this.#processor ??= this.#choose(first));
    memory[processor >> 3] = 1 << (processor & 7);
    first.perform(SCHED_SETAFFINITY, 0, MASK_OCTETS, this.#address);
    memory[processor >> 3] = 0;
  }
  /** One of those that the agent may use; other drivers take others where there are more. */
  #choose(first: Caller): number {
    const octets = first.perform(SCHED_GETAFFINITY, 0, MASK_OCTETS, this.#address);
    const mask = this.#memory.slice(0, Math.max(0, octets));
    this.#memory.fill(0, 0, MASK_OCTETS);
    const allowed = Array.from({ length: 8 * mask.length }, (_, i) => i).filter((i) => hasBit(mask, i));
    return allowed[process.pid % Math.max(1, allowed.length)] ?? 0;
  }
}
