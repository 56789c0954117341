/**
 * Frames through a descriptor: a nonblocking SEQPACKET or DGRAM socket, or a tap. One message per call, read into and written from the packet slab without
 * a copy on our side (the slab's address plus the position). socket(7), unix(7), packet framing as the kernel keeps it.
 *
 * Measured on a SEQPACKET pair: a full queue gives EAGAIN and loses nothing; each frame is charged to the sender's SO_SNDBUF (a 64 KiB frame about 69,800
 * octets), the receiver's SO_RCVBUF plays no part, so SO_SNDBUF alone decides how many frames are in flight. With frames of ours unread, a peer that goes
 * away shows ECONNRESET first, then its frames still come, then 0.
 */
import type { BundleIo, FrameIo, FrameStatus, MOST_PIECES } from '../netstack/link/framed.ts';
import type { PacketPool } from '../netstack/packet.ts';
import { addressOf, arena, close, errno, must, native, read, write } from './libc.ffi.ts';

const send = native<(fd: number, address: number, len: number, flags: number) => number>(
  'intptr_t send(int fd, uintptr_t address, size_t len, int flags)',
);
const recv = native<(fd: number, address: number, len: number, flags: number) => number>(
  'intptr_t recv(int fd, uintptr_t address, size_t len, int flags)',
);
const sendmsg = native<(fd: number, message: number, flags: number) => number>(
  'intptr_t sendmsg(int fd, uintptr_t message, int flags)',
);
const socketpair = native<(domain: number, type: number, protocol: number, pair: number) => number>(
  'int socketpair(int domain, int type, int protocol, uintptr_t pair)',
);
const setsockopt = native<(fd: number, level: number, name: number, value: number, len: number) => number>(
  'int setsockopt(int fd, int level, int name, uintptr_t value, unsigned int len)',
);
const getsockopt = native<(fd: number, level: number, name: number, value: number, len: number) => number>(
  'int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t len)',
);

/** Pieces of a message. */
const PIECES: typeof MOST_PIECES = 64;
const WOULD_BLOCK: (typeof FrameStatus)['WouldBlock'] = -1;
const CLOSED: (typeof FrameStatus)['Closed'] = -2;
const FAILED: (typeof FrameStatus)['Failed'] = -3;

const EINTR = 4;
const EBADF = 9;
const EAGAIN = 11;
const EPIPE = 32;
const EBADFD = 77;
const ENOTCONN = 107;

const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** EBADFD is a tap whose interface was deleted. One that is only down gives EIO, and may come up again. */
const isEnd = (code: number): boolean => code === EPIPE || code === EBADFD || code === EBADF || code === ENOTCONN;
const statusOf = (code: number): number => {
  if (code === EAGAIN || code === EINTR) return WOULD_BLOCK;
  return isEnd(code) ? CLOSED : FAILED;
};

/** A socket that keeps message boundaries. The descriptor stays its owner's. */
export class SocketFrameIo implements FrameIo {
  readonly #fd: number;
  readonly #slab: number;

