/**
 * Guest memory without a guest: mappings of our own octets at addresses of the caller's choice, with protection by page. It faults
 * where a process would: outside the mappings, and on pages that may not be read or written.
 */
import { copy } from '../lib/byte-ring.ts';
import type { GuestMemory, Segments } from '../socket/guest-memory.ts';

export const PAGE = 4096;
export const Protection = { None: 0, Read: 1, Write: 2, ReadWrite: 3 } as const;
export type Protection = (typeof Protection)[keyof typeof Protection];

interface Mapping {
  readonly base: number;
  readonly bytes: Uint8Array;
  /** Of each page. */
  readonly protection: Uint8Array;
}

const aligned = (n: number): boolean => n % PAGE === 0;

export class ArenaMemory implements GuestMemory {
  readonly #mappings: Mapping[] = [];

  /** Maps `bytes` (whole pages) at `address`. @throws RangeError when that is not aligned or overlaps. */
  map(address: number, bytes: Uint8Array, protection: Protection = Protection.ReadWrite): void {
    if (!aligned(address) || !aligned(bytes.length)) throw new RangeError('mappings consist of whole pages');
    const end = address + bytes.length;
    if (this.#mappings.some((m) => address < m.base + m.bytes.length && m.base < end)) {
      throw new RangeError(`something is mapped at 0x${address.toString(16)} already`);
    }
    this.#mappings.push({ base: address, bytes, protection: new Uint8Array(bytes.length / PAGE).fill(protection) });
  }
  /** Changes the protection of the pages from `address` on, all of one mapping. */
  protect(address: number, octets: number, protection: Protection): void {
    const mapping = this.#at(address);
    if (mapping === undefined || !aligned(address)) throw new RangeError('no such page');
    const first = (address - mapping.base) / PAGE;
    mapping.protection.fill(protection, first, first + Math.ceil(octets / PAGE));
  }

  read(addr: number, dst: Uint8Array, at: number, len: number): number {
    let done = 0;
    while (done < len) {
      const mapping = this.#at(addr + done);
      if (mapping === undefined) break;
      const offset = addr + done - mapping.base;
      const run = accessible(mapping, offset, len - done, Protection.Read);
      if (run === 0) break;
      copy(dst, at + done, mapping.bytes, offset, run);
      done += run;
    }
    return done;
  }
  write(addr: number, src: Uint8Array, at: number, len: number): number {
    let done = 0;
    while (done < len) {
      const mapping = this.#at(addr + done);
      if (mapping === undefined) break;
      const offset = addr + done - mapping.base;
      const run = accessible(mapping, offset, len - done, Protection.Write);
      if (run === 0) break;
      copy(mapping.bytes, offset, src, at + done, run);
      done += run;
    }
    return done;
  }
  readv(from: Segments, dst: Uint8Array, at: number, len: number): number {
    return eachSegment(from, len, (addr, done, piece) => this.read(addr, dst, at + done, piece));
  }
  writev(to: Segments, src: Uint8Array, at: number, len: number): number {
    return eachSegment(to, len, (addr, done, piece) => this.write(addr, src, at + done, piece));
  }
  #at(addr: number): Mapping | undefined {
    return this.#mappings.find((m) => addr >= m.base && addr < m.base + m.bytes.length);
  }
}

/** How many of `len` octets from `offset` on lie on pages with that permission. */
function accessible(mapping: Mapping, offset: number, len: number, permission: number): number {
  const end = Math.min(offset + len, mapping.bytes.length);
  let at = offset;
  while (at < end && ((mapping.protection[Math.floor(at / PAGE)] as number) & permission) !== 0) {
    at = Math.min(end, (Math.floor(at / PAGE) + 1) * PAGE);
  }
  return at - offset;
}

/** Moves `len` octets piece by piece, up to the first that moves short. */
function eachSegment(
  { addresses, lengths, count, segment, offset }: Segments,
  len: number,
  move: (addr: number, done: number, piece: number) => number,
): number {
  let done = 0;
  for (let i = segment; i < count && done < len; i++) {
    const skipped = i === segment ? offset : 0;
    const piece = Math.min((lengths[i] as number) - skipped, len - done);
    const moved = move((addresses[i] as number) + skipped, done, piece);
    done += moved;
    if (moved < piece) break;
  }
  return done;
}
