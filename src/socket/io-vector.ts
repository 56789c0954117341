/**
 * A vector of guest buffers (struct iovec) with a position: the one way in which payload moves between the guest and a socket. Octets move
 * straight between guest memory and the ring or packet they belong to. A fault stops the transfer short, as copy_from_iter and
 * copy_to_iter do; the caller turns "nothing moved" into EFAULT. Reused by its task: `clear` and `push` allocate nothing once grown.
 */
import type { GuestMemory, Segments } from './guest-memory.ts';

export class IoVector implements Segments {
  /** Octets of all segments. */
  total = 0;
  readonly #memory: GuestMemory;
  readonly addresses: number[] = [];
  readonly lengths: number[] = [];
  count = 0;
  segment = 0;
  offset = 0;
  /** Octets before the current position. */
  #position = 0;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  clear(): void {
    this.count = this.total = 0;
    this.seek(0);
  }
  push(address: number, len: number): void {
    this.addresses[this.count] = address;
    this.lengths[this.count] = len;
    this.count++;
    this.total += len;
  }
  get position(): number {
    return this.#position;
  }
  get remaining(): number {
    return this.total - this.#position;
  }
  /** Moves to `position` octets from the beginning. */
  seek(position: number): void {
    this.segment = 0;
    this.offset = 0;
    this.#position = 0;
    this.skip(position);
  }
  /** Moves forward without copying. */
  skip(octets: number): void {
    let left = Math.min(octets, this.remaining);
    this.#position += left;
    while (this.segment < this.count) {
      const here = (this.lengths[this.segment] as number) - this.offset;
      if (left < here) break;
      left -= here;
      this.segment++;
      this.offset = 0;
    }
    this.offset += left;
  }

  /** Guest to us: up to `len` octets to `dst[at..]`. Returns the octets copied; fewer than asked at the end or at a fault. */
  copyIn(dst: Uint8Array, at: number, len: number): number {
    return this.#transfer(dst, at, len, true);
  }
  /** Us to the guest. */
  copyOut(src: Uint8Array, at: number, len: number): number {
    return this.#transfer(src, at, len, false);
  }
  #transfer(bytes: Uint8Array, at: number, len: number, fromGuest: boolean): number {
    const wanted = Math.min(len, this.remaining);
    let done = 0;
    while (done < wanted) {
      const here = (this.lengths[this.segment] as number) - this.offset;
      const left = wanted - done;
      const several = left > here ? this.#many(bytes, at + done, left, fromGuest) : undefined;
      const piece = Math.min(left, here);
      const moved = several ?? this.#one(bytes, at + done, piece, fromGuest);
      this.skip(moved);
      done += moved;
      if (several === undefined ? moved < piece : moved === 0) break;
    }
    return done;
  }
  #one(bytes: Uint8Array, at: number, len: number, fromGuest: boolean): number {
    const address = (this.addresses[this.segment] as number) + this.offset;
    return fromGuest ? this.#memory.read(address, bytes, at, len) : this.#memory.write(address, bytes, at, len);
  }
  /** Undefined where the memory takes segments one by one. */
  #many(bytes: Uint8Array, at: number, len: number, fromGuest: boolean): number | undefined {
    return fromGuest ? this.#memory.readv?.(this, bytes, at, len) : this.#memory.writev?.(this, bytes, at, len);
  }
}
