/**
 * Rings between their uses. Fresh storage costs page faults and zeroing (measured 78 us for 64 KB through a ring that was freed whenever it ran empty,
 * against 16 us), and every small exchange of a flow takes a ring and gives it back, so that rings are kept for whoever needs one of their kind next.
 */
import { ByteRing } from '../../lib/byte-ring.ts';

/** Octets of storage that wait: a few large rings, or thousands of small ones. */
const SPARE_OCTETS = 1 << 24;

/** Storage up to this is for small exchanges, what is larger for bulk. */
const SMALL = 1 << 16;

export class RingPool {
  /** Apart, since storage counts against what a flow may promise (context.ts): one octet in a megabyte of storage would close the windows of others. */
  readonly #small: ByteRing[] = [];
  readonly #large: ByteRing[] = [];
  #octets = 0;

  #listFor(octets: number): ByteRing[] {
    return octets <= SMALL ? this.#small : this.#large;
  }
  /** @param octets that it is to hold at first */
  take(octets: number): ByteRing {
    const ring = this.#listFor(octets).pop();
    if (ring === undefined) return new ByteRing();
    this.#octets -= ring.bytes.length;
    return ring;
  }
  /** The ring is the pool's from now on, whatever it holds. */
  give(ring: ByteRing): void {
    ring.consume(ring.length);
    const { length } = ring.bytes;
    // One without storage would be no ring spared.
    if (length === 0 || this.#octets + length > SPARE_OCTETS) return;
    this.#octets += length;
    this.#listFor(length).push(ring);
  }
}
