/** A send that stands for several datagrams of equal length, the last of which may be shorter (udp(7) UDP_SEGMENT; virtio's UDP_L4). */
import { copy } from '../../lib/byte-ring.ts';
import { Csum, type Packet } from '../packet.ts';

/** Calls `take` with each datagram of `packet`, whose payload stands at `at` .. `end` and which the caller keeps. What finds no buffer is lost. */
export function forEachSegment(packet: Packet, take: (segment: Packet, len: number) => void): void {
  const { pool, bytes, end, gsoSize } = packet;
  for (let at = packet.at; at < end; at += gsoSize) {
    const len = Math.min(gsoSize, end - at);
    const segment = pool.alloc(len);
    if (segment === undefined) return;
    segment.end = segment.at + len;
    copy(segment.bytes, segment.at, bytes, at, len);
    inherit(segment, packet);
    take(segment, len);
  }
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
