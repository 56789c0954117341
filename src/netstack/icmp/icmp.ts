/**
 * ICMP for both families (RFC 792, RFC 1122 3.2.2; RFC 4443): answers echo requests, reports errors about packets that came in, and takes errors about
 * packets that went out to the transport they concern.
 *
 * An error is never sent about an ICMP error, a fragment other than the first, a packet to a group or to everyone, or from an address that is no single
 * host (RFC 1122 3.2.2; RFC 4443 2.4 (e)); and not beyond the rate limit, from which loopback is free as in Linux. IPv4 messages quote as much as fits
 * in 576 octets, IPv6 in 1280. Echo requests to a broadcast or multicast address are ignored for IPv4 (Linux: icmp_echo_ignore_broadcasts).
 *
 * Left out: timestamp (RFC 1122 makes it optional), redirects and router discovery (routes are given), RFC 4884 extensions (quoted as they are).
 */

import { putU16, u16 } from '../../lib/bytes.ts';
import { finishSum } from '../../lib/checksum.ts';
import { IpAddress } from '../address.ts';
import { autoFlowLabel } from '../ip/flow-label.ts';
import { destinationOf, sourceOf } from '../ip/header.ts';
import type { IpEnvironment, NetInterface } from '../ip/interface.ts';
import { type IcmpError, IpProtocol, type OutputOptions, type Route, type TransportProtocol } from '../ip/ip.ts';

import type { NetError } from '../net-error.ts';
import type { Packet } from '../packet.ts';
import { ChecksumOffset, checksumIsValid, completeChecksum, computeChecksum } from '../transport-checksum.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { type Meaning, meaning4, meaning6 } from './errors.ts';
import { RateLimit } from './rate-limit.ts';

const QUOTE_V4 = 576 - ipv4.HEADER_LEN - icmpv4.HEADER_LEN;
const QUOTE_V6 = ipv6.MIN_MTU - ipv6.HEADER_LEN - icmpv6.HEADER_LEN;
/** RFC 1122 3.2.2: at least 8 octets of the transport header are quoted. */
const QUOTED_TRANSPORT = 8;
const MAX_EXTENSIONS = 8;
/** RFC 1812 4.3.2.5: precedence internetwork control for errors. */
const ERROR_TOS = 0xc0;

/** The IP layer as ICMP uses it. */
export interface IcmpOutput {
  route(remote: IpAddress, source: IpAddress | undefined, interfaceIndex: number): Route | NetError;
  output(packet: Packet, route: Route, protocol: number, options: OutputOptions): NetError | undefined;
  isLocal(address: IpAddress): boolean;
  isBroadcast(address: IpAddress): boolean;
  interfaceAt(index: number): NetInterface | undefined;
}

/** Who waits for answers to echo requests of ours. */
export interface EchoUser {
  /** An echo reply, `packet.at` on its ICMP header. True if the packet was taken over. */
  receiveReply(packet: Packet): boolean;
  icmpError(quoted: Packet, error: IcmpError): void;
}

export class IcmpProtocol implements TransportProtocol {
  echoUser: EchoUser | undefined = undefined;
  readonly #env: IpEnvironment;
  readonly #ip: IcmpOutput;
  readonly #transports: readonly (TransportProtocol | undefined)[];
  readonly #limit: RateLimit;
  readonly #flowKey: number;

  constructor(env: IpEnvironment, ip: IcmpOutput, transports: readonly (TransportProtocol | undefined)[]) {
    this.#env = env;
    this.#ip = ip;
    this.#transports = transports;
    this.#limit = new RateLimit(env.clock);
    this.#flowKey = env.random.u32();
  }

  /** ICMP and ICMPv6 alike. */
  receive(packet: Packet): void {
    const taken = packet.ethertype === EtherType.Ipv4 ? this.#receive4(packet) : this.#receive6(packet);
    if (!taken) packet.release();
  }
  /** About an ICMP message of ours. */
  icmpError(quoted: Packet, error: IcmpError): void {
    this.echoUser?.icmpError(quoted, error);
  }

