/**
 * The memory of a guest thread, by process_vm_readv(2): checked by the kernel against the guest's own page protection, page by page. The thread stands still in its call, so its id
 * names it; before a call that has waited is answered the platform makes sure that the thread still waits in it.
 */
import { readProcess, readProcessSegments, writeProcess, writeProcessSegments } from '../host/process.ffi.ts';
import type { GuestMemory, Segments } from '../socket/guest-memory.ts';

export class ProcessMemory implements GuestMemory {
  readonly #tid: number;
  /** The call has waited: its thread may be gone, and its id be another's, until `stillWaits` has been asked. */
  #doubtful = false;
  readonly #stillWaits: () => boolean;

  /** @param stillWaits whether the thread still stands in the call that was received last */
  constructor(tid: number, stillWaits: () => boolean) {
    this.#tid = tid;
    this.#stillWaits = stillWaits;
  }
  /** Time passes: the next access asks first. */
  doubt(): void {
    this.#doubtful = true;
  }
  /** A call was just received from the thread. */
  trust(): void {
    this.#doubtful = false;
  }
  read(addr: number, dst: Uint8Array, at: number, len: number): number {
    return this.#isThere() ? Math.max(0, readProcess(this.#tid, addr, dst, at, len)) : 0;
  }
  write(addr: number, src: Uint8Array, at: number, len: number): number {
    return this.#isThere() ? Math.max(0, writeProcess(this.#tid, addr, src, at, len)) : 0;
  }
  readv(from: Segments, dst: Uint8Array, at: number, len: number): number {
    return this.#isThere() ? Math.max(0, readProcessSegments(this.#tid, from, dst, at, len)) : 0;
  }
  writev(to: Segments, src: Uint8Array, at: number, len: number): number {
    return this.#isThere() ? Math.max(0, writeProcessSegments(this.#tid, to, src, at, len)) : 0;
  }
  #isThere(): boolean {
    if (this.#doubtful) this.#doubtful = !this.#stillWaits();
    return !this.#doubtful;
  }
}

const PAGE = 4096;

/** Reads a C string of at most `max` octets without its end; undefined if it does not end within them or cannot be read. */
export function readString(memory: GuestMemory, addr: number, max: number): string | undefined {
  const bytes = new Uint8Array(max);
  let len = 0;
  while (len < max) {
    // No further than the page's end: the next page may not exist, and need not.
    const step = Math.min(max - len, PAGE - ((addr + len) % PAGE));
    const got = memory.read(addr + len, bytes, len, step);
    const end = bytes.subarray(len, len + got).indexOf(0);
    if (end >= 0) return new TextDecoder().decode(bytes.subarray(0, len + end));
    if (got < step) return undefined;
    len += got;
  }
  return undefined;
}
