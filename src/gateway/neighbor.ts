/**
 * ARP (RFC 826) and Neighbor Discovery (RFC 4861) answers. The link has two ends, so whatever address the guest asks for is reached through us: all
 * but the guest's own are answered with our address (proxy ARP, RFC 1027). A probe for a duplicate (RFC 5227, RFC 4862 5.4) is answered only for addresses
 * that are the gateway's, or the guest could use none.
 *
 * Left out: router advertisements. The guest's stack is configured by its owner.
 */
import { i32, putU32 } from '../lib/bytes.ts';
import { pseudoSum } from '../lib/checksum.ts';
import { IpAddress } from '../netstack/address.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import type { Packet } from '../netstack/packet.ts';
import * as arp from '../netstack/wire/arp.ts';
import * as ethernet from '../netstack/wire/ethernet.ts';
import * as icmpv6 from '../netstack/wire/icmpv6.ts';
import type { GatewayCounters } from './counters.ts';
import { type FrameWriter, NEIGHBOR_HEADER, sumOf } from './frames.ts';
import type { Reachability } from './reach.ts';

const ALL_NODES = IpAddress.of('ff02::1');

export interface GuestAddresses {
  readonly guest4: IpAddress;
  readonly guest6: IpAddress;
}

export class NeighborService {
  readonly #frames: FrameWriter;
  readonly #counters: GatewayCounters;
  readonly #reach: Reachability;
  readonly #guest: GuestAddresses;

  constructor(frames: FrameWriter, counters: GatewayCounters, reach: Reachability, guest: GuestAddresses) {
    this.#frames = frames;
    this.#counters = counters;
    this.#reach = reach;
    this.#guest = guest;
  }

  #answers(target: IpAddress, isProbe: boolean): boolean {
    if (isProbe) return this.#reach.isOwn(target);
    return !target.equals(this.#guest.guest4) && !target.equals(this.#guest.guest6);
  }

  /** `packet.at` stands on the ARP packet. Does not own it. */
  arp(packet: Packet): void {
    const { bytes: b, at } = packet;
    const malformed = arp.parse(b, at, packet.end);
    if (malformed !== undefined) return this.#counters.drop('arp-malformed');
    if (arp.operation(b, at) !== arp.Operation.Request) return;
    const sender = arp.senderAddress(b, at);
    const target = arp.targetAddress(b, at);
    if (sender === target || !this.#answers(IpAddress.v4(target), sender === 0)) return;
    const reply = this.#frames.pool.alloc(arp.LEN);
    if (reply === undefined) return this.#counters.drop('no-buffer');
    reply.end = reply.at + arp.LEN;
    arp.emit(reply.bytes, reply.at, {
      operation: arp.Operation.Reply,
      senderHardware: this.#frames.linkAddress,
      senderAddress: target,
      targetHardware: b.slice(at + arp.SENDER_HARDWARE, at + arp.SENDER_HARDWARE + ethernet.ADDRESS_LEN),
      targetAddress: sender,
    });
    this.#counters.event('arp-replies');
    this.#frames.sendEthernet(reply, ethernet.EtherType.Arp);
  }

  /** A neighbor solicitation, its checksum verified and its hop limit 255. Does not own it. */
  solicitation(packet: Packet): void {
    const { bytes: b, at } = packet;
    const bad =
      packet.length < icmpv6.NEIGHBOR_LEN ||
      icmpv6.code(b, at) !== 0 ||
      typeof icmpv6.findOption(b, at + icmpv6.NEIGHBOR_LEN, packet.end, icmpv6.Option.SourceLinkAddress) !== 'number';
    if (bad) return this.#counters.drop('ndp-malformed');
    const isProbe = (packet.src0 | packet.src1 | packet.src2 | packet.src3) === 0;
    const target = IpAddress.read6(b, at + icmpv6.TARGET);
    if (target.isMulticast || !this.#answers(target, isProbe)) return;
    const to = isProbe ? ALL_NODES : new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
    const reply = this.#frames.pool.alloc(icmpv6.NEIGHBOR_LEN + icmpv6.LINK_OPTION_LEN);
    if (reply === undefined) return this.#counters.drop('no-buffer');
    const { NaFlag } = icmpv6;
    const flags = NaFlag.Router | NaFlag.Override | (isProbe ? 0 : NaFlag.Solicited);
    icmpv6.emit(reply.bytes, reply.at, icmpv6.Type.NeighborAdvertisement, 0, flags);
    target.write6(reply.bytes, reply.at + icmpv6.TARGET);
    const option = reply.at + icmpv6.NEIGHBOR_LEN;
    icmpv6.emitLinkOption(reply.bytes, option, icmpv6.Option.TargetLinkAddress, this.#frames.linkAddress);
    reply.end = option + icmpv6.LINK_OPTION_LEN;
    const pseudo = pseudoSum(sumOf(target) + sumOf(to), 0, IpProtocol.IcmpV6, reply.length);
    this.#frames.finishIcmp(reply, icmpv6.CHECKSUM, pseudo);
    this.#counters.event('ndp-advertisements');
    this.#frames.sendIp(reply, target, to, IpProtocol.IcmpV6, NEIGHBOR_HEADER);
  }
}

/** Frames for the guest go to the address its frames come from: a bridge or a restarted guest may change it. */
export function learnGuestMac(frames: FrameWriter, b: Uint8Array, at: number): void {
  const source = at + ethernet.SOURCE;
  if (ethernet.isAddress(b, source, frames.guestMac) || ((b[source] as number) & 1) === 1) return;
  putU32(frames.guestMac, 0, i32(b, source));
  frames.guestMac[4] = b[source + 4] as number;
  frames.guestMac[5] = b[source + 5] as number;
}
