/**
 * Frames from the guest, taken apart: Ethernet, ARP, IPv4 (RFC 791), IPv6 with extension headers (RFC 8200), fragments put together, checksums verified unless the
 * link vouches for them. A frame from any address but the guest's own is dropped: what answers it caused could go nowhere else, and records would name the
 * wrong sender.
 */

import { addressSum, pseudoSum } from '../lib/checksum.ts';
import type { Clock } from '../lib/clock.ts';
import { seconds } from '../lib/clock.ts';
import { IpAddress } from '../netstack/address.ts';
import { destinationOf, noteAddresses, pushHeader, sourceOf } from '../netstack/ip/header.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import { type FragmentInfo, Reassembler } from '../netstack/ip/reassembly.ts';
import { Csum, type Packet } from '../netstack/packet.ts';
import { Stats } from '../netstack/stats.ts';
import * as ethernet from '../netstack/wire/ethernet.ts';
import * as icmpv4 from '../netstack/wire/icmpv4.ts';
import * as icmpv6 from '../netstack/wire/icmpv6.ts';
import * as ipv4 from '../netstack/wire/ipv4.ts';
import * as ipv6 from '../netstack/wire/ipv6.ts';
import * as tcp from '../netstack/wire/tcp.ts';
import * as udp from '../netstack/wire/udp.ts';
import type { GatewayCounters } from './counters.ts';
import { type FrameWriter, NEIGHBOR_HOPS } from './frames.ts';
import type { ErrorWriter } from './icmp.ts';
import { type GuestAddresses, learnGuestMac, type NeighborService } from './neighbor.ts';
import type { Reachability } from './reach.ts';

const MAX_EXTENSIONS = 8;

export interface InputParts {
  readonly settings: GuestAddresses;
  readonly frames: FrameWriter;
  readonly errors: ErrorWriter;
  readonly counters: GatewayCounters;
  readonly clock: Clock;
  readonly reach: Reachability;
  readonly neighbors: NeighborService;
  readonly tcp: { receive(packet: Packet): void };
  readonly udp: { receive(packet: Packet): void };
  readonly echo: { receive(packet: Packet): void };
}

export class FrameReader {
  readonly #parts: InputParts;
  readonly #reassembly4: Reassembler;
  readonly #reassembly6: Reassembler;

  constructor(parts: InputParts) {
    this.#parts = parts;
    const { clock } = parts;
    const stats = new Stats();
    const timedOut = (): void => parts.counters.event('ip-reassembly-timeouts');
    this.#reassembly4 = new Reassembler({ clock, lifetime: seconds(30), counters: stats.Ip, timedOut });
    this.#reassembly6 = new Reassembler({ clock, lifetime: seconds(60), counters: stats.Ip6, timedOut });
  }

  /** `packet.at` .. `packet.end` is an Ethernet frame. Does not own it. */
  receive(packet: Packet): void {
    const { counters, frames, neighbors } = this.#parts;
    const { bytes: b, at } = packet;
    counters.framesFromGuest++;
    counters.octetsFromGuest += packet.length;
    if (ethernet.parse(b, at, packet.end) !== undefined) return counters.drop('frame-short');
    const destination = at + ethernet.DESTINATION;
    if (!ethernet.isGroup(b, at) && !ethernet.isAddress(b, destination, frames.linkAddress)) {
      return counters.drop('frame-other-station');
    }
    learnGuestMac(frames, b, at);
    packet.ethertype = ethernet.etherType(b, at);
    packet.l3 = packet.pull(ethernet.HEADER_LEN);
    switch (packet.ethertype) {
      case ethernet.EtherType.Ipv4:
        return this.#ipv4(packet);
      case ethernet.EtherType.Ipv6:
        return this.#ipv6(packet);
      case ethernet.EtherType.Arp:
        return neighbors.arp(packet);
      default:
        return counters.drop('frame-unknown-type');
    }
  }

