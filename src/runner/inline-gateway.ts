/** A gateway in the sentry's own loop (`--inline-gateway`). */
import { setTimeout as delay } from 'node:timers/promises';
import { InlineGateway } from '../gateway/inline.ts';
import type { Counters, FlowMetadata, GatewayConfig, MessageFromGateway } from '../gateway/spawn.ts';
import { EPOLLIN } from '../host/epoll.ffi.ts';
import type { Instant } from '../lib/clock.ts';
import type { LinkEndpoint } from '../netstack/link/link.ts';
import type { PacketPool } from '../netstack/packet.ts';
import type { LinkOptions } from '../netstack/stack.ts';
import type { Carrier, GatewayPeer } from './carrier.ts';
import { interfaceOptions, startError } from './gateway-settings.ts';
import type { Loop } from './loop.ts';

const LINGER_STEP_MS = 5;

export class InlineCarrier implements Carrier, GatewayPeer {
  readonly options: Omit<LinkOptions, 'name'>;
  onMessage: ((message: MessageFromGateway) => void) | undefined = undefined;
  readonly #gateway: InlineGateway;
  #loop: Loop | undefined = undefined;
  #closed = false;

  /** @throws RunError, ConfigError, HostError */
  constructor(config: GatewayConfig, pool: PacketPool) {
    try {
      this.#gateway = new InlineGateway(config, pool, (message) => this.onMessage?.(message));
    } catch (error) {
      throw startError(error);
    }
    this.options = interfaceOptions(this.#gateway.config);
  }
  get endpoint(): LinkEndpoint {
    return this.#gateway.link;
  }
  get gateway(): GatewayPeer {
    return this;
  }
  get wantsFlows(): boolean {
    return this.#gateway.config.flowRecords;
  }
  get isClosed(): boolean {
    return this.#closed;
  }

  attach(loop: Loop): void {
    this.#loop = loop;
    loop.add(this.#gateway.fd, EPOLLIN, () => this.#gateway.dispatch());
    process.nextTick(() => this.onMessage?.({ type: 'ready', pid: process.pid }));
  }
  begin(now: Instant): void {
    this.#gateway.begin(now);
  }
  receive(): void {
    this.#gateway.receive();
  }
  flush(): boolean {
    return this.#gateway.pass();
  }
  nextDeadline(): Instant | undefined {
    return this.#gateway.next;
  }

  announce(flow: FlowMetadata): void {
    this.#gateway.announce(flow);
  }
  async counters(): Promise<Counters> {
    return this.#gateway.stats();
  }
  watch(): void {
    // It ends with the sentry.
  }
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#gateway.closeLink();
    while (this.#gateway.isLingering) {
      // Not by the loop, which may have stopped for good.
      this.#gateway.linger();
      await delay(LINGER_STEP_MS);
    }
    this.#loop?.remove(this.#gateway.fd);
    this.#gateway.close();
  }
}
