/** Writing the IP header of either family in front of a packet, and reading addresses back from one. */
import { putU16 } from '../../lib/bytes.ts';
import { finishSum } from '../../lib/checksum.ts';
import { IpAddress } from '../address.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';

/** net.ipv4.ip_default_ttl, and what Linux uses for IPv6. */
export const DEFAULT_TTL = 64;

/** What goes into a header beyond addresses and protocol. */
export interface HeaderFields {
  readonly ttl: number;
  readonly tos: number;
  readonly dontFragment: boolean;
  /** Of IPv6; 0 for none. */
  readonly flowLabel?: number;
}

/** Pushes a header in front of `at`. `id` is the IPv4 identification. Addresses, positions and protocol are noted on the packet. */
export function pushHeader(
  packet: Packet,
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  fields: HeaderFields,
  id: number,
): void {
  const { bytes } = packet;
  const payload = packet.length;
  const ttl = (fields.ttl || DEFAULT_TTL) & 0xff;
  packet.l4 = packet.at;
  packet.protocol = protocol;
  if (destination.isV4) {
    const at = packet.push(ipv4.HEADER_LEN);
    ipv4.emit(bytes, at, payload + ipv4.HEADER_LEN, protocol);
    ipv4.setService(bytes, at, fields.tos, ttl);
    if (fields.dontFragment) ipv4.setDontFragment(bytes, at);
    ipv4.setId(bytes, at, id);
    ipv4.setAddresses(bytes, at, source.w3, destination.w3);
    sealIpv4(packet, at);
    packet.ethertype = EtherType.Ipv4;
  } else {
    const at = packet.push(ipv6.HEADER_LEN);
    ipv6.emit(bytes, at, payload, protocol, fields.tos, ttl);
    if (fields.flowLabel) ipv6.setFlowLabel(bytes, at, fields.flowLabel);
    source.write6(bytes, at + ipv6.SOURCE);
    destination.write6(bytes, at + ipv6.DESTINATION);
    packet.ethertype = EtherType.Ipv6;
  }
  packet.l3 = packet.at;
  packet.ttl = ttl;
  packet.tos = fields.tos;
  noteAddresses(packet, source, destination);
}

/** Computes the header checksum of the IPv4 header at `at`. */
export function sealIpv4(packet: Packet, at: number): void {
  putU16(packet.bytes, at + ipv4.CHECKSUM, 0);
  ipv4.setChecksum(packet.bytes, at, finishSum(packet.pool.checksum.sum(at, ipv4.headerLen(packet.bytes, at))));
}

export function noteAddresses(packet: Packet, source: IpAddress, destination: IpAddress): void {
  packet.src0 = source.w0;
  packet.src1 = source.w1;
  packet.src2 = source.w2;
  packet.src3 = source.w3;
  packet.dst0 = destination.w0;
  packet.dst1 = destination.w1;
  packet.dst2 = destination.w2;
  packet.dst3 = destination.w3;
}

export const sourceOf = (p: Packet): IpAddress => new IpAddress(p.src0, p.src1, p.src2, p.src3);
export const destinationOf = (p: Packet): IpAddress => new IpAddress(p.dst0, p.dst1, p.dst2, p.dst3);

/** A packet that an error quotes went out; who looks for its socket thinks of one that comes in. */
export function swapAddresses(p: Packet): void {
  const { src0, src1, src2, src3 } = p;
  p.src0 = p.dst0;
  p.src1 = p.dst1;
  p.src2 = p.dst2;
  p.src3 = p.dst3;
  p.dst0 = src0;
  p.dst1 = src1;
  p.dst2 = src2;
  p.dst3 = src3;
}