  constructor(fd: number, pool: PacketPool) {
    this.#fd = fd;
    this.#slab = addressOf(pool.bytes);
  }
  send(at: number, len: number): number {
    const n = send(this.#fd, this.#slab + at, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n >= 0 ? n : statusOf(errno());
  }
  recv(at: number, capacity: number): number {
    // MSG_TRUNC: the true length, so that a frame cut short is seen.
    const n = recv(this.#fd, this.#slab + at, capacity, MSG_DONTWAIT | MSG_TRUNC);
    if (n > 0) return n;
    return n === 0 ? CLOSED : statusOf(errno());
  }
}

/** `struct msghdr` on x86_64 and arm64, of which only the pieces are used. */
const MSGHDR_OCTETS = 56;
const IOV_AT = 16;
const IOVLEN_AT = 24;
/** `struct iovec`. */
const IOVEC_OCTETS = 16;
const WORD = 4;
const WORD_RANGE = 2 ** 32;

/** A socket whose messages carry several frames, gathered from where they lie. */
export class BundleSocketIo extends SocketFrameIo implements BundleIo {
  readonly #fd: number;
  readonly #slab: number;
  readonly #message: number;
  readonly #words: Uint32Array;

  constructor(fd: number, pool: PacketPool) {
    super(fd, pool);
    this.#fd = fd;
    this.#slab = addressOf(pool.bytes);
    const { bytes, address } = arena(MSGHDR_OCTETS + PIECES * IOVEC_OCTETS);
    this.#message = address;
    this.#words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / WORD);
    this.#setAddress(IOV_AT, address + MSGHDR_OCTETS);
  }
  #setAddress(at: number, address: number): void {
    this.#words[at / WORD] = address;
    this.#words[at / WORD + 1] = address / WORD_RANGE;
  }
  put(index: number, at: number, len: number): void {
    const entry = MSGHDR_OCTETS + index * IOVEC_OCTETS;
    this.#setAddress(entry, this.#slab + at);
    this.#words[(entry + 8) / WORD] = len;
  }
  sendPieces(count: number): number {
    this.#words[IOVLEN_AT / WORD] = count;
    const n = sendmsg(this.#fd, this.#message, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n >= 0 ? n : statusOf(errno());
  }
}

/** A tap in nonblocking mode with IFF_NO_PI and IFF_VNET_HDR. */
export class TapFrameIo implements FrameIo {
  readonly #fd: number;
  readonly #slab: number;

  constructor(fd: number, pool: PacketPool) {
    this.#fd = fd;
    this.#slab = addressOf(pool.bytes);
  }
  send(at: number, len: number): number {
    const n = write(this.#fd, this.#slab + at, len);
    return n >= 0 ? n : statusOf(errno());
  }
  recv(at: number, capacity: number): number {
    const n = read(this.#fd, this.#slab + at, capacity);
    if (n > 0) return n;
    return n === 0 ? CLOSED : statusOf(errno());
  }
}

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_SNDBUFFORCE = 32;
/** About 121 frames of 64 KiB in flight once the kernel has doubled it. */
const SEND_BUFFER = 4 * 1024 * 1024;

const cell = arena(4096);
const words = new Int32Array(cell.bytes.buffer, cell.bytes.byteOffset, 4);

const SO_TYPE = 3;
const SO_DOMAIN = 39;
const SOCK_DGRAM = 2;

/** True for a Unix socket that keeps frames apart, as `SocketFrameIo` needs it. */
export function keepsFrames(fd: number): boolean {
  const optionOf = (name: number): number => {
    words[1] = 4;
    return getsockopt(fd, SOL_SOCKET, name, cell.address, cell.address + 4) < 0 ? -1 : (words[0] as number);
  };
  const type = optionOf(SO_TYPE);
  return optionOf(SO_DOMAIN) === AF_UNIX && (type === SOCK_SEQPACKET || type === SOCK_DGRAM);
}

/** Raises SO_SNDBUF past wmem_max where we may (CAP_NET_ADMIN), else as far as it is granted. @returns what the kernel set. */
export function raiseSendBuffer(fd: number, octets = SEND_BUFFER): number {
  words[0] = octets;
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, cell.address, 4) < 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, cell.address, 4);
  }
  words[1] = 4;
  must(getsockopt(fd, SOL_SOCKET, SO_SNDBUF, cell.address, cell.address + 4), 'getsockopt', 'SO_SNDBUF');
  return words[0];
}

export interface FramePair {
  readonly fds: readonly [number, number];
  /** SO_SNDBUF of each end as the kernel counts it. */
  readonly sendBuffer: number;
  close(): void;
}

/** A nonblocking, close-on-exec pair that keeps frames apart. @throws HostError */
export function seqpacketPair(): FramePair {
  const type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
  must(socketpair(AF_UNIX, type, 0, cell.address), 'socketpair', 'AF_UNIX, SOCK_SEQPACKET');
  const fds = [words[0] as number, words[1] as number] as const;
  const granted = fds.map((fd) => raiseSendBuffer(fd));
  return {
    fds,
    sendBuffer: Math.min(...granted),
    close: () => {
      for (const fd of fds) close(fd);
    },
  };
}
