/** A gateway on real host sockets, driven turn by turn, with a link whose other end is hand-made frames. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GatewayConfig } from '../../src/gateway/config.ts';
import { parseConfig } from '../../src/gateway/config.ts';
import { Gateway } from '../../src/gateway/gateway.ts';
import { type Host, type HostSockets, Sock } from '../../src/gateway/host.ts';
import { openListeners } from '../../src/gateway/listeners.ts';
import type { MessageFromGateway } from '../../src/gateway/messages.ts';
import { hasPeekOffset, localHost } from '../../src/gateway/process.ts';
import { HostRandom, monotonic } from '../../src/host/clock.ts';
import { EventPoller } from '../../src/host/event-poller.ts';
import { i32, putU16, putU32, u16 } from '../../src/lib/bytes.ts';
import { addressSum, addSums, finishSum, pseudoSum, ScalarChecksum } from '../../src/lib/checksum.ts';
import { type Instant, TimerHeap } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import {
  LinkCapability,
  type LinkCounters,
  type LinkEndpoint,
  type LinkReceiver,
} from '../../src/netstack/link/link.ts';
import { Csum, type Packet, PacketPool } from '../../src/netstack/packet.ts';
import * as tcpWire from '../../src/netstack/wire/tcp.ts';

export const GUEST4 = IpAddress.of('10.0.2.15');
export const GATEWAY4 = IpAddress.of('10.0.2.2');
export const DNS4 = IpAddress.of('10.0.2.3');
export const GUEST6 = IpAddress.of('fd00::15');
export const GATEWAY6 = IpAddress.of('fd00::2');
export const GUEST_MAC = Uint8Array.of(0x52, 0x54, 0, 0x12, 0x34, 0x56);
export const GATEWAY_MAC = Uint8Array.of(0x52, 0x55, 0x0a, 0, 2, 2);
const BROADCAST = new Uint8Array(6).fill(0xff);

/** What the gateway sent, copied out. */
export interface Frame {
  readonly bytes: Uint8Array;
  readonly gsoSize: number;
  readonly partial: boolean;
  /** Payload that its buffer could have held. */
  readonly capacity: number;
}

export class TestLink implements LinkEndpoint {
  readonly mtu: number;
  readonly linkAddress = GATEWAY_MAC;
  readonly capabilities: number;
  readonly counters: LinkCounters = {
    rxFrames: 0,
    rxOctets: 0,
    txFrames: 0,
    txOctets: 0,
    rxErrors: 0,
    rxDropped: 0,
    txDropped: 0,
  };
  readonly frames: Frame[] = [];
  /** Set to stand for frames that wait. */
  queued = 0;
  receiver: LinkReceiver | undefined = undefined;

  constructor(mtu: number, capabilities: number) {
    this.mtu = mtu;
    this.capabilities = capabilities;
  }
  attach(receiver: LinkReceiver): void {
    this.receiver = receiver;
  }
  transmit(packet: Packet): boolean {
    const partial = packet.csum === Csum.Partial;
    const { gsoSize, payloadCapacity: capacity } = packet;
    this.frames.push({ bytes: packet.bytes.slice(packet.at, packet.end), gsoSize, partial, capacity });
    packet.release();
    return true;
  }
  close(): void {
    this.receiver?.linkClosed('closed');
  }
}

/** The machine's sockets, whose data calls are counted. */
export class CountingSockets {
  sends = 0;
  receives = 0;
  discards = 0;
  /** Calls that set a connection up or end it. */
  options = 0;
  shutdowns = 0;
  readonly sockets: HostSockets;

