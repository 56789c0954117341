/**
 * ICMP and ICMPv6 toward the guest (RFC 792, RFC 4443): errors about its packets and its flows, and answers to echo requests for the gateway's own addresses.
 * Errors are never sent about errors, fragments behind the first or broadcasts (RFC 1122 3.2.2), and no more of them than a second's rate, as Linux limits them.
 */
import { putU16, putU32 } from '../lib/bytes.ts';
import { pseudoSum } from '../lib/checksum.ts';
import type { Clock } from '../lib/clock.ts';
import { IpAddress } from '../netstack/address.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import type { Packet } from '../netstack/packet.ts';
import * as icmpv4 from '../netstack/wire/icmpv4.ts';
import * as icmpv6 from '../netstack/wire/icmpv6.ts';
import * as ipv4 from '../netstack/wire/ipv4.ts';
import * as ipv6 from '../netstack/wire/ipv6.ts';
import type { GatewayCounters } from './counters.ts';
import type { FlowIdentity } from './flow-log.ts';
import { type FrameWriter, sumOf } from './frames.ts';
import type { RefusalReason } from './reach.ts';

/** What the guest is told. */
export type Unreachable = 'net' | 'host' | 'port' | 'prohibited';

/** How each refusal shows: 'port' is RST for TCP; undefined is silence, for what RFC 1122 forbids to answer. */
export function refusalError(reason: RefusalReason): Unreachable | undefined {
  switch (reason) {
    case 'host-closed':
      return 'port';
    case 'absent':
      return 'host';
    case 'loopback':
    case 'link-local':
    case 'metadata':
    case 'reserved':
      return 'prohibited';
    case 'multicast':
    case 'broadcast':
      return undefined;
    default:
      return reason satisfies never;
  }
}

const CODE_V4: Readonly<Record<Unreachable, number>> = {
  net: icmpv4.Unreachable.Net,
  host: icmpv4.Unreachable.Host,
  port: icmpv4.Unreachable.Port,
  prohibited: icmpv4.Unreachable.Filtered,
};
const CODE_V6: Readonly<Record<Unreachable, number>> = {
  net: icmpv6.Unreachable.NoRoute,
  host: icmpv6.Unreachable.Address,
  port: icmpv6.Unreachable.Port,
  prohibited: icmpv6.Unreachable.Prohibited,
};
/** RFC 1812 4.3.2.3: at most 576 octets; RFC 4443 2.4(c): at most the least MTU. */
const MOST_V4 = 576;
const MOST_V6 = 1280;
/** Linux's icmp_msgs_per_sec and icmp_msgs_burst are 1000 and 50; a guest has one peer here. */
const RATE_PER_SECOND = 1000;
/** Octets of the transport header that an error about a flow quotes: ports and a sequence number, or all of UDP. */
const QUOTED = 8;

export class ErrorWriter {
  readonly #frames: FrameWriter;
  readonly #counters: GatewayCounters;
  readonly #clock: Clock;
  readonly #gateway4: IpAddress;
  readonly #gateway6: IpAddress;
  #second = -1;
  #sent = 0;

  constructor(
    frames: FrameWriter,
    counters: GatewayCounters,
    clock: Clock,
    gateway: { readonly gateway4: IpAddress; readonly gateway6: IpAddress },
  ) {
    this.#frames = frames;
    this.#counters = counters;
    this.#clock = clock;
    this.#gateway4 = gateway.gateway4;
    this.#gateway6 = gateway.gateway6;
  }

  /** About a packet of the guest's, quoted from its `l3`. Does not own it. */
  unreachable(about: Packet, kind: Unreachable): void {
    const guest = new IpAddress(about.src0, about.src1, about.src2, about.src3);
    const most = guest.isV4
      ? MOST_V4 - ipv4.HEADER_LEN - icmpv4.HEADER_LEN
      : MOST_V6 - ipv6.HEADER_LEN - icmpv6.HEADER_LEN;
    const len = Math.min(about.end - about.l3, most);
    const packet = this.#begin(len);
    if (packet === undefined) return;
    packet.bytes.copyWithin(packet.at, about.l3, about.l3 + len);
    packet.end = packet.at + len;
    const destination = new IpAddress(about.dst0, about.dst1, about.dst2, about.dst3);
    this.#send(packet, guest, destination, kind);
  }