  /** True if the packet was taken over. */
  #receive4(packet: Packet): boolean {
    const { Icmp: counters } = this.#env.stats;
    const { bytes, at } = packet;
    counters.InMsgs++;
    if (icmpv4.parse(bytes, at, packet.end) !== undefined) counters.InErrors++;
    else if (packet.pool.checksum.sum(at, packet.length) !== 0xffff) {
      counters.InErrors++;
      counters.InCsumErrors++;
    } else {
      switch (icmpv4.type(bytes, at)) {
        case icmpv4.Type.Echo:
          counters.InEchos++;
          if (!packet.linkMulticast) this.#echo(packet, icmpv4.Type.EchoReply);
          break;
        case icmpv4.Type.EchoReply:
          counters.InEchoReps++;
          return this.echoUser?.receiveReply(packet) === true;
        case icmpv4.Type.Redirect:
          counters.InRedirects++;
          break;
        default:
          this.#error4(packet);
      }
    }
    return false;
  }

  #receive6(packet: Packet): boolean {
    const { Icmp6: counters } = this.#env.stats;
    const { bytes, at } = packet;
    counters.InMsgs++;
    if (icmpv6.parse(bytes, at, packet.end) !== undefined) counters.InErrors++;
    else if (!checksumIsValid(packet, IpProtocol.IcmpV6)) {
      counters.InErrors++;
      counters.InCsumErrors++;
    } else {
      const type = icmpv6.type(bytes, at);
      if (type === icmpv6.Type.Echo) {
        counters.InEchos++;
        this.#echo(packet, icmpv6.Type.EchoReply);
      } else if (type === icmpv6.Type.EchoReply) {
        counters.InEchoReps++;
        return this.echoUser?.receiveReply(packet) === true;
      } else if (type === icmpv6.Type.Redirect) counters.InRedirects++;
      else if (type >= icmpv6.Type.RouterSolicitation && type < icmpv6.Type.Redirect) {
        this.#ip.interfaceAt(packet.interfaceIndex)?.ndp?.receive(packet);
      } else if (icmpv6.isError(type)) this.#error6(packet);
    }
    return false;
  }

  /** Returns the request's octets under the reply's type. */
  #echo(request: Packet, type: number): void {
    const reply = this.#env.pool.alloc(request.length);
    if (reply === undefined) return;
    reply.end = reply.at + request.length;
    reply.bytes.set(request.bytes.subarray(request.at, request.end), reply.at);
    reply.bytes[reply.at] = type;
    const counters = this.#counters(request);
    counters.OutEchoReps++;
    this.#answer(request, reply, { ttl: 0, tos: request.tos, dontFragment: false });
  }

  #counters(packet: Packet) {
    return packet.ethertype === EtherType.Ipv4 ? this.#env.stats.Icmp : this.#env.stats.Icmp6;
  }

  /** Sends an ICMP message, checksum field not yet filled, to the source of `cause`, from the address it was sent to where that is ours. */
  #answer(cause: Packet, message: Packet, options: OutputOptions): void {
    const counters = this.#counters(cause);
    const to = sourceOf(cause);
    const asked = destinationOf(cause);
    const from = this.#ip.isLocal(asked) && !asked.isMulticast ? asked : undefined;
    // Only where the address alone does not name the way: link-local ones, and services of loopback behind a link.
    const scoped =
      to.isLinkLocal || (to.isLoopback && this.#ip.interfaceAt(cause.interfaceIndex)?.isLoopback === false);
    const route = this.#ip.route(to, from, scoped ? cause.interfaceIndex : 0);
    if (typeof route === 'string') {
      counters.OutErrors++;
      message.release();
      return;
    }
    counters.OutMsgs++;
    if (to.isV4) {
      putU16(message.bytes, message.at + icmpv4.CHECKSUM, 0);
      const sum = finishSum(message.pool.checksum.sum(message.at, message.length));
      putU16(message.bytes, message.at + icmpv4.CHECKSUM, sum);
    } else {
      computeChecksum(message, route.local, route.remote, IpProtocol.IcmpV6, ChecksumOffset.IcmpV6);
      options.flowLabel = autoFlowLabel(this.#flowKey, to, 0);
    }
    this.#ip.output(message, route, to.isV4 ? IpProtocol.Icmp : IpProtocol.IcmpV6, options);
  }

  /** Does not take `packet` over, whose `l3` stands on the IP header and `l4` on the transport's. */
  unreachable(packet: Packet, reason: 'port' | 'protocol'): void {
    const isV4 = packet.ethertype === EtherType.Ipv4;
    if (isV4) {
      const code = reason === 'port' ? icmpv4.Unreachable.Port : icmpv4.Unreachable.Protocol;
      if (this.#report(packet, icmpv4.Type.Unreachable, code, 0)) this.#env.stats.Icmp.OutDestUnreachs++;
    } else if (reason === 'port') {
      const sent = this.#report(packet, icmpv6.Type.Unreachable, icmpv6.Unreachable.Port, 0);
      if (sent) this.#env.stats.Icmp6.OutDestUnreachs++;
    } else {
      // RFC 8200 4: the pointer names the field that held the unknown number; without extension headers that is this one.
      this.parameterProblem(packet, icmpv6.ParameterProblem.NextHeader, ipv6.NEXT_HEADER);
    }
  }
  /** IPv6 only. `pointer` counts from the IP header. */
  parameterProblem(packet: Packet, code: number, pointer: number): void {
    // RFC 4443 2.4 (e.3): code 2 alone may answer a multicast.
    const evenGroup = code === icmpv6.ParameterProblem.Option;
    if (this.#report(packet, icmpv6.Type.ParameterProblem, code, pointer, evenGroup))
      this.#env.stats.Icmp6.OutParmProbs++;
  }
  reassemblyTimedOut(first: Packet): void {
    const isV4 = first.ethertype === EtherType.Ipv4;
    const type = isV4 ? icmpv4.Type.TimeExceeded : icmpv6.Type.TimeExceeded;
    const code = isV4 ? icmpv4.TimeExceeded.Reassembly : icmpv6.TimeExceeded.Reassembly;
    if (this.#report(first, type, code, 0)) this.#counters(first).OutTimeExcds++;
  }

  #report(cause: Packet, type: number, code: number, rest: number, evenGroup = false): boolean {
    if (!this.#mayReport(cause, evenGroup)) return false;
    const isV4 = cause.ethertype === EtherType.Ipv4;
    const quote = Math.min(cause.end - cause.l3, isV4 ? QUOTE_V4 : QUOTE_V6);
    const message = this.#env.pool.alloc(icmpv4.HEADER_LEN + quote);
    if (message === undefined) return false;
    const { bytes, at } = message;
    message.end = at + icmpv4.HEADER_LEN + quote;
    // The header has the same shape in both families.
    icmpv4.emit(bytes, at, type, code, rest);
    bytes.set(cause.bytes.subarray(cause.l3, cause.l3 + quote), at + icmpv4.HEADER_LEN);
    this.#answer(cause, message, { ttl: 0, tos: isV4 ? ERROR_TOS : 0, dontFragment: false });
    return true;
  }
  #mayReport(cause: Packet, evenGroup: boolean): boolean {
    const source = sourceOf(cause);
    if (cause.linkMulticast && !evenGroup) return false;
    if (source.isUnspecified || source.isMulticast || this.#ip.isBroadcast(source) || this.#quotesError(cause))
      return false;
    if (this.#ip.interfaceAt(cause.interfaceIndex)?.isLoopback !== true && !this.#limit.take()) {
      this.#env.stats.Sandsock.IcmpRateLimited++;
      return false;
    }
    return true;
  }
  /** Whether the packet itself is an ICMP error, which is never answered; an ICMP message too short to tell counts as one. */
  #quotesError(cause: Packet): boolean {
    const { protocol, bytes, l4 } = cause;
    if (protocol !== IpProtocol.Icmp && protocol !== IpProtocol.IcmpV6) return false;
    if (l4 < cause.l3 || l4 >= cause.end) return true;
    return protocol === IpProtocol.Icmp ? icmpv4.isError(bytes[l4] as number) : icmpv6.isError(bytes[l4] as number);
  }

  #error4(packet: Packet): void {
    const { stats } = this.#env;
    const { bytes, at } = packet;
    const type = icmpv4.type(bytes, at);
    const code = icmpv4.code(bytes, at);
    if (type === icmpv4.Type.Unreachable) stats.Icmp.InDestUnreachs++;
    else if (type === icmpv4.Type.TimeExceeded) stats.Icmp.InTimeExcds++;
    else if (type === icmpv4.Type.ParameterProblem) stats.Icmp.InParmProbs++;
    const meaning = meaning4(type, code);
    if (meaning === undefined) return;
    const mtu = meaning.kind === 'message-size' ? icmpv4.nextHopMtu(bytes, at) : 0;
    const info = type === icmpv4.Type.ParameterProblem ? icmpv4.pointer(bytes, at) : mtu;
    const quoteOctets = icmpv4.quoteOctets(bytes, at);
    const offender = sourceOf(packet);
    const receiver = destinationOf(packet);
    const quote = at + icmpv4.HEADER_LEN;
    const room = packet.end - quote;
    const header = room < ipv4.HEADER_LEN ? 0 : ipv4.headerLen(bytes, quote);
    const readable = (bytes[quote] as number) >>> 4 === 4 && header >= ipv4.HEADER_LEN;
    if (!readable || room < header + QUOTED_TRANSPORT || ipv4.fragmentOffset(bytes, quote) !== 0) {
      stats.Sandsock.IcmpBadQuote++;
      return;
    }
    packet.src3 = ipv4.source(bytes, quote);
    packet.dst3 = ipv4.destination(bytes, quote);
    packet.protocol = ipv4.protocol(bytes, quote);
    packet.l3 = quote;
    packet.l4 = quote + header;
    this.#notify(packet, meaning, { type, code, mtu, info, quoteOctets, offender, receiver });
  }

  #error6(packet: Packet): void {
    const { stats } = this.#env;
    const { bytes, at } = packet;
    const type = icmpv6.type(bytes, at);
    const code = icmpv6.code(bytes, at);
    if (type === icmpv6.Type.Unreachable) stats.Icmp6.InDestUnreachs++;
    else if (type === icmpv6.Type.PacketTooBig) stats.Icmp6.InPktTooBigs++;
    else if (type === icmpv6.Type.TimeExceeded) stats.Icmp6.InTimeExcds++;
    else if (type === icmpv6.Type.ParameterProblem) stats.Icmp6.InParmProbs++;
    const meaning = meaning6(type, code);
    if (meaning === undefined) return;
    const info = icmpv6.word(bytes, at);
    const mtu = type === icmpv6.Type.PacketTooBig ? info : 0;
    const isExtended = type === icmpv6.Type.Unreachable || type === icmpv6.Type.TimeExceeded;
    const quoteOctets = isExtended ? icmpv6.quoteOctets(bytes, at) : 0;
    const offender = sourceOf(packet);
    const receiver = destinationOf(packet);
    const quote = at + icmpv6.HEADER_LEN;
    const room = packet.end - quote;
    const transport =
      room < ipv6.HEADER_LEN || (bytes[quote] as number) >>> 4 !== 6 ? 0 : quotedTransport(packet, quote);
    if (transport === 0) {
      stats.Sandsock.IcmpBadQuote++;
      return;
    }
    const source = IpAddress.read6(bytes, quote + ipv6.SOURCE);
    const destination = IpAddress.read6(bytes, quote + ipv6.DESTINATION);
    packet.src0 = source.w0;
    packet.src1 = source.w1;
    packet.src2 = source.w2;
    packet.src3 = source.w3;
    packet.dst0 = destination.w0;
    packet.dst1 = destination.w1;
    packet.dst2 = destination.w2;
    packet.dst3 = destination.w3;
    packet.l3 = quote;
    packet.l4 = transport;
    this.#notify(packet, meaning, { type, code, mtu, info, quoteOctets, offender, receiver });
  }

  #notify(quoted: Packet, meaning: Meaning, rest: Omit<IcmpError, keyof Meaning>): void {
    const source = sourceOf(quoted);
    // What we never sent, or what would pass for the other family.
    const foreign = source.isV4 !== (quoted.ethertype === EtherType.Ipv4) || !this.#ip.isLocal(source);
    if (foreign || destinationOf(quoted).isV4 !== source.isV4) {
      this.#env.stats.Sandsock.IcmpBadQuote++;
      return;
    }
    this.#transports[quoted.protocol]?.icmpError(quoted, { ...meaning, ...rest });
  }

  /** The next hop of one of our packets does not answer: told as a router on the way would (RFC 1122 2.3.2.2, RFC 4861 7.2.2). Owns the packet. */
  neighborUnreachable(packet: Packet): void {
    const isV4 = packet.ethertype === EtherType.Ipv4;
    completeChecksum(packet);
    const type = isV4 ? icmpv4.Type.Unreachable : icmpv6.Type.Unreachable;
    const code = isV4 ? icmpv4.Unreachable.Host : icmpv6.Unreachable.Address;
    const meaning: Meaning = { kind: 'host-unreachable', isHard: false };
    const own = sourceOf(packet);
    this.#notify(packet, meaning, { type, code, mtu: 0, info: 0, quoteOctets: 0, offender: own, receiver: own });
    packet.release();
  }
}

/** Position of the transport header in a quoted IPv6 packet and, in `packet.protocol`, what it is; 0 when 8 octets of it are not there. */
function quotedTransport(packet: Packet, quote: number): number {
  const { bytes, end } = packet;
  let next = ipv6.nextHeader(bytes, quote);
  let at = quote + ipv6.HEADER_LEN;
  for (let n = 0; n < MAX_EXTENSIONS && end - at >= QUOTED_TRANSPORT; n++) {
    if (next === ipv6.NextHeader.Fragment) {
      if ((u16(bytes, at + 2) & 0xfff8) !== 0) return 0;
      next = bytes[at] as number;
      at += ipv6.FRAGMENT_HEADER_LEN;
    } else if (
      next === ipv6.NextHeader.HopByHop ||
      next === ipv6.NextHeader.Routing ||
      next === ipv6.NextHeader.DestinationOptions
    ) {
      next = bytes[at] as number;
      at += ipv6.extensionLen(bytes, at);
    } else {
      packet.protocol = next;
      return at;
    }
  }
  return 0;
}
