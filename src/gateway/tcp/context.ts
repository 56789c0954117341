/** What every part of the TCP translation shares. */
import type { Clock } from '../../lib/clock.ts';
import type { Packet } from '../../netstack/packet.ts';
import type { GatewayCounters } from '../counters.ts';
import type { FrameWriter } from '../frames.ts';
import type { Host } from '../host.ts';
import type { TcpFlow } from './flow.ts';
import type { RingPool } from './ring-pool.ts';
import type { WaitingAcks } from './waiting-acks.ts';

export interface TcpContext {
  readonly frames: FrameWriter;
  readonly host: Host;
  readonly clock: Clock;
  readonly counters: GatewayCounters;
  readonly budget: PromiseBudget;
  readonly acks: WaitingAcks;
  /** Native address of the packet slab. */
  readonly slab: number;
  /** Memory for octets on their way from a hold ring to a socket. */
  readonly scratch: { readonly bytes: Uint8Array; readonly address: number };
  readonly rings: RingPool;
  /** The flow is flushed at the end of this turn. */
  markDirty(flow: TcpFlow): void;
  /** The flow waits until the link has drained. */
  block(flow: TcpFlow): void;
  /** The host's connect ended with an errno: the guest is told as a router would. */
  connectFailed(flow: TcpFlow, error: number): void;
  /** The guest accepted a client's connection: its host socket takes part from now on. */
  guestAccepted(flow: TcpFlow): void;
  /** The guest refused a client's connection. */
  guestRefused(flow: TcpFlow): void;
  /** Answers a segment that belongs to no connection with RST (RFC 9293 3.10.7.1). */
  refuseSegment(packet: Packet): void;
  /** Forgets the flow. The host socket is closed here, with RST when `reset`. */
  close(flow: TcpFlow, reason: string, reset: boolean): void;
}

/**
 * Octets promised to the guest over all flows: windows offered plus octets held. What a flow may promise shrinks as the sum grows, down to a floor
 * that keeps every flow alive; so memory is bounded by `limit` * 3/4 plus the floor for each flow of the table.
 */
export class PromiseBudget {
  readonly limit: number;
  used = 0;
  constructor(limit: number) {
    this.limit = limit;
  }
  get isShort(): boolean {
    return this.used >= this.limit >>> 1;
  }
  /** What one flow may promise now. */
  capFor(most: number): number {
    if (!this.isShort) return most;
    if (this.used < (this.limit >>> 2) * 3) return Math.min(most, 1 << 18);
    return Math.min(most, 1 << 16);
  }
}
