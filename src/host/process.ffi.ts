/**
 * Other processes: pidfds (pidfd_open(2), pidfd_getfd(2)), their memory (process_vm_readv(2)) and the identity of a descriptor.
 */
import { isatty } from 'node:tty';
import { arena, borrowAddress, errno, native } from './libc.ffi.ts';

const syscall = native<(nr: number, a: number, b: number, c: number, d: number) => number>(
  'intptr_t syscall(intptr_t nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)',
);
const NR_PIDFD_SEND_SIGNAL = 424;
const NR_PIDFD_OPEN = 434;
const NR_PIDFD_GETFD = 438;
const NR_FSTAT = process.arch === 'x64' ? 5 : 80;
/** Linux 6.9: a pidfd of a thread, not of its process. */
const PIDFD_THREAD = 0x80;
const EFAULT = 14;
const EINVAL = 22;

let threadsSupported = true;

/** A pidfd for a thread id, or a negative errno. -EINVAL where the kernel has none for threads and `tid` is not a process: use its process's id then. */
export function pidfdOpen(tid: number): number {
  if (threadsSupported) {
    const fd = syscall(NR_PIDFD_OPEN, tid, PIDFD_THREAD, 0, 0);
    if (fd >= 0) return fd;
    const code = errno();
    if (code !== EINVAL) return -code;
    threadsSupported = false;
  }
  const fd = syscall(NR_PIDFD_OPEN, tid, 0, 0, 0);
  return fd >= 0 ? fd : -errno();
}

/** A pidfd for a process, which is readable when it has ended; or a negative errno. */
export function pidfdOfProcess(pid: number): number {
  const fd = syscall(NR_PIDFD_OPEN, pid, 0, 0, 0);
  return fd >= 0 ? fd : -errno();
}

/** Whether pidfds of threads exist here; for tests, switched off to go the older way. */
export const pidfdThreads = {
  get supported(): boolean {
    return threadsSupported;
  },
  set supported(on: boolean) {
    threadsSupported = on;
  },
};

/** Our own duplicate (O_CLOEXEC) of descriptor `fd` of the process behind `pidfd`, or a negative errno. */
export function pidfdGetfd(pidfd: number, fd: number): number {
  const copy = syscall(NR_PIDFD_GETFD, pidfd, fd, 0, 0);
  return copy >= 0 ? copy : -errno();
}

/** 0 or a negative errno. */
export function pidfdSignal(pidfd: number, signal: number): number {
  return syscall(NR_PIDFD_SEND_SIGNAL, pidfd, signal, 0, 0) === 0 ? 0 : -errno();
}

const dup3 = native<(from: number, to: number, flags: number) => number>('int dup3(int from, int to, int flags)');
const O_CLOEXEC = 0o2000000;
/** dup3(2) with O_CLOEXEC: `to`, or a negative errno. */
export function duplicateOnto(from: number, to: number): number {
  const fd = dup3(from, to, O_CLOEXEC);
  return fd >= 0 ? fd : -errno();
}

const stat = arena(4096);
const statWords = new Uint32Array(stat.bytes.buffer, 0, 8);
/** `st_mode` follows `st_nlink` on x86_64 and precedes it on arm64. */
const MODE_WORD = process.arch === 'x64' ? 6 : 4;
const S_IFMT = 0o170000;
const S_IFSOCK = 0o140000;

/** Inode of a socket descriptor, -1 if it is something else. Inodes of sockets are unique among sockets that live. */
export function socketInode(fd: number): number {
  if (syscall(NR_FSTAT, fd, stat.address, 0, 0) !== 0) return -1;
  if (((statWords[MODE_WORD] as number) & S_IFMT) !== S_IFSOCK) return -1;
  return (statWords[2] as number) + (statWords[3] as number) * 0x1_0000_0000;
}

export const isSocket = (fd: number): boolean => socketInode(fd) >= 0;

const processVmReadv = native<
  (pid: number, local: number, locals: number, remote: number, remotes: number, flags: number) => number
>('intptr_t process_vm_readv(int pid, uintptr_t local, size_t locals, uintptr_t remote, size_t remotes, size_t flags)');
const processVmWritev = native<
  (pid: number, local: number, locals: number, remote: number, remotes: number, flags: number) => number
>(
  'intptr_t process_vm_writev(int pid, uintptr_t local, size_t locals, uintptr_t remote, size_t remotes, size_t flags)',
);