  constructor() {
    const { sockets } = localHost(new EventPoller());
    this.sockets = {
      ...sockets,
      send: (...args) => (this.sends++, sockets.send(...args)),
      prepareStream: (fd) => (this.options++, sockets.prepareStream(fd)),
      setPeekOffset: (...args) => (this.options++, sockets.setPeekOffset(...args)),
      shutdownWrite: (fd) => (this.shutdowns++, sockets.shutdownWrite(fd)),
      receive: (...args) => {
        if ((args[3] & Sock.Trunc) !== 0) this.discards++;
        else this.receives++;
        return sockets.receive(...args);
      },
    };
  }
  /** Calls since the last time. */
  take(): Pick<CountingSockets, 'sends' | 'receives' | 'discards'> {
    const { sends, receives, discards } = this;
    this.sends = this.receives = this.discards = 0;
    return { sends, receives, discards };
  }
}

export const ALL_OFFLOADS = LinkCapability.TxChecksum | LinkCapability.Tso4 | LinkCapability.Tso6;

export class World {
  readonly link: TestLink;
  readonly pool = new PacketPool({ large: 64, small: 256 });
  readonly poller = new EventPoller();
  readonly clock = new TimerHeap(monotonic());
  readonly messages: MessageFromGateway[] = [];
  readonly gateway: Gateway;
  /** Frames already looked at by `take`. */
  #taken = 0;
  /** Set to stop time: it passes by `clock.advance` alone then. */
  time: () => Instant = monotonic;

  constructor(config: GatewayConfig = {}, capabilities: number = ALL_OFFLOADS, host: Partial<Host> = {}) {
    const complete = parseConfig(config);
    this.link = new TestLink(complete.mtu, capabilities);
    this.gateway = new Gateway({
      config: complete,
      link: this.link,
      pool: this.pool,
      host: { ...localHost(this.poller), ...host },
      clock: this.clock,
      random: new HostRandom(),
      control: { malformed: 0, lost: 0, poll: () => undefined, send: (message) => this.messages.push(message) },
      hasPeekOffset: hasPeekOffset(),
      listeners: openListeners(complete.published),
    });
  }

