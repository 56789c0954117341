/**
 * Sockets that wait for clients: listening streams, and datagram sockets that serve many peers (ip(7), ipv6(7), udp(7)). A datagram socket bound to every address
 * learns from IP_PKTINFO to which one a datagram came, and answers from that one: a client takes an answer only from the address that it asked.
 */
import type { IpAddress } from '../netstack/address.ts';
import { arena, close, errno, native } from './libc.ffi.ts';
import {
  AF_INET,
  AF_INET6,
  openSocket,
  prepareStream,
  SOCK_DGRAM,
  SOCK_STREAM,
  setInt,
  writeName,
} from './socket.ffi.ts';

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_IP = 0;
const IP_PKTINFO = 8;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_RECVPKTINFO = 49;
const IPV6_PKTINFO = 50;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
/** Clients that wait to be accepted; the kernel cuts it to net.core.somaxconn. */
const BACKLOG = 1024;

const cBind = native<(fd: number, address: number, len: number) => number>(
  'int bind(int fd, uintptr_t address, unsigned int len)',
);
const cListen = native<(fd: number, backlog: number) => number>('int listen(int fd, int backlog)');
const cAccept = native<(fd: number, address: number, len: number, flags: number) => number>(
  'int accept4(int fd, uintptr_t address, uintptr_t len, int flags)',
);
const cRecvmsg = native<(fd: number, message: number, flags: number) => number>(
  'intptr_t recvmsg(int fd, uintptr_t message, int flags)',
);
const cSendmsg = native<(fd: number, message: number, flags: number) => number>(
  'intptr_t sendmsg(int fd, uintptr_t message, int flags)',
);

const memory = arena(4096);
const { bytes } = memory;
const words = new Int32Array(bytes.buffer, bytes.byteOffset, 64);
/** Where things stand in it: struct msghdr (56 octets), struct iovec, the name, its length for accept, control data. */
const HEADER = 0;
const IOVEC = 64;
const NAME = 96;
const NAME_OCTETS = 28;
const LENGTH = 128;
const CONTROL = 160;
/** Room for one cmsg of IPV6_PKTINFO and what the kernel may align it to. */
const CONTROL_OCTETS = 64;
const CMSG_HEADER = 16;

/** A size_t or a pointer at word `at`. */
function putLong(at: number, value: number): void {
  words[at] = value | 0;
  words[at + 1] = Math.floor(value / 2 ** 32);
}
putLong(HEADER >> 2, memory.address + NAME);
putLong((HEADER + 16) >> 2, memory.address + IOVEC);
putLong((HEADER + 24) >> 2, 1);
putLong((HEADER + 32) >> 2, memory.address + CONTROL);

/** As `PeerName` of the gateway. */
export interface Names {
  peer0: number;
  peer1: number;
  peer2: number;
  peer3: number;
  peerPort: number;
  scope: number;
  local0: number;
  local1: number;
  local2: number;
  local3: number;
}

const MAPPED = 0xffff;
const bigEndian = (at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number);
function putBigEndian(at: number, word: number): void {
  bytes[at] = word >>> 24;
  bytes[at + 1] = word >>> 16;
  bytes[at + 2] = word >>> 8;
  bytes[at + 3] = word;
}

function readPeer(name: Names): void {
  name.peerPort = ((bytes[NAME + 2] as number) << 8) | (bytes[NAME + 3] as number);
  if (bytes[NAME] === AF_INET) {
    name.peer0 = name.peer1 = name.scope = 0;
    name.peer2 = MAPPED;
    name.peer3 = bigEndian(NAME + 4);
    return;
  }
  name.peer0 = bigEndian(NAME + 8);
  name.peer1 = bigEndian(NAME + 12);
  name.peer2 = bigEndian(NAME + 16);
  name.peer3 = bigEndian(NAME + 20);
  name.scope = words[(NAME + 24) >> 2] as number;
}
/** The one control message that was asked for; without it (the kernel had no memory) the local address is unspecified. */
function readLocal(name: Names): void {
  name.local0 = name.local1 = name.local2 = name.local3 = 0;
  if ((words[(HEADER + 40) >> 2] as number) < CMSG_HEADER) return;
  const type = words[(CONTROL + 12) >> 2];
  const data = CONTROL + CMSG_HEADER;
  if (type === IP_PKTINFO) {
    // ipi_spec_dst: the address to answer from.
    name.local2 = MAPPED;
    name.local3 = bigEndian(data + 4);
  } else if (type === IPV6_PKTINFO) {
    name.local0 = bigEndian(data);
    name.local1 = bigEndian(data + 4);
    name.local2 = bigEndian(data + 8);
    name.local3 = bigEndian(data + 12);
  }
}
const isV4 = (w0: number, w1: number, w2: number): boolean => w0 === 0 && w1 === 0 && w2 === MAPPED;

