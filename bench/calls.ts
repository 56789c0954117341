/** The blocking socket calls that both ends of a measurement make, straight to the C library: no event loop and no stream between the clock and the call. */
import { addressOf, close, errno, HostError, must, native } from '../src/host/libc.ffi.ts';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_TYPE = 3;
const SO_RCVTIMEO = 20;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SHUT_WR = 1;
const EAGAIN = 11;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

type Call = (...args: number[]) => number;
const socketCall = native<Call>('int socket(int domain, int type, int protocol)');
const bindCall = native<Call>('int bind(int fd, uintptr_t name, unsigned int len)');
const listenCall = native<Call>('int listen(int fd, int backlog)');
const acceptCall = native<Call>('int accept(int fd, uintptr_t name, uintptr_t len)');
const connectCall = native<Call>('int connect(int fd, uintptr_t name, unsigned int len)');
const setsockoptCall = native<Call>('int setsockopt(int fd, int level, int option, uintptr_t value, unsigned int len)');
const getsockoptCall = native<Call>('int getsockopt(int fd, int level, int option, uintptr_t value, uintptr_t len)');
const sendCall = native<Call>('intptr_t send(int fd, uintptr_t address, size_t len, int flags)');
const sendtoCall = native<Call>(
  'intptr_t sendto(int fd, uintptr_t address, size_t len, int flags, uintptr_t name, unsigned int nameLen)',
);
const recvfromCall = native<Call>(
  'intptr_t recvfrom(int fd, uintptr_t address, size_t len, int flags, uintptr_t name, uintptr_t nameLen)',
);
const recvCall = native<Call>('intptr_t recv(int fd, uintptr_t address, size_t len, int flags)');
const shutdownCall = native<Call>('int shutdown(int fd, int how)');
const prctl = native<Call>('int prctl(int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)');
export const getppid = native<() => number>('int getppid(void)');

/** `struct sockaddr_in`, a socklen_t at 16 and an int at 20. */
const scratch = new Uint8Array(32);
const words = new DataView(scratch.buffer);
const at = addressOf(scratch);

function fillName(address: string, port: number): void {
  words.setUint16(0, AF_INET, true);
  words.setUint16(2, port);
  address.split('.').forEach((part, index) => words.setUint8(4 + index, Number(part)));
  words.setUint32(16, 16, true);
}
function withoutDelay(fd: number): number {
  words.setInt32(20, 1, true);
  must(setsockoptCall(fd, IPPROTO_TCP, TCP_NODELAY, at + 20, 4), 'setsockopt', 'TCP_NODELAY');
  return fd;
}

function bound(type: number, address: string, port: number): number {
  const fd = must(socketCall(AF_INET, type, 0), 'socket');
  words.setInt32(20, 1, true);
  must(setsockoptCall(fd, SOL_SOCKET, SO_REUSEADDR, at + 20, 4), 'setsockopt', 'SO_REUSEADDR');
  fillName(address, port);
  must(bindCall(fd, at, 16), 'bind', `${address}:${port}`);
  return fd;
}
export function listen(address: string, port: number): number {
  const fd = bound(SOCK_STREAM, address, port);
  must(listenCall(fd, 128), 'listen', `${address}:${port}`);
  return fd;
}
export const bindDatagrams = (address: string, port: number): number => bound(SOCK_DGRAM, address, port);

export const accept = (fd: number): number => withoutDelay(must(acceptCall(fd, 0, 0), 'accept'));

function connected(type: number, address: string, port: number): number {
  const fd = must(socketCall(AF_INET, type, 0), 'socket');
  fillName(address, port);
  if (connectCall(fd, at, 16) === 0) return fd;
  const code = errno();
  close(fd);
  throw new HostError('connect', code, `${address}:${port}`);
}
export const connect = (address: string, port: number): number => withoutDelay(connected(SOCK_STREAM, address, port));
/** A datagram socket with a peer. */
export const connectDatagrams = (address: string, port: number): number => connected(SOCK_DGRAM, address, port);

/** Receiving ends with EAGAIN after `ms`. */
export function setReceiveLimit(fd: number, ms: number): void {
  // struct timeval
  words.setUint32(16, Math.floor(ms / 1000), true);
  words.setUint32(20, 0, true);
  words.setUint32(24, (ms % 1000) * 1000, true);
  words.setUint32(28, 0, true);
  must(setsockoptCall(fd, SOL_SOCKET, SO_RCVTIMEO, at + 16, 16), 'setsockopt', 'SO_RCVTIMEO');
}

export function sendAll(fd: number, address: number, len: number): void {
  for (let done = 0; done < len; ) done += must(sendCall(fd, address + done, len - done, 0), 'send');
}
/** Octets, 0 at the end of the stream. */
export const receive = (fd: number, address: number, len: number): number =>
  must(recvCall(fd, address, len, 0), 'recv');

export const shutdownSending = (fd: number): number => must(shutdownCall(fd, SHUT_WR), 'shutdown');

/** A datagram's octets, or -1 when none came in time. */
export function receiveDatagram(fd: number, address: number, len: number): number {
  const got = recvCall(fd, address, len, 0);
  if (got >= 0) return got;
  const code = errno();
  if (code === EAGAIN) return -1;
  throw new HostError('recv', code, 'a datagram');
}
/** Whoever sent it is who the next `reply` goes to. */
export function receiveRequest(fd: number, address: number, len: number): number {
  words.setUint32(16, 16, true);
  return must(recvfromCall(fd, address, len, 0, at, at + 16), 'recvfrom');
}
export const reply = (fd: number, address: number, len: number): number =>
  must(sendtoCall(fd, address, len, 0, at, 16), 'sendto');
/** True when it was taken; false when there is no room or nobody listens yet. */
export const sendDatagram = (fd: number, address: number, len: number): boolean =>
  sendCall(fd, address, len, 0) === len;

export function receiveAll(fd: number, address: number, len: number): void {
  for (let done = 0; done < len; ) {
    const got = receive(fd, address + done, len - done);
    if (got === 0) throw new Error(`the stream ended after ${done} of ${len} octets`);
    done += got;
  }
}

/** SO_TYPE: of all calls on a socket the one with the least to do. */
export const socketType = (fd: number): number => {
  words.setUint32(16, 4, true);
  return must(getsockoptCall(fd, SOL_SOCKET, SO_TYPE, at + 20, at + 16), 'getsockopt', 'SO_TYPE');
};

/** Ends this process when its parent's thread does, however that happens. */
export const endWithParent = (): number => must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), 'prctl', 'PR_SET_PDEATHSIG');
export { close };
