/**
 * The multicast groups of one socket (RFC 1112, ip(7) IP_ADD_MEMBERSHIP, ipv6(7) IPV6_JOIN_GROUP) and the sources that it takes in each of them (RFC 3678: source
 * filters, IP_BLOCK_SOURCE, IP_ADD_SOURCE_MEMBERSHIP, IP_MSFILTER and the MCAST_* options). A membership is a group on an interface. The interface takes in what any membership
 * asks for, and by default every socket bound to the port gets all of that (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL), as in Linux; a member gets what its filter lets through.
 *
 * Left out: the reports that would tell routers (IGMP, MLD): behind the links here is a gateway without multicast, or a segment on which every frame for a
 * group arrives anyway.
 */
import { IpAddress } from '../address.ts';
import type { FilterMode, SourceFilter, SourceFilters } from '../endpoint.ts';
import type { IpLayer } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';

class Membership {
  readonly group: IpAddress;
  readonly interfaceIndex: number;
  /** As given on joining: IPv4 leaves by it as well. */
  readonly interfaceAddress: IpAddress | undefined;
  mode: FilterMode;
  sources: IpAddress[] = [];
  /** Sources were named once: from then on the mode stays, even when none is left (Linux keeps the empty list). */
  isFixed = false;

  constructor(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined, mode: FilterMode) {
    this.group = group;
    this.interfaceIndex = interfaceIndex;
    this.interfaceAddress = interfaceAddress;
    this.mode = mode;
  }
  /** Whether the filter lets a source through, given by its words. */
  takes(w0: number, w1: number, w2: number, w3: number): boolean {
    for (const s of this.sources) {
      if (s.w3 === w3 && s.w2 === w2 && s.w1 === w1 && s.w0 === w0) return this.mode === 'include';
    }
    return this.mode === 'exclude';
  }
}

/** net.ipv4.igmp_max_memberships. */
export const MAX_GROUPS_V4 = 20;
/** Linux bounds those of IPv6 by the memory of the socket's options (net.core.optmem_max). */
const MAX_GROUPS_V6 = 512;
/** net.ipv4.igmp_max_msf and net.ipv6.mld_max_msf. */
export const MAX_SOURCES_V4 = 10;
const MAX_SOURCES_V6 = 64;
const mostSources = (group: IpAddress): number => (group.isV4 ? MAX_SOURCES_V4 : MAX_SOURCES_V6);

export class Memberships implements SourceFilters {
  readonly #ip: IpLayer;
  readonly #list: Membership[] = [];

  constructor(ip: IpLayer) {
    this.#ip = ip;
  }