  /**
   * About a flow whose packet is no longer at hand: its headers are written anew.
   * @param second the word behind the ports: a sequence number, or UDP's length and checksum.
   */
  unreachableFlow(flow: FlowIdentity, protocol: number, kind: Unreachable, second: number): void {
    const { guestAddress: guest, remoteAddress: remote } = flow;
    const headers = guest.isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN;
    const packet = this.#begin(headers + QUOTED);
    if (packet === undefined) return;
    const { at, bytes: b } = packet;
    if (guest.isV4) {
      ipv4.emit(b, at, headers + QUOTED, protocol);
      guest.write4(b, at + ipv4.SOURCE);
      remote.write4(b, at + ipv4.DESTINATION);
    } else {
      ipv6.emit(b, at, QUOTED, protocol, 0, 64);
      guest.write6(b, at + ipv6.SOURCE);
      remote.write6(b, at + ipv6.DESTINATION);
    }
    putU16(b, at + headers, flow.guestPort);
    putU16(b, at + headers + 2, flow.remotePort);
    putU32(b, at + headers + 4, second);
    packet.end = at + headers + QUOTED;
    this.#send(packet, guest, remote, kind);
  }

  #begin(len: number): Packet | undefined {
    const second = Math.floor(this.#clock.now() / 1e6);
    if (second !== this.#second) {
      this.#second = second;
      this.#sent = 0;
    }
    if (++this.#sent > RATE_PER_SECOND) {
      this.#counters.event('icmp-rate-limited');
      return undefined;
    }
    const packet = this.#frames.pool.alloc(len);
    if (packet === undefined) this.#counters.drop('no-buffer');
    return packet;
  }
  /** A closed port is reported by the destination itself, everything else by the router on the way. */
  #send(packet: Packet, guest: IpAddress, destination: IpAddress, kind: Unreachable): void {
    const router = guest.isV4 ? this.#gateway4 : this.#gateway6;
    const from = kind === 'port' ? destination : router;
    this.#counters.event('icmp-unreachable-sent');
    if (guest.isV4) {
      icmpv4.emit(packet.bytes, packet.push(icmpv4.HEADER_LEN), icmpv4.Type.Unreachable, CODE_V4[kind], 0);
      this.#frames.finishIcmp(packet, icmpv4.CHECKSUM, 0);
      this.#frames.sendIp(packet, from, guest, IpProtocol.Icmp);
      return;
    }
    icmpv6.emit(packet.bytes, packet.push(icmpv6.HEADER_LEN), icmpv6.Type.Unreachable, CODE_V6[kind], 0);
    this.#finishV6(packet, from, guest);
    this.#frames.sendIp(packet, from, guest, IpProtocol.IcmpV6);
  }
  #finishV6(packet: Packet, from: IpAddress, to: IpAddress): void {
    this.#frames.finishIcmp(
      packet,
      icmpv6.CHECKSUM,
      pseudoSum(sumOf(from) + sumOf(to), 0, IpProtocol.IcmpV6, packet.length),
    );
  }

  /** Answers an echo request on which `request.at` stands. Does not own it. */
  echoReply(request: Packet): void {
    const len = request.length;
    const packet = this.#frames.pool.alloc(len);
    if (packet === undefined) return this.#counters.drop('no-buffer');
    const b = packet.bytes;
    b.copyWithin(packet.at, request.at, request.end);
    packet.end = packet.at + len;
    const guest = new IpAddress(request.src0, request.src1, request.src2, request.src3);
    const own = new IpAddress(request.dst0, request.dst1, request.dst2, request.dst3);
    this.#counters.event('icmp-echo-replies');
    b[packet.at] = guest.isV4 ? icmpv4.Type.EchoReply : icmpv6.Type.EchoReply;
    this.sendMessage(packet, own, guest);
  }
  /** Sends a message on which `packet.at` stands, complete but for its checksum. Owns it. */
  sendMessage(packet: Packet, from: IpAddress, guest: IpAddress): void {
    if (guest.isV4) this.#frames.finishIcmp(packet, icmpv4.CHECKSUM, 0);
    else this.#finishV6(packet, from, guest);
    this.#frames.sendPieces(packet, from, guest, guest.isV4 ? IpProtocol.Icmp : IpProtocol.IcmpV6);
  }
}
