/**
 * Host sockets for the gateway: socket(7), tcp(7), udp(7), ipv6(7).
 * Every socket is non-blocking and close-on-exec. Data calls take a native address (see `addressOf`) and answer octets or -errno, so that
 * nothing is thrown and nothing allocated per packet; calls that set a socket up throw HostError, since they fail only by our mistake.
 */
import type { IpAddress } from '../netstack/address.ts';
import { addressOfFunction, arena, close, errno, native } from './libc.ffi.ts';

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;

export const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

export const SHUT_WR = 1;

const SOL_SOCKET = 1;
const SO_ERROR = 4;
const SO_OOBINLINE = 10;
const SO_LINGER = 13;
const SO_PEEK_OFF = 42;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_NOTSENT_LOWAT = 25;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
/** IP_PMTUDISC_DONT: the guest saw its own path MTU, the link's; what leaves the host is the host's to fragment. */
const PMTUDISC_DONT = 0;
const PR_SET_PDEATHSIG = 1;
const SIGHUP = 1;

const cSocket = native<(family: number, type: number, protocol: number) => number>(
  'int socket(int family, int type, int protocol)',
);
const cConnect = native<(fd: number, address: number, len: number) => number>(
  'int connect(int fd, uintptr_t address, unsigned int len)',
);
const cSend = native<(fd: number, address: number, len: number, flags: number) => number>(
  'intptr_t send(int fd, uintptr_t address, size_t len, int flags)',
);
const cRecv = native<(fd: number, address: number, len: number, flags: number) => number>(
  'intptr_t recv(int fd, uintptr_t address, size_t len, int flags)',
);
const cShutdown = native<(fd: number, how: number) => number>('int shutdown(int fd, int how)');
const cSetsockopt = native<(fd: number, level: number, name: number, value: number, len: number) => number>(
  'int setsockopt(int fd, int level, int name, uintptr_t value, unsigned int len)',
);
const cGetsockopt = native<(fd: number, level: number, name: number, value: number, len: number) => number>(
  'int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t len)',
);
const cSignal = native<(signal: number, handler: number) => number>('uintptr_t signal(int signal, uintptr_t handler)');
const cPrctl = native<(option: number, a: number, b: number, c: number, d: number) => number>(
  'int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)',
);

const scratch = arena(4096);
const NAME_AT = 0;
const VALUE_AT = 64;
const LENGTH_AT = 80;
const words = new Int32Array(scratch.bytes.buffer);

/** Writes a sockaddr_in or sockaddr_in6 at `at` and returns its length. */
export function writeName(b: Uint8Array, at: number, address: IpAddress, port: number): number {
  b.fill(0, at, at + 28);
  b[at] = address.isV4 ? AF_INET : AF_INET6;
  b[at + 2] = port >>> 8;
  b[at + 3] = port;
  if (address.isV4) {
    address.write4(b, at + 4);
    return 16;
  }
  address.write6(b, at + 8);
  return 28;
}
const putName = (address: IpAddress, port: number): number => writeName(scratch.bytes, NAME_AT, address, port);

export function setInt(fd: number, level: number, name: number, value: number): number {
  words[VALUE_AT >> 2] = value;
  return cSetsockopt(fd, level, name, scratch.address + VALUE_AT, 4) < 0 ? -errno() : 0;
}

/** A non-blocking socket, or -errno (EMFILE and the like are the caller's to count). */
export function openSocket(family: number, type: number, protocol = 0): number {
  const fd = cSocket(family, type | SOCK_NONBLOCK_CLOEXEC, protocol);
  return fd < 0 ? -errno() : fd;
}

/** send(2) stops at twice this much unsent data, so that what the guest was told is delivered is not megabytes ahead of the peer. */
const NOT_SENT_LOWAT = 1 << 18;

/**
 * For a stream that carries a guest's connection: no Nagle (the guest has its own), urgent octets in line (out of line they corrupt a peeked stream), and a reset when the
 * kernel closes it because its process was killed: FIN would tell the peer that the stream is whole. On a listener for all that it will accept: they have its options from the
 * beginning (sk_clone_lock, net/core/sock.c).
 */
