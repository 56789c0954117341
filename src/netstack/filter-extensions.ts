/**
 * What a filter of classic BPF may ask beside the packet: Linux's extensions, loads from SKF_AD_OFF on (Documentation/networking/filter.rst, net/core/filter.c convert_bpf_extensions).
 *
 * No link here tags (VLAN_* are 0), there is one queue and one processor, and the hash of a flow is what Linux's own loopback brings: streams have one, and datagrams whose flow label
 * was chosen by it, others have none (0).
 */
import { u16 } from '../lib/bytes.ts';
import type { Random } from '../lib/random.ts';
import { IpProtocol } from './ip/ip.ts';
import type { Packet } from './packet.ts';
import { EtherType } from './wire/ethernet.ts';
import * as ipv6 from './wire/ipv6.ts';
import * as tcp from './wire/tcp.ts';
import * as udp from './wire/udp.ts';

/** What the machine asks of its world. */
export interface FilterWorld {
  readonly random: Random;
  /** ARPHRD_* of an interface; 0 where there is none. */
  deviceType(interfaceIndex: number): number;
}

/** SKF_AD_OFF. */
const OFFSET = -0x1000;

/** SKF_AD_*. */
const PROTOCOL = 0;
const PKTTYPE = 4;
const IFINDEX = 8;
const NLATTR = 12;
const NLATTR_NEST = 16;
const MARK = 20;
const HATYPE = 28;
const RXHASH = 32;
const XOR_X = 40;
const PAY_OFFSET = 52;
const RANDOM = 56;
/** VLAN_TPID. Four octets lie between one and the next. */
const LAST = 60;

/** PACKET_HOST and PACKET_MULTICAST (if_packet.h). */
const TO_HOST = 0;
const TO_GROUP = 2;
/** Octets in front of a message of ICMP (struct icmphdr, struct icmp6hdr). */
const ICMP_HEADER = 8;

/** Whether a load from `k` asks for an extension. */
export const isExtension = (k: number): boolean => k >= OFFSET && k < 0;
/** Whether there is one at `k`. */
export const isKnownExtension = (k: number): boolean => (k & 3) === 0 && k - OFFSET <= LAST;

/** The value of the extension at `k`; `a` and `x` are the registers. */
export function extension(world: FilterWorld, packet: Packet, k: number, a: number, x: number): number {
  switch (k - OFFSET) {
    case PROTOCOL:
      return packet.ethertype;
    case PKTTYPE:
      return packet.linkMulticast ? TO_GROUP : TO_HOST;
    case IFINDEX:
      return packet.interfaceIndex;
    case NLATTR:
      return findAttribute(packet, a >>> 0, packet.length, x);
    case NLATTR_NEST:
      return findNested(packet, a >>> 0, x);
    case MARK:
      return packet.mark;
    case HATYPE:
      return world.deviceType(packet.interfaceIndex);
    case RXHASH:
      return flowHash(packet);
    case XOR_X:
      return a ^ x;
    case PAY_OFFSET:
      return payloadOffset(packet);
    case RANDOM:
      return world.random.u32() | 0;
    default:
      // QUEUE, CPU, VLAN_TAG, VLAN_TAG_PRESENT, VLAN_TPID.
      return 0;
  }
}

/** Of the header of the transport at `l4`, and behind it; modulo 2^16 before the length is added (struct flow_dissector_key_control). */
function payloadOffset(packet: Packet): number {
  return ((packet.l4 - packet.at) & 0xffff) + transportHeaderLen(packet);
}
function transportHeaderLen({ protocol, bytes, l4 }: Packet): number {
  switch (protocol) {
    case IpProtocol.Tcp:
      return Math.max(tcp.HEADER_LEN, tcp.headerLen(bytes, l4));
    case IpProtocol.Udp:
      return udp.HEADER_LEN;
    case IpProtocol.Icmp:
    case IpProtocol.IcmpV6:
      return ICMP_HEADER;
    default:
      return 0;
  }
}

/** Of the addresses and the ports, never 0, or 0 where its sender made none. */
function flowHash(packet: Packet): number {
  const { protocol, bytes, l3, l4 } = packet;
  const isLabelled =
    protocol === IpProtocol.Udp && packet.ethertype === EtherType.Ipv6 && ipv6.flowLabel(bytes, l3) !== 0;
  if (protocol !== IpProtocol.Tcp && !isLabelled) return 0;
  let h = packet.src0 ^ Math.imul(packet.src1, 31) ^ Math.imul(packet.src2, 17) ^ packet.src3;
  h = Math.imul(h ^ packet.dst3 ^ packet.dst2 ^ packet.dst1 ^ packet.dst0, 0x9e37_79b1);
  h = Math.imul(h ^ (h >>> 15) ^ (u16(bytes, l4) << 16) ^ u16(bytes, l4 + 2), 0x85eb_ca6b);
  return h ^ (h >>> 13) || 1;
}

/** `struct nlattr`: length, then type, in the byte order of this host; NLA_TYPE_MASK. */
const ATTRIBUTE_HEADER = 4;
const TYPE_MASK = 0x3fff;
const LINEAR_MAX = 16_000;
const u16le = (bytes: Uint8Array, at: number): number => (bytes[at] as number) | ((bytes[at + 1] as number) << 8);

/** nla_ok: the octets of the attribute at `offset`, or 0 if there is none that ends before `end`. */
function attributeLen({ bytes, at }: Packet, offset: number, end: number): number {
  if (end - offset < ATTRIBUTE_HEADER) return 0;
  const len = u16le(bytes, at + offset);
  return len >= ATTRIBUTE_HEADER && len <= end - offset ? len : 0;
}
/** What a stream carries, and long datagrams, Linux keeps in pages, where it looks for no attributes (skb_is_nonlinear; __ip_append_data, SKB_MAX_ALLOC). */
const isInPages = (packet: Packet): boolean =>
  packet.length > (packet.protocol === IpProtocol.Tcp ? transportHeaderLen(packet) : LINEAR_MAX);
/** bpf_skb_get_nlattr: where the attribute of that type is, from `offset` on; 0 for nowhere. */
function findAttribute(packet: Packet, offset: number, end: number, type: number): number {
  const { bytes, at } = packet;
  if (isInPages(packet)) return 0;
  for (let o = offset; ; ) {
    const len = attributeLen(packet, o, end);
    if (len === 0) return 0;
    if ((u16le(bytes, at + o + 2) & TYPE_MASK) === type) return o;
    o += (len + 3) & ~3;
  }
}
/** bpf_skb_get_nlattr_nest: inside of the attribute at `offset`. */
function findNested(packet: Packet, offset: number, type: number): number {
  const len = attributeLen(packet, offset, packet.length);
  return len === 0 ? 0 : findAttribute(packet, offset + ATTRIBUTE_HEADER, offset + len, type);
}
