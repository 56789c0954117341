/**
 * Frames toward the guest: a packet whose payload or transport header is in place gets its IP and Ethernet headers and goes to the link. Where the
 * link takes it, the transport checksum is left partial: the field holds the folded pseudo-header sum.
 */
import { putU16, putU32 } from '../lib/bytes.ts';
import { addressSum, finishSum, foldSum, type InternetChecksum, pseudoSum } from '../lib/checksum.ts';
import type { IpAddress } from '../netstack/address.ts';
import { IpProtocol } from '../netstack/ip/ip.ts';
import { LinkCapability, type LinkEndpoint } from '../netstack/link/link.ts';
import { Csum, type Packet, type PacketPool } from '../netstack/packet.ts';
import * as ethernet from '../netstack/wire/ethernet.ts';
import * as ipv4 from '../netstack/wire/ipv4.ts';
import * as ipv6 from '../netstack/wire/ipv6.ts';
import * as udp from '../netstack/wire/udp.ts';
import type { GatewayCounters } from './counters.ts';

const DEFAULT_HOPS = 64;
/** RFC 4861 6.1.1 and 7.1.1: the receiver checks it, so that nothing from beyond the link passes. */
export const NEIGHBOR_HOPS = 255;

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
  sendIp(packet: Packet, src: IpAddress, dst: IpAddress, protocol: number, hops = DEFAULT_HOPS): boolean {
    const len = packet.length;
    if (src.isV4) this.#pushIpv4(packet, src, dst, protocol, len);
    else this.#pushIpv6(packet, src, dst, protocol, hops, len);
    return this.sendEthernet(packet, src.isV4 ? ethernet.EtherType.Ipv4 : ethernet.EtherType.Ipv6);
  }
  #pushIpv4(packet: Packet, src: IpAddress, dst: IpAddress, protocol: number, len: number): void {
    const at = packet.push(ipv4.HEADER_LEN);
    const b = packet.bytes;
    ipv4.emit(b, at, len + ipv4.HEADER_LEN, protocol);
    putU32(b, at + ipv4.SOURCE, src.w3);
    putU32(b, at + ipv4.DESTINATION, dst.w3);
    ipv4.setChecksum(b, at, finishSum(this.#checksum.sum(at, ipv4.HEADER_LEN)));
  }
  #pushIpv6(packet: Packet, src: IpAddress, dst: IpAddress, protocol: number, hops: number, len: number): void {
    const at = packet.push(ipv6.HEADER_LEN);
    const b = packet.bytes;
    ipv6.emit(b, at, len, protocol, 0, hops);
    src.write6(b, at + ipv6.SOURCE);
    dst.write6(b, at + ipv6.DESTINATION);
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
    this.#sendFragments(packet, src, dst, IpProtocol.Udp);
    packet.release();
  }

  /** RFC 791 3.2, RFC 8200 4.5: every fragment but the last holds a multiple of 8 octets. */
  #sendFragments(whole: Packet, src: IpAddress, dst: IpAddress, protocol: number): void {
    const headers = src.isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN + ipv6.FRAGMENT_HEADER_LEN;
    const most = (this.link.mtu - headers) & ~7;
    const id = (this.#fragmentId = (this.#fragmentId + 1) | 0);
    for (let offset = 0; offset < whole.length; offset += most) {
      const len = Math.min(most, whole.length - offset);
      const more = offset + len < whole.length;
      const packet = this.pool.alloc(len);
      if (packet === undefined) {
        this.#counters.drop('no-buffer');
        return;
      }
      packet.bytes.copyWithin(packet.at, whole.at + offset, whole.at + offset + len);
      packet.end = packet.at + len;
      if (src.isV4) {
        this.#pushIpv4(packet, src, dst, protocol, len);
        putU16(packet.bytes, packet.at + ipv4.ID, id & 0xffff);
        ipv4.setFragment(packet.bytes, packet.at, offset, more);
        ipv4.setChecksum(packet.bytes, packet.at, 0);
        const sum = this.#checksum.sum(packet.at, ipv4.HEADER_LEN);
        ipv4.setChecksum(packet.bytes, packet.at, finishSum(sum));
        this.sendEthernet(packet, ethernet.EtherType.Ipv4);
      } else {
        const at = packet.push(ipv6.FRAGMENT_HEADER_LEN);
        ipv6.emitFragment(packet.bytes, at, protocol, offset | (more ? 1 : 0), id);
        this.#pushIpv6(packet, src, dst, ipv6.NextHeader.Fragment, DEFAULT_HOPS, packet.length);
        this.sendEthernet(packet, ethernet.EtherType.Ipv6);
      }
    }
  }
}
