/** The sockets of the stack as rows of a listing, one for each that could get a packet: what /proc/net/tcp, udp and their like say of them (proc(5)). */
import type { Family, IpAddress } from './address.ts';
import type { TcpState } from './endpoint.ts';

export interface SocketRow {
  /** Of the endpoint (attribution). */
  readonly id: number;
  readonly family: Family;
  readonly localAddress: IpAddress;
  readonly localPort: number;
  readonly remoteAddress: IpAddress;
  readonly remotePort: number;
  /** User id of who made it. */
  readonly owner: number;
  /** Octets to read; of a listener connections to accept. */
  readonly receiveQueue: number;
}
export interface DatagramRow extends SocketRow {
  readonly isConnected: boolean;
  /** Datagrams lost for want of room. */
  readonly drops: number;
}

/** The timer that runs, as Linux numbers them there. */
export const RowTimer = { None: 0, Retransmit: 1, KeepAlive: 2, TimeWait: 3, Probe: 4 } as const;

export interface TcpRow extends SocketRow {
  readonly state: TcpState;
  /** What is left of a connection once it needs no socket: half open, or waiting for old segments to die. */
  readonly kind: 'socket' | 'request' | 'time-wait';
  /** No descriptor has it any more. */
  readonly isOrphan: boolean;
  /** Sequence numbers in use and not acknowledged. */
  readonly sendQueue: number;
  readonly timer: number;
  /** Until it fires, in microseconds. */
  readonly timerLeft: number;
  readonly timeouts: number;
  readonly probes: number;
  /** Microseconds. */
  readonly retransmissionTimeout: number;
  readonly acknowledgmentDelay: number;
  readonly quickAcks: number;
  readonly isInteractive: boolean;
  /** Segments. */
  readonly congestionWindow: number;
  /** Undefined while slow start has not ended yet. */
  readonly slowStartThreshold: number | undefined;
  /** Connections that a listener admits with data in their SYN. */
  readonly fastOpenQueue: number;
}
