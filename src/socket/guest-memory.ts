/**
 * Guest memory: an arena in tests and for embedders, `process_vm_readv` and `process_vm_writev` under the runner.
 * Addresses are plain numbers; one that did not fit in 53 bits is `Infinity` and faults like any other bad address.
 */
export interface GuestMemory {
  /**
   * Copies `len` octets at guest address `addr` to `dst[at..]`. Returns how many were copied: fewer than `len` when a page
   * is not readable, as copy_from_user does. Each octet is read at most once.
   */
  read(addr: number, dst: Uint8Array, at: number, len: number): number;
  /** As `read`, toward the guest. */
  write(addr: number, src: Uint8Array, at: number, len: number): number;
}
