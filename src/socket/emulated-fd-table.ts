/**
 * The complete descriptor table, as the kernel's files_struct (fs/file.c): used by the library and by the conformance suite, where no kernel keeps one for us.
 *
 * A slot holds one reference to an open file description and the descriptor's own FD_CLOEXEC. The lowest free number is always the one given
 * (POSIX). `fork()` copies the table, each copied slot being a reference more; `share()` is CLONE_FILES: the same table with one owner more;
 * `exec()` closes what is marked; `leave()` ends one owner, the last of which closes everything.
 */
import { Errno } from '../abi/errno.ts';
import type { FdTable } from './fd-table.ts';
import type { OpenFile } from './file.ts';

/** RLIMIT_NOFILE as most distributions set it. */
const DEFAULT_LIMIT = 1024;
const DEFAULT_HARD_LIMIT = 1 << 20;
/** NR_OPEN_DEFAULT. */
const LEAST_CAPACITY = 64;
/** alloc_fdtable: memory for descriptors comes in powers of two. */
const capacityFor = (count: number): number =>
  count <= LEAST_CAPACITY ? LEAST_CAPACITY : 2 ** Math.ceil(Math.log2(count));

interface Slot {
  readonly file: OpenFile;
  closeOnExec: boolean;
}

export class EmulatedFdTable implements FdTable {
  /** RLIMIT_NOFILE: no descriptor at or above it is made; those that exist stay (setrlimit(2)). */
  limit: number;
  hardLimit = DEFAULT_HARD_LIMIT;
  /** Descriptors that the table has memory for, which only grows: beyond them select(2) looks at nothing. */
  capacity = LEAST_CAPACITY;
  readonly #slots: (Slot | undefined)[] = [];
  /** No slot below is free. */
  #lowest = 0;
  #owners = 1;
  /** Numbers taken by calls that have no file for them yet. */
  readonly #reserved = new Set<number>();

  constructor(limit: number = DEFAULT_LIMIT) {
    this.limit = limit;
  }

