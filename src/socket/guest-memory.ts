/**
 * Guest memory: an arena in tests and for embedders, `process_vm_readv` and `process_vm_writev` under the runner.
 * Addresses are plain numbers; one that did not fit in 53 bits is `Infinity` and faults like any other bad address.
 */

/** Guest buffers in their order (struct iovec), from a place in one of them on. */
export interface Segments {
  readonly addresses: readonly number[];
  readonly lengths: readonly number[];
  /** Of the segments: the lists may be longer. */
  readonly count: number;
  /** The place: a segment, and the offset in it. */
  readonly segment: number;
  readonly offset: number;
}

export interface GuestMemory {
  /**
   * Copies `len` octets at guest address `addr` to `dst[at..]`. Returns how many were copied: fewer than `len` when a page
   * is not readable, as copy_from_user does. Each octet is read at most once.
   */
  read(addr: number, dst: Uint8Array, at: number, len: number): number;
  /** As `read`, toward the guest. */
  write(addr: number, src: Uint8Array, at: number, len: number): number;
  /**
   * As `read`, out of several segments one after the other, in one go. It ends at the first fault, and may end earlier, but not before it has copied something. Where it is absent the
   * segments are read one by one.
   */
  readv?(from: Segments, dst: Uint8Array, at: number, len: number): number;
  /** As `readv`, toward the guest. */
  writev?(to: Segments, src: Uint8Array, at: number, len: number): number;
}