/** A non-blocking descriptor, close-on-exec, or -errno; its peer is in `name`. */
export function accept(fd: number, name: Names): number {
  words[LENGTH >> 2] = NAME_OCTETS;
  const accepted = cAccept(fd, memory.address + NAME, memory.address + LENGTH, SOCK_NONBLOCK_CLOEXEC);
  if (accepted < 0) return -errno();
  readPeer(name);
  return accepted;
}

/** Octets of a datagram, or -errno; where it is from and where it came to is in `name`. */
export function receiveFrom(fd: number, address: number, len: number, name: Names): number {
  words[(HEADER + 8) >> 2] = NAME_OCTETS;
  putLong((HEADER + 40) >> 2, CONTROL_OCTETS);
  putLong(IOVEC >> 2, address);
  putLong((IOVEC + 8) >> 2, len);
  const n = cRecvmsg(fd, memory.address + HEADER, MSG_DONTWAIT);
  if (n < 0) return -errno();
  readPeer(name);
  readLocal(name);
  return n;
}

/** Sends a datagram to `name`'s peer from its local address. Octets, or -errno. */
export function sendTo(fd: number, address: number, len: number, name: Names): number {
  const v4 = isV4(name.peer0, name.peer1, name.peer2);
  bytes.fill(0, NAME, NAME + NAME_OCTETS);
  bytes.fill(0, CONTROL, CONTROL + CONTROL_OCTETS);
  bytes[NAME] = v4 ? AF_INET : AF_INET6;
  bytes[NAME + 2] = name.peerPort >>> 8;
  bytes[NAME + 3] = name.peerPort;
  const data = CONTROL + CMSG_HEADER;
  if (v4) {
    putBigEndian(NAME + 4, name.peer3);
    putControl(12, IPPROTO_IP, IP_PKTINFO);
    putBigEndian(data + 4, name.local3);
  } else {
    putBigEndian(NAME + 8, name.peer0);
    putBigEndian(NAME + 12, name.peer1);
    putBigEndian(NAME + 16, name.peer2);
    putBigEndian(NAME + 20, name.peer3);
    words[(NAME + 24) >> 2] = name.scope;
    putControl(20, IPPROTO_IPV6, IPV6_PKTINFO);
    putBigEndian(data, name.local0);
    putBigEndian(data + 4, name.local1);
    putBigEndian(data + 8, name.local2);
    putBigEndian(data + 12, name.local3);
  }
  words[(HEADER + 8) >> 2] = v4 ? 16 : NAME_OCTETS;
  putLong(IOVEC >> 2, address);
  putLong((IOVEC + 8) >> 2, len);
  const n = cSendmsg(fd, memory.address + HEADER, MSG_DONTWAIT | MSG_NOSIGNAL);
  return n < 0 ? -errno() : n;
}
function putControl(dataLen: number, level: number, type: number): void {
  putLong(CONTROL >> 2, CMSG_HEADER + dataLen);
  words[(CONTROL + 8) >> 2] = level;
  words[(CONTROL + 12) >> 2] = type;
  // CMSG_SPACE: data is padded to eight octets.
  putLong((HEADER + 40) >> 2, CMSG_HEADER + ((dataLen + 7) & ~7));
}

/**
 * A socket bound to `address` and `port`, of that family alone, which listens if it is a stream's. Non-blocking and close-on-exec. -errno when it cannot be had.
 * SO_REUSEADDR for streams only, where it means: despite connections in TIME-WAIT (for datagrams it would mean sharing the port).
 */
export function bindListener(protocol: 'tcp' | 'udp', address: IpAddress, port: number): number {
  const fd = openSocket(address.isV4 ? AF_INET : AF_INET6, protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM);
  if (fd < 0) return fd;
  if (!address.isV4) setInt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (protocol === 'tcp') {
    setInt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    prepareStream(fd);
  } else if (address.isV4) setInt(fd, IPPROTO_IP, IP_PKTINFO, 1);
  else setInt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  const len = writeName(bytes, NAME, address, port);
  let failed = cBind(fd, memory.address + NAME, len) < 0;
  if (!failed && protocol === 'tcp') failed = cListen(fd, BACKLOG) < 0;
  if (!failed) return fd;
  const code = errno();
  close(fd);
  return -code;
}
