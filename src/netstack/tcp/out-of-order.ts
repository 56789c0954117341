/**
 * Which octets beyond RCV.NXT have arrived: a short list of ranges, in order and apart from each other. The octets themselves already lie at their place
 * behind the tail of the receive ring. Bounded: a segment that would make one range too many is refused (the sender will repeat it), so a hostile
 * sender of alternate octets costs no more than the list.
 */
import { after, before, diff } from './seq.ts';

export const MAX_RANGES = 64;

export class OutOfOrder {
  #start: Int32Array | undefined = undefined;
  #end: Int32Array | undefined = undefined;
  count = 0;
  /** Index of the range that changed last: the first SACK block (RFC 2018 4). */
  latest = 0;
  /** A FIN arrived early: its sequence number, valid while `hasFin`. */
  finSeq = 0;
  hasFin = false;

  start(i: number): number {
    return this.#start?.[i] ?? 0;
  }
  end(i: number): number {
    return this.#end?.[i] ?? 0;
  }
  /** True if every octet of `from` .. `to` is here. */
  covers(from: number, to: number): boolean {
    for (let i = 0; i < this.count; i++) {
      if (diff(from, this.start(i)) >= 0 && diff(to, this.end(i)) <= 0) return true;
    }
    return false;
  }

  /** Notes that `from` .. `to` has arrived; false, and nothing changed, when the list is full. */
  add(from: number, to: number): boolean {
    const start = (this.#start ??= new Int32Array(MAX_RANGES));
    const end = (this.#end ??= new Int32Array(MAX_RANGES));
    // Ranges [first, last) touch the new one and become one with it.
    let first = 0;
    while (first < this.count && before(end[first] as number, from)) first++;
    let last = first;
    while (last < this.count && !after(start[last] as number, to)) last++;
    if (first === last) {
      if (this.count === MAX_RANGES) return false;
      start.copyWithin(first + 1, first, this.count);
      end.copyWithin(first + 1, first, this.count);
      start[first] = from;
      end[first] = to;
      this.count++;
    } else {
      const lastEnd = end[last - 1] as number;
      if (before(from, start[first] as number)) start[first] = from;
      end[first] = after(to, lastEnd) ? to : lastEnd;
      start.copyWithin(first + 1, last, this.count);
      end.copyWithin(first + 1, last, this.count);
      this.count -= last - first - 1;
    }
    this.latest = first;
    return true;
  }

  /** RCV.NXT moved to `next`: drops what lies before it and returns where the octets in order now end. */
  advance(next: number): number {
    let reached = next;
    let gone = 0;
    while (gone < this.count && !after(this.start(gone), reached)) {
      if (after(this.end(gone), reached)) reached = this.end(gone);
      gone++;
    }
    if (gone > 0) {
      this.#start?.copyWithin(0, gone, this.count);
      this.#end?.copyWithin(0, gone, this.count);
      this.count -= gone;
      this.latest = Math.max(0, this.latest - gone);
    }
    return reached;
  }
  clear(): void {
    this.count = 0;
    this.hasFin = false;
    this.#start = this.#end = undefined;
  }
}
