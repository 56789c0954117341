/** The sockets of messages whose receive queues and sends a mirror (datagram-mirror.ts) carries: UDP, and NETLINK_ROUTE. */
import { arena, borrowAddress } from '../host/libc.ffi.ts';
import { sendFrom } from '../host/unix-socket.ffi.ts';
import { copy as copyOctets } from '../lib/byte-ring.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import type { InetDatagramSocket } from '../socket/inet-dgram.ts';
import { Message } from '../socket/message.ts';
import type { NetlinkSocket } from '../socket/netlink/route-socket.ts';
import type { Socket } from '../socket/socket.ts';

/** The longest message, and one octet more. */
export const MESSAGE_OCTETS = 65_536;
/** Where a guest's own message lies while it is passed on, and what G gave back while it is told which it was. */
export const scratch = arena(MESSAGE_OCTETS);

export interface MirroredMessages {
  readonly file: InetDatagramSocket | NetlinkSocket;
  /** Messages that wait to be received. */
  readonly queued: number;
  /** Octets that may wait. */
  readonly limit: number;
  /** More comes as soon as something was read. */
  readonly hasMore: boolean;
  readonly hasError: boolean;
  /** Timestamps that were asked for of sends wait in the error queue, and who asked looks for POLLERR. */
  readonly hasReports: boolean;
  readonly sendEnded: boolean;
  takeErrno(): number;
  /** Puts message `index` of those that wait into `peer`; its length, or a negative errno. */
  put(peer: number, index: number): number;
  /** True if message `index` of those that wait is the `len` octets in `scratch`. */
  is(index: number, len: number): boolean;
  /** Drops `count` of them, from the place `from`. */
  consume(count: number, from: number): void;
  /** Sends the `len` octets in `scratch` as the guest's message; false if it is lost. */
  send(len: number): boolean;
}

/** True if those octets are what `scratch` begins with. */
const isInScratch = (bytes: Uint8Array, at: number, len: number): boolean =>
  Buffer.compare(bytes.subarray(at, at + len), scratch.bytes.subarray(0, len)) === 0;

/** Addresses are offsets in `scratch`. */
const memory: GuestMemory = {
  read: (addr, dst, at, len) => {
    copyOctets(dst, at, scratch.bytes, addr, len);
    return len;
  },
  write: () => 0,
};
const message = new Message(memory);

/** As send(2) does it; the result that send(2) would have told has nobody to hear it. */
function sendMessage(file: Socket, len: number): boolean {
  message.clear();
  message.iov.push(0, len);
  const result = file.send(message, 0);
  if (result >= 0) file.commit(file.units);
  else file.rollback(0);
  return result >= 0;
}

export class UdpMessages implements MirroredMessages {
  readonly file: InetDatagramSocket;

  constructor(file: InetDatagramSocket) {
    this.file = file;
  }
  get queued(): number {
    return this.file.udp.queued;
  }
  get limit(): number {
    return this.file.udp.settings.receiveBuffer;
  }
  get hasMore(): boolean {
    return false;
  }
  get hasError(): boolean {
    return this.file.hasError;
  }
  get hasReports(): boolean {
    return this.file.udp.peekError()?.origin === 'timestamp';
  }
  get sendEnded(): boolean {
    return this.file.udp.sendEnded;
  }
  takeErrno(): number {
    return this.file.takeErrno();
  }
  put(peer: number, index: number): number {
    const datagram = this.file.udp.peek(index);
    if (datagram === undefined) return -1;
    const { bytes, at, end } = datagram.packet;
    return sendFrom(peer, borrowAddress(bytes) + at, end - at);
  }
  is(index: number, len: number): boolean {
    const packet = this.file.udp.peek(index)?.packet;
    return packet !== undefined && packet.end - packet.at === len && isInScratch(packet.bytes, packet.at, len);
  }
  consume(count: number, from: number): void {
    this.file.consumed(count, from);
  }
  /** Straight into a packet where nothing but the peer's address is asked for. */
  send(len: number): boolean {
    const { udp, isPlain } = this.file;
    if (!isPlain) return sendMessage(this.file, len);
    const packet = udp.isConnected ? udp.prepare(undefined, 0, len, undefined) : 'destination-required';
    if (typeof packet === 'string') return false;
    copyOctets(packet.bytes, packet.at, scratch.bytes, 0, len);
    udp.transmit(packet, 0);
    return true;
  }
}

export class NetlinkMessages implements MirroredMessages {
  readonly file: NetlinkSocket;
  readonly #out = arena(MESSAGE_OCTETS);

  constructor(file: NetlinkSocket) {
    this.file = file;
  }
  get queued(): number {
    return this.file.queued;
  }
  get limit(): number {
    return this.file.receiveBuffer;
  }
  /** The next part of a dump waits until there is room for it. */
  get hasMore(): boolean {
    return this.file.isDumping;
  }
  get hasError(): boolean {
    return this.file.hasError;
  }
  get hasReports(): boolean {
    return false;
  }
  /** shutdown(2) is refused. */
  get sendEnded(): boolean {
    return false;
  }
  takeErrno(): number {
    return this.file.takeErrno();
  }
  put(peer: number, index: number): number {
    const octets = this.file.waiting(index);
    if (octets === undefined) return -1;
    this.#out.bytes.set(octets);
    return sendFrom(peer, this.#out.address, octets.length);
  }
  is(index: number, len: number): boolean {
    const octets = this.file.waiting(index);
    return octets !== undefined && octets.length === len && isInScratch(octets, 0, len);
  }
  consume(count: number, from: number): void {
    this.file.consume(count, from);
  }
  send(len: number): boolean {
    return sendMessage(this.file, len);
  }
}
