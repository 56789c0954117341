/** A protocol of datagrams as its sockets see it. */
import type { Clock } from '../../lib/clock.ts';
import type { IpLayer } from '../ip/ip.ts';
import type { PacketPool } from '../packet.ts';
import type { PortTable } from '../ports.ts';
import type { DatagramSocket } from './datagram-socket.ts';

/** What the sockets of one protocol need of it. */
export interface DatagramContext {
  readonly ip: IpLayer;
  readonly pool: PacketPool;
  readonly clock: Clock;
  readonly ports: PortTable<DatagramSocket>;
  counters(isV4: boolean): DatagramCounters;
  nextSocketId(): number;
  /** Nobody outside knows it. */
  readonly flowKey: number;
}
export interface DatagramCounters {
  InDatagrams: number;
  InErrors: number;
  RcvbufErrors: number;
  OutDatagrams: number;
  SndbufErrors: number;
}
