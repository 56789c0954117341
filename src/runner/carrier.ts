/** What carries the sentry's frames out of the sandbox, and who stands at the other end. The sentry's loop drives it; `Uplink` puts capture and attribution in front of it. */
import type { Counters, FlowMetadata, GatewayExit, MessageFromGateway } from '../gateway/spawn.ts';
import type { Instant } from '../lib/clock.ts';
import type { LinkEndpoint } from '../netstack/link/link.ts';
import type { LinkOptions } from '../netstack/stack.ts';
import type { Loop } from './loop.ts';

export interface Carrier {
  readonly endpoint: LinkEndpoint;
  /** How the guest's interface is configured. */
  readonly options: Omit<LinkOptions, 'name'>;
  readonly isClosed: boolean;
  /** Undefined for a link without gateway of ours. */
  readonly gateway: GatewayPeer | undefined;
  attach(loop: Loop): void;
  /** A round begins. */
  begin(now: Instant): void;
  /** The events of the round have been dispatched: what they brought is handed to the stack. */
  receive(): void;
  /** The round ends: what is to leave leaves. True when that brought more to do at once. */
  flush(): boolean;
  /** When to run again at the latest. */
  nextDeadline(): Instant | undefined;
  /** Ends the link, and a gateway of ours with it, which has delivered by then what the guest had sent. */
  close(): Promise<void>;
}

/** @param late the link was closed already */
export type GatewayEnded = (pid: number, exit: GatewayExit, late: boolean) => void;

export interface GatewayPeer {
  /** Whether flows are to be announced. */
  readonly wantsFlows: boolean;
  /** Every message of the gateway's, as it arrives. */
  onMessage: ((message: MessageFromGateway) => void) | undefined;
  announce(flow: FlowMetadata): void;
  /** Its own counters; undefined if it does not tell in time. */
  counters(): Promise<Counters | undefined>;
  /** `ended` is called when it has ended before its time or, late, not well. */
  watch(ended: GatewayEnded): void;
}
