/**
 * Where a packet goes and from which address (RFC 1122 3.3; weak host model, as Linux: an address belongs to the host, not to the interface).
 * Order of decisions, Linux's ip_route_output: unspecified means loopback; services behind a link; our own addresses; broadcast and multicast; the table.
 */
import type { Clock } from '../../lib/clock.ts';
import { IpAddress } from '../address.ts';
import type { NetError } from '../net-error.ts';
import type { NetInterface } from './interface.ts';
import type { LinkService, TransportProtocol } from './ip.ts';
import { PathMtuCache } from './path-mtu.ts';
import { ResolvedRoute } from './route.ts';
import { type RouteSpec, RouteTable } from './route-table.ts';
import { selectSource } from './source-selection.ts';

/** The total length field; over IPv6 the header does not count. */
const MAX_MTU_V4 = 65_535;
const MAX_MTU_V6 = 65_575;

const isNobodys = (source: IpAddress): boolean => source.isMulticast || source.isLimitedBroadcast;

export class Router {
  generation = 1;
  readonly interfaces: NetInterface[] = [];
  readonly table = new RouteTable();
  readonly pathMtus: PathMtuCache;
  readonly #services: { readonly service: LinkService; readonly iface: NetInterface }[] = [];
  readonly #transports: readonly (TransportProtocol | undefined)[];

  /** @param transports by protocol number. */
  constructor(clock: Clock, transports: readonly (TransportProtocol | undefined)[]) {
    this.pathMtus = new PathMtuCache(clock, () => this.generation++);
    this.#transports = transports;
  }

  interfaceAt(index: number): NetInterface | undefined {
    return this.interfaces[index - 1];
  }
  addService(service: LinkService, iface: NetInterface): void {
    this.#services.push({ service, iface });
    this.generation++;
  }
  /** True for the source of packets that may come over `iface` although it is an address of loopback. */
  isServiceOf(iface: NetInterface, address: IpAddress): boolean {
    return this.#services.some((s) => s.iface === iface && s.service.address.equals(address));
  }
  interfaceClosed(iface: NetInterface): void {
    this.table.removeInterface(iface.index);
    this.generation++;
  }

  isLocal(address: IpAddress): boolean {
    if (address.isLoopback) return true;
    return this.interfaces.some((i) => i.isUp && i.hasAddress(address));
  }
  isBroadcast(address: IpAddress): boolean {
    return address.isLimitedBroadcast || this.interfaces.some((i) => i.isUp && i.isSubnetBroadcast(address));
  }

  route(
    asked: IpAddress,
    source: IpAddress | undefined,
    interfaceIndex: number,
    protocol: number,
    port: number,
    anySource = false,
  ): ResolvedRoute | NetError {
    const from = source?.isUnspecified === true ? undefined : source;
    const remote = asked.isUnspecified ? (from ?? loopbackOf(asked)) : asked;
    const refusal = this.#refusal(remote, from, interfaceIndex, anySource);
    if (refusal !== undefined) return refusal;
    if (source?.isV4 === true && !remote.isV4) return this.#mappedRoute(remote, interfaceIndex, protocol, port);
    const served = remote.isLoopback ? this.#serviceRoute(remote, from, interfaceIndex, protocol, port) : undefined;
    if (served !== undefined) return served;
    if (this.isLocal(remote)) return this.#localRoute(remote, from);
    if (remote.isMulticast || remote.isLimitedBroadcast) return this.#groupRoute(remote, from, interfaceIndex);
    return this.#tableRoute(remote, from, interfaceIndex);
  }

