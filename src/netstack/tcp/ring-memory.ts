/**
 * The memory of the send and receive rings of all connections: one account with one limit (Linux: tcp_mem).
 *
 * A ring grows with what it has to hold, and gives its storage back when it runs empty, unless it is small: a connection that is idle holds little, whatever it once moved.
 * Fresh storage costs page faults and zeroing (78 us for 64 KiB against 16), so some of what is given back is kept for the next ring of that size. A ring that streams runs
 * empty again and again: it gets at once what it needed last time, if that is at hand, since each doubling on the way there copies all that it holds.
 *
 * At the limit nothing grows beyond FLOOR, which every connection gets, so that strangers with many connections can slow others down but not stop them. From half of it on the
 * account is under pressure: octets far beyond a hole are no longer taken, because one octet at the edge of the window would claim storage for all of it.
 */
import type { ByteRing } from '../../lib/byte-ring.ts';

/** Octets of a ring that an idle connection keeps, and that one may have beyond the limit. */
export const FLOOR = 16_384;
/** Octets kept for reuse. */
const SPARE_OCTETS = 16 << 20;

export class RingMemory {
  /** Times that a ring could not grow because of the limit. */
  refusals = 0;
  readonly #limit: number;
  #used = 0;
  /** By the binary logarithm of their size. */
  readonly #spares: Uint8Array[][] = Array.from({ length: 32 }, () => []);
  #spareOctets = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }
  /** Octets that rings hold. */
  get used(): number {
    return this.#used;
  }
  get underPressure(): boolean {
    return this.#used * 2 > this.#limit;
  }

  /** Makes room in `ring` for `octets` in all. False at the limit. */
  reserve(ring: ByteRing, octets: number): boolean {
    const had = ring.bytes.length;
    if (octets > ring.most) ring.most = octets;
    if (octets <= had) return true;
    const size = ring.sizeFor(octets);
    if (size > FLOOR && size < ring.usual && this.#growToUsual(ring, octets)) return true;
    if (size > FLOOR && this.#used + size - had > this.#limit) {
      this.refusals++;
      return false;
    }
    ring.reserve(octets, this.#takeSpare(size));
    this.#used += size - had;
    return true;
  }
  #growToUsual(ring: ByteRing, octets: number): boolean {
    const more = ring.usual - ring.bytes.length;
    if ((this.#used + more) * 2 > this.#limit) return false;
    const spare = this.#takeSpare(ring.usual);
    if (spare === undefined) return false;
    ring.reserve(octets, spare);
    this.#used += more;
    return true;
  }
  /** An empty ring, with nothing beyond its tail: it gives back what is more than an idle connection keeps. */
  rest(ring: ByteRing): void {
    ring.usual = ring.most > FLOOR ? 2 ** (32 - Math.clz32(ring.most - 1)) : 0;
    ring.most = 0;
    if (ring.bytes.length > FLOOR) this.release(ring);
  }
  /** An empty ring gives everything back. */
  release(ring: ByteRing): void {
    const { bytes } = ring;
    this.#used -= bytes.length;
    ring.shrink();
    if (bytes.length <= FLOOR || this.#spareOctets + bytes.length > SPARE_OCTETS) return;
    this.#spares[Math.clz32(bytes.length)]?.push(bytes);
    this.#spareOctets += bytes.length;
  }
  #takeSpare(size: number): Uint8Array | undefined {
    const spare = this.#spares[Math.clz32(size)]?.pop();
    if (spare !== undefined) this.#spareOctets -= size;
    return spare;
  }
}
