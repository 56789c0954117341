/**
 * A ring of octets that grows by doubling up to its limit. It holds a stream: octets are read at the head and
 * appended at the tail, and both sides may work in place, so that guest memory can be read straight into it.
 * Octets beyond the tail may be written early (a TCP's out-of-order data, a send not yet committed) and become
 * part of the stream by `append`.
 */
const SMALLEST = 4096;
const EMPTY = new Uint8Array(0);

export class ByteRing {
  /** Storage, a power of two; replaced when the ring grows, so never keep a reference across `reserve`. */
  bytes: Uint8Array = EMPTY;
  /** Octets in the stream. */
  length = 0;
  /** Notes of whoever accounts for its memory: octets asked for since it last ran empty, and storage that it needed from empty to empty. */
  most = 0;
  usual = 0;
  #head = 0;

  /** Octets of storage that it will have once `octets` are reserved. */
  sizeFor(octets: number): number {
    let size = Math.max(this.bytes.length, SMALLEST);
    while (size < octets) size *= 2;
    return size;
  }
  /**
   * Makes room for `octets` in all, counted from the head. Keeps what lies beyond the tail too.
   * @param storage to be used in place of new: a power of two, of `sizeFor(octets)` octets or more
   */
  reserve(octets: number, storage?: Uint8Array): void {
    const old = this.bytes;
    if (octets <= old.length) return;
    const bytes = storage ?? new Uint8Array(this.sizeFor(octets));
    const first = Math.min(old.length, old.length - this.#head);
    bytes.set(old.subarray(this.#head), 0);
    bytes.set(old.subarray(0, old.length - first), first);
    this.bytes = bytes;
    this.#head = 0;
  }

  /** Index in `bytes` of the octet `offset` after the head. */
  index(offset: number): number {
    return (this.#head + offset) & (this.bytes.length - 1);
  }
  /** How many of `len` octets from `offset` after the head lie in one piece. */
  run(offset: number, len: number): number {
    return Math.min(len, this.bytes.length - this.index(offset));
  }
  /** Copies in at `offset` after the head; the caller has reserved `offset + len`. */
  write(offset: number, src: Uint8Array, at: number, len: number): void {
    const first = this.run(offset, len);
    copy(this.bytes, this.index(offset), src, at, first);
    if (first < len) copy(this.bytes, 0, src, at + first, len - first);
  }
  /** Copies out from `offset` after the head. */
  read(offset: number, dst: Uint8Array, at: number, len: number): void {
    const first = this.run(offset, len);
    copy(dst, at, this.bytes, this.index(offset), first);
    if (first < len) copy(dst, at + first, this.bytes, 0, len - first);
  }
  /** `len` octets already written behind the tail join the stream. */
  append(len: number): void {
    this.length += len;
  }
  /** Drops `len` octets at the head. */
  consume(len: number): void {
    this.#head = this.index(len);
    this.length -= len;
  }
  /** Puts one octet in front of the head; the caller has reserved room for it. */
  prepend(octet: number): void {
    this.#head = this.index(-1);
    this.bytes[this.#head] = octet;
    this.length++;
  }
  /** Gives the storage back; only for an empty ring that also holds nothing beyond its tail. */
  shrink(): void {
    this.bytes = EMPTY;
    this.#head = 0;
  }
}

/** `Uint8Array.set` of a slice; short runs are copied octet by octet, which is cheaper than making the slice. */
export function copy(dst: Uint8Array, to: number, src: Uint8Array, from: number, len: number): void {
  if (len <= 32) {
    for (let i = 0; i < len; i++) dst[to + i] = src[from + i] as number;
  } else {
    dst.set(src.subarray(from, from + len), to);
  }
}