/** UIO_MAXIOV: segments of one call, the guest's as well as ours. */
const MAX_SEGMENTS = 1024;
const IOVEC_OCTETS = 16;
const vm = arena((1 + MAX_SEGMENTS) * IOVEC_OCTETS);
/** The local iovec, then the remote ones. */
const iovecs = new Uint32Array(vm.bytes.buffer, 0, (1 + MAX_SEGMENTS) * 4);

function setIovec(word: number, base: number, len: number): void {
  iovecs[word] = base >>> 0;
  iovecs[word + 1] = Math.floor(base / 0x1_0000_0000);
  iovecs[word + 2] = len >>> 0;
  iovecs[word + 3] = Math.floor(len / 0x1_0000_0000);
}

/** Above it no user address lies on either architecture (47 bits on x86_64, 48 on arm64; 52 with large addresses are opt-in). */
const ADDRESS_LIMIT = 2 ** 48;

/** Copies out of another process, page by page up to the first that cannot be read. Returns octets copied, or a negative errno (EFAULT for the first page, ESRCH). */
export function readProcess(tid: number, address: number, dst: Uint8Array, at: number, len: number): number {
  if (len === 0) return 0;
  if (!(address < ADDRESS_LIMIT)) return -EFAULT;
  setIovec(0, borrowAddress(dst) + at, len);
  setIovec(4, address, len);
  const n = processVmReadv(tid, vm.address, 1, vm.address + 16, 1, 0);
  return n >= 0 ? n : -errno();
}
/** Copies into another process; as `readProcess`. */
export function writeProcess(tid: number, address: number, src: Uint8Array, at: number, len: number): number {
  if (len === 0) return 0;
  if (!(address < ADDRESS_LIMIT)) return -EFAULT;
  setIovec(0, borrowAddress(src) + at, len);
  setIovec(4, address, len);
  const n = processVmWritev(tid, vm.address, 1, vm.address + 16, 1, 0);
  return n >= 0 ? n : -errno();
}

/** Buffers of the other process in their order, from `offset` of one of them on. */
interface RemoteSegments {
  readonly addresses: readonly number[];
  readonly lengths: readonly number[];
  readonly count: number;
  readonly segment: number;
  readonly offset: number;
}
/** Puts what fits into the tables, up to the first address that cannot be one. Returns the remote iovecs. */
function setSegments(remote: RemoteSegments, local: number, len: number): number {
  const { addresses, lengths, count, segment } = remote;
  let { offset } = remote;
  let total = 0;
  let n = 0;
  for (let i = segment; i < count && n < MAX_SEGMENTS && total < len; i++) {
    const address = (addresses[i] as number) + offset;
    const piece = Math.min((lengths[i] as number) - offset, len - total);
    offset = 0;
    if (piece === 0) continue;
    if (!(address < ADDRESS_LIMIT)) break;
    n++;
    setIovec(n * 4, address, piece);
    total += piece;
  }
  setIovec(0, local, total);
  return n;
}
/** As `readProcess`, out of several segments by one call: page by page up to the first that cannot be read, but at most `MAX_SEGMENTS`. */
export function readProcessSegments(
  tid: number,
  from: RemoteSegments,
  dst: Uint8Array,
  at: number,
  len: number,
): number {
  const count = setSegments(from, borrowAddress(dst) + at, len);
  if (count === 0) return -EFAULT;
  const n = processVmReadv(tid, vm.address, 1, vm.address + IOVEC_OCTETS, count, 0);
  return n >= 0 ? n : -errno();
}
/** Into several segments; as `readProcessSegments`. */
export function writeProcessSegments(
  tid: number,
  to: RemoteSegments,
  src: Uint8Array,
  at: number,
  len: number,
): number {
  const count = setSegments(to, borrowAddress(src) + at, len);
  if (count === 0) return -EFAULT;
  const n = processVmWritev(tid, vm.address, 1, vm.address + IOVEC_OCTETS, count, 0);
  return n >= 0 ? n : -errno();
}

const getpgrp = native<() => number>('int getpgrp()');
const tcgetpgrp = native<(fd: number) => number>('int tcgetpgrp(int fd)');

/** True when we are in the foreground of a terminal that is one of 0, 1, 2: then its Ctrl-C reaches our whole process group by itself. */
export const inForeground = (): boolean => [0, 1, 2].some((fd) => isatty(fd) && tcgetpgrp(fd) === getpgrp());