  #ipv4(packet: Packet): void {
    const { counters, frames, settings } = this.#parts;
    const { bytes: b, at } = packet;
    if (ipv4.parse(b, at, packet.end) !== undefined) return counters.drop('ip-malformed');
    const header = ipv4.headerLen(b, at);
    if (!frames.verifyAt(at, header)) return counters.drop('ip-checksum');
    packet.end = at + ipv4.totalLen(b, at);
    packet.src0 = packet.src1 = packet.dst0 = packet.dst1 = 0;
    packet.src2 = packet.dst2 = settings.guest4.w2;
    packet.src3 = ipv4.source(b, at);
    packet.dst3 = ipv4.destination(b, at);
    if (packet.src3 !== settings.guest4.w3) return counters.drop('ip-source');
    packet.protocol = ipv4.protocol(b, at);
    packet.ttl = ipv4.ttl(b, at);
    packet.tos = ipv4.tos(b, at);
    packet.pull(header);
    if (!ipv4.isFragment(b, at)) return this.#transport(packet);
    this.#reassemble(this.#reassembly4, packet, {
      id: ipv4.id(b, at),
      offset: ipv4.fragmentOffset(b, at),
      more: ipv4.moreFragments(b, at),
      protocol: packet.protocol,
    });
  }

  #ipv6(packet: Packet): void {
    const { counters, settings } = this.#parts;
    const { bytes: b, at } = packet;
    if (ipv6.parse(b, at, packet.end) !== undefined) return counters.drop('ip-malformed');
    packet.end = at + ipv6.HEADER_LEN + ipv6.payloadLen(b, at);
    const source = IpAddress.read6(b, at + ipv6.SOURCE);
    const destination = IpAddress.read6(b, at + ipv6.DESTINATION);
    // An IPv4-mapped address on the wire has no meaning (RFC 4291 2.5.5.2), and here it would pass for IPv4.
    if (destination.isV4 || source.isV4) return counters.drop('ip-martian');
    noteAddresses(packet, source, destination);
    packet.protocol = ipv6.nextHeader(b, at);
    packet.ttl = ipv6.hopLimit(b, at);
    packet.tos = ipv6.trafficClass(b, at);
    packet.pull(ipv6.HEADER_LEN);
    if (!this.#skipExtensions(packet)) return;
    // Neighbor Discovery speaks from link-local addresses too.
    const isGuest = source.equals(settings.guest6);
    if (!isGuest && packet.protocol !== IpProtocol.IcmpV6) return counters.drop('ip-source');
    if (packet.protocol === ipv6.NextHeader.Fragment) this.#fragment6(packet);
    else this.#transport(packet);
  }
  #fragment6(packet: Packet): void {
    const { bytes: b, at } = packet;
    if (packet.length < ipv6.FRAGMENT_HEADER_LEN) return this.#parts.counters.drop('ip-malformed');
    packet.protocol = b[at] as number;
    packet.pull(ipv6.FRAGMENT_HEADER_LEN);
    const info: FragmentInfo = {
      id: ipv6.fragmentId(b, at),
      offset: ipv6.fragmentOffset(b, at),
      more: ipv6.moreFragments(b, at),
      protocol: packet.protocol,
    };
    // RFC 6946: an atomic fragment is a whole packet.
    if (info.offset === 0 && !info.more) this.#afterFragment(packet);
    else this.#reassemble(this.#reassembly6, packet, info);
  }
  #reassemble(reassembler: Reassembler, packet: Packet, info: FragmentInfo): void {
    const { counters, frames } = this.#parts;
    const payload = reassembler.add(packet, info);
    if (payload === 'waiting') return;
    if (payload === 'dropped') return counters.drop('ip-fragment');
    const whole = frames.pool.alloc(payload.length);
    if (whole === undefined) return counters.drop('no-buffer');
    whole.bytes.set(payload, whole.at);
    whole.end = whole.at + payload.length;
    const { ttl, tos, protocol } = packet;
    // The header that an error about the datagram will quote.
    pushHeader(whole, sourceOf(packet), destinationOf(packet), protocol, { ttl, tos, dontFragment: false }, info.id);
    whole.at = whole.l4;
    counters.event('ip-reassembled');
    this.#afterFragment(whole);
    whole.release();
  }
  /** A datagram that was in fragments may not be one again. */
  #afterFragment(packet: Packet): void {
    const isV6 = packet.ethertype === ethernet.EtherType.Ipv6;
    if (!isV6 || this.#skipExtensions(packet)) this.#transport(packet);
  }
  /** Leaves `packet.at` behind the extension headers. False when the packet was dropped. */
  #skipExtensions(packet: Packet): boolean {
    const { counters } = this.#parts;
    const { bytes: b } = packet;
    const { NextHeader } = ipv6;
    for (let n = 0; n <= MAX_EXTENSIONS; n++) {
      switch (packet.protocol) {
        case NextHeader.HopByHop:
        case NextHeader.Routing:
        case NextHeader.DestinationOptions: {
          const len = packet.length < 8 ? 0 : ipv6.extensionLen(b, packet.at);
          if (len === 0 || len > packet.length) {
            counters.drop('ip-malformed');
            return false;
          }
          packet.protocol = b[packet.at] as number;
          packet.pull(len);
          break;
        }
        default:
          return true;
      }
    }
    counters.drop('ip-malformed');
    return false;
  }

  /** `packet.at` stands on the transport header. */
  #transport(packet: Packet): void {
    const { counters } = this.#parts;
    packet.l4 = packet.at;
    switch (packet.protocol) {
      case IpProtocol.Tcp:
        return this.#tcp(packet);
      case IpProtocol.Udp:
        return this.#udp(packet);
      case IpProtocol.Icmp:
        return packet.ethertype === ethernet.EtherType.Ipv4 ? this.#icmp(packet) : counters.drop('ip-protocol');
      case IpProtocol.IcmpV6:
        return packet.ethertype === ethernet.EtherType.Ipv6 ? this.#icmpv6(packet) : counters.drop('ip-protocol');
      default:
        return counters.drop('ip-protocol');
    }
  }
  #tcp(packet: Packet): void {
    const { counters, tcp: translator } = this.#parts;
    if (tcp.parse(packet.bytes, packet.at, packet.end) !== undefined) return counters.drop('tcp-malformed');
    if (!this.#checksumHolds(packet)) return counters.drop('tcp-checksum');
    const isPort = tcp.sourcePort(packet.bytes, packet.at) !== 0 && tcp.destinationPort(packet.bytes, packet.at) !== 0;
    if (!isPort) return counters.drop('tcp-malformed');
    translator.receive(packet);
  }
  #udp(packet: Packet): void {
    const { counters, udp: flows } = this.#parts;
    const { bytes: b, at } = packet;
    if (udp.parse(b, at, packet.end) !== undefined) return counters.drop('udp-malformed');
    packet.end = at + udp.length(b, at);
    const isV4 = packet.ethertype === ethernet.EtherType.Ipv4;
    const unsummed = packet.csum === Csum.Full && udp.checksum(b, at) === 0;
    if (unsummed ? !isV4 : !this.#checksumHolds(packet)) return counters.drop('udp-checksum');
    const isPort = udp.sourcePort(b, at) !== 0 && udp.destinationPort(b, at) !== 0;
    if (!isPort) return counters.drop('udp-malformed');
    flows.receive(packet);
  }
  #icmp(packet: Packet): void {
    const { counters, errors, reach, frames, echo } = this.#parts;
    const { bytes: b, at } = packet;
    if (icmpv4.parse(b, at, packet.end) !== undefined) return counters.drop('icmp-malformed');
    if (!frames.verify(packet, 0)) return counters.drop('icmp-checksum');
    const isEcho = icmpv4.type(b, at) === icmpv4.Type.Echo && icmpv4.code(b, at) === 0;
    if (!isEcho) return counters.drop('icmp-other');
    if (reach.isOwn(IpAddress.v4(packet.dst3))) errors.echoReply(packet);
    else echo.receive(packet);
  }
  #icmpv6(packet: Packet): void {
    const { counters, errors, reach, neighbors, settings, frames, echo } = this.#parts;
    const { bytes: b, at } = packet;
    if (icmpv6.parse(b, at, packet.end) !== undefined) return counters.drop('icmp-malformed');
    if (!frames.verify(packet, pseudoOf(packet))) return counters.drop('icmp-checksum');
    const type = icmpv6.type(b, at);
    if (type === icmpv6.Type.NeighborSolicitation) {
      // RFC 4861 7.1.1: one that crossed a router is forged.
      if (packet.ttl !== NEIGHBOR_HOPS) return counters.drop('ndp-malformed');
      return neighbors.solicitation(packet);
    }
    const source = new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
    const destination = new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3);
    const isEcho = type === icmpv6.Type.Echo && source.equals(settings.guest6);
    if (!isEcho) return counters.drop('icmp-other');
    if (reach.isOwn(destination)) errors.echoReply(packet);
    else echo.receive(packet);
  }

  #checksumHolds(packet: Packet): boolean {
    // Csum.Partial: no octet crossed a wire, and the field holds a part of the sum.
    return packet.csum !== Csum.Full || this.#parts.frames.verify(packet, pseudoOf(packet));
  }
}

const pseudoOf = (packet: Packet): number =>
  pseudoSum(
    addressSum(packet.src0, packet.src1, packet.src2, packet.src3),
    addressSum(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
    packet.protocol,
    packet.length,
  );
