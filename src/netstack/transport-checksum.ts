/**
 * Checksums of TCP, UDP and ICMPv6 on packets: left partial for a link that completes them (virtio NEEDS_CSUM), computed otherwise; verified on receipt unless
 * the link vouches. UDP's rule that a computed zero goes out as 0xffff (RFC 768) is applied to all: both are zero in one's complement.
 */
import { putU16 } from '../lib/bytes.ts';
import { addressSum, addSums, finishSum, pseudoSum } from '../lib/checksum.ts';
import type { IpAddress } from './address.ts';
import type { Route } from './ip/ip.ts';
import { LinkCapability } from './link/link.ts';
import { Csum, type Packet } from './packet.ts';

/** Octets of the checksum field after the start of the header. */
export const ChecksumOffset = { Tcp: 16, Udp: 6, IcmpV6: 2 } as const;

const pseudoOf = (source: IpAddress, destination: IpAddress, protocol: number, len: number): number =>
  pseudoSum(
    addressSum(source.w0, source.w1, source.w2, source.w3),
    addressSum(destination.w0, destination.w1, destination.w2, destination.w3),
    protocol,
    len,
  );

/**
 * Fills the checksum field of a packet about to be handed to `IpLayer.output`, whose `at` stands on the transport header: Csum.Partial where the
 * route's link completes sums, and always on a GSO packet; computed otherwise.
 */
export function finishChecksum(packet: Packet, route: Route, protocol: number, fieldOffset: number): void {
  const { bytes, at } = packet;
  const pseudo = pseudoOf(route.local, route.remote, protocol, packet.length);
  const field = at + fieldOffset;
  if ((route.capabilities & LinkCapability.TxChecksum) !== 0) {
    putU16(bytes, field, pseudo);
    packet.csum = Csum.Partial;
    packet.csumStart = at;
    packet.csumField = field;
    return;
  }
  sealChecksum(packet, field, pseudo);
}

/** Computes and stores the checksum whatever the link can do. */
export function computeChecksum(
  packet: Packet,
  source: IpAddress,
  destination: IpAddress,
  protocol: number,
  fieldOffset: number,
): void {
  sealChecksum(packet, packet.at + fieldOffset, pseudoOf(source, destination, protocol, packet.length));
}

function sealChecksum(packet: Packet, field: number, pseudo: number): void {
  const { bytes, at } = packet;
  putU16(bytes, field, 0);
  const sum = packet.pool.checksum.sum(at, packet.end - at);
  putU16(bytes, field, finishSum(addSums(sum, pseudo)) || 0xffff);
  packet.csum = Csum.Full;
}

/** Completes a partial checksum in place, for a packet that is to be fragmented or to leave by a link without the capability. */
export function completeChecksum(packet: Packet): void {
  if (packet.csum !== Csum.Partial) return;
  const { bytes, csumStart, csumField } = packet;
  // The field holds the pseudo-header's sum, so that summing over it adds it in.
  const sum = packet.pool.checksum.sum(csumStart, packet.end - csumStart);
  putU16(bytes, csumField, finishSum(sum) || 0xffff);
  packet.csum = Csum.Full;
}

/** Whether a received packet, `at` .. `end` its transport part and its addresses noted, is intact. */
export function checksumIsValid(packet: Packet, protocol: number): boolean {
  if (packet.csum !== Csum.Full) return true;
  const pseudo = pseudoSum(
    addressSum(packet.src0, packet.src1, packet.src2, packet.src3),
    addressSum(packet.dst0, packet.dst1, packet.dst2, packet.dst3),
    protocol,
    packet.length,
  );
  return addSums(packet.pool.checksum.sum(packet.at, packet.length), pseudo) === 0xffff;
}
