/**
 * What the supervisor does with names of unix sockets for a guest: path resolution inside the guest's root (openat2(2)), bind, connect and send on a copy of the guest's
 * socket, and the identity of the inode behind a name. Functions return a result >= 0 or a negative errno.
 */
import { arena, borrowAddress, errno, native } from './libc.ffi.ts';

const syscall = native<(nr: number, a: number, b: number, c: number, d: number) => number>(
  'intptr_t syscall(intptr_t nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)',
);
const NR_OPENAT2 = 437;
const NR_FACCESSAT2 = 439;
const NR_FSTAT = process.arch === 'x64' ? 5 : 80;
const openat = native<(dirfd: number, path: number, flags: number) => number>(
  'int openat(int dirfd, uintptr_t path, int flags)',
);
const bind = native<(fd: number, name: number, len: number) => number>(
  'int bind(int fd, uintptr_t name, unsigned int len)',
);
const connect = native<(fd: number, name: number, len: number) => number>(
  'int connect(int fd, uintptr_t name, unsigned int len)',
);
const sendto = native<(fd: number, data: number, len: number, flags: number, name: number, nameLen: number) => number>(
  'intptr_t sendto(int fd, uintptr_t data, size_t len, int flags, uintptr_t name, unsigned int nameLen)',
);
const ioctl = native<(fd: number, request: number, argument: number) => number>(
  'int ioctl(int fd, uint64_t request, uintptr_t argument)',
);
const fchdir = native<(fd: number) => number>('int fchdir(int fd)');
const setfsuid = native<(id: number) => number>('int setfsuid(unsigned int id)');
const setfsgid = native<(id: number) => number>('int setfsgid(unsigned int id)');

const AT_FDCWD = -100;
const O_PATH_CLOEXEC = 0o12000000;
const O_NOFOLLOW = process.arch === 'x64' ? 0o400000 : 0o100000;
const O_DIRECTORY = process.arch === 'x64' ? 0o200000 : 0o40000;
const RESOLVE_IN_ROOT = 0x10;
const W_OK = 2;
const AT_EACCESS = 0x200;
const AT_EMPTY_PATH = 0x1000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Descriptor (O_PATH) of the file that a unix socket is bound to. */
const SIOCUNIXFILE = 0x89e0;
const ENAMETOOLONG = 36;

const result = (n: number): number => (n >= 0 ? n : -errno());

const PATH_OCTETS = 8192;
const NAME_AT = PATH_OCTETS;
const HOW_AT = PATH_OCTETS + 256;
const STAT_AT = PATH_OCTETS + 512;
const memory = arena(PATH_OCTETS + 1024);
const how = new Uint32Array(memory.bytes.buffer, HOW_AT, 6);
const stat = new Uint32Array(memory.bytes.buffer, STAT_AT, 32);

/** A path is octets, without the NUL at its end. */
export type PathOctets = Uint8Array;

function put(path: PathOctets): boolean {
  if (path.length >= PATH_OCTETS) return false;
  memory.bytes.set(path);
  memory.bytes[path.length] = 0;
  return true;
}

/** O_PATH descriptors: of what `path` leads to from our root or `dirfd`; of a directory; of a name itself, were it a symbolic link. */
export const openName = (dirfd: number, path: PathOctets): number =>
  put(path) ? result(openat(dirfd, memory.address, O_PATH_CLOEXEC)) : -ENAMETOOLONG;
export const openDirectory = (path: string): number =>
  put(new TextEncoder().encode(path))
    ? result(openat(AT_FDCWD, memory.address, O_PATH_CLOEXEC | O_DIRECTORY))
    : -ENAMETOOLONG;
export const openNameItself = (path: PathOctets): number =>
  put(path) ? result(openat(AT_FDCWD, memory.address, O_PATH_CLOEXEC | O_NOFOLLOW)) : -ENAMETOOLONG;
