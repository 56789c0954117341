/** The machine as the gateway sees it: sockets, and who is told of their events. `src/host` implements it; a test may stand in. */
import type { IpAddress } from '../netstack/address.ts';

/** Who sent something, and the address of ours that it was sent to: words of addresses, IPv4 mapped. Filled by `accept` and `receiveFrom`. */
export interface PeerName {
  peer0: number;
  peer1: number;
  peer2: number;
  peer3: number;
  peerPort: number;
  /** Interface of a link-local peer. */
  scope: number;
  local0: number;
  local1: number;
  local2: number;
  local3: number;
}

/** The calls of `src/host/socket.ffi.ts` and `src/host/listener.ffi.ts`; octets, or -errno. Addresses are native (`addressOf`). */
export interface HostSockets {
  /** @param protocol 0 for the type's own. */
  openSocket(family: number, type: number, protocol?: number): number;
  prepareStream(fd: number): void;
  prepareDatagram(fd: number, family: number): void;
  connect(fd: number, address: IpAddress, port: number): number;
  send(fd: number, address: number, len: number): number;
  receive(fd: number, address: number, len: number, flags: number): number;
  shutdownWrite(fd: number): number;
  takeError(fd: number): number;
  setPeekOffset(fd: number, offset: number): number;
  closeSocket(fd: number): void;
  /** Of a stream that was prepared: `closeSocket` would reset it. */
  closeStream(fd: number): void;
  closeWithReset(fd: number): void;
  /** A descriptor, whose peer is in `name`. */
  accept(fd: number, name: PeerName): number;
  /** A datagram with its sender and its destination. */
  receiveFrom(fd: number, address: number, len: number, name: PeerName): number;
  /** A datagram from `name`'s local address to its peer. */
  sendTo(fd: number, address: number, len: number, name: PeerName): number;
}

/** Who owns a descriptor that is waited for. */
export interface Watched {
  /** Set by the poller, for its own use. */
  watchKey: number;
  /** @param events bits of epoll(7), as they arrived (edge-triggered). */
  hostEvent(events: number): void;
}

export interface Poller {
  /**
   * Edge-triggered for reading, urgent octets, hangup and, unless `writing` is false, writing, once per descriptor. 0, or -errno: the kernel bounds what a user may watch (epoll(7)).
   */
  watch(fd: number, owner: Watched, writing?: boolean): number;
  /** The descriptor is about to be closed: no event reaches its owner any more. */
  forget(owner: Watched): void;
}

/** For descriptors that the gateway does not do without, at its start. */
export function mustWatch(poller: Poller, fd: number, owner: Watched, writing = true): void {
  const result = poller.watch(fd, owner, writing);
  if (result < 0)
    throw new Error(
      `a descriptor cannot be watched (epoll_ctl: errno ${-result}): free memory, or raise sysctl fs.epoll.max_user_watches`,
    );
}

export interface Host {
  readonly sockets: HostSockets;
  readonly poller: Poller;
  /** Whether an address is one of this host's own. */
  isHostAddress(address: IpAddress): boolean;
  /** Native address of a slab. */
  addressOf(bytes: Uint8Array): number;
}

/** errno values of the host's sockets, asm-generic/errno.h (x86_64 and arm64 agree). */
export const Errno = {
  EPERM: 1,
  EINTR: 4,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  EPIPE: 32,
  ENONET: 64,
  EPROTO: 71,
  EMSGSIZE: 90,
  ENOPROTOOPT: 92,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

/** epoll(7) event bits. */
export const Event = { In: 0x001, Pri: 0x002, Out: 0x004, Err: 0x008, Hup: 0x010, RdHup: 0x2000 } as const;
/** socket(2) and recv(2) constants that the gateway passes down. */
export const Sock = { Inet: 2, Inet6: 10, Stream: 1, Datagram: 2, Peek: 0x02, Trunc: 0x20 } as const;
