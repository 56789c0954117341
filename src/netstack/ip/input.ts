/**
 * What comes in from a link: validated, its addresses judged, reassembled where it is a fragment, and handed to its transport with `at` on the transport
 * header. RFC 1122 3.2.1, RFC 1812 5.3.7 (martian addresses), RFC 8200 4. Nothing is forwarded. IPv4 options are delimited by the header length and
 * skipped, source routes included (Linux: accept_source_route 0). IPv6 extension headers are walked in place, at most MAX_EXTENSIONS.
 */
import { i32 } from '../../lib/bytes.ts';
import { seconds } from '../../lib/clock.ts';
import type { IpAddress } from '../address.ts';
import type { IcmpProtocol } from '../icmp/icmp.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { destinationOf, sealIpv4, sourceOf } from './header.ts';
import type { IpEnvironment, NetInterface } from './interface.ts';
import { IpProtocol, type TransportProtocol } from './ip.ts';
import { type FragmentInfo, LIFETIME_V4, LIFETIME_V6, Reassembler } from './reassembly.ts';
import type { Router } from './router.ts';

const MAX_EXTENSIONS = 8;
/** RFC 8200 4.2: what to do with an unknown option, the two high bits of its type. */
const OptionAction = { Skip: 0, Discard: 1, Report: 2, ReportUnicast: 3 } as const;

export class IpInput {
  readonly reassembly4: Reassembler;
  readonly reassembly6: Reassembler;
  readonly #env: IpEnvironment;
  readonly #router: Router;
  readonly #transports: readonly (TransportProtocol | undefined)[];
  readonly #icmp: IcmpProtocol;

  constructor(
    env: IpEnvironment,
    router: Router,
    transports: readonly (TransportProtocol | undefined)[],
    icmp: IcmpProtocol,
  ) {
    this.#env = env;
    this.#router = router;
    this.#transports = transports;
    this.#icmp = icmp;
    const timedOut = (first: Packet): void => icmp.reassemblyTimedOut(first);
    const { clock, stats } = env;
    this.reassembly4 = new Reassembler({ clock, lifetime: seconds(LIFETIME_V4), counters: stats.Ip, timedOut });
    this.reassembly6 = new Reassembler({ clock, lifetime: seconds(LIFETIME_V6), counters: stats.Ip6, timedOut });
  }

  /** Owns the packet. */
  receive(packet: Packet, iface: NetInterface): void {
    const { stats } = this.#env;
    packet.time = this.#env.clock.now();
    packet.l3 = packet.at;
    if (packet.ethertype === EtherType.Ipv4) {
      stats.Ip.InReceives++;
      stats.IpExt.InOctets += packet.length;
      this.#receive4(packet, iface);
    } else {
      stats.Ip6.InReceives++;
      stats.Ip6Ext.InOctets += packet.length;
      this.#receive6(packet, iface);
    }
  }

