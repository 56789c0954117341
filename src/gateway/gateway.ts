/**
 * The host side of the link: frames of the guest become host sockets, and back, without any privilege. As a module it knows no loop: whoever drives it hands it
 * frames (it is the link's receiver) and the host's events through the poller, between `begin` and `step`.
 *
 * What may pass: Ethernet frames from the guest's own addresses, ARP, Neighbor Discovery, echo to the gateway, UDP and TCP. Everything else is dropped and
 * counted by its reason. Nothing here throws on a frame's account.
 */
import type { Clock, Instant } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import type { LinkEndpoint, LinkReceiver } from '../netstack/link/link.ts';
import type { Packet, PacketPool } from '../netstack/packet.ts';
import { type CompleteConfig, ConfigError, resolveConfig } from './config.ts';
import { GatewayCounters } from './counters.ts';
import { DnsProxy } from './dns.ts';
import { DnsStreams } from './dns-stream.ts';
import { EchoFlows } from './echo-flows.ts';
import { type ControlChannel, FlowLog } from './flow-log.ts';
import { FrameWriter } from './frames.ts';
import type { Host } from './host.ts';
import { ErrorWriter } from './icmp.ts';
import { FrameReader } from './input.ts';
import type { Counters, Listener, MessageToGateway } from './messages.ts';
import { NeighborService } from './neighbor.ts';
import { PublishedTcp } from './published-tcp.ts';
import { PublishedUdp } from './published-udp.ts';
import { Reachability } from './reach.ts';
import { LINK_HIGH } from './tcp/send.ts';
import { TcpTranslator } from './tcp/translator.ts';
import { UdpFlows } from './udp-flows.ts';

/** A clock that is moved on once a turn: `TimerHeap`. */
export interface SteppedClock extends Clock {
  moveTo(now: Instant): void;
  step(now: Instant): void;
  next(): Instant | undefined;
}
export interface GatewayOptions {
  readonly config: CompleteConfig;
  readonly link: LinkEndpoint;
  readonly pool: PacketPool;
  readonly host: Host;
  readonly clock: SteppedClock;
  readonly random: Random;
  readonly control: ControlChannel;
  /** Bound sockets of published ports, the gateway's from now on. */
  readonly listeners?: readonly Listener[];
  /** Whether TCP sockets support SO_PEEK_OFF here. */
  readonly hasPeekOffset: boolean;
}

export class Gateway implements LinkReceiver {
  readonly counters = new GatewayCounters();
  readonly tcp: TcpTranslator;
  readonly udp: UdpFlows;
  readonly dns: DnsProxy;
  readonly echo: EchoFlows;
  readonly log: FlowLog;
  /** Why the link ended; undefined while it lives. */
  closed: string | undefined = undefined;
  readonly #clock: SteppedClock;
  readonly #link: LinkEndpoint;
  readonly #pool: PacketPool;
  readonly #input: FrameReader;
  readonly #control: ControlChannel;
  readonly #publishedTcp: PublishedTcp;
  readonly #publishedUdp: PublishedUdp;

  /** @throws ConfigError for what this kernel lacks. */
  constructor(options: GatewayOptions) {
    const { host, clock, random, link, pool, control } = options;
    const { counters } = this;
    const settings = resolveConfig(options.config);
    const frames = new FrameWriter(link, pool, counters, settings, random.u32());
    const errors = new ErrorWriter(frames, counters, clock, settings);
    const reach = new Reachability(settings, (address) => host.isHostAddress(address));
    const log = new FlowLog(counters, control, settings.flowRecords);
    const parts = { settings, frames, errors, host, clock, random, counters, log, reach };
    if (settings.source === 'peek' && !options.hasPeekOffset) {
      throw new ConfigError(
        "source 'peek' needs SO_PEEK_OFF for TCP, which Linux has since 6.9: use 'auto' or 'queue'",
      );
    }
    const peek = settings.source !== 'queue' && options.hasPeekOffset;
    this.#clock = clock;
    this.#link = link;
    this.#pool = pool;
    this.#control = control;
    this.log = log;
    this.dns = new DnsProxy(parts);
    this.tcp = new TcpTranslator({ ...parts, peek, nameService: new DnsStreams({ ...parts, dns: this.dns }) });
    this.udp = new UdpFlows({ ...parts, nameServer: this.dns });
    this.echo = new EchoFlows(parts);
    const listeners = options.listeners ?? [];
    this.#publishedTcp = new PublishedTcp(
      { ...parts, tcp: this.tcp },
      listeners.filter(({ protocol }) => protocol === 'tcp'),
    );
    this.#publishedUdp = new PublishedUdp(
      { ...parts, udp: this.udp },
      listeners.filter(({ protocol }) => protocol === 'udp'),
    );
    const neighbors = new NeighborService(frames, counters, reach, settings);
    this.#input = new FrameReader({ ...parts, neighbors, tcp: this.tcp, udp: this.udp, echo: this.echo });
    link.attach(this, pool);
  }

  receive(packet: Packet): void {
    this.#input.receive(packet);
    packet.release();
  }
  linkClosed(reason: string): void {
    if (this.closed !== undefined) return;
    this.closed = reason;
    this.#publishedTcp.shutdown();
    this.#publishedUdp.shutdown();
    this.tcp.shutdown();
    this.udp.shutdown();
    this.echo.shutdown();
    this.dns.shutdown();
  }

  /** The link is closed, and what lingers shall not: it ends with RST. */
  abort(): void {
    this.tcp.abandon();
  }

  /** True while, the link closed, last octets of the guest's are on their way to hosts: turns go on until they have got there. */
  get isLingering(): boolean {
    return this.closed !== undefined && this.tcp.size > 0;
  }
  /** True when buffers are so few that the link may have found none to read a frame to. */
  get isStarved(): boolean {
    return this.#pool.isLow;
  }
  /** A message of the control channel, checked. The configuration is the driver's to read. */
  message(m: MessageToGateway): void {
    if (m.type === 'flow') this.log.announce(m);
    else if (m.type === 'stats') this.#control.send(this.stats());
  }
  stats(): Counters {
    const counters = this.counters.message();
    const { malformed, lost } = this.#control;
    if (malformed > 0) counters.events['control-malformed'] = malformed;
    if (lost > 0) counters.events['control-lost'] = lost;
    return counters;
  }

  /** The beginning of a turn: the clock alone. What has arrived is taken in before time-outs judge. */
  begin(now: Instant): void {
    this.#clock.moveTo(now);
  }
  /**
   * The end of a turn: timers that are due, then everything that they, the events and the frames left to do.
   * @returns when the next turn is due if nothing happens before: now for at once, undefined for never.
   */
  step(): Instant | undefined {
    this.#clock.step(this.#clock.now());
    if (this.closed !== undefined) {
      this.tcp.flush();
      return this.isLingering ? this.#clock.next() : undefined;
    }
    // With the link full, flows wait for it to drain, which is an event of the driver's.
    let more = this.#publishedTcp.flush();
    more = this.tcp.flush() || more;
    if (this.#link.queued < LINK_HIGH) {
      more = this.udp.flush() || more;
      more = this.echo.flush() || more;
      more = this.#publishedUdp.flush() || more;
    }
    return more ? this.#clock.now() : this.#clock.next();
  }
}
