/**
 * The stack: interfaces, IP, ICMP, UDP and TCP over one packet pool, one clock and one random source. It knows no loop: its owner feeds links, calls
 * `step` once per turn, and sleeps until the instant that it returns. Nothing here is entered recursively: what is sent to ourselves waits in the
 * loopback's queue until `step`.
 */
import type { Instant, TimerHeap } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';
import { type Family, IpAddress } from './address.ts';
import type { Netstack, PathInfo, TcpEndpoint, UdpEndpoint } from './endpoint.ts';
import { PingLayer } from './icmp/ping-layer.ts';
import type { IpEnvironment, NetInterface } from './ip/interface.ts';
import { type IpLayer, IpProtocol, type LinkService, type TransportProtocol } from './ip/ip.ts';
import { InternetLayer } from './ip/ip-layer.ts';
import type { RouteSpec } from './ip/route-table.ts';
import type { InterfaceAddress } from './ip/source-selection.ts';
import type { LinkEndpoint } from './link/link.ts';
import { LoopbackLink } from './link/loopback.ts';
import type { NetError } from './net-error.ts';
import { PacketPool } from './packet.ts';
import type { DatagramRow, TcpRow } from './rows.ts';
import { Stats } from './stats.ts';
import { TcpLayer } from './tcp/tcp-layer.ts';
import { UdpLayer } from './udp/udp-layer.ts';

/** What a transport is built on. */
export interface TransportEnvironment extends IpEnvironment {
  readonly ip: IpLayer;
  /** The next attribution id, unique in the stack and never 0. */
  nextSocketId(): number;
}
export interface TcpTransport extends TransportProtocol {
  createEndpoint(family: Family): TcpEndpoint;
  /** Sends what was withheld during the turn (acknowledgments); called once at the end of each step. */
  flush?(): void;
  /** Its sockets, and the octets that they hold. */
  rows?(): Iterable<TcpRow>;
  readonly memory?: number;
  /** A link is gone for good: what went over it ends. */
  interfaceClosed?(interfaceIndex: number): void;
}

export interface StackOptions {
  readonly clock: TimerHeap;
  readonly random: Random;
  /** Made with the default sizes when not given. */
  readonly pool?: PacketPool;
  /** Makes the TCP, where other limits than the default ones are wanted, or another TCP. */
  readonly tcp?: (env: TransportEnvironment) => TcpTransport;
}

export interface LinkOptions {
  /** As `ip link` would show it, e.g. eth0. */
  readonly name: string;
  readonly addresses: readonly InterfaceAddress[];
  /** Routers of this link: each becomes a default route of its family. */
  readonly gateways?: readonly IpAddress[];
  /** Neighbours known beforehand: nothing waits for them to answer ARP or NDP. */
  readonly neighbors?: readonly { readonly address: IpAddress; readonly linkAddress: Uint8Array }[];
  /** Loopback addresses whose service stands behind this link. */
  readonly services?: readonly LinkService[];
  /** Add fe80::/64 with an interface identifier from the MAC address (RFC 4291 2.5.1) when there is an IPv6 address; true unless said. */
  readonly linkLocal?: boolean;
}

/** Loopback packets delivered per step; two endpoints that answer each other for ever must not hold the loop. */
const LOOPBACK_BUDGET = 4096;

export class Stack implements Netstack {
  readonly clock: TimerHeap;
  readonly random: Random;
  readonly pool: PacketPool;
  readonly stats = new Stats();
  readonly ip: InternetLayer;
  readonly loopback = new LoopbackLink();
  /** The link of an interface is gone; the interface is down and its routes are removed. */
  onLinkClosed: ((iface: NetInterface, reason: string) => void) | undefined = undefined;
  readonly #udp: UdpLayer;
  readonly #ping: PingLayer;
  readonly #tcp: TcpTransport;
  #lastSocketId = 0;

