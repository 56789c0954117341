/**
 * Neighbor Discovery of one Ethernet interface (RFC 4861): solicitations for our addresses are answered, the neighbour cache's are sent. Validation is
 * that of 7.1.1 and 7.1.2. Left out: router discovery and redirects (addresses and routes of our links are given, not learned), and duplicate address
 * detection (RFC 4862 5.4): nobody else on the link chooses addresses; a peer's probe for one of ours is answered.
 */
import { IpAddress } from '../address.ts';
import type { Packet } from '../packet.ts';
import { ChecksumOffset, computeChecksum } from '../transport-checksum.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import { pushHeader, sourceOf } from './header.ts';
import type { NetInterface } from './interface.ts';
import { IpProtocol } from './ip.ts';

/** RFC 4861: what came through a router has less. */
const HOP_LIMIT = 255;
const FIELDS = { ttl: HOP_LIMIT, tos: 0, dontFragment: true } as const;
const ALL_NODES = new IpAddress(0xff02 << 16, 0, 0, 1);
export const solicitedNode = (a: IpAddress): IpAddress =>
  new IpAddress(0xff02 << 16, 0, 1, 0xff00_0000 | (a.w3 & 0xff_ffff));

export class Ndp {
  readonly #interface: NetInterface;

  constructor(iface: NetInterface) {
    this.#interface = iface;
  }

  /** An ICMPv6 message of types 133 to 137, checksum verified, `at` on the ICMP header. Does not own the packet. */
  receive(packet: Packet): void {
    const { Sandsock } = this.#interface.env.stats;
    const { bytes, at } = packet;
    Sandsock.NdIn++;
    const sound = packet.ttl === HOP_LIMIT && icmpv6.code(bytes, at) === 0;
    const type = icmpv6.type(bytes, at);
    if (!sound) Sandsock.NdInvalid++;
    else if (type === icmpv6.Type.NeighborSolicitation) this.#solicitation(packet);
    else if (type === icmpv6.Type.NeighborAdvertisement) this.#advertisement(packet);
  }

  #solicitation(packet: Packet): void {
    const { bytes, at } = packet;
    const { neighbors, env } = this.#interface;
    const option = this.#option(packet, icmpv6.Option.SourceLinkAddress);
    const source = sourceOf(packet);
    // 7.1.1: a probe for duplicates comes from :: to the solicited-node address and carries no link address.
    if (option < 0 || (source.isUnspecified && option > 0)) {
      env.stats.Sandsock.NdInvalid++;
      return;
    }
    const target = IpAddress.read6(bytes, at + icmpv6.TARGET);
    if (neighbors === undefined || !this.#interface.hasAddress(target)) return;
    if (source.isUnspecified) {
      this.#send(icmpv6.Type.NeighborAdvertisement, icmpv6.NaFlag.Override, target, target, ALL_NODES);
      return;
    }
    if (option > 0) neighbors.learn(source, bytes, icmpv6.linkAddressAt(option), true);
    const flags = icmpv6.NaFlag.Solicited | icmpv6.NaFlag.Override;
    this.#send(icmpv6.Type.NeighborAdvertisement, flags, target, target, source);
  }

  /** RFC 4861 7.2.5. */
  #advertisement(packet: Packet): void {
    const { bytes, at } = packet;
    const { neighbors, env } = this.#interface;
    const option = this.#option(packet, icmpv6.Option.TargetLinkAddress);
    const target = IpAddress.read6(bytes, at + icmpv6.TARGET);
    const flags = icmpv6.word(bytes, at) | 0;
    const solicited = (flags & icmpv6.NaFlag.Solicited) !== 0;
    if (option < 0 || target.isMulticast || (solicited && packet.linkMulticast)) {
      env.stats.Sandsock.NdInvalid++;
      return;
    }
    const neighbor = neighbors?.find(target);
    if (neighbors === undefined || neighbor === undefined) return;
    if (option === 0) {
      if (solicited) neighbors.confirmKnown(neighbor);
      return;
    }
    const link = icmpv6.linkAddressAt(option);
    const differs = neighbor.state !== 'INCOMPLETE' && neighbor.linkAddress.some((x, i) => x !== bytes[link + i]);
    if (differs && (flags & icmpv6.NaFlag.Override) === 0) neighbors.doubt(neighbor);
    else if (solicited) neighbors.confirm(neighbor, bytes, link);
    else neighbors.learn(target, bytes, link, false);
  }

  /** Position of the option's start, 0 if absent, -1 for a malformed message. */
  #option(packet: Packet, wanted: number): number {
    const { bytes, at, end } = packet;
    if (end - at < icmpv6.NEIGHBOR_LEN) return -1;
    const found = icmpv6.findOption(bytes, at + icmpv6.NEIGHBOR_LEN, end, wanted);
    return typeof found === 'number' ? found : -1;
  }

  solicit(target: IpAddress, to: Uint8Array | undefined, source: IpAddress): void {
    this.#send(
      icmpv6.Type.NeighborSolicitation,
      0,
      target,
      source,
      to === undefined ? solicitedNode(target) : target,
      to,
    );
  }

  /** @param linkTo where to send it; without, the cache or the multicast mapping says. */
  #send(
    type: number,
    flags: number,
    target: IpAddress,
    source: IpAddress,
    destination: IpAddress,
    linkTo?: Uint8Array,
  ): void {
    const { env, link } = this.#interface;
    const packet = env.pool.alloc(icmpv6.NEIGHBOR_LEN + icmpv6.LINK_OPTION_LEN);
    if (packet === undefined || link.linkAddress === undefined) {
      packet?.release();
      return;
    }
    const { bytes, at } = packet;
    packet.end = at + icmpv6.NEIGHBOR_LEN + icmpv6.LINK_OPTION_LEN;
    icmpv6.emit(bytes, at, type, 0, flags);
    target.write6(bytes, at + icmpv6.TARGET);
    const solicitation = type === icmpv6.Type.NeighborSolicitation;
    const option = solicitation ? icmpv6.Option.SourceLinkAddress : icmpv6.Option.TargetLinkAddress;
    icmpv6.emitLinkOption(bytes, at + icmpv6.NEIGHBOR_LEN, option, link.linkAddress);
    computeChecksum(packet, source, destination, IpProtocol.IcmpV6, ChecksumOffset.IcmpV6);
    pushHeader(packet, source, destination, IpProtocol.IcmpV6, FIELDS, 0);
    env.stats.Sandsock.NdOut++;
    if (linkTo === undefined) this.#interface.send(packet, destination);
    else this.#interface.transmitTo(packet, linkTo);
  }
}
