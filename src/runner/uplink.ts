/** The way out, seen from the stack: the link that a carrier provides, with capture and attribution in front of it. */
import type { Counters, MessageFromGateway } from '../gateway/spawn.ts';
import { monotonic, realtimeOffset } from '../host/clock.ts';
import type { Instant } from '../lib/clock.ts';
import type { LinkCounters } from '../netstack/link/link.ts';
import { type CaptureSink, CapturingLink } from '../netstack/link/pcapng.ts';
import type { Stack } from '../netstack/stack.ts';
import { AttributingLink, Comments } from './attribution.ts';
import type { Carrier, GatewayEnded } from './carrier.ts';
import type { Loop } from './loop.ts';

/** A capture of the link. */
export interface Capture {
  readonly sink: CaptureSink;
  /** A call by its number. */
  readonly callName: (nr: number) => string;
}

export class Uplink {
  readonly link: AttributingLink;
  readonly #carrier: Carrier;
  readonly #capture: CapturingLink | undefined;

  constructor(carrier: Carrier, stack: Stack, capture?: Capture) {
    this.#carrier = carrier;
    const { gateway, endpoint, options } = carrier;
    this.#capture = capture === undefined ? undefined : this.#capturing(capture);
    this.link = new AttributingLink(
      this.#capture ?? endpoint,
      stack.random,
      gateway?.wantsFlows === true ? (flow) => gateway.announce(flow) : undefined,
    );
    stack.addLink(this.link, { name: 'eth0', ...options });
  }
  #capturing({ sink, callName }: Capture): CapturingLink {
    const offset = realtimeOffset();
    const comments = new Comments(callName);
    return new CapturingLink(this.#carrier.endpoint, {
      sink,
      name: 'eth0',
      realtimeUs: () => monotonic() + offset,
      describe: (socketId, callId) => comments.of(this.link.callerOf(socketId), callId),
    });
  }

  attach(loop: Loop): void {
    this.#carrier.attach(loop);
  }
  /** `heard` is called with every message of the gateway's, as it arrives; `ended` when it has ended before its time or, late, not well. */
  watchGateway(heard: (message: MessageFromGateway) => void, ended: GatewayEnded): void {
    const { gateway } = this.#carrier;
    if (gateway === undefined) return;
    gateway.onMessage = heard;
    // Not at once: whoever started us listens when we are made.
    process.nextTick(() => gateway.watch(ended));
  }
  begin(now: Instant): void {
    this.#carrier.begin(now);
  }
  receive(): void {
    this.#carrier.receive();
  }
  /** True when there is more to do at once. */
  flush(): boolean {
    this.#capture?.flush();
    return this.#carrier.flush();
  }
  nextDeadline(): Instant | undefined {
    return this.#carrier.nextDeadline();
  }

  get counters(): LinkCounters {
    return this.#carrier.endpoint.counters;
  }
  get flows(): number {
    return this.link.flows;
  }
  get isClosed(): boolean {
    return this.#carrier.isClosed;
  }
  /** The gateway's own counters; undefined without one of ours, or if it does not tell in time. */
  async gatewayCounters(): Promise<Counters | undefined> {
    return await this.#carrier.gateway?.counters();
  }
  /** Ends the link; a gateway of ours ends with it and is waited for. */
  async close(): Promise<void> {
    this.#capture?.finish();
    await this.#carrier.close();
  }
}
