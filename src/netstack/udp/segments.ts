/** A send that stands for several datagrams of equal length, the last of which may be shorter (udp(7) UDP_SEGMENT; virtio's UDP_L4). */
import { copy } from '../../lib/byte-ring.ts';
import { finishSum } from '../../lib/checksum.ts';
import type { UdpSettings } from '../endpoint.ts';
import type { Route } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import { Csum, type Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import * as udp from '../wire/udp.ts';
import { mtuOf } from './path.ts';

/** UDP_MAX_SEGMENTS. */
const MAX_SEGMENTS = 128;

/**
 * udp_send_skb: none of the pieces may have to be cut again, they are not too many, and each needs a checksum of its own.
 * @param octets of the first piece, its headers with it
 */
export function refusesSegments(
  octets: number,
  len: number,
  segment: number,
  route: Route,
  settings: UdpSettings,
): NetError | undefined {
  if (octets > mtuOf(route, settings)) return 'message-size';
  const unsummed = route.remote.isV4 ? settings.noChecksum : settings.noChecksum6;
  return len > segment * MAX_SEGMENTS || unsummed ? 'invalid' : undefined;
}
/**
 * The datagram whose payload begins at `at`, out of `packet`, whose own payload stands at `packet.at` .. `end` and which the caller keeps; undefined when there is no buffer for it. The headers of
 * a packet that was received go with it.
 */
export function segmentAt(packet: Packet, at: number): Packet | undefined {
  const { pool, bytes, gsoSize } = packet;
  const len = Math.min(gsoSize, packet.end - at);
  const segment = pool.alloc(len);
  if (segment === undefined) return undefined;
  segment.end = segment.at + len;
  copy(segment.bytes, segment.at, bytes, at, len);
  inherit(segment, packet);
  const front = packet.l3 === 0 ? 0 : packet.at - packet.l3;
  if (front > 0 && front <= segment.at - segment.base) copyHeaders(segment, packet, (at - packet.at) / gsoSize);
  return segment;
}

/** As inet_gso_segment and __udp_gso_segment leave them: each with its own lengths, over IPv4 with an identification of its own. */
function copyHeaders(segment: Packet, packet: Packet, index: number): void {
  const { bytes } = segment;
  const moved = segment.at - packet.at;
  const l3 = (segment.l3 = packet.l3 + moved);
  const l4 = (segment.l4 = packet.l4 + moved);
  copy(bytes, l3, packet.bytes, packet.l3, packet.at - packet.l3);
  udp.setLength(bytes, l4, segment.end - l4);
  if (packet.ethertype === EtherType.Ipv6) {
    ipv6.setPayloadLen(bytes, l3, segment.end - l3 - ipv6.HEADER_LEN);
    return;
  }
  ipv4.setTotalLen(bytes, l3, segment.end - l3);
  ipv4.setId(bytes, l3, (ipv4.id(bytes, l3) + index) & 0xffff);
  ipv4.setChecksum(bytes, l3, 0);
  ipv4.setChecksum(bytes, l3, finishSum(segment.pool.checksum.sum(l3, l4 - l3)));
}
function inherit(segment: Packet, packet: Packet): void {
  segment.ethertype = packet.ethertype;
  segment.protocol = packet.protocol;
  segment.src0 = packet.src0;
  segment.src1 = packet.src1;
  segment.src2 = packet.src2;
  segment.src3 = packet.src3;
  segment.dst0 = packet.dst0;
  segment.dst1 = packet.dst1;
  segment.dst2 = packet.dst2;
  segment.dst3 = packet.dst3;
  segment.ttl = packet.ttl;
  segment.tos = packet.tos;
  segment.csum = Csum.Full;
  segment.mark = packet.mark;
  segment.priority = packet.priority;
  segment.interfaceIndex = packet.interfaceIndex;
  segment.linkMulticast = packet.linkMulticast;
  segment.socketId = packet.socketId;
  segment.callId = packet.callId;
  segment.time = packet.time;
  // A stamp is asked of the send, and given with its first datagram.
  segment.stamps = packet.stamps;
  segment.stampId = packet.stampId;
  packet.stamps = 0;
}
