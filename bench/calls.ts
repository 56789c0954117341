/** The blocking socket calls that both ends of a measurement make, straight to the C library: no event loop and no stream between the clock and the call. */
import { addressOf, close, must, native } from '../src/host/libc.ffi.ts';

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;

type Call = (...args: number[]) => number;
const socketCall = native<Call>('int socket(int domain, int type, int protocol)');
const bindCall = native<Call>('int bind(int fd, uintptr_t name, unsigned int len)');
const listenCall = native<Call>('int listen(int fd, int backlog)');
const acceptCall = native<Call>('int accept(int fd, uintptr_t name, uintptr_t len)');
const connectCall = native<Call>('int connect(int fd, uintptr_t name, unsigned int len)');
const getsocknameCall = native<Call>('int getsockname(int fd, uintptr_t name, uintptr_t len)');
const setsockoptCall = native<Call>('int setsockopt(int fd, int level, int option, uintptr_t value, unsigned int len)');
const getsockoptCall = native<Call>('int getsockopt(int fd, int level, int option, uintptr_t value, uintptr_t len)');
const sendCall = native<Call>('intptr_t send(int fd, uintptr_t address, size_t len, int flags)');
const recvCall = native<Call>('intptr_t recv(int fd, uintptr_t address, size_t len, int flags)');
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

/** Listens on a free port of `address`. */
export function listen(address: string): { readonly fd: number; readonly port: number } {
  const fd = must(socketCall(AF_INET, SOCK_STREAM, 0), 'socket');
  fillName(address, 0);
  must(bindCall(fd, at, 16), 'bind', address);
  must(listenCall(fd, 16), 'listen', address);
  must(getsocknameCall(fd, at, at + 16), 'getsockname');
  return { fd, port: words.getUint16(2) };
}
export const accept = (fd: number): number => withoutDelay(must(acceptCall(fd, 0, 0), 'accept'));

export function connect(address: string, port: number): number {
  const fd = must(socketCall(AF_INET, SOCK_STREAM, 0), 'socket');
  fillName(address, port);
  must(connectCall(fd, at, 16), 'connect', `${address}:${port}`);
  return withoutDelay(fd);
}

export function sendAll(fd: number, address: number, len: number): void {
  for (let done = 0; done < len; ) done += must(sendCall(fd, address + done, len - done, 0), 'send');
}
/** Octets, 0 at the end of the stream. */
export const receive = (fd: number, address: number, len: number): number =>
  must(recvCall(fd, address, len, 0), 'recv');

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