  #receive4(packet: Packet, iface: NetInterface): void {
    const { bytes, at } = packet;
    const { Ip } = this.#env.stats;
    const wrong = ipv4.parse(bytes, at, packet.end);
    const header = ipv4.headerLen(bytes, at);
    const intact = wrong === undefined && (iface.isLoopback || packet.pool.checksum.sum(at, header) === 0xffff);
    if (!intact) {
      if (wrong === 'truncated') Ip.InTruncatedPkts++;
      else Ip.InHdrErrors++;
      packet.release();
      return;
    }
    // Ethernet pads short frames.
    packet.end = at + ipv4.totalLen(bytes, at);
    packet.src0 = packet.src1 = packet.dst0 = packet.dst1 = 0;
    packet.src2 = packet.dst2 = 0xffff;
    packet.src3 = ipv4.source(bytes, at);
    packet.dst3 = ipv4.destination(bytes, at);
    packet.ttl = ipv4.ttl(bytes, at);
    packet.tos = ipv4.tos(bytes, at);
    packet.protocol = ipv4.protocol(bytes, at);
    if (!this.#accept(packet, iface)) return;
    packet.pull(header);
    if (!ipv4.isFragment(bytes, at)) {
      this.#deliver(packet);
      return;
    }
    this.#reassemble(this.reassembly4, packet, {
      id: ipv4.id(bytes, at),
      offset: ipv4.fragmentOffset(bytes, at),
      more: ipv4.moreFragments(bytes, at),
      protocol: packet.protocol,
    });
  }

  #receive6(packet: Packet, iface: NetInterface): void {
    const { bytes, at } = packet;
    const { Ip6 } = this.#env.stats;
    const wrong = ipv6.parse(bytes, at, packet.end);
    if (wrong !== undefined) {
      if (wrong === 'truncated') Ip6.InTruncatedPkts++;
      else Ip6.InHdrErrors++;
      packet.release();
      return;
    }
    packet.end = at + ipv6.HEADER_LEN + ipv6.payloadLen(bytes, at);
    packet.src0 = i32(bytes, at + ipv6.SOURCE);
    packet.src1 = i32(bytes, at + ipv6.SOURCE + 4);
    packet.src2 = i32(bytes, at + ipv6.SOURCE + 8);
    packet.src3 = i32(bytes, at + ipv6.SOURCE + 12);
    packet.dst0 = i32(bytes, at + ipv6.DESTINATION);
    packet.dst1 = i32(bytes, at + ipv6.DESTINATION + 4);
    packet.dst2 = i32(bytes, at + ipv6.DESTINATION + 8);
    packet.dst3 = i32(bytes, at + ipv6.DESTINATION + 12);
    packet.ttl = ipv6.hopLimit(bytes, at);
    packet.tos = ipv6.trafficClass(bytes, at);
    packet.protocol = ipv6.nextHeader(bytes, at);
    if (!this.#accept(packet, iface)) return;
    packet.pull(ipv6.HEADER_LEN);
    this.#walk(packet, at + ipv6.NEXT_HEADER);
  }

  /** Most packets: from an ordinary unicast address that is not ours to an address of the interface that they came by. Makes no garbage. */
  #isOrdinary(p: Packet, iface: NetInterface): boolean {
    if (!iface.hasWords(p.dst0, p.dst1, p.dst2, p.dst3)) return false;
    const plain = p.ethertype === EtherType.Ipv4 ? isPlain4(p.src3) : isPlain6(p.src0) && isPlain6(p.dst0);
    if (iface.isLoopback) return plain || (p.ethertype === EtherType.Ipv4 && p.src3 >>> 24 === 127);
    if (!plain) return false;
    for (const i of this.#router.interfaces) if (i.hasWords(p.src0, p.src1, p.src2, p.src3)) return false;
    return true;
  }

  /** Judges the addresses; false when the packet was dropped. */
  #accept(packet: Packet, iface: NetInterface): boolean {
    if (this.#isOrdinary(packet, iface)) return true;
    const source = sourceOf(packet);
    const destination = destinationOf(packet);
    const { stats } = this.#env;
    const counters = packet.ethertype === EtherType.Ipv4 ? stats.Ip : stats.Ip6;
    if (this.#isMartian(source, destination, packet, iface)) {
      stats.Sandsock.Martians++;
      counters.InAddrErrors++;
      packet.release();
      return false;
    }
    // A copy of our own broadcast, delivered by the loopback, stands for the interface that it left by.
    const arrival = iface.isLoopback ? (this.#router.interfaceAt(packet.interfaceIndex) ?? iface) : iface;
    if (destination.isMulticast) {
      if (arrival.takesFor(destination, packet)) {
        (packet.ethertype === EtherType.Ipv4 ? stats.IpExt : stats.Ip6Ext).InMcastPkts++;
        packet.linkMulticast = true;
        return true;
      }
      counters.InDiscards++;
    } else if (destination.isV4 && (destination.isLimitedBroadcast || arrival.isSubnetBroadcast(destination))) {
      stats.IpExt.InBcastPkts++;
      packet.linkMulticast = true;
      return true;
    } else if (this.#router.isLocal(destination)) return true;
    else counters.InAddrErrors++;
    packet.release();
    return false;
  }

  #isMartian(source: IpAddress, destination: IpAddress, packet: Packet, iface: NetInterface): boolean {
    if (source.isMulticast || source.isLimitedBroadcast) return true;
    // On the wire an IPv4-mapped address has no meaning (RFC 4291 2.5.5.2), and here it would pass for IPv4.
    if (packet.ethertype === EtherType.Ipv6 && (source.isV4 || destination.isV4 || destination.isUnspecified))
      return true;
    if (iface.isLoopback) return false;
    if (destination.isLoopback) return true;
    if (source.isLoopback) return !this.#router.isServiceOf(iface, source);
    if (source.isUnspecified) return !(destination.isMulticast || destination.isLimitedBroadcast);
    // Our own address from outside: forged or looped (Linux: accept_local 0).
    return this.#router.isLocal(source);
  }

  /** Walks extension headers; `nextAt` is where the number of the header at `at` is written. */
  #walk(packet: Packet, firstNextAt: number): void {
    const { bytes } = packet;
    let nextAt = firstNextAt;
    for (let n = 0; n < MAX_EXTENSIONS; n++) {
      const next = packet.protocol;
      if (next === ipv6.NextHeader.Fragment) {
        this.#fragment6(packet);
        return;
      }
      const isExtension =
        next === ipv6.NextHeader.HopByHop ||
        next === ipv6.NextHeader.Routing ||
        next === ipv6.NextHeader.DestinationOptions;
      if (!isExtension) {
        this.#deliver(packet);
        return;
      }
      // RFC 8200 4.1: hop-by-hop options only directly behind the IPv6 header.
      if (next === ipv6.NextHeader.HopByHop && n > 0) {
        this.#reject(packet, icmpv6.ParameterProblem.NextHeader, nextAt);
        return;
      }
      const { at } = packet;
      const len = packet.length < 8 ? 0 : ipv6.extensionLen(bytes, at);
      if (len === 0 || len > packet.length) {
        this.#drop6(packet);
        return;
      }
      const sound =
        next === ipv6.NextHeader.Routing ? this.#routingHeader(packet) : this.#options(packet, at + 2, at + len);
      if (!sound) return;
      nextAt = at;
      packet.protocol = bytes[at] as number;
      packet.pull(len);
    }
    this.#drop6(packet);
  }
  /** RFC 8200 4.4 and RFC 5095: with segments left it is not for us to forward. False when the packet was dropped. */
  #routingHeader(packet: Packet): boolean {
    if (ipv6.segmentsLeft(packet.bytes, packet.at) === 0) return true;
    this.#reject(packet, icmpv6.ParameterProblem.Header, packet.at + 2);
    return false;
  }
  /** Options between `from` and `to`. False when the packet was dropped. */
  #options(packet: Packet, from: number, to: number): boolean {
    const { bytes } = packet;
    for (let i = from; i < to; ) {
      const type = bytes[i] as number;
      if (type === 0) {
        i++;
        continue;
      }
      const len = i + 1 < to ? 2 + (bytes[i + 1] as number) : 2;
      if (i + len > to) {
        this.#drop6(packet);
        return false;
      }
      const action = type >>> 6;
      // PadN (1) and all that say "skip"; no option that must be understood is defined for a host without more.
      if (action === OptionAction.Skip) {
        i += len;
        continue;
      }
      const silent = action === OptionAction.Discard || (action === OptionAction.ReportUnicast && packet.linkMulticast);
      if (silent) this.#drop6(packet);
      else this.#reject(packet, icmpv6.ParameterProblem.Option, i);
      return false;
    }
    return true;
  }
  #fragment6(packet: Packet): void {
    const { bytes, at } = packet;
    if (packet.length < ipv6.FRAGMENT_HEADER_LEN) {
      this.#drop6(packet);
      return;
    }
    packet.protocol = bytes[at] as number;
    const info: FragmentInfo = {
      id: ipv6.fragmentId(bytes, at),
      offset: ipv6.fragmentOffset(bytes, at),
      more: ipv6.moreFragments(bytes, at),
      protocol: packet.protocol,
    };
    packet.pull(ipv6.FRAGMENT_HEADER_LEN);
    // RFC 6946: an atomic fragment is a whole packet.
    if (info.offset === 0 && !info.more) this.#walk(packet, at);
    else if (info.more && (packet.length & 7) !== 0) {
      this.#reject(packet, icmpv6.ParameterProblem.Header, packet.l3 + ipv6.PAYLOAD_LEN);
    } else if (info.offset + packet.length > ipv6.MAX_PAYLOAD)
      this.#reject(packet, icmpv6.ParameterProblem.Header, at + 2);
    else this.#reassemble(this.reassembly6, packet, info);
  }
  #reject(packet: Packet, code: number, offender: number): void {
    this.#env.stats.Ip6.InHdrErrors++;
    this.#icmp.parameterProblem(packet, code, offender - packet.l3);
    packet.release();
  }
  #drop6(packet: Packet): void {
    this.#env.stats.Ip6.InHdrErrors++;
    packet.release();
  }

  #reassemble(reassembler: Reassembler, packet: Packet, info: FragmentInfo): void {
    const payload = reassembler.add(packet, info);
    const { Sandsock } = this.#env.stats;
    Sandsock.ReassemblyEvictions = this.reassembly4.evictions + this.reassembly6.evictions;
    Sandsock.ReassemblyOverlaps = this.reassembly4.overlaps + this.reassembly6.overlaps;
    const whole = typeof payload === 'string' ? undefined : this.#whole(packet, payload);
    packet.release();
    if (whole === undefined) return;
    if (whole.ethertype === EtherType.Ipv4) this.#deliver(whole);
    else this.#walk(whole, whole.l3 + ipv6.NEXT_HEADER);
  }
  /** The datagram in one packet, with a fresh header as its sender would have written without fragmenting. */
  #whole(last: Packet, payload: Uint8Array): Packet | undefined {
    const isV4 = last.ethertype === EtherType.Ipv4;
    const header = isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN;
    if (isV4 && payload.length + header > ipv4.MAX_LEN) return undefined;
    const whole = this.#env.pool.alloc(payload.length);
    if (whole === undefined) return undefined;
    const { bytes } = whole;
    bytes.set(payload, whole.at);
    whole.end = whole.at + payload.length;
    const at = whole.push(header);
    bytes.set(last.bytes.subarray(last.l3, last.l3 + header), at);
    if (isV4) {
      ipv4.emit(bytes, at, whole.length, last.protocol);
      ipv4.setService(bytes, at, last.tos, last.ttl);
      sealIpv4(whole, at);
    } else {
      ipv6.emit(bytes, at, payload.length, last.protocol, last.tos, last.ttl);
    }
    whole.src0 = last.src0;
    whole.src1 = last.src1;
    whole.src2 = last.src2;
    whole.src3 = last.src3;
    whole.dst0 = last.dst0;
    whole.dst1 = last.dst1;
    whole.dst2 = last.dst2;
    whole.dst3 = last.dst3;
    whole.l3 = at;
    whole.ethertype = last.ethertype;
    whole.protocol = last.protocol;
    whole.ttl = last.ttl;
    whole.tos = last.tos;
    whole.time = last.time;
    whole.mark = last.mark;
    whole.priority = last.priority;
    whole.fragmentSize = last.fragmentSize;
    whole.interfaceIndex = last.interfaceIndex;
    whole.linkMulticast = last.linkMulticast;
    whole.pull(header);
    return whole;
  }

  #deliver(packet: Packet): void {
    const { stats } = this.#env;
    const isV4 = packet.ethertype === EtherType.Ipv4;
    const counters = isV4 ? stats.Ip : stats.Ip6;
    packet.l4 = packet.at;
    const { protocol } = packet;
    // ICMP belongs to one family; a number of the other is as unknown as any.
    const foreign = protocol === (isV4 ? IpProtocol.IcmpV6 : IpProtocol.Icmp);
    const transport = foreign ? undefined : this.#transports[protocol];
    if (transport !== undefined) {
      counters.InDelivers++;
      transport.receive(packet);
      return;
    }
    if (!isV4 && protocol === ipv6.NextHeader.None) {
      packet.release();
      return;
    }
    counters.InUnknownProtos++;
    this.#icmp.unreachable(packet, 'protocol');
    packet.release();
  }
}

/** Neither 0.0.0.0/8, nor loopback, nor a group or broadcast. */
function isPlain4(word: number): boolean {
  const first = word >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}
/** Global unicast (2000::/3), unique local (fc00::/7) or link-local (fe80::/10); what else there is, is judged one by one. */
const isPlain6 = (w0: number): boolean => w0 >>> 29 === 1 || w0 >>> 25 === 0x7e || w0 >>> 22 === 0x3fa;
