/**
 * Echo replies and errors about echo requests find their ping socket here, by the id of the message: the newest socket whose address fits (net/ipv4/ping.c
 * ping_lookup). Ids are shared like ports, but no address makes them different; one that is not chosen by bind() is of the range of ephemeral ports, where
 * Linux counts up from 1. Extended echoes (RFC 8335) are not answered by the stack, and so not sent either.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Family } from '../address.ts';
import type { UdpEndpoint } from '../endpoint.ts';
import { destinationOf, swapAddresses } from '../ip/header.ts';
import type { IcmpError, IpLayer } from '../ip/ip.ts';
import type { Packet, PacketPool } from '../packet.ts';
import { PortTable } from '../ports.ts';
import type { DatagramRow } from '../rows.ts';
import type { TransportEnvironment } from '../stack.ts';
import type { IcmpCounters } from '../stats.ts';
import type { DatagramCounters } from '../udp/datagram-context.ts';
import type { DatagramSocket } from '../udp/datagram-socket.ts';
import { rowOf } from '../udp/row.ts';
import { EtherType } from '../wire/ethernet.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';
import { type PingContext, PingSocket } from './ping-endpoint.ts';

const noCounters = (): DatagramCounters => ({
  InDatagrams: 0,
  InErrors: 0,
  RcvbufErrors: 0,
  OutDatagrams: 0,
  SndbufErrors: 0,
});

export class PingLayer implements PingContext {
  readonly ip: IpLayer;
  readonly pool: PacketPool;
  readonly clock: Clock;
  readonly ports: PortTable<DatagramSocket>;
  readonly icmpCounters: (isV4: boolean) => IcmpCounters;
  readonly nextSocketId: () => number;
  readonly flowKey: number;
  /** Linux shows what its sockets got and lost nowhere (sk_drops aside). */
  readonly #counters = noCounters();

  constructor(env: TransportEnvironment) {
    this.ip = env.ip;
    this.pool = env.pool;
    this.clock = env.clock;
    // ping_get_port.
    this.ports = new PortTable<DatagramSocket>(
      env.random,
      (mine, _address, { user }) => !mine.user.settings.reuseAddress || !user.settings.reuseAddress,
    );
    this.icmpCounters = (isV4) => (isV4 ? env.stats.Icmp : env.stats.Icmp6);
    this.nextSocketId = () => env.nextSocketId();
    this.flowKey = env.random.u32();
  }
  counters(): DatagramCounters {
    return this.#counters;
  }
  *rows(): IterableIterator<DatagramRow> {
    for (const socket of this.ports.users()) yield rowOf(socket);
  }
  createEndpoint(family: Family): UdpEndpoint {
    return new PingSocket(this, family);
  }

  /** An echo reply, `packet.at` on its ICMP header. True if a socket took the packet over. */
  receiveReply(packet: Packet): boolean {
    const socket = this.#lookup(packet, icmpv4.identifier(packet.bytes, packet.at));
    socket?.deliver(packet, 0);
    return socket !== undefined;
  }
  /** `quoted.l4` on the ICMP header of a message of ours, whose addresses are as it went out. */
  icmpError(quoted: Packet, error: IcmpError): void {
    const { bytes, l4 } = quoted;
    const echo = quoted.ethertype === EtherType.Ipv4 ? icmpv4.Type.Echo : icmpv6.Type.Echo;
    if (icmpv4.type(bytes, l4) !== echo || icmpv4.code(bytes, l4) !== 0) return;
    const destination = destinationOf(quoted);
    swapAddresses(quoted);
    this.#lookup(quoted, icmpv4.identifier(bytes, l4))?.icmpError(quoted, destination, 0, error);
    swapAddresses(quoted);
  }
  #lookup(packet: Packet, id: number): DatagramSocket | undefined {
    const family = packet.ethertype === EtherType.Ipv4 ? 4 : 6;
    for (let b = this.ports.first(id); b !== undefined; b = b.next) {
      if (b.user.family === family && b.user.score(packet, 0) > 0) return b.user;
    }
    return undefined;
  }
}
