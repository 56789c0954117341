/**
 * AF_UNIX sockets and the inotify watches on them, as the placeholders of guest sockets need them (unix(7), inotify(7)). Every descriptor is
 * O_CLOEXEC and every operation non-blocking. Functions return a result >= 0 or a negative errno; nothing here throws.
 */
import { readFileSync } from 'node:fs';
import { arena, close, errno, fcntl, native } from './libc.ffi.ts';

const socket = native<(family: number, type: number, protocol: number) => number>(
  'int socket(int family, int type, int protocol)',
);
const socketpair = native<(family: number, type: number, protocol: number, out: number) => number>(
  'int socketpair(int family, int type, int protocol, uintptr_t out)',
);
const send = native<(fd: number, data: number, len: number, flags: number) => number>(
  'intptr_t send(int fd, uintptr_t data, size_t len, int flags)',
);
const recv = native<(fd: number, data: number, len: number, flags: number) => number>(
  'intptr_t recv(int fd, uintptr_t data, size_t len, int flags)',
);
const shutdown = native<(fd: number, how: number) => number>('int shutdown(int fd, int how)');
const bind = native<(fd: number, name: number, len: number) => number>(
  'int bind(int fd, uintptr_t name, unsigned int len)',
);
const connect = native<(fd: number, name: number, len: number) => number>(
  'int connect(int fd, uintptr_t name, unsigned int len)',
);
const listen = native<(fd: number, backlog: number) => number>('int listen(int fd, int backlog)');
const accept4 = native<(fd: number, name: number, len: number, flags: number) => number>(
  'int accept4(int fd, uintptr_t name, uintptr_t len, int flags)',
);
const getsockname = native<(fd: number, name: number, len: number) => number>(
  'int getsockname(int fd, uintptr_t name, uintptr_t len)',
);
const getsockopt = native<(fd: number, level: number, option: number, value: number, len: number) => number>(
  'int getsockopt(int fd, int level, int option, uintptr_t value, uintptr_t len)',
);
const setsockopt = native<(fd: number, level: number, option: number, value: number, len: number) => number>(
  'int setsockopt(int fd, int level, int option, uintptr_t value, unsigned int len)',
);
const ioctl = native<(fd: number, request: number, argument: number) => number>(
  'int ioctl(int fd, uint64_t request, uintptr_t argument)',
);
const inotifyInit1 = native<(flags: number) => number>('int inotify_init1(int flags)');
const inotifyAddWatch = native<(fd: number, path: number, mask: number) => number>(
  'int inotify_add_watch(int fd, uintptr_t path, uint32_t mask)',
);
const open = native<(path: number, flags: number) => number>('int open(uintptr_t path, int flags)');
const readFd = native<(fd: number, data: number, len: number) => number>(
  'intptr_t read(int fd, uintptr_t data, size_t len)',
);

const AF_UNIX = 1;
export const UNIX_STREAM = 1;
export const UNIX_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const SO_PEERCRED = 17;
const SO_RCVLOWAT = 18;
const SO_DOMAIN = 39;
const SO_SELECT_ERR_QUEUE = 45;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_OOB = 1;
const SO_OOBINLINE = 10;
const O_PATH = 0o10000000;
const EAFNOSUPPORT = 97;
const ENFILE = 23;
const EMFILE = 24;
const F_GETFL = 3;
const F_SETFL = 4;

const result = (n: number): number => (n >= 0 ? n : -errno());

/** Words at the start, a name at 64, data from 4096. */
const memory = arena(4096 + 65_536);
const words = new Int32Array(memory.bytes.buffer, 0, 16);
const NAME_AT = 64;
const SUN_PATH = 2;
const SUN_OCTETS = 110;
const name = new Uint8Array(memory.bytes.buffer, NAME_AT, SUN_OCTETS);
const DATA_AT = 4096;
const DATA_OCTETS = 65_536;
const PATH_AT = 1024;
const PATH_OCTETS = 2048;
const pathBytes = new Uint8Array(memory.bytes.buffer, PATH_AT, PATH_OCTETS);
const encoder = new TextEncoder();

