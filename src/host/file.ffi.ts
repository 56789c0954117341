/**
 * Files and pipes of a guest, through descriptors that are copies of its own: pread(2), lseek(2), tee(2), splice(2), all without waiting. Functions return a result >= 0 or a
 * negative errno. What passes through here goes by one arena, since each operation is complete when it returns.
 */
import { fstatSync } from 'node:fs';
import { arena, close, errno, fcntl, native, read, write } from './libc.ffi.ts';

const preadNative = native<(fd: number, address: number, len: number, offset: number) => number>(
  'intptr_t pread64(int fd, uintptr_t address, size_t len, int64_t offset)',
);
const lseekNative = native<(fd: number, offset: number, whence: number) => number>(
  'int64_t lseek64(int fd, int64_t offset, int whence)',
);
const teeNative = native<(from: number, to: number, len: number, flags: number) => number>(
  'intptr_t tee(int from, int to, size_t len, unsigned int flags)',
);
const spliceNative = native<
  (from: number, fromOffset: number, to: number, toOffset: number, len: number, flags: number) => number
>('intptr_t splice(int from, uintptr_t fromOffset, int to, uintptr_t toOffset, size_t len, unsigned int flags)');
const pipe2 = native<(out: number, flags: number) => number>('int pipe2(uintptr_t out, int flags)');
const pollNative = native<(fds: number, count: number, timeoutMs: number) => number>(
  'int poll(uintptr_t fds, unsigned long count, int timeoutMs)',
);
const open = native<(path: string, flags: number) => number>('int open(const char *path, int flags)');

const SPLICE_F_NONBLOCK = 2;
const O_CLOEXEC_NONBLOCK = 0o2004000;
export const O_CLOEXEC = 0o2000000;
const F_DUPFD_CLOEXEC = 1030;
/** 0, 1 and 2 mean what they mean, even where one of them is not open. */
const FIRST_DUPLICATE = 3;
const O_WRONLY = 1;
const O_RDWR = 2;
export const SEEK_SET = 0;
export const SEEK_CUR = 1;
const EAGAIN = 11;

/** Octets that one operation moves at most. */
export const FILE_PIECE = 65_536;
const staging = arena(FILE_PIECE);
const result = (value: number): number => (value >= 0 ? value : -errno());

export type FileKind = 'regular' | 'pipe' | 'other';
export function fileKind(fd: number): FileKind {
  const stat = fstatSync(fd);
  if (stat.isFIFO()) return 'pipe';
  return stat.isFile() || stat.isBlockDevice() ? 'regular' : 'other';
}

export function readAt(fd: number, offset: number, dst: Uint8Array, at: number, len: number): number {
  const got = result(preadNative(fd, staging.address, Math.min(len, FILE_PIECE), offset));
  if (got > 0) dst.set(staging.bytes.subarray(0, got), at);
  return got;
}
export const seekTo = (fd: number, offset: number, whence: number): number => result(lseekNative(fd, offset, whence));

const pollfd = arena(4096);
const pollfdWords = new Int32Array(pollfd.bytes.buffer, 0, 2);
/** Events of poll(2) that hold now, or come within `waitMs`. */
export function eventsOf(fd: number, events: number, waitMs = 0): number {
  pollfdWords[0] = fd;
  pollfdWords[1] = events & 0xffff;
  return pollNative(pollfd.address, 1, waitMs) > 0 ? pollfdWords[1] >>> 16 : 0;
}

/** A descriptor of /dev/null, or a negative errno. */
export const openNull = (): number => result(open('/dev/null', O_RDWR | O_CLOEXEC));
/** Another descriptor of the same open file description, or a negative errno. */
export const duplicate = (fd: number): number => result(fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DUPLICATE));

const pipeEnds = arena(4096);
/** Both ends of a pipe; -1 where none could be made. */
export function pipePair(flags = O_CLOEXEC_NONBLOCK): readonly [readable: number, writable: number] {
  if (pipe2(pipeEnds.address, flags) !== 0) return [-1, -1];
  const [readable = -1, writable = -1] = new Int32Array(pipeEnds.bytes.buffer, 0, 2);
  return [readable, writable];
}

/** A pipe of our own through which octets come out of a guest's pipe, and go into it, without ever waiting (SPLICE_F_NONBLOCK is per call, O_NONBLOCK is the guest's). */
export class PipeBridge {
  readonly #from: number;
  readonly #to: number;
  /** /dev/null. */
  readonly #sink: number;

  constructor() {
    [this.#from, this.#to] = pipePair();
    this.#sink = open('/dev/null', O_WRONLY | O_CLOEXEC);
  }
  /** Copies what the pipe behind `fd` holds, up to `len`; 0 at the end, -EAGAIN when empty. */
  peek(fd: number, dst: Uint8Array, at: number, len: number): number {
    const there = result(teeNative(fd, this.#to, Math.min(len, FILE_PIECE), SPLICE_F_NONBLOCK));
    if (there <= 0) return there;
    const got = result(read(this.#from, staging.address, there));
    if (got > 0) dst.set(staging.bytes.subarray(0, got), at);
    return got;
  }
  /** Drops the oldest `len` octets of the pipe; how many there were. */
  take(fd: number, len: number): number {
    return Math.max(0, result(spliceNative(fd, 0, this.#sink, 0, len, SPLICE_F_NONBLOCK)));
  }
  /** Puts octets into the pipe: how many, -EAGAIN, -EPIPE. */
  put(fd: number, src: Uint8Array, at: number, len: number): number {
    const piece = Math.min(len, FILE_PIECE);
    staging.bytes.set(src.subarray(at, at + piece));
    const ready = result(write(this.#to, staging.address, piece));
    if (ready < 0) return ready;
    const moved = result(spliceNative(this.#from, 0, fd, 0, ready, SPLICE_F_NONBLOCK));
    let left = ready - Math.max(0, moved);
    while (left > 0) {
      const dropped = read(this.#from, staging.address, left);
      if (dropped <= 0) break;
      left -= dropped;
    }
    return moved === 0 ? -EAGAIN : moved;
  }
  close(): void {
    for (const fd of [this.#from, this.#to, this.#sink]) if (fd >= 0) close(fd);
  }
}