  inject(frame: Uint8Array, csum: number = Csum.Full): void {
    const packet = this.pool.alloc(frame.length);
    if (packet === undefined) throw new Error('the pool is empty: buffers leak');
    packet.bytes.set(frame, packet.at);
    packet.end = packet.at + frame.length;
    packet.csum = csum;
    this.gateway.receive(packet);
  }
  turn(timeoutMs = 0): void {
    const count = this.poller.wait(timeoutMs);
    this.gateway.begin(this.time());
    this.poller.dispatch(count);
    this.gateway.step();
  }
  /** Turns until `found` returns something; Node's own sockets have their turns between. */
  async until<T>(what: string, found: () => T | undefined | false, timeoutMs = 5000): Promise<T> {
    const end = monotonic() + timeoutMs * 1000;
    for (;;) {
      this.turn();
      const value = found();
      if (value !== undefined && value !== false) return value;
      if (monotonic() > end) throw new Error(`${what} did not happen within ${timeoutMs} ms`);
      await sleep(1);
    }
  }
  /** The next frame that `match` accepts, skipping others. */
  async take<T>(what: string, match: (frame: Frame) => T | undefined): Promise<T> {
    return this.until(what, () => {
      while (this.#taken < this.link.frames.length) {
        const value = match(this.link.frames[this.#taken++] as Frame);
        if (value !== undefined) return value;
      }
      return undefined;
    });
  }
  /** Frames not taken yet. */
  get rest(): Frame[] {
    return this.link.frames.slice(this.#taken);
  }
  skip(): void {
    this.#taken = this.link.frames.length;
  }
  counts(): Record<string, number> {
    const { refused, dropped, events } = this.gateway.stats();
    return { ...refused, ...dropped, ...events };
  }
  close(): void {
    this.gateway.linkClosed('test over');
    this.poller.close();
  }
}

const sum = (b: Uint8Array, from: number, len: number): number => {
  const copy = new Uint8Array((len + 3) & ~3);
  copy.set(b.subarray(from, from + len));
  return new ScalarChecksum(copy.buffer).sum(0, len);
};
const term = (a: IpAddress): number => addressSum(a.w0, a.w1, a.w2, a.w3);

export function ethernetFrame(type: number, payload: Uint8Array, destination = GATEWAY_MAC): Uint8Array {
  const frame = new Uint8Array(14 + payload.length);
  frame.set(destination, 0);
  frame.set(GUEST_MAC, 6);
  putU16(frame, 12, type);
  frame.set(payload, 14);
  return frame;
}
export function ipFrame(src: IpAddress, dst: IpAddress, protocol: number, payload: Uint8Array, hops = 64): Uint8Array {
  if (src.isV4) {
    const b = new Uint8Array(20 + payload.length);
    b[0] = 0x45;
    putU16(b, 2, b.length);
    b[8] = hops;
    b[9] = protocol;
    src.write4(b, 12);
    dst.write4(b, 16);
    putU16(b, 10, finishSum(sum(b, 0, 20)));
    b.set(payload, 20);
    return ethernetFrame(0x0800, b);
  }
  const b = new Uint8Array(40 + payload.length);
  b[0] = 0x60;
  putU16(b, 4, payload.length);
  b[6] = protocol;
  b[7] = hops;
  src.write6(b, 8);
  dst.write6(b, 24);
  b.set(payload, 40);
  return ethernetFrame(0x86dd, b);
}
/** Fills the transport checksum at `field`. */
export function sealed(
  src: IpAddress,
  dst: IpAddress,
  protocol: number,
  segment: Uint8Array,
  field: number,
): Uint8Array {
  putU16(segment, field, 0);
  const pseudo = protocol === 1 ? 0 : pseudoSum(term(src), term(dst), protocol, segment.length);
  putU16(segment, field, finishSum(addSums(sum(segment, 0, segment.length), pseudo)));
  return segment;
}
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}
export const at = (address: IpAddress, port: number): Endpoint => ({ address, port });

export function udpFrame(src: Endpoint, dst: Endpoint, payload: Uint8Array): Uint8Array {
  const b = new Uint8Array(8 + payload.length);
  putU16(b, 0, src.port);
  putU16(b, 2, dst.port);
  putU16(b, 4, b.length);
  b.set(payload, 8);
  return ipFrame(src.address, dst.address, 17, sealed(src.address, dst.address, 17, b, 6));
}
export function echoFrame(
  src: IpAddress,
  dst: IpAddress,
  identifier: number,
  sequence: number,
  payload: Uint8Array,
): Uint8Array {
  const b = new Uint8Array(8 + payload.length);
  b[0] = src.isV4 ? 8 : 128;
  putU16(b, 4, identifier);
  putU16(b, 6, sequence);
  b.set(payload, 8);
  const protocol = src.isV4 ? 1 : 58;
  return ipFrame(src, dst, protocol, sealed(src, dst, protocol, b, 2));
}
export interface SegmentFields {
  readonly seq: number;
  readonly ack?: number;
  readonly flags: number;
  readonly window?: number;
  readonly options?: Uint8Array;
  readonly payload?: Uint8Array;
}
export function tcpFrame(src: Endpoint, dst: Endpoint, f: SegmentFields): Uint8Array {
  const options = f.options ?? new Uint8Array(0);
  const payload = f.payload ?? new Uint8Array(0);
  const b = new Uint8Array(20 + options.length + payload.length);
  tcpWire.setPorts(b, 0, src.port, dst.port);
  tcpWire.setNumbers(b, 0, f.seq, f.ack ?? 0);
  tcpWire.setControl(b, 0, 20 + options.length, f.flags, f.window ?? 65_535);
  b.set(options, 20);
  b.set(payload, 20 + options.length);
  return ipFrame(src.address, dst.address, 6, sealed(src.address, dst.address, 6, b, 16));
}
export function arpRequest(sender: number, target: number): Uint8Array {
  const b = new Uint8Array(28);
  b.set([0, 1, 8, 0, 6, 4, 0, 1], 0);
  b.set(GUEST_MAC, 8);
  putU32(b, 14, sender);
  putU32(b, 24, target);
  return ethernetFrame(0x0806, b, BROADCAST);
}

/** A received frame taken apart, its checksums verified. */
export interface Received {
  readonly protocol: number;
  readonly src: IpAddress;
  readonly dst: IpAddress;
  /** Transport header and payload. */
  readonly data: Uint8Array;
  readonly frame: Frame;
}
function verify(src: IpAddress, dst: IpAddress, protocol: number, data: Uint8Array): void {
  const pseudo = protocol === 1 ? 0 : pseudoSum(term(src), term(dst), protocol, data.length);
  if (addSums(sum(data, 0, data.length), pseudo) !== 0xffff)
    throw new Error(`checksum of protocol ${protocol} is wrong`);
}
export function ipOf(frame: Frame): Received | undefined {
  const b = frame.bytes;
  const type = u16(b, 12);
  if (type !== 0x0800 && type !== 0x86dd) return undefined;
  const isV4 = type === 0x0800;
  if (isV4 && sum(b, 14, 20) !== 0xffff) throw new Error('IPv4 checksum is wrong');
  const header = isV4 ? 20 : 40;
  const len = isV4 ? u16(b, 16) - 20 : u16(b, 18);
  if (14 + header + len !== b.length) throw new Error('IP length is wrong');
  const src = isV4 ? IpAddress.read4(b, 26) : IpAddress.read6(b, 22);
  const dst = isV4 ? IpAddress.read4(b, 30) : IpAddress.read6(b, 38);
  const protocol = b[isV4 ? 23 : 20] as number;
  const isFragment = isV4 ? (u16(b, 20) & 0x3fff) !== 0 : protocol === 44;
  const data = b.subarray(14 + header);
  if (!frame.partial && !isFragment) verify(src, dst, protocol, data);
  return { protocol, src, dst, data, frame };
}
export interface Segment {
  readonly seq: number;
  readonly ack: number;
  readonly flags: number;
  readonly window: number;
  readonly payload: Uint8Array;
  readonly options: Uint8Array;
  readonly gsoSize: number;
}
/** A segment to `port` of the guest. */
export const tcpTo =
  (port: number) =>
  (frame: Frame): Segment | undefined => {
    const ip = ipOf(frame);
    if (ip?.protocol !== 6 || u16(ip.data, 2) !== port) return undefined;
    const header = tcpWire.headerLen(ip.data, 0);
    return {
      seq: i32(ip.data, 4),
      ack: i32(ip.data, 8),
      flags: tcpWire.flags(ip.data, 0),
      window: tcpWire.window(ip.data, 0),
      options: ip.data.slice(20, header),
      payload: ip.data.slice(header),
      gsoSize: frame.gsoSize,
    };
  };
export interface UdpDatagram {
  readonly src: IpAddress;
  readonly srcPort: number;
  readonly payload: Uint8Array;
}
export const udpTo =
  (port: number) =>
  (frame: Frame): UdpDatagram | undefined => {
    const ip = ipOf(frame);
    if (ip?.protocol !== 17 || u16(ip.data, 2) !== port) return undefined;
    return { src: ip.src, srcPort: u16(ip.data, 0), payload: ip.data.slice(8) };
  };
export interface IcmpMessage {
  readonly src: IpAddress;
  readonly type: number;
  readonly code: number;
  readonly header: Uint8Array;
  readonly body: Uint8Array;
}
export const icmpOf = (frame: Frame): IcmpMessage | undefined => {
  const ip = ipOf(frame);
  if (ip?.protocol !== 1 && ip?.protocol !== 58) return undefined;
  return {
    src: ip.src,
    type: ip.data[0] as number,
    code: ip.data[1] as number,
    header: ip.data.slice(0, 8),
    body: ip.data.slice(8),
  };
};
export const text = (s: string): Uint8Array => new TextEncoder().encode(s);
export const textOf = (b: Uint8Array): string => new TextDecoder().decode(b);