  #refusal(
    remote: IpAddress,
    from: IpAddress | undefined,
    interfaceIndex: number,
    anySource: boolean,
  ): NetError | undefined {
    // ip_route_output_key_hash_rcu: what can be nobody's address is invalid, FLOWI_FLAG_ANYSRC or not; what is someone else's leads nowhere. Of IPv6 who binds or chooses a source has looked at it.
    if (from?.isV4 === true && remote.isV4) {
      if (isNobodys(from)) return 'invalid';
      if (!anySource && !this.#isSource4(from)) return 'network-unreachable';
    }
    if (interfaceIndex !== 0 && this.interfaceAt(interfaceIndex)?.isUp !== true) {
      // Only IPv4 tells an interface that does not exist from one that leads nowhere.
      return remote.isV4 && this.interfaceAt(interfaceIndex) === undefined ? 'no-device' : 'network-unreachable';
    }
    return remote.isV4 && from?.isV4 === false ? 'network-unreachable' : undefined;
  }

  #isSource4(address: IpAddress): boolean {
    return this.isLocal(address) && !this.isBroadcast(address);
  }
  /** From an IPv4 address to an IPv6 one there is no way, which is looked at once there would be one from another (ip6_dst_lookup_tail). */
  #mappedRoute(remote: IpAddress, interfaceIndex: number, protocol: number, port: number): NetError {
    const way = this.route(remote, undefined, interfaceIndex, protocol, port);
    return typeof way === 'string' ? way : 'address-family';
  }
  #serviceRoute(
    remote: IpAddress,
    from: IpAddress | undefined,
    interfaceIndex: number,
    protocol: number,
    port: number,
  ): ResolvedRoute | undefined {
    if (from?.isLoopback === true) return undefined;
    const iface = this.#services.find(
      (s) =>
        s.service.address.equals(remote) &&
        s.iface.isUp &&
        // An answer to what came over the link goes back over it, whatever port it names.
        (interfaceIndex === 0
          ? port === s.service.port
          : interfaceIndex === s.iface.index && (port === 0 || port === s.service.port)),
    )?.iface;
    if (iface === undefined || (port !== 0 && this.#transports[protocol]?.isBound?.(remote, port) === true))
      return undefined;
    const hop = this.table.lookup(remote.isV4 ? IpAddress.ANY4 : IpAddress.ANY6, iface.index)?.gateway ?? remote;
    const local = from ?? selectSource(hop, hop, iface.addresses, []);
    return local === undefined ? undefined : this.#resolved(iface, local, remote, hop, undefined, false);
  }
  #localRoute(remote: IpAddress, from: IpAddress | undefined): ResolvedRoute | NetError {
    const [loopback] = this.interfaces;
    if (loopback === undefined) return 'network-unreachable';
    return this.#resolved(
      loopback,
      from ?? (remote.isLoopback ? loopbackOf(remote) : remote),
      remote,
      remote,
      undefined,
      // 127.255.255.255 is the loopback interface's broadcast address.
      this.isBroadcast(remote),
    );
  }
  /** ip_mc_find_dev: the interface for a membership; 0 for none. */
  groupInterface(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): number {
    if (interfaceIndex !== 0) return this.interfaceAt(interfaceIndex)?.index ?? 0;
    if (interfaceAddress !== undefined) {
      return this.interfaces.find((i) => i.hasAddress(interfaceAddress))?.index ?? 0;
    }
    const route = group.isMulticast ? this.#groupRoute(group, undefined, 0) : this.route(group, undefined, 0, 0, 0);
    return typeof route === 'string' ? 0 : route.interfaceIndex;
  }
  /** The interface that a group or the limited broadcast leaves by. */
  #groupDevice(remote: IpAddress, from: IpAddress | undefined, interfaceIndex: number): NetInterface | undefined {
    return (
      this.interfaceAt(interfaceIndex) ??
      (from === undefined ? undefined : this.#deviceOf(from)) ??
      this.interfaceAt(this.table.lookup(remote, 0)?.interfaceIndex ?? 0) ??
      // IPv6 has a route for ff00::/8 on every interface; IPv4 needs one in the table.
      (remote.isV4 ? undefined : this.interfaces.find((i) => i.isUp && !i.isLoopback))
    );
  }
  /** All of 127.0.0.0/8 is the loopback interface's (__ip_dev_find). */
  #deviceOf(address: IpAddress): NetInterface | undefined {
    const isOfLoopback = address.isV4 && address.isLoopback;
    return this.interfaces.find((i) => i.isUp && (i.hasAddress(address) || (isOfLoopback && i.isLoopback)));
  }
  #groupRoute(remote: IpAddress, from: IpAddress | undefined, interfaceIndex: number): ResolvedRoute | NetError {
    const iface = this.#groupDevice(remote, from, interfaceIndex);
    if (iface === undefined || !iface.isUp) return 'network-unreachable';
    // Linux has no ff00::/8 on loopback; and 127.0.0.1, being of host scope, is no source for a group: it leaves from 0.0.0.0.
    if (iface.isLoopback && !remote.isV4) return 'network-unreachable';
    const local = from ?? (iface.isLoopback ? IpAddress.ANY4 : selectSource(remote, remote, iface.addresses, []));
    if (local === undefined) return remote.isV4 ? 'network-unreachable' : 'address-not-available';
    return this.#resolved(iface, local, remote, remote, undefined, remote.isLimitedBroadcast);
  }
  /** Who names an interface is taken at his word: what has no route is on that link (ip_route_output_key_hash_rcu). */
  #linkRoute(remote: IpAddress, from: IpAddress | undefined, interfaceIndex: number): ResolvedRoute | NetError {
    const iface = this.interfaceAt(interfaceIndex);
    if (!remote.isV4 || iface?.isUp !== true) return 'network-unreachable';
    if (from?.isLoopback === true && !iface.isLoopback) return 'invalid';
    const local = from ?? (iface.isLoopback ? undefined : selectSource(remote, remote, iface.addresses, []));
    return this.#resolved(iface, local ?? IpAddress.ANY4, remote, remote, undefined, this.isBroadcast(remote));
  }
  #tableRoute(remote: IpAddress, from: IpAddress | undefined, interfaceIndex: number): ResolvedRoute | NetError {
    const spec = this.table.lookup(remote, interfaceIndex);
    if (spec === undefined) return this.#linkRoute(remote, from, interfaceIndex);
    const iface = this.interfaceAt(spec.interfaceIndex);
    if (iface?.isUp !== true) return 'network-unreachable';
    // Linux refuses to let 127.0.0.0/8 out (__mkroute_output: EINVAL); RFC 1122 3.2.1.3.
    if (from?.isLoopback === true) return 'invalid';
    const nextHop = spec.gateway ?? remote;
    const local = from ?? spec.source ?? selectSource(remote, nextHop, iface.addresses, this.#others(iface));
    if (local === undefined) return remote.isV4 ? 'network-unreachable' : 'address-not-available';
    return this.#resolved(iface, local, remote, nextHop, spec, this.isBroadcast(remote));
  }
  #others(iface: NetInterface) {
    return this.interfaces.filter((i) => i !== iface && i.isUp && !i.isLoopback).flatMap((i) => i.addresses);
  }
  #resolved(
    iface: NetInterface,
    local: IpAddress,
    remote: IpAddress,
    nextHop: IpAddress,
    spec: RouteSpec | undefined,
    isBroadcast: boolean,
  ): ResolvedRoute {
    const linkMtu = Math.min(iface.mtu, spec?.mtu ?? iface.mtu, remote.isV4 ? MAX_MTU_V4 : MAX_MTU_V6);
    const mtu = iface.isLoopback ? linkMtu : this.pathMtus.lookup(remote, linkMtu);
    return new ResolvedRoute(iface, { local, remote, nextHop, mtu, linkMtu, isBroadcast, generation: this.generation });
  }
}

const loopbackOf = (family: IpAddress): IpAddress => (family.isV4 ? IpAddress.LOOPBACK4 : IpAddress.LOOPBACK6);
