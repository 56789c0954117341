/**
 * UDP (RFC 768; RFC 8200 8.1; RFC 1122 4.1): datagrams that arrive find their socket here. Of several that fit, the one that says most wins: connected,
 * then bound to the address, then to the wildcard; among equals the newest, or with SO_REUSEPORT one chosen by a hash of the flow (Linux
 * udp_lib_lookup). Datagrams to a group or to everyone reach each socket that fits. For those that nobody takes, port unreachable is answered.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Family, IpAddress } from '../address.ts';
import type { UdpEndpoint } from '../endpoint.ts';
import { destinationOf, swapAddresses } from '../ip/header.ts';
import { type IcmpError, type IpLayer, IpProtocol, type TransportProtocol } from '../ip/ip.ts';
import type { Packet, PacketPool } from '../packet.ts';
import { PortTable } from '../ports.ts';
import type { DatagramRow } from '../rows.ts';
import type { TransportEnvironment } from '../stack.ts';
import type { UdpCounters } from '../stats.ts';
import { checksumIsValid } from '../transport-checksum.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as udp from '../wire/udp.ts';
import type { DatagramContext } from './datagram-context.ts';
import type { DatagramSocket } from './datagram-socket.ts';
import { rowOf } from './row.ts';
import { UdpSocket } from './udp-endpoint.ts';

/** RFC 8200 8.1: IPv6 wants a checksum, but of those that do without (RFC 6936). */
function badChecksum(packet: Packet, counters: UdpCounters): void {
  counters.InErrors++;
  counters.InCsumErrors++;
  packet.release();
}

export class UdpLayer implements TransportProtocol, DatagramContext {
  readonly ip: IpLayer;
  readonly pool: PacketPool;
  readonly clock: Clock;
  readonly ports: PortTable<DatagramSocket>;
  readonly counters: (isV4: boolean) => UdpCounters;
  readonly nextSocketId: () => number;
  readonly flowKey: number;
  readonly #hashKey: number;

  constructor(env: TransportEnvironment) {
    this.ip = env.ip;
    this.pool = env.pool;
    this.clock = env.clock;
    this.ports = new PortTable<DatagramSocket>(env.random);
    this.counters = (isV4) => (isV4 ? env.stats.Udp : env.stats.Udp6);
    this.nextSocketId = () => env.nextSocketId();
    this.#hashKey = env.random.u32();
    this.flowKey = env.random.u32();
  }
  createEndpoint(family: Family): UdpEndpoint {
    return new UdpSocket(this, family);
  }
  *rows(): IterableIterator<DatagramRow> {
    for (const socket of this.ports.users()) yield rowOf(socket);
  }

  receive(packet: Packet): void {
    const isV4 = packet.ethertype === EtherType.Ipv4;
    const counters = this.counters(isV4);
    const { bytes, at } = packet;
    if (udp.parse(bytes, at, packet.end) !== undefined) {
      counters.InErrors++;
      packet.release();
      return;
    }
    packet.end = at + udp.length(bytes, at);
    const unsummed = udp.checksum(bytes, at) === 0;
    if (!unsummed && !checksumIsValid(packet, IpProtocol.Udp)) {
      badChecksum(packet, counters);
      return;
    }
    const sourcePort = udp.sourcePort(bytes, at);
    const port = udp.destinationPort(bytes, at);
    const toGroup = packet.linkMulticast && !this.ip.isLocal(destinationOf(packet));
    if (toGroup) {
      this.#deliverToAll(packet, port, sourcePort, unsummed);
      return;
    }
    const socket = this.#lookup(packet, port, sourcePort, packet.at + udp.HEADER_LEN);
    if (unsummed && !isV4 && socket?.settings.takesNoChecksum6 !== true) {
      badChecksum(packet, counters);
      return;
    }
    if (socket === undefined) {
      counters.NoPorts++;
      this.ip.unreachable(packet, 'port');
      packet.release();
      return;
    }
    packet.pull(udp.HEADER_LEN);
    socket.deliver(packet, sourcePort);
  }

  /** With the place of a `payload`, the program of a group is asked. */
  #lookup(packet: Packet, port: number, remotePort: number, payload = 0): DatagramSocket | undefined {
    let best: DatagramSocket | undefined;
    let bestScore = 0;
    for (let b = this.ports.first(port); b !== undefined; b = b.next) {
      const score = b.user.score(packet, remotePort);
      if (score > bestScore) {
        bestScore = score;
        best = b.user;
      }
    }
    if (best?.settings.reusePort !== true) return best;
    const chosen = payload === 0 || best.isConnected ? undefined : best.reuseGroup?.choose(packet, payload);
    return chosen ?? this.#balance(packet, port, remotePort, bestScore);
  }
  /** One of the sockets of a SO_REUSEPORT group, always the same for a flow. */
  #balance(packet: Packet, port: number, remotePort: number, score: number): DatagramSocket | undefined {
    let count = 0;
    const fits = (s: DatagramSocket): boolean => s.settings.reusePort && s.score(packet, remotePort) === score;
    for (let b = this.ports.first(port); b !== undefined; b = b.next) if (fits(b.user)) count++;
    let h = this.#hashKey ^ packet.src3 ^ Math.imul(packet.src2 ^ packet.src1 ^ packet.src0, 0x85eb_ca6b);
    h = Math.imul(h ^ (h >>> 16) ^ remotePort, 0x9e37_79b1);
    let index = ((h ^ (h >>> 15)) >>> 0) % count;
    for (let b = this.ports.first(port); b !== undefined; b = b.next) if (fits(b.user) && index-- === 0) return b.user;
    return undefined;
  }

  #deliverToAll(packet: Packet, port: number, sourcePort: number, unsummed: boolean): void {
    const isForFew = unsummed && packet.ethertype === EtherType.Ipv6;
    let last: DatagramSocket | undefined;
    packet.pull(udp.HEADER_LEN);
    for (let b = this.ports.first(port); b !== undefined; b = b.next) {
      if (b.user.score(packet, sourcePort) === 0 || !b.user.takesGroup(packet)) continue;
      if (isForFew && !b.user.settings.takesNoChecksum6) continue;
      const copy = last === undefined ? undefined : packet.copyTo(this.pool);
      if (copy !== undefined) last?.deliver(copy, sourcePort);
      last = b.user;
    }
    if (last === undefined) packet.release();
    else last.deliver(packet, sourcePort);
  }

  icmpError(quoted: Packet, error: IcmpError): void {
    const { bytes, l4 } = quoted;
    const localPort = udp.sourcePort(bytes, l4);
    const remotePort = udp.destinationPort(bytes, l4);
    const destination = destinationOf(quoted);
    swapAddresses(quoted);
    this.#lookup(quoted, localPort, remotePort)?.icmpError(quoted, destination, remotePort, error);
    swapAddresses(quoted);
  }

  isBound(address: IpAddress, port: number): boolean {
    for (let b = this.ports.first(port); b !== undefined; b = b.next) {
      const { localAddress, family, settings } = b.user;
      if (localAddress.equals(address)) return true;
      if (!localAddress.isUnspecified) continue;
      if (localAddress.isV4 === address.isV4 || (family === 6 && !settings.v6Only && !localAddress.isV4)) return true;
    }
    return false;
  }
}