function setPath(path: string): number {
  const { written } = encoder.encodeInto(path, pathBytes.subarray(0, PATH_OCTETS - 1));
  pathBytes[written] = 0;
  return memory.address + PATH_AT;
}

/** Descriptors that stay free for looking at a guest: copies of its own, files of /proc, pidfds of its threads. */
const RESERVE = 64;
let limit = 0;
/** How many descriptors placeholders may take; and the number that their ends must not reach, since the kernel gives the lowest free one. */
export function placeholderLimit(): number {
  if (limit === 0) {
    const soft = /^Max open files\s+(\d+)\s/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
    limit = Math.max(RESERVE, Number(soft ?? RESERVE * 4) - RESERVE);
  }
  return limit;
}
/** To the guest the lack is the system's (ENFILE), not its own process's. */
function outOfDescriptors(...fds: readonly number[]): number {
  for (const fd of fds) close(fd);
  return -ENFILE;
}

/** @param nonblocking of the guest's view of it */
export function unixSocket(type: number, nonblocking: boolean): number {
  const fd = result(socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0));
  if (fd === -EMFILE) return -ENFILE;
  return fd < placeholderLimit() ? fd : outOfDescriptors(fd);
}

/** Two connected sockets; the second one's number is `pairSecond()`. */
export function unixPair(type: number, nonblocking: boolean): number {
  const flags = SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0);
  const failed = socketpair(AF_UNIX, type | flags, 0, memory.address) === 0 ? 0 : errno();
  if (failed !== 0) return failed === EMFILE ? -ENFILE : -failed;
  const [first = 0, second = 0] = words;
  return Math.max(first, second) < placeholderLimit() ? first : outOfDescriptors(first, second);
}
export const pairSecond = (): number => words[1] as number;

/** Sends `len` octets of no meaning without waiting. */
export const sendOctets = (fd: number, len: number): number =>
  result(send(fd, memory.address + DATA_AT, Math.min(len, DATA_OCTETS), MSG_DONTWAIT | MSG_NOSIGNAL));
/** Takes up to `len` octets, or one datagram, without waiting; what they are does not matter. */
export const takeOctets = (fd: number, len: number): number =>
  result(recv(fd, memory.address + DATA_AT, Math.min(len, DATA_OCTETS), MSG_DONTWAIT));
/** Sends one urgent octet, which only a stream has, without waiting. */
export function sendUrgent(fd: number, octet: number): number {
  memory.bytes[DATA_AT] = octet;
  return result(send(fd, memory.address + DATA_AT, 1, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_OOB));
}
/** Takes the urgent octet. */
export const takeUrgent = (fd: number): number => result(recv(fd, memory.address + DATA_AT, 1, MSG_DONTWAIT | MSG_OOB));
/** Urgent octets stay in the stream. */
export const setUrgentInline = (fd: number, on: boolean): number => setIntOption(fd, SO_OOBINLINE, Number(on));

/** Octets taken to `address`, 0 at the end, or a negative errno. */
export const receiveTo = (fd: number, address: number, len: number): number =>
  result(recv(fd, address, len, MSG_DONTWAIT));
/** Octets sent from `address`, or a negative errno; no SIGPIPE. */
export const sendFrom = (fd: number, address: number, len: number): number =>
  result(send(fd, address, len, MSG_DONTWAIT | MSG_NOSIGNAL));

const SIOCINQ = 0x541b;
const SIOCOUTQ = 0x5411;
const queueLength = (fd: number, request: number): number =>
  ioctl(fd, request, memory.address + 16) === 0 ? (words[4] as number) : -errno();
/** Octets that wait to be read: all of a stream, the first of the datagrams. */
export const inputQueue = (fd: number): number => queueLength(fd, SIOCINQ);
/** Memory that what we sent and nobody has read takes; at least its octets. */
export const outputQueue = (fd: number): number => queueLength(fd, SIOCOUTQ);

