/**
 * What the receiver reported as received beyond SND.UNA (RFC 2018), and what follows for retransmission (RFC 6675): a bounded list of ranges, in order and apart.
 * When a report would make one range too many it is ignored; the worst that follows is an octet sent twice.
 */
import { after, before, diff, later } from './seq.ts';

const MAX_RANGES = 64;

export class Scoreboard {
  #start: Int32Array | undefined = undefined;
  #end: Int32Array | undefined = undefined;
  count = 0;
  /** Octets in all ranges. */
  octets = 0;
  /** Next octet that may be sent again in this recovery (RFC 6675 HighRxt). */
  highRetransmit = 0;

  start(i: number): number {
    return this.#start?.[i] ?? 0;
  }
  end(i: number): number {
    return this.#end?.[i] ?? 0;
  }
  /** One past the highest octet reported; `una` if none. */
  highest(una: number): number {
    return this.count === 0 ? una : this.end(this.count - 1);
  }

  /** True if the report told something new. */
  add(from: number, to: number): boolean {
    const start = (this.#start ??= new Int32Array(MAX_RANGES));
    const end = (this.#end ??= new Int32Array(MAX_RANGES));
    let first = 0;
    while (first < this.count && before(end[first] as number, from)) first++;
    let last = first;
    let merged = 0;
    while (last < this.count && !after(start[last] as number, to)) {
      merged += diff(end[last] as number, start[last] as number);
      last++;
    }
    if (first === last) {
      if (this.count === MAX_RANGES) return false;
      start.copyWithin(first + 1, first, this.count);
      end.copyWithin(first + 1, first, this.count);
      start[first] = from;
      end[first] = to;
      this.count++;
      this.octets += diff(to, from);
      return true;
    }
    const lastEnd = end[last - 1] as number;
    if (before(from, start[first] as number)) start[first] = from;
    end[first] = later(to, lastEnd);
    start.copyWithin(first + 1, last, this.count);
    end.copyWithin(first + 1, last, this.count);
    this.count -= last - first - 1;
    const grown = diff(end[first] as number, start[first] as number) - merged;
    this.octets += grown;
    return grown > 0;
  }

  /** SND.UNA moved: what lies before it is no news any more. */
  advance(una: number): void {
    let gone = 0;
    while (gone < this.count && !after(this.end(gone), una)) {
      this.octets -= diff(this.end(gone), this.start(gone));
      gone++;
    }
    if (gone > 0) {
      this.#start?.copyWithin(0, gone, this.count);
      this.#end?.copyWithin(0, gone, this.count);
      this.count -= gone;
    }
    if (this.count > 0 && this.#start !== undefined && before(this.start(0), una)) {
      this.octets -= diff(una, this.start(0));
      this.#start[0] = una;
    }
  }
  /** The range that holds `seq`, as its end; `seq` itself if none does. */
  skip(seq: number): number {
    for (let i = 0; i < this.count; i++) {
      if (after(this.start(i), seq)) return seq;
      if (after(this.end(i), seq)) return this.end(i);
    }
    return seq;
  }
  /** Where the hole that holds `seq` ends: the next range's start, or `limit`. */
  holeEnd(seq: number, limit: number): number {
    for (let i = 0; i < this.count; i++) if (after(this.start(i), seq)) return this.start(i);
    return limit;
  }
  clear(): void {
    this.count = this.octets = 0;
    this.#start = this.#end = undefined;
  }
}
