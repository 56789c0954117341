/**
 * The internet layer: IPv4 (RFC 791, RFC 1122 3) and IPv6 (RFC 8200) on one code path, addresses of IPv4 being held IPv4-mapped. Output writes the
 * header, cuts what is too long where that is allowed, and hands to the interface; input is in input.ts, decisions about routes in router.ts.
 */
import type { IpAddress } from '../address.ts';
import { IcmpProtocol } from '../icmp/icmp.ts';
import type { LinkEndpoint } from '../link/link.ts';
import { LinkCapability } from '../link/link.ts';
import type { NetError } from '../net-error.ts';
import { Csum, Gso, type Packet } from '../packet.ts';
import { completeChecksum } from '../transport-checksum.ts';
import * as ipv4 from '../wire/ipv4.ts';
import * as ipv6 from '../wire/ipv6.ts';
import { fragment } from './fragment.ts';
import { pushHeader } from './header.ts';
import { IpInput } from './input.ts';
import { type InterfaceUser, type IpEnvironment, NetInterface } from './interface.ts';
import {
  type GroupMember,
  type IpLayer,
  IpProtocol,
  type LinkService,
  type OutputOptions,
  type Route,
  type TransportProtocol,
} from './ip.ts';
import type { ResolvedRoute } from './route.ts';
import type { RouteSpec } from './route-table.ts';
import { Router } from './router.ts';
import type { InterfaceAddress } from './source-selection.ts';

export class InternetLayer implements IpLayer, InterfaceUser {
  readonly env: IpEnvironment;
  readonly icmp: IcmpProtocol;
  readonly input: IpInput;
  /** Told when the link of an interface is gone. */
  onInterfaceClosed: ((iface: NetInterface, reason: string) => void) | undefined = undefined;
  readonly #transports: (TransportProtocol | undefined)[] = Array<undefined>(256).fill(undefined);
  readonly #router: Router;

  constructor(env: IpEnvironment) {
    this.env = env;
    this.#router = new Router(env.clock, this.#transports);
    this.icmp = new IcmpProtocol(env, this, this.#transports);
    this.input = new IpInput(env, this.#router, this.#transports, this.icmp);
    this.register(IpProtocol.Icmp, this.icmp);
    this.register(IpProtocol.IcmpV6, this.icmp);
  }

  get generation(): number {
    return this.#router.generation;
  }
  get interfaces(): readonly NetInterface[] {
    return this.#router.interfaces;
  }
  get routes(): readonly RouteSpec[] {
    return this.#router.table.routes;
  }
  interfaceAt(index: number): NetInterface | undefined {
    return this.#router.interfaceAt(index);
  }

  /** Interfaces are numbered from 1 in the order in which they are added. */
  addInterface(name: string, link: LinkEndpoint, isLoopback: boolean): NetInterface {
    const iface = new NetInterface(this.env, this, this.interfaces.length + 1, name, link, isLoopback);
    this.#router.interfaces.push(iface);
    this.#router.generation++;
    return iface;
  }
  /** The subnet becomes reachable on the link. */
  addAddress(iface: NetInterface, own: InterfaceAddress): void {
    iface.addresses.push(own);
    const { address, prefix } = own;
    if (!iface.isLoopback) {
      this.addRoute({ destination: address, prefix, gateway: undefined, interfaceIndex: iface.index, source: address });
    }
    this.#router.generation++;
  }
  addRoute(route: RouteSpec): void {
    this.#router.table.add(route);
    this.#router.generation++;
  }
  removeRoute(destination: IpAddress, prefix: number, interfaceIndex: number): boolean {
    this.#router.generation++;
    return this.#router.table.remove(destination, prefix, interfaceIndex);
  }
  addLinkService(service: LinkService, iface: NetInterface): void {
    this.#router.addService(service, iface);
  }
  groupInterface(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): number {
    return this.#router.groupInterface(group, interfaceIndex, interfaceAddress);
  }
  joinGroup(group: IpAddress, interfaceIndex: number, member: GroupMember): void {
    this.interfaceAt(interfaceIndex)?.joinGroup(group, member);
  }
  leaveGroup(group: IpAddress, interfaceIndex: number, member: GroupMember): void {
    this.interfaceAt(interfaceIndex)?.leaveGroup(group, member);
  }
  register(protocol: number, transport: TransportProtocol): void {
    this.#transports[protocol] = transport;
  }

  isLocal(address: IpAddress): boolean {
    return this.#router.isLocal(address);
  }
  isBroadcast(address: IpAddress): boolean {
    return this.#router.isBroadcast(address);
  }
  isBindable(address: IpAddress): boolean {
    return address.isUnspecified || address.isMulticast || this.isLocal(address) || this.isBroadcast(address);
  }

  route(
    remote: IpAddress,
    source: IpAddress | undefined,
    interfaceIndex: number,
    protocol = 0,
    port = 0,
    anySource = false,
  ): ResolvedRoute | NetError {
    const route = this.#router.route(remote, source, interfaceIndex, protocol, port, anySource);
    if (route === 'network-unreachable') {
      (remote.isV4 ? this.env.stats.Ip : this.env.stats.Ip6).OutNoRoutes++;
    }
    return route;
  }
  lowerPathMtu(remote: IpAddress, mtu: number): void {
    const route = this.#router.route(remote, undefined, 0, 0, 0);
    if (typeof route === 'string' || route.isLoopback) return;
    this.#router.pathMtus.lower(remote, mtu, route.mtu);
    this.env.stats.Sandsock.PathMtuEvictions = this.#router.pathMtus.evictions;
  }

  unreachable(packet: Packet, reason: 'port' | 'protocol'): void {
    this.icmp.unreachable(packet, reason);
  }

  output(packet: Packet, route: Route, protocol: number, options: OutputOptions): NetError | undefined {
    const resolved = route as ResolvedRoute;
    const isV4 = resolved.remote.isV4;
    const { stats, random } = this.env;
    const counters = isV4 ? stats.Ip : stats.Ip6;
    counters.OutRequests++;
    const size = packet.length + (isV4 ? ipv4.HEADER_LEN : ipv6.HEADER_LEN);
    const mtu = options.mtu || resolved.mtu;
    const tooLong = size > mtu && packet.gsoType === Gso.None;
    const failure = this.#refusal(resolved, size, tooLong && options.dontFragment);
    if (failure !== undefined) {
      if (failure === 'message-size') counters.FragFails++;
      else counters.OutDiscards++;
      packet.release();
      return failure;
    }
    if (tooLong || (resolved.capabilities & LinkCapability.TxChecksum) === 0) completeChecksum(packet);
    // RFC 6864: an atomic datagram's identification means nothing; others get an unpredictable one.
    const id = isV4 && !options.dontFragment ? random.u32() & 0xffff : 0;
    pushHeader(packet, resolved.local, resolved.remote, protocol, options, id);
    options.tap?.(packet);
    if (isV4) this.#countOctets(resolved, packet);
    else this.#countOctets6(resolved, packet);
    this.#loopBack(packet, resolved, options);
    return tooLong ? this.#outputFragments(packet, resolved, mtu) : this.#transmit(packet, resolved);
  }
  #refusal(route: ResolvedRoute, size: number, mayNotCut: boolean): NetError | undefined {
    if (!route.iface.isUp) return 'network-unreachable';
    const most = route.remote.isV4 ? ipv4.MAX_LEN : ipv6.HEADER_LEN + ipv6.MAX_PAYLOAD;
    return mayNotCut || size > most ? 'message-size' : undefined;
  }
  #countOctets(route: ResolvedRoute, packet: Packet): void {
    const { IpExt } = this.env.stats;
    IpExt.OutOctets += packet.length;
    if (route.isBroadcast) IpExt.OutBcastPkts++;
    else if (route.remote.isMulticast) IpExt.OutMcastPkts++;
  }