  constructor(options: StackOptions) {
    this.clock = options.clock;
    this.random = options.random;
    this.pool = options.pool ?? new PacketPool();
    const { clock, random, pool, stats } = this;
    this.ip = new InternetLayer({ clock, random, pool, stats });
    this.ip.onInterfaceClosed = (iface, reason) => {
      this.#tcp.interfaceClosed?.(iface.index);
      this.onLinkClosed?.(iface, reason);
    };
    const lo = this.ip.addInterface('lo', this.loopback, true);
    this.ip.addAddress(lo, { address: IpAddress.LOOPBACK4, prefix: 8 });
    this.ip.addAddress(lo, { address: IpAddress.LOOPBACK6, prefix: 128 });
    const env: TransportEnvironment = { clock, random, pool, stats, ip: this.ip, nextSocketId: () => this.#nextId() };
    this.#udp = new UdpLayer(env);
    this.ip.register(IpProtocol.Udp, this.#udp);
    this.#ping = new PingLayer(env);
    this.ip.icmp.echoUser = this.#ping;
    this.#tcp = options.tcp?.(env) ?? new TcpLayer(env);
    this.ip.register(IpProtocol.Tcp, this.#tcp);
  }

  get interfaces(): readonly NetInterface[] {
    return this.ip.interfaces;
  }
  get routes(): readonly RouteSpec[] {
    return this.ip.routes;
  }

  addLink(link: LinkEndpoint, options: LinkOptions): NetInterface {
    const iface = this.ip.addInterface(options.name, link, false);
    for (const own of options.addresses) this.ip.addAddress(iface, own);
    const hasV6 = options.addresses.some((own) => !own.address.isV4);
    if (hasV6 && link.linkAddress !== undefined && options.linkLocal !== false) {
      this.ip.addAddress(iface, { address: linkLocalAddress(link.linkAddress), prefix: 64 });
    }
    for (const { address, linkAddress } of options.neighbors ?? []) iface.neighbors?.setPermanent(address, linkAddress);
    for (const gateway of options.gateways ?? []) {
      const destination = gateway.isV4 ? IpAddress.ANY4 : IpAddress.ANY6;
      this.addRoute({ destination, prefix: 0, gateway, interfaceIndex: iface.index });
    }
    for (const service of options.services ?? []) this.ip.addLinkService(service, iface);
    return iface;
  }
  addRoute(route: RouteSpec): void {
    this.ip.addRoute(route);
  }

  createTcp(family: Family): TcpEndpoint {
    return this.#tcp.createEndpoint(family);
  }
  createUdp(family: Family): UdpEndpoint {
    return this.#udp.createEndpoint(family);
  }
  createPing(family: Family): UdpEndpoint {
    return this.#ping.createEndpoint(family);
  }
  isLocal(address: IpAddress): boolean {
    return this.ip.isLocal(address);
  }
  get tcpRows(): Iterable<TcpRow> {
    return this.#tcp.rows?.() ?? [];
  }
  get tcpMemory(): number {
    return this.#tcp.memory ?? 0;
  }
  get udpRows(): Iterable<DatagramRow> {
    return this.#udp.rows();
  }
  get pingRows(): Iterable<DatagramRow> {
    return this.#ping.rows();
  }
  path(remote: IpAddress, source: IpAddress | undefined, interfaceIndex: number): PathInfo | NetError {
    return this.ip.route(remote, source, interfaceIndex);
  }
  pathMtu(remote: IpAddress): number | undefined {
    const route = this.ip.route(remote, undefined, 0);
    return typeof route === 'string' ? undefined : route.mtu;
  }

  /**
   * One turn: fires what is due, delivers loopback traffic with all that it causes, flushes. Links are polled by their owner before.
   * @returns when to call again at the latest; undefined when nothing is pending.
   */
  step(now: Instant = this.clock.now()): Instant | undefined {
    this.clock.step(now);
    this.deliver();
    return this.loopback.queued > 0 ? this.clock.now() : this.clock.next();
  }
  deliver(): void {
    let budget = LOOPBACK_BUDGET - this.loopback.drain(LOOPBACK_BUDGET);
    this.#tcp.flush?.();
    // What the flush sent to ourselves, and its answers.
    while (this.loopback.queued > 0 && budget > 0) {
      budget -= this.loopback.drain(budget);
      this.#tcp.flush?.();
    }
  }

  #nextId(): number {
    // 31 bits stay small integers; a stack that wraps has long forgotten the first.
    this.#lastSocketId = (this.#lastSocketId & 0x3fff_ffff) + 1;
    return this.#lastSocketId;
  }
}

/** RFC 4291 appendix A: modified EUI-64. */
function linkLocalAddress(mac: Uint8Array): IpAddress {
  const octet = (i: number): number => mac[i] as number;
  const high = ((octet(0) ^ 2) << 24) | (octet(1) << 16) | (octet(2) << 8) | 0xff;
  return new IpAddress(0xfe80 << 16, 0, high, (0xfe << 24) | (octet(3) << 16) | (octet(4) << 8) | octet(5));
}