  get(fd: number): OpenFile | undefined {
    return this.#slots[fd]?.file;
  }
  hasRoom(): boolean {
    return this.#firstFree(0) < this.limit;
  }
  /** Descriptors in use, ascending. */
  *[Symbol.iterator](): Generator<number> {
    for (let fd = 0; fd < this.#slots.length; fd++) if (this.#slots[fd] !== undefined) yield fd;
  }

  /** A descriptor for `file`, the lowest free one not below `minimum`; -EMFILE at the limit. Takes a reference. */
  install(file: OpenFile, closeOnExec: boolean, minimum = 0): number {
    const fd = this.#firstFree(minimum);
    if (fd >= this.limit) return -Errno.EMFILE;
    this.#put(fd, file, closeOnExec);
    return fd;
  }
  reserve(): number {
    const fd = this.#firstFree(0);
    if (fd >= this.limit) return -Errno.EMFILE;
    this.#reserved.add(fd);
    return fd;
  }
  isReserved(fd: number): boolean {
    return this.#reserved.has(fd);
  }
  unreserve(fd: number): void {
    this.#reserved.delete(fd);
    if (fd < this.#lowest) this.#lowest = fd;
  }
  /** As `install`, under a number taken by `reserve`. */
  fill(fd: number, file: OpenFile, closeOnExec: boolean): number {
    this.#reserved.delete(fd);
    this.#put(fd, file, closeOnExec);
    return fd;
  }
  /** dup(2). */
  dup(fd: number): number {
    const file = this.get(fd);
    return file === undefined ? -Errno.EBADF : this.install(file, false);
  }
  /** fcntl(F_DUPFD) and F_DUPFD_CLOEXEC: EINVAL for a minimum outside the limit (fs/fcntl.c, f_dupfd). */
  dupFrom(fd: number, minimum: number, closeOnExec: boolean): number {
    const file = this.get(fd);
    if (file === undefined) return -Errno.EBADF;
    if (minimum < 0 || minimum >= this.limit) return -Errno.EINVAL;
    return this.install(file, closeOnExec, minimum);
  }
  /** dup2(2): the same descriptor twice is only checked. */
  dup2(from: number, to: number): number {
    if (from === to) return this.get(from) === undefined ? -Errno.EBADF : to;
    return this.dup3(from, to, false);
  }
  /** dup3(2); the caller has checked its flags. The file that `to` named is released last, as in the kernel. */
  dup3(from: number, to: number, closeOnExec: boolean): number {
    if (from === to) return -Errno.EINVAL;
    if (to < 0 || to >= this.limit) return -Errno.EBADF;
    const file = this.get(from);
    if (file === undefined) return -Errno.EBADF;
    // do_dup2: a number that another thread's call has taken already.
    if (this.#reserved.has(to)) return -Errno.EBUSY;
    const replaced = this.get(to);
    this.#put(to, file, closeOnExec);
    replaced?.release();
    return to;
  }
  /** close(2). */
  close(fd: number): number {
    const file = this.#remove(fd);
    if (file === undefined) return -Errno.EBADF;
    file.release();
    return 0;
  }
  /** close_range(2) over `first`..`last`; the caller has checked their order. Only marks when `onlyMark` (CLOSE_RANGE_CLOEXEC). */
  closeRange(first: number, last: number, onlyMark: boolean): void {
    const end = Math.min(last, this.#slots.length - 1);
    for (let fd = first; fd <= end; fd++) {
      if (onlyMark) this.setCloseOnExec(fd, true);
      else this.close(fd);
    }
  }

  /** FD_CLOEXEC of a descriptor; undefined is EBADF. */
  closeOnExec(fd: number): boolean | undefined {
    return this.#slots[fd]?.closeOnExec;
  }
  /** False is EBADF. */
  setCloseOnExec(fd: number, value: boolean): boolean {
    const slot = this.#slots[fd];
    if (slot === undefined) return false;
    slot.closeOnExec = value;
    return true;
  }

  /** The table of a child made without CLONE_FILES. */
  fork(): EmulatedFdTable {
    const child = new EmulatedFdTable(this.limit);
    child.hardLimit = this.hardLimit;
    for (const fd of this) {
      const slot = this.#slots[fd] as Slot;
      child.#put(fd, slot.file, slot.closeOnExec);
    }
    return child;
  }
  /** One owner more of this very table (CLONE_FILES). */
  share(): this {
    this.#owners++;
    return this;
  }
  get owners(): number {
    return this.#owners;
  }
  /** An owner is gone; the last one closes every descriptor. */
  leave(): void {
    if (--this.#owners === 0) this.closeRange(0, Infinity, false);
  }
  /** unshare_files: a table that others use is copied, and they lose an owner. Returns the table to go on with. */
  unshare(): EmulatedFdTable {
    if (this.#owners === 1) return this;
    const own = this.fork();
    this.leave();
    return own;
  }
  /** execve(2): a table of one's own, in which what is marked is closed. Returns it. */
  exec(): EmulatedFdTable {
    const own = this.unshare();
    for (const fd of own) if (own.closeOnExec(fd) === true) own.close(fd);
    return own;
  }

  #firstFree(minimum: number): number {
    let fd = Math.max(minimum, this.#lowest);
    while (this.#slots[fd] !== undefined || this.#reserved.has(fd)) fd++;
    if (minimum <= this.#lowest) this.#lowest = fd;
    return fd;
  }
  #put(fd: number, file: OpenFile, closeOnExec: boolean): void {
    // Dense up to the highest descriptor: the array keeps its fast representation.
    while (this.#slots.length < fd) this.#slots.push(undefined);
    if (fd >= this.capacity) this.capacity = capacityFor(fd + 1);
    this.#slots[fd] = { file: file.retain(), closeOnExec };
  }
  #remove(fd: number): OpenFile | undefined {
    const file = this.#slots[fd]?.file;
    if (file === undefined) return undefined;
    this.#slots[fd] = undefined;
    if (fd < this.#lowest) this.#lowest = fd;
    return file;
  }
}
