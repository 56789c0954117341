/**
 * Cutting a packet that is too long for its path (RFC 791 3.2, RFC 8200 4.5). The packet has its IP header without options or extension headers, as this
 * stack writes it; every fragment is a packet of its own with a copy of that header.
 */
import type { Packet } from '../packet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { sealIpv4 } from './header.ts';

/** Octets of a copy's payload area that may lie in the headroom: leave Ethernet and virtio theirs. */
const HEADERS = ipv6.HEADER_LEN + ipv6.FRAGMENT_HEADER_LEN;

/**
 * Calls `send` with each fragment of `packet`, which the caller keeps. Their total size is at most `mtu`.
 * @returns how many were made, or 0 when a buffer was lacking (some may have been sent).
 */
export function fragment(packet: Packet, mtu: number, id: number, send: (piece: Packet) => void): number {
  const isV4 = (packet.bytes[packet.at] as number) >>> 4 === 4;
  const header = isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN;
  const overhead = isV4 ? header : header + ipv6.FRAGMENT_HEADER_LEN;
  const piece = (mtu - overhead) & ~7;
  const payload = packet.length - header;
  let count = 0;
  for (let offset = 0; offset < payload; offset += piece) {
    const len = Math.min(piece, payload - offset);
    const more = offset + len < payload;
    const made = packet.pool.alloc(len);
    if (made === undefined) return 0;
    made.end = made.at + len;
    copyRange(packet, packet.at + header + offset, made, made.at, len);
    if (isV4) frame4(packet, made, offset, more, id);
    else frame6(packet, made, offset | (more ? 1 : 0), id);
    inherit(packet, made);
    count++;
    send(made);
  }
  return count;
}

const copyRange = (from: Packet, at: number, to: Packet, toAt: number, len: number): void => {
  to.bytes.set(from.bytes.subarray(at, at + len), toAt);
};

function frame4(packet: Packet, made: Packet, offset: number, more: boolean, id: number): void {
  made.l4 = made.at;
  const at = made.push(ipv4.HEADER_LEN);
  copyRange(packet, packet.at, made, at, ipv4.HEADER_LEN);
  ipv4.setTotalLen(made.bytes, at, made.length);
  ipv4.setFragment(made.bytes, at, offset, more);
  ipv4.setId(made.bytes, at, id);
  sealIpv4(made, at);
}
function frame6(packet: Packet, made: Packet, offsetAndMore: number, id: number): void {
  made.l4 = made.at;
  const at = made.push(HEADERS);
  copyRange(packet, packet.at, made, at, ipv6.HEADER_LEN);
  const next = ipv6.nextHeader(packet.bytes, packet.at);
  made.bytes[at + ipv6.NEXT_HEADER] = ipv6.NextHeader.Fragment;
  ipv6.setPayloadLen(made.bytes, at, made.length - ipv6.HEADER_LEN);
  ipv6.emitFragment(made.bytes, at + ipv6.HEADER_LEN, next, offsetAndMore, id);
}

function inherit(packet: Packet, made: Packet): void {
  made.l3 = made.at;
  made.ethertype = packet.ethertype;
  made.protocol = packet.protocol;
  made.src0 = packet.src0;
  made.src1 = packet.src1;
  made.src2 = packet.src2;
  made.src3 = packet.src3;
  made.dst0 = packet.dst0;
  made.dst1 = packet.dst1;
  made.dst2 = packet.dst2;
  made.dst3 = packet.dst3;
  made.ttl = packet.ttl;
  made.tos = packet.tos;
  made.socketId = packet.socketId;
  made.callId = packet.callId;
}
