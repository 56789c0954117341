/**
 * The gateway in its caller's loop, on this machine. Its end of the link is the other end of a pair in memory, and both live in one slab, so that a frame is handed over and
 * never copied; and between guest and host there is one process less to be woken (docs/decisions/0017).
 *
 * A round of the caller's: `begin`, `dispatch` if `fd` is readable, `receive` (what the host's events brought goes to the guest), the caller's own work, and `pass` (what the guest
 * sent goes to hosts).
 */
import { HostRandom, monotonic } from '../host/clock.ts';
import { EventPoller } from '../host/event-poller.ts';
import { type Instant, TimerHeap } from '../lib/clock.ts';
import type { LinkEndpoint } from '../netstack/link/link.ts';
import { ALL_CAPABILITIES, LinkPair } from '../netstack/link/pair.ts';
import type { PacketPool } from '../netstack/packet.ts';
import { type CompleteConfig, type GatewayConfig, parseConfig, resolveConfig } from './config.ts';
import { Gateway } from './gateway.ts';
import { closeListeners, openListeners } from './listeners.ts';
import type { Counters, FlowMetadata, MessageFromGateway } from './messages.ts';
import { hasPeekOffset, localHost } from './process.ts';
import { LINK_HIGH } from './tcp/send.ts';

/** Frames that wait in either direction of the pair. */
const QUEUE_LIMIT = 2048;

export class InlineGateway {
  readonly config: CompleteConfig;
  readonly #pair: LinkPair;
  readonly #poller: EventPoller;
  readonly #gateway: Gateway;
  #next: Instant | undefined = undefined;
  /** The link to the guest counted as full: flows stopped, and nothing but its being emptied tells them to go on. */
  #wasFull = false;

  /**
   * @param pool the slab of the stack at the guest's end
   * @param tell is called with each of the gateway's messages
   * @throws ConfigError, PublishError, HostError
   */
  constructor(config: GatewayConfig, pool: PacketPool, tell: (message: MessageFromGateway) => void) {
    const complete = parseConfig(config);
    const { guestMac, gatewayMac } = resolveConfig(complete);
    const listeners = openListeners(complete.published);
    this.config = complete;
    this.#poller = new EventPoller();
    this.#pair = new LinkPair({
      mtu: complete.mtu,
      capabilities: ALL_CAPABILITIES,
      addresses: [guestMac, gatewayMac],
      queueLimit: QUEUE_LIMIT,
    });
    try {
      this.#gateway = new Gateway({
        config: complete,
        link: this.#pair.b,
        pool,
        host: localHost(this.#poller),
        clock: new TimerHeap(monotonic()),
        random: new HostRandom(),
        control: { poll: () => false, send: tell, malformed: 0, lost: 0 },
        listeners,
        hasPeekOffset: hasPeekOffset(),
      });
    } catch (error) {
      closeListeners(listeners);
      this.#poller.close();
      throw error;
    }
  }
  /** The guest's end of the link. */
  get link(): LinkEndpoint {
    return this.#pair.a;
  }
  /** Readable when the host has events. */
  get fd(): number {
    return this.#poller.fd;
  }
  /** When the next round is due if nothing happens before. */
  get next(): Instant | undefined {
    return this.#next;
  }
  /** True while, the link closed, last octets of the guest's are on their way to hosts: rounds go on until they have got there, or ten seconds. */
  get isLingering(): boolean {
    return this.#gateway.isLingering;
  }

  begin(now: Instant): void {
    this.#gateway.begin(now);
  }
  dispatch(): void {
    this.#poller.dispatch(this.#poller.wait(0));
  }
  receive(): void {
    this.#step();
  }
  /** True when that brought something for the guest, or there is more for it. */
  pass(): boolean {
    if (this.#pair.a.deliver() === 0) return this.#wasFull;
    return this.#step() > 0;
  }
  #step(): number {
    this.#next = this.#gateway.step();
    this.#wasFull = this.#pair.b.queued >= LINK_HIGH;
    return this.#pair.b.deliver();
  }
  /** A round that serves only what lingers. */
  linger(): void {
    this.begin(monotonic());
    this.dispatch();
    this.receive();
  }

  /** Before the flow's first frame. */
  announce(flow: FlowMetadata): void {
    this.#gateway.message(flow);
  }
  stats(): Counters {
    return this.#gateway.stats();
  }
  /** Closes the link, behind what waits in it. */
  closeLink(): void {
    this.begin(monotonic());
    this.pass();
    this.#pair.a.close();
  }
  /** Once nothing lingers. */
  close(): void {
    this.#poller.close();
  }
}