  /** ip_mc_join_group, ipv6_sock_mc_join. @param interfaceIndex 0 to let the interface's address, or the route to the group, say. */
  join(
    group: IpAddress,
    interfaceIndex: number,
    interfaceAddress: IpAddress | undefined,
    mode: FilterMode = 'exclude',
  ): NetError | undefined {
    if (!group.isMulticast) return 'invalid';
    // IPv6 looks for the group on any interface before it looks for the interface.
    if (!group.isV4 && this.#find(group, interfaceIndex) !== undefined) return 'address-in-use';
    const index = this.#ip.groupInterface(group, interfaceIndex, interfaceAddress);
    if (index === 0) return 'no-device';
    if (this.#find(group, index) !== undefined) return 'address-in-use';
    const count = this.#list.reduce((sum, one) => sum + (one.group.isV4 === group.isV4 ? 1 : 0), 0);
    if (count >= (group.isV4 ? MAX_GROUPS_V4 : MAX_GROUPS_V6)) return 'no-buffers';
    const made = new Membership(group, index, interfaceAddress, mode);
    this.#ip.joinGroup(group, index, made);
    this.#list.push(made);
    return undefined;
  }
  /** ip_mc_leave_group, ipv6_sock_mc_drop. */
  leave(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): NetError | undefined {
    if (!group.isV4 && !group.isMulticast) return 'invalid';
    let index = interfaceIndex;
    if (group.isV4) {
      index = this.#ip.groupInterface(group, interfaceIndex, interfaceAddress);
      if (index === 0 && interfaceIndex === 0 && interfaceAddress === undefined) return 'no-device';
      index ||= interfaceIndex;
    }
    const found = this.#list.find(
      (one) =>
        one.group.equals(group) &&
        (index !== 0
          ? one.interfaceIndex === index
          : interfaceAddress === undefined || one.interfaceAddress?.equals(interfaceAddress) === true),
    );
    if (found === undefined) return 'address-not-available';
    this.#drop(found);
    return undefined;
  }
  #drop(membership: Membership): void {
    this.#list.splice(this.#list.indexOf(membership), 1);
    this.#ip.leaveGroup(membership.group, membership.interfaceIndex, membership);
  }
  #find(group: IpAddress, interfaceIndex: number): Membership | undefined {
    return this.#list.find(
      (one) => one.group.equals(group) && (interfaceIndex === 0 || one.interfaceIndex === interfaceIndex),
    );
  }
  /** The membership that a filter is about, or why there is none. */
  #named(group: IpAddress, interfaceIndex: number, address: IpAddress | undefined, absent: NetError) {
    if (!group.isMulticast) return 'invalid';
    const index = this.#ip.groupInterface(group, interfaceIndex, address);
    if (index === 0) return 'no-device';
    return this.#list.find((one) => one.group.equals(group) && one.interfaceIndex === index) ?? absent;
  }

  /** ip_mc_source, ip6_mc_source: one source more or less in a filter of that mode. */
  changeSource(
    group: IpAddress,
    source: IpAddress,
    interfaceIndex: number,
    address: IpAddress | undefined,
    mode: FilterMode,
    adds: boolean,
  ): NetError | undefined {
    const membership = this.#named(group, interfaceIndex, address, 'invalid');
    if (typeof membership === 'string') return membership;
    const { sources } = membership;
    if (membership.mode !== mode) {
      if (membership.isFixed) return 'invalid';
      membership.mode = mode;
    }
    const at = sources.findIndex((one) => one.equals(source));
    if (adds) {
      if (sources.length >= mostSources(group)) return 'no-buffers';
      if (at >= 0) return 'address-not-available';
      sources.push(source);
      membership.isFixed = true;
      return undefined;
    }
    if (at < 0) return 'address-not-available';
    // To include nobody is to leave.
    if (sources.length === 1 && mode === 'include') this.#drop(membership);
    else sources.splice(at, 1);
    return undefined;
  }
  /** ip_mc_msfilter, ip6_mc_msfilter: the whole filter at once. */
  setFilter(
    group: IpAddress,
    interfaceIndex: number,
    address: IpAddress | undefined,
    filter: SourceFilter,
  ): NetError | undefined {
    if (filter.mode === 'include' && filter.sources.length === 0) {
      const there = this.#named(group, interfaceIndex, address, 'address-not-available');
      if (typeof there === 'string') return there;
      this.#drop(there);
      return undefined;
    }
    const membership = this.#named(group, interfaceIndex, address, 'invalid');
    if (typeof membership === 'string') return membership;
    membership.mode = filter.mode;
    membership.sources = [...filter.sources];
    membership.isFixed = filter.sources.length > 0;
    return undefined;
  }
  /** ip_mc_msfget, ip_mc_gsfget, ip6_mc_msfget. */
  filterOf(group: IpAddress, interfaceIndex: number, address: IpAddress | undefined): SourceFilter | NetError {
    const membership = this.#named(group, interfaceIndex, address, 'address-not-available');
    return typeof membership === 'string' ? membership : { mode: membership.mode, sources: membership.sources };
  }

  /** ip_mc_sf_allow, inet6_mc_check: whether a packet sent to a group is for this socket. IPv6 does not look at the interface. */
  takes(packet: Packet, allV4: boolean, allV6: boolean): boolean {
    const isV4 = packet.ethertype === EtherType.Ipv4;
    const { dst0, dst1, dst2, dst3, interfaceIndex } = packet;
    if (isV4 && !IpAddress.v4(dst3).isMulticast) return true;
    for (const one of this.#list) {
      const { group, interfaceIndex: index } = one;
      const same = group.w3 === dst3 && group.w2 === dst2 && group.w1 === dst1 && group.w0 === dst0;
      if (same && (!isV4 || index === interfaceIndex))
        return one.takes(packet.src0, packet.src1, packet.src2, packet.src3);
    }
    return isV4 ? allV4 : allV6;
  }
  /** The socket is gone. */
  clear(): void {
    for (const one of this.#list) this.#ip.leaveGroup(one.group, one.interfaceIndex, one);
    this.#list.length = 0;
  }
}
