/**
 * A UDP socket below the system calls (RFC 768; udp(7)): ports, the checksum, and how well a socket fits a datagram. All else is that of every socket of datagrams.
 */
import { IpProtocol, type Route } from '../ip/ip.ts';
import type { Packet } from '../packet.ts';
import { isSister, joinGroup } from '../reuse-group.ts';
import { ChecksumOffset, finishChecksum } from '../transport-checksum.ts';
import * as udp from '../wire/udp.ts';
import { DatagramSocket } from './datagram-socket.ts';

export class UdpSocket extends DatagramSocket {
  protected override readonly headerLen = udp.HEADER_LEN;
  protected override readonly needsPort = true;

  protected override protocolOf(): number {
    return IpProtocol.Udp;
  }
  protected override longest(isV4: boolean): number {
    return isV4 ? udp.MAX_PAYLOAD_V4 : udp.MAX_PAYLOAD_V6;
  }
  protected override emitHeader(packet: Packet, port: number, len: number): void {
    udp.emit(packet.bytes, packet.at - udp.HEADER_LEN, this.localPort, port, udp.HEADER_LEN + len);
  }
  protected override portOf(packet: Packet): number {
    return udp.destinationPort(packet.bytes, packet.at - udp.HEADER_LEN);
  }
  protected override seal(packet: Packet, route: Route): void {
    if (route.remote.isV4 ? !this.settings.noChecksum : !this.settings.noChecksum6) {
      finishChecksum(packet, route, IpProtocol.Udp, ChecksumOffset.Udp);
    }
  }

  protected override joinsPort(): void {
    for (let b = this.context.ports.first(this.localPort); b !== undefined; b = b.next) {
      if (isSister(this, b.user)) return joinGroup<DatagramSocket>(this, b.user);
    }
    joinGroup<DatagramSocket>(this, undefined);
  }

  /**
   * @internal How well this socket fits a datagram, 0 not at all: Linux's compute_score. The remote side counts most, since each part of a
   * connected socket's address must match.
   */
  override score(packet: Packet, remotePort: number): number {
    const { settings } = this;
    if (!this.isForUs(packet)) return 0;
    if (settings.boundInterface !== 0 && settings.boundInterface !== packet.interfaceIndex) return 0;
    const hasPeerPort = this.isConnected && this.remotePort !== 0;
    if (this.isConnected && !this.#isPeerAddress(packet)) return 0;
    if (hasPeerPort && this.remotePort !== remotePort) return 0;
    // An IPv4 socket before a dual-stack one, as Linux prefers the family that asked.
    return (
      1 +
      (this.family === 4 ? 1 : 0) +
      (this.localAddress.isUnspecified ? 0 : 4) +
      // A peer's port that is 0 is none (inet_dport), as on Linux.
      (this.isConnected ? 4 : 0) +
      (hasPeerPort ? 4 : 0) +
      (settings.boundInterface === 0 ? 0 : 4)
    );
  }
  #isPeerAddress(packet: Packet): boolean {
    const { remoteAddress: r } = this;
    return r.w3 === packet.src3 && r.w2 === packet.src2 && r.w1 === packet.src1 && r.w0 === packet.src0;
  }
}
