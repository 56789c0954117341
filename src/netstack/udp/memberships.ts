/**
 * The multicast groups of one socket (RFC 1112, ip(7) IP_ADD_MEMBERSHIP, ipv6(7) IPV6_JOIN_GROUP). A membership is a group on an interface; the interface takes in what
 * any socket asked for, and by default every socket bound to the port gets all of that (IP_MULTICAST_ALL, IPV6_MULTICAST_ALL), as in Linux.
 *
 * Left out: source filters (RFC 3376, RFC 3810), and the reports that would tell routers (IGMP, MLD): behind the links here is a gateway without multicast, or
 * a segment on which every frame for a group arrives anyway.
 */
import { IpAddress } from '../address.ts';
import type { IpLayer } from '../ip/ip.ts';
import type { NetError } from '../net-error.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';

interface Membership {
  readonly group: IpAddress;
  readonly interfaceIndex: number;
  /** As given on joining: IPv4 leaves by it as well. */
  readonly interfaceAddress: IpAddress | undefined;
}

/** net.ipv4.igmp_max_memberships. */
const MAX_GROUPS_V4 = 20;
/** Linux bounds those of IPv6 by the memory of the socket's options (net.core.optmem_max). */
const MAX_GROUPS_V6 = 512;

export class Memberships {
  readonly #ip: IpLayer;
  readonly #list: Membership[] = [];

  constructor(ip: IpLayer) {
    this.#ip = ip;
  }

  /** ip_mc_join_group, ipv6_sock_mc_join. @param interfaceIndex 0 to let the interface's address, or the route to the group, say. */
  join(group: IpAddress, interfaceIndex: number, interfaceAddress: IpAddress | undefined): NetError | undefined {
    if (!group.isMulticast) return 'invalid';
    // IPv6 looks for the group on any interface before it looks for the interface.
    if (!group.isV4 && this.#find(group, interfaceIndex) !== undefined) return 'address-in-use';
    const index = this.#ip.groupInterface(group, interfaceIndex, interfaceAddress);
    if (index === 0) return 'no-device';
    if (this.#find(group, index) !== undefined) return 'address-in-use';
    const count = this.#list.reduce((sum, one) => sum + (one.group.isV4 === group.isV4 ? 1 : 0), 0);
    if (count >= (group.isV4 ? MAX_GROUPS_V4 : MAX_GROUPS_V6)) return 'no-buffers';
    this.#ip.joinGroup(group, index);
    this.#list.push({ group, interfaceIndex: index, interfaceAddress });
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
    const found = this.#list.findIndex(
      (one) =>
        one.group.equals(group) &&
        (index !== 0
          ? one.interfaceIndex === index
          : interfaceAddress === undefined || one.interfaceAddress?.equals(interfaceAddress) === true),
    );
    if (found < 0) return 'address-not-available';
    const [left] = this.#list.splice(found, 1);
    if (left !== undefined) this.#ip.leaveGroup(left.group, left.interfaceIndex);
    return undefined;
  }
  #find(group: IpAddress, interfaceIndex: number): Membership | undefined {
    return this.#list.find(
      (one) => one.group.equals(group) && (interfaceIndex === 0 || one.interfaceIndex === interfaceIndex),
    );
  }
  /** ip_mc_sf_allow, inet6_mc_check: whether a packet sent to a group is for this socket. IPv6 does not look at the interface. */
  takes(packet: Packet, allV4: boolean, allV6: boolean): boolean {
    const isV4 = packet.ethertype === EtherType.Ipv4;
    if (isV4 ? allV4 : allV6) return true;
    const { dst0, dst1, dst2, dst3, interfaceIndex } = packet;
    if (isV4 && !IpAddress.v4(dst3).isMulticast) return true;
    for (const { group, interfaceIndex: index } of this.#list) {
      const same = group.w3 === dst3 && group.w2 === dst2 && group.w1 === dst1 && group.w0 === dst0;
      if (same && (!isV4 || index === interfaceIndex)) return true;
    }
    return false;
  }
  /** The socket is gone. */
  clear(): void {
    for (const { group, interfaceIndex } of this.#list) this.#ip.leaveGroup(group, interfaceIndex);
    this.#list.length = 0;
  }
}
