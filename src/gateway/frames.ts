/**
 * Frames toward the guest: a packet whose payload or transport header is in place gets its IP and Ethernet headers and goes to the link. Where the
 * link takes it, the transport checksum is left partial: the field holds the folded pseudo-header sum.
 */
import { putU16 } from '../lib/bytes.ts';
import { addressSum, finishSum, foldSum, type InternetChecksum, pseudoSum } from '../lib/checksum.ts';
import type { IpAddress } from '../netstack/address.ts';
import { fragment } from '../netstack/ip/fragment.ts';
import { DEFAULT_TTL, type HeaderFields, pushHeader } from '../netstack/ip/header.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import { LinkCapability, type LinkEndpoint } from '../netstack/link/link.ts';
import { Csum, type Packet, type PacketPool } from '../netstack/packet.ts';
import * as ethernet from '../netstack/wire/ethernet.ts';
import * as ipv4 from '../netstack/wire/ipv4.ts';
import * as ipv6 from '../netstack/wire/ipv6.ts';
import * as udp from '../netstack/wire/udp.ts';
import type { GatewayCounters } from './counters.ts';

const HEADER: HeaderFields = { ttl: DEFAULT_TTL, tos: 0, dontFragment: false };
/** RFC 4861 6.1.1 and 7.1.1: the receiver checks it, so that nothing from beyond the link passes. */
export const NEIGHBOR_HOPS = 255;
export const NEIGHBOR_HEADER: HeaderFields = { ttl: NEIGHBOR_HOPS, tos: 0, dontFragment: false };

export const sumOf = (a: IpAddress): number => addressSum(a.w0, a.w1, a.w2, a.w3);

export class FrameWriter {
  readonly pool: PacketPool;
  readonly link: LinkEndpoint;
  readonly #checksum: InternetChecksum;
  readonly #counters: GatewayCounters;
  readonly #gatewayMac: Uint8Array;
  /** Where frames for the guest go; learned from its frames. */
  readonly guestMac: Uint8Array;
  readonly #partial: boolean;
  #fragmentId: number;

  constructor(
    link: LinkEndpoint,
    pool: PacketPool,
    counters: GatewayCounters,
    macs: { readonly guestMac: Uint8Array; readonly gatewayMac: Uint8Array },
    firstFragmentId: number,
  ) {
    this.link = link;
    this.pool = pool;
    this.#checksum = pool.checksum;
    this.#counters = counters;
    this.#gatewayMac = macs.gatewayMac;
    this.guestMac = macs.guestMac.slice();
    this.#partial = (link.capabilities & LinkCapability.TxChecksum) !== 0;
    this.#fragmentId = firstFragmentId;
  }

  get linkAddress(): Uint8Array {
    return this.#gatewayMac;
  }

  /**
   * Finishes the checksum at `field` of the transport header on which `packet.at` stands.
   * @param addresses `sumOf` both addresses, added.
   */
  finishTransport(packet: Packet, field: number, addresses: number, protocol: number): void {
    const len = packet.length;
    putU16(packet.bytes, packet.at + field, pseudoSum(addresses, 0, protocol, len));
    packet.l4 = packet.at;
    packet.protocol = protocol;
    if (this.#partial) {
      packet.csum = Csum.Partial;
      packet.csumStart = packet.at;
      packet.csumField = packet.at + field;
      return;
    }
    const sum = finishSum(this.#checksum.sum(packet.at, len));
    if (protocol === IpProtocol.Udp) udp.setChecksum(packet.bytes, packet.at, sum);
    else putU16(packet.bytes, packet.at + field, sum);
    packet.csum = Csum.Full;
  }
  /** As `finishTransport`, computed here always: ICMP, whose checksum virtio does not offload. ICMPv4 has no pseudo-header. */
  finishIcmp(packet: Packet, field: number, pseudo: number): void {
    putU16(packet.bytes, packet.at + field, pseudo);
    putU16(packet.bytes, packet.at + field, finishSum(this.#checksum.sum(packet.at, packet.length)));
    packet.csum = Csum.Full;
  }
  /** The sum of received octets is right: 0xffff in one's complement, the pseudo-header included. */
  verify(packet: Packet, pseudo: number): boolean {
    return foldSum(this.#checksum.sum(packet.at, packet.end - packet.at) + pseudo) === 0xffff;
  }
  verifyAt(at: number, len: number): boolean {
    return this.#checksum.sum(at, len) === 0xffff;
  }

  /** Sends a packet that stands on its transport header. Owns it. False when the link refused it. */
  sendIp(packet: Packet, src: IpAddress, dst: IpAddress, protocol: number, fields: HeaderFields = HEADER): boolean {
    pushHeader(packet, src, dst, protocol, fields, 0);
    return this.sendEthernet(packet, packet.ethertype);
  }
  /** Sends a packet that stands on its network header. Owns it. */
  sendEthernet(packet: Packet, type: number): boolean {
    packet.l3 = packet.at;
    packet.ethertype = type;
    const at = packet.push(ethernet.HEADER_LEN);
    ethernet.emit(packet.bytes, at, this.guestMac, this.#gatewayMac, type);
    const octets = packet.length;
    if (!this.link.transmit(packet)) {
      this.#counters.drop('link-full');
      return false;
    }
    this.#counters.framesToGuest++;
    this.#counters.octetsToGuest += octets;
    return true;
  }

  /** Sends a UDP datagram whose payload is `packet.at` .. `packet.end`, in fragments where the link is too small for it. Owns the packet. */
  sendUdp(packet: Packet, src: IpAddress, srcPort: number, dst: IpAddress, dstPort: number, addresses: number): void {
    const at = packet.push(udp.HEADER_LEN);
    const len = packet.length;
    udp.emit(packet.bytes, at, srcPort, dstPort, len);
    const headers = src.isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN;
    if (len + headers <= this.link.mtu) {
      this.finishTransport(packet, udp.CHECKSUM, addresses, IpProtocol.Udp);
      this.sendIp(packet, src, dst, IpProtocol.Udp);
      return;
    }
    putU16(packet.bytes, at + udp.CHECKSUM, pseudoSum(addresses, 0, IpProtocol.Udp, len));
    udp.setChecksum(packet.bytes, at, finishSum(this.#checksum.sum(at, len)));
    this.sendPieces(packet, src, dst, IpProtocol.Udp);
  }
  /** Sends a packet that stands on its transport header, checksum complete, in fragments where the link is too small for it. Owns it. */
  sendPieces(packet: Packet, src: IpAddress, dst: IpAddress, protocol: number): void {
    const headers = src.isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN;
    if (packet.length + headers <= this.link.mtu) {
      this.sendIp(packet, src, dst, protocol);
      return;
    }
    this.#fragmentId = (this.#fragmentId + 1) | 0;
    pushHeader(packet, src, dst, protocol, HEADER, 0);
    const count = fragment(packet, this.link.mtu, this.#fragmentId, this.#sendPiece);
    if (count === 0) this.#counters.drop('no-buffer');
    packet.release();
  }
  readonly #sendPiece = (piece: Packet): void => {
    this.sendEthernet(piece, piece.ethertype);
  };
}