export function prepareStream(fd: number): void {
  setLinger(fd, true);
  setInt(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  setInt(fd, SOL_SOCKET, SO_OOBINLINE, 1);
  setInt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOT_SENT_LOWAT);
}
export function prepareDatagram(fd: number, family: number): void {
  if (family === AF_INET) setInt(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_DONT);
  else setInt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_DONT);
}

/** 0, or -errno; -EINPROGRESS is the usual answer for a stream. */
export function connect(fd: number, address: IpAddress, port: number): number {
  const len = putName(address, port);
  return cConnect(fd, scratch.address + NAME_AT, len) < 0 ? -errno() : 0;
}
/** Octets taken, or -errno. Never raises SIGPIPE. */
export function send(fd: number, address: number, len: number): number {
  const n = cSend(fd, address, len, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n < 0 ? -errno() : n;
}
/** Octets received, 0 at the end of a stream, or -errno. */
export function receive(fd: number, address: number, len: number, flags: number): number {
  const n = cRecv(fd, address, len, flags | MSG_DONTWAIT);
  return n < 0 ? -errno() : n;
}
/** SO_LINGER with a time of 0: close(2), and the kernel's own at the end of the process, drop what is queued and send RST (tcp_close, net/ipv4/tcp.c). */
function setLinger(fd: number, on: boolean): void {
  words[VALUE_AT >> 2] = on ? 1 : 0;
  words[(VALUE_AT >> 2) + 1] = 0;
  cSetsockopt(fd, SOL_SOCKET, SO_LINGER, scratch.address + VALUE_AT, 8);
}
/** Of a stream: it is whole from here on, and what is queued of it arrives even if this process is killed. */
export function shutdownWrite(fd: number): number {
  setLinger(fd, false);
  return cShutdown(fd, SHUT_WR) < 0 ? -errno() : 0;
}
/** SO_ERROR: the pending error's errno, cleared by reading. */
export function takeError(fd: number): number {
  words[VALUE_AT >> 2] = 0;
  words[LENGTH_AT >> 2] = 4;
  if (cGetsockopt(fd, SOL_SOCKET, SO_ERROR, scratch.address + VALUE_AT, scratch.address + LENGTH_AT) < 0)
    return errno();
  return words[VALUE_AT >> 2] as number;
}
export const closeSocket = (fd: number): void => {
  close(fd);
};
/** Closes a stream that is whole: its peer gets what is queued, and FIN. */
export function closeStream(fd: number): void {
  setLinger(fd, false);
  close(fd);
}
/** Closes a stream so that its peer gets RST, whatever is queued. */
export function closeWithReset(fd: number): void {
  setLinger(fd, true);
  close(fd);
}
/** Where the next MSG_PEEK begins, counted from the first unread octet; -errno where the kernel has no such option for this socket. */
export const setPeekOffset = (fd: number, offset: number): number => setInt(fd, SOL_SOCKET, SO_PEEK_OFF, offset);

/** True where TCP sockets support SO_PEEK_OFF (Linux 6.9 and later; Debian 12 and Ubuntu 24.04 ship older kernels). */
export function probePeekOffset(): boolean {
  const fd = openSocket(AF_INET, SOCK_STREAM);
  if (fd < 0) return false;
  const supported = setPeekOffset(fd, 0) === 0;
  close(fd);
  return supported;
}

/**
 * When the thread that started this process is gone, this process has one second to end by itself: then the kernel ends it. The parent-death signal is handled by alarm(2) alone, whose
 * argument, the seconds, is then the signal's number, 1. Nothing of ours has to run for that, so a loop that is stuck does not outlive its parent either; only one that
 * somebody has stopped (SIGSTOP) waits for its SIGCONT first.
 */
export function endAfterParent(): void {
  cSignal(SIGHUP, addressOfFunction('alarm'));
  cPrctl(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0);
}