const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
/** @param micros 0 for none */
function setTimeout(fd: number, option: number, micros: number): number {
  words[4] = Math.floor(micros / 1e6);
  words[5] = 0;
  words[6] = micros % 1e6;
  words[7] = 0;
  return result(setsockopt(fd, SOL_SOCKET, option, memory.address + 16, 16));
}
export const setReceiveTimeout = (fd: number, micros: number): number => setTimeout(fd, SO_RCVTIMEO, micros);
/** SO_SNDTIMEO in microseconds, 0 for none. */
export function sendTimeoutOf(fd: number): number {
  words[8] = 16;
  const got = getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, memory.address + 16, memory.address + 32);
  return got === 0 ? (words[4] as number) * 1e6 + (words[6] as number) : 0;
}
export const setSendTimeout = (fd: number, micros: number): number => setTimeout(fd, SO_SNDTIMEO, micros);

export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;
export const shutdownUnix = (fd: number, how: number): number => result(shutdown(fd, how));

function intOption(fd: number, option: number): number {
  words[4] = 0;
  words[5] = 4;
  const n = getsockopt(fd, SOL_SOCKET, option, memory.address + 16, memory.address + 20);
  return n === 0 ? words[4] : -errno();
}
/** Reads and clears the pending error, which ends POLLERR. */
export const takeError = (fd: number): number => intOption(fd, SO_ERROR);
export const socketDomain = (fd: number): number => intOption(fd, SO_DOMAIN);
export const socketType = (fd: number): number => intOption(fd, SO_TYPE);

const SO_NETNS_COOKIE = 71;
/** Which network namespace a socket belongs to, for comparison; it keeps that of who made it. undefined for what is no socket. */
export function networkOf(fd: number): bigint | undefined {
  words[5] = 8;
  const got = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, memory.address + 32, memory.address + 20);
  return got === 0 ? new DataView(memory.bytes.buffer, memory.bytes.byteOffset).getBigUint64(32, true) : undefined;
}
let own: bigint | undefined;
/** Whether a socket belongs to our own network, the host's. Where that cannot be told, it does. */
export function isOfOurNetwork(fd: number): boolean {
  if (own === undefined) {
    const made = socket(AF_UNIX, UNIX_STREAM | SOCK_CLOEXEC, 0);
    own = networkOf(made);
    close(made);
  }
  return own === undefined || networkOf(fd) === own;
}
export const setSendBuffer = (fd: number, octets: number): number => setIntOption(fd, SO_SNDBUF, octets);
function setIntOption(fd: number, option: number, value: number): number {
  words[4] = value;
  return result(setsockopt(fd, SOL_SOCKET, option, memory.address + 16, 4));
}
export const setLowWater = (fd: number, octets: number): number => setIntOption(fd, SO_RCVLOWAT, octets);
export const setSelectErrorQueue = (fd: number, on: number): number => setIntOption(fd, SO_SELECT_ERR_QUEUE, on);
/** Process id of the other end as it was when it connected. */
export function peerPid(fd: number): number {
  words[5] = 12;
  return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, memory.address + 32, memory.address + 20) === 0
    ? (words[8] as number)
    : -errno();
}