/** As `openName`, where absolute symbolic links and `..` stay beneath `root`. */
export function openInRoot(root: number, path: PathOctets): number {
  if (!put(path)) return -ENAMETOOLONG;
  how.fill(0);
  how[0] = O_PATH_CLOEXEC;
  how[4] = RESOLVE_IN_ROOT;
  return result(syscall(NR_OPENAT2, root, memory.address, memory.address + HOW_AT, 24));
}

/** Device and inode, unique among files that are held open; undefined for a bad descriptor. */
export function identityOf(fd: number): string | undefined {
  if (syscall(NR_FSTAT, fd, memory.address + STAT_AT, 0, 0) !== 0) return undefined;
  return stat.subarray(0, 4).join(':');
}
/** Whether this thread's file user may write the file behind an O_PATH descriptor (faccessat2(2), Linux 5.8). */
export const mayWrite = (fd: number): boolean => {
  memory.bytes[0] = 0;
  return syscall(NR_FACCESSAT2, fd, memory.address, W_OK, AT_EACCESS | AT_EMPTY_PATH) === 0;
};
/** Whether the file behind `fd` has no name left. `st_nlink` is 64 bits at 16 on x86_64, 32 bits at 20 on arm64. */
export function isUnlinked(fd: number): boolean {
  if (syscall(NR_FSTAT, fd, memory.address + STAT_AT, 0, 0) !== 0) return true;
  return stat[process.arch === 'x64' ? 4 : 5] === 0;
}

function putName(name: Uint8Array): number {
  memory.bytes.set(name, NAME_AT);
  return memory.address + NAME_AT;
}
/** @param name a whole `struct sockaddr_un`, at most 128 octets */
export const bindName = (fd: number, name: Uint8Array): number => result(bind(fd, putName(name), name.length));
export const connectName = (fd: number, name: Uint8Array): number => result(connect(fd, putName(name), name.length));
/** Never waits and raises no signal. */
export const sendToName = (fd: number, data: Uint8Array, flags: number, name: Uint8Array): number =>
  result(sendto(fd, borrowAddress(data), data.length, flags | MSG_DONTWAIT | MSG_NOSIGNAL, putName(name), name.length));

/** A descriptor of the file that `fd` is bound to. EPERM without CAP_NET_ADMIN over its network namespace. */
export const boundFile = (fd: number): number => result(ioctl(fd, SIOCUNIXFILE, 0));

/** Works in another directory for the length of `work`. Only for synchronous work on the main thread. */
export function inDirectory<T>(directory: number, work: () => T): T | number {
  const here = openDirectory('.');
  if (here < 0) return here;
  const moved = result(fchdir(directory));
  if (moved < 0) return moved;
  try {
    return work();
  } finally {
    fchdir(here);
    syscall(process.arch === 'x64' ? 3 : 57, here, 0, 0, 0);
  }
}
const [NR_SETRESUID, NR_SETRESGID] = process.arch === 'x64' ? [117, 119] : [147, 149];
const UNCHANGED = -1;
/** As `asFileUser`, and for whoever asks the socket at the other end (SO_PEERCRED): this thread's effective ids. The call itself, since libc's changes every thread. */
export function asPeer(uid: number, gid: number, work: () => number): number {
  syscall(NR_SETRESGID, UNCHANGED, gid, UNCHANGED, 0);
  const changed = result(syscall(NR_SETRESUID, UNCHANGED, uid, UNCHANGED, 0));
  try {
    return changed < 0 ? changed : work();
  } finally {
    syscall(NR_SETRESUID, UNCHANGED, 0, UNCHANGED, 0);
    syscall(NR_SETRESGID, UNCHANGED, 0, UNCHANGED, 0);
  }
}
/** Touches files as that user for the length of `work`; for a supervisor that is root. */
export function asFileUser<T>(uid: number, gid: number, work: () => T): T {
  const oldGid = setfsgid(gid);
  const oldUid = setfsuid(uid);
  try {
    return work();
  } finally {
    setfsuid(oldUid);
    setfsgid(oldGid);
  }
}