  #countOctets6(route: ResolvedRoute, packet: Packet): void {
    const { Ip6Ext } = this.env.stats;
    Ip6Ext.OutOctets += packet.length;
    if (route.remote.isMulticast) Ip6Ext.OutMcastPkts++;
  }

  #transmit(packet: Packet, route: ResolvedRoute): NetError | undefined {
    const { iface } = route;
    let sent: boolean;
    if (packet.ttl === 0 && route.remote.isMulticast && !iface.isLoopback) {
      // RFC 1112 6.1: it stays on this host, whose members have their copy.
      packet.release();
      return undefined;
    }
    if (iface.neighbors === undefined) {
      // Loopback traffic stands for lo; a copy of a broadcast alone keeps its own interface.
      packet.interfaceIndex = iface.isLoopback ? 0 : iface.index;
      sent = iface.link.transmit(packet);
    } else if (route.isBroadcast || route.remote.isMulticast) sent = iface.send(packet, route.remote);
    else {
      if (route.neighbor?.live !== true) route.neighbor = iface.neighbors.obtain(route.nextHop);
      sent = iface.neighbors.send(route.neighbor, packet);
    }
    if (sent) return undefined;
    (route.remote.isV4 ? this.env.stats.Ip : this.env.stats.Ip6).OutDiscards++;
    return 'no-buffers';
  }
  #outputFragments(packet: Packet, route: ResolvedRoute, mtu: number): NetError | undefined {
    const counters = route.remote.isV4 ? this.env.stats.Ip : this.env.stats.Ip6;
    const id = route.remote.isV4 ? ipv4.id(packet.bytes, packet.at) : this.env.random.u32();
    let failure: NetError | undefined;
    const count = fragment(packet, mtu, id, (piece) => {
      failure ??= this.#transmit(piece, route);
    });
    packet.release();
    if (count === 0) {
      counters.FragFails++;
      return 'no-buffers';
    }
    counters.FragOKs++;
    counters.FragCreates += count;
    return failure;
  }
  /** Our own broadcasts, and multicasts to groups that we are in, reach us too (Linux: ip_mc_output, dev_loopback_xmit). */
  #loopBack(packet: Packet, route: ResolvedRoute, options: OutputOptions): void {
    const { iface } = route;
    const toMembers = route.remote.isMulticast && options.multicastLoop !== false && iface.isMemberOf(route.remote);
    if (iface.isLoopback || !(route.isBroadcast || toMembers)) return;
    const copy = packet.copyTo(packet.pool);
    if (copy === undefined) return;
    copy.interfaceIndex = iface.index;
    copy.csum = Csum.Valid;
    this.interfaces[0]?.link.transmit(copy);
  }

  // What interfaces report.
  receiveIp(packet: Packet, iface: NetInterface): void {
    this.input.receive(packet, iface);
  }
  neighborUnreachable(packet: Packet): void {
    this.icmp.neighborUnreachable(packet);
  }
  interfaceClosed(iface: NetInterface, reason: string): void {
    this.#router.interfaceClosed(iface);
    this.onInterfaceClosed?.(iface, reason);
  }
}