/** Puts `path` in the name; the length of the `struct sockaddr_un`, or -1 when it does not fit. */
function setName(path: string): number {
  name.fill(0);
  name[0] = AF_UNIX;
  const { read, written } = encoder.encodeInto(path, name.subarray(SUN_PATH, SUN_OCTETS - 1));
  return read === path.length ? SUN_PATH + written + 1 : -1;
}
export function bindPath(fd: number, path: string): number {
  const len = setName(path);
  return len < 0 ? -EAFNOSUPPORT : result(bind(fd, memory.address + NAME_AT, len));
}
/** Never waits: EAGAIN where the backlog is full. */
export function connectPath(fd: number, path: string): number {
  const len = setName(path);
  if (len < 0) return -EAFNOSUPPORT;
  const flags = fcntl(fd, F_GETFL, 0);
  const waits = (flags & SOCK_NONBLOCK) === 0;
  if (waits) fcntl(fd, F_SETFL, flags | SOCK_NONBLOCK);
  const connected = result(connect(fd, memory.address + NAME_AT, len));
  if (waits) fcntl(fd, F_SETFL, flags);
  return connected;
}
/** Lets the kernel choose an abstract name. */
export function autobind(fd: number): number {
  name.fill(0);
  name[0] = AF_UNIX;
  return result(bind(fd, memory.address + NAME_AT, SUN_PATH));
}
/** Connects `fd` to the socket `to`, which has a name. */
export function connectTo(fd: number, to: number): number {
  words[4] = SUN_OCTETS;
  if (getsockname(to, memory.address + NAME_AT, memory.address + 16) !== 0) return -errno();
  return result(connect(fd, memory.address + NAME_AT, words[4]));
}
/** Ends a datagram socket's connection: what it had not read becomes an error at the other end. */
export function disconnectUnix(fd: number): number {
  name.fill(0);
  return result(connect(fd, memory.address + NAME_AT, SUN_PATH));
}
export const listenUnix = (fd: number, backlog: number): number => result(listen(fd, backlog));
export const acceptUnix = (fd: number): number => result(accept4(fd, 0, 0, SOCK_CLOEXEC | SOCK_NONBLOCK));

/** A descriptor that only names the file (O_PATH): it stays reachable as /proc/self/fd/N when its last name is gone. */
export const openPath = (path: string): number => result(open(setPath(path), O_PATH | SOCK_CLOEXEC));

const IN_CLOSE = 0x18;
const IN_ONESHOT = 0x8000_0000;
const IN_Q_OVERFLOW = 0x4000;
const IN_NONBLOCK_CLOEXEC = 0o2004000;
/** `struct inotify_event` without a name. */
const EVENT_OCTETS = 16;
const BATCH = 256;

/** Tells when the last descriptor of a socket, in whatever process, is closed. */
export class CloseWatch {
  readonly fd: number;
  readonly #memory = arena(BATCH * EVENT_OCTETS);
  readonly #events: Int32Array;

  /** @throws nothing: `fd` is a negative errno where no watch can be made (fs.inotify.max_user_instances). */
  constructor() {
    this.fd = result(inotifyInit1(IN_NONBLOCK_CLOEXEC));
    this.#events = new Int32Array(this.#memory.bytes.buffer, 0, BATCH * 4);
  }
  /** Watches the socket behind our descriptor `fd`, once. Returns the watch's number, or a negative errno (ENOSPC: fs.inotify.max_user_watches). */
  add(fd: number): number {
    return result(inotifyAddWatch(this.fd, setPath(`/proc/self/fd/${fd}`), IN_CLOSE | IN_ONESHOT));
  }
  /** Watches that live, by the kernel's own listing (proc(5)); after an overflow, those that are missing were closed. Undefined where it cannot be read. */
  living(): Set<number> | undefined {
    try {
      const text = readFileSync(`/proc/self/fdinfo/${this.fd}`, 'utf8');
      return new Set([...text.matchAll(/^inotify wd:([0-9a-f]+)/gm)].map(([, wd = '']) => Number.parseInt(wd, 16)));
    } catch {
      return undefined;
    }
  }
  /** Calls `closed` for each watched socket that was closed since. Returns false if the kernel's queue overflowed and events were lost. */
  drain(closed: (watch: number) => void): boolean {
    let complete = true;
    for (;;) {
      const n = readFd(this.fd, this.#memory.address, BATCH * EVENT_OCTETS);
      if (n <= 0) return complete;
      for (let word = 0; word < n >> 2; word += 4) {
        const mask = this.#events[word + 1] as number;
        if ((mask & IN_CLOSE) !== 0) closed(this.#events[word] as number);
        if ((mask & IN_Q_OVERFLOW) !== 0) complete = false;
      }
      if (n < BATCH * EVENT_OCTETS) return complete;
    }
  }
}
