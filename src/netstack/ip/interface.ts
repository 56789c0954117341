/**
 * One network interface: a link endpoint, its addresses, and on Ethernet the framing, the filter of stations and the neighbour cache. What is ours passes up to
 * the IP layer with `at` on the IP header. An interface is up until its link closes.
 */
import type { Clock } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import { IpAddress } from '../address.ts';
import type { InterfaceInfo } from '../endpoint.ts';
import type { LinkCounters, LinkEndpoint, LinkReceiver } from '../link/link.ts';
import type { Packet, PacketPool } from '../packet.ts';
import type { Stats } from '../stats.ts';
import * as ethernet from '../wire/ethernet.ts';
import { Arp } from './arp.ts';
import { sourceOf } from './header.ts';
import type { GroupMember } from './ip.ts';
import { Ndp, solicitedNode } from './ndp.ts';
import { type Neighbor, NeighborCache } from './neighbor.ts';
import { mappedPrefix } from './route-table.ts';
import { type InterfaceAddress, selectSource } from './source-selection.ts';

export interface IpEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly pool: PacketPool;
  readonly stats: Stats;
}

/** The IP layer as its interfaces see it. */
export interface InterfaceUser {
  /** `at` stands on what claims to be an IP header of `packet.ethertype`. Owns the packet. */
  receiveIp(packet: Packet, iface: NetInterface): void;
  /** The next hop of this packet, `l3` and `l4` set, does not answer. Owns the packet. */
  neighborUnreachable(packet: Packet): void;
  interfaceClosed(iface: NetInterface, reason: string): void;
}

/** A group that an interface is in. */
export interface GroupUse {
  readonly group: IpAddress;
  readonly users: number;
  /** Every host is in it, so nobody is told. */
  readonly isEveryHosts: boolean;
}
/** 224.0.0.1, ff02::1 and ff01::1. */
const EVERY_HOSTS: readonly IpAddress[] = [
  IpAddress.v4(0xe000_0001),
  new IpAddress(0xff02 << 16, 0, 0, 1),
  new IpAddress(0xff01 << 16, 0, 0, 1),
];

export class NetInterface implements InterfaceInfo, LinkReceiver {
  readonly env: IpEnvironment;
  readonly index: number;
  readonly name: string;
  readonly link: LinkEndpoint;
  readonly isLoopback: boolean;
  readonly addresses: InterfaceAddress[] = [];
  isUp = true;
  /** Undefined on a link without link-layer addresses. */
  readonly neighbors: NeighborCache | undefined;
  readonly arp: Arp | undefined;
  readonly ndp: Ndp | undefined;
  readonly #user: InterfaceUser;
  /** Bounded by the memberships that sockets may have. */
  readonly #groups: { readonly group: IpAddress; readonly members: GroupMember[] }[] = [];

  constructor(
    env: IpEnvironment,
    user: InterfaceUser,
    index: number,
    name: string,
    link: LinkEndpoint,
    isLoopback: boolean,
  ) {
    this.env = env;
    this.#user = user;
    this.index = index;
    this.name = name;
    this.link = link;
    this.isLoopback = isLoopback;
    if (link.linkAddress !== undefined) {
      this.arp = new Arp(this);
      this.ndp = new Ndp(this);
      this.neighbors = new NeighborCache(env, {
        solicit: (target, to, waiting) => this.#solicit(target, to, waiting),
        transmit: (packet, to) => this.transmitTo(packet, to),
        unreachable: (packet) => this.#user.neighborUnreachable(packet),
      });
    } else {
      this.neighbors = this.arp = this.ndp = undefined;
    }
    link.attach(this, env.pool);
  }

  get mtu(): number {
    return this.link.mtu;
  }
  get queueLimit(): number {
    return this.link.queueLimit ?? 0;
  }
  get neighborEntries(): Iterable<Neighbor> {
    return this.neighbors?.entries ?? [];
  }
  get counters(): LinkCounters {
    return this.link.counters;
  }
  get linkAddress(): Uint8Array | undefined {
    return this.link.linkAddress;
  }
  hasAddress(address: IpAddress): boolean {
    return this.hasWords(address.w0, address.w1, address.w2, address.w3);
  }
  /** As `hasAddress`, straight from a packet. */
  hasWords(w0: number, w1: number, w2: number, w3: number): boolean {
    for (const { address } of this.addresses) {
      if (address.w3 === w3 && address.w2 === w2 && address.w1 === w1 && address.w0 === w0) return true;
    }
    return false;
  }
  /** True if `address` is the all-ones address of one of our IPv4 subnets (RFC 922); /31 (RFC 3021) and /32 have none. */
  isSubnetBroadcast(address: IpAddress): boolean {
    if (!address.isV4) return false;
    for (const own of this.addresses) {
      if (!own.address.isV4 || own.prefix > 30) continue;
      const hostBits = 0xffff_ffff >>> own.prefix;
      if (
        (address.w3 & hostBits) >>> 0 === hostBits &&
        own.address.matches(address, mappedPrefix(address, own.prefix))
      ) {
        return true;
      }
    }
    return false;
  }
  joinGroup(group: IpAddress, member: GroupMember): void {
    const joined = this.#groups.find((one) => one.group.equals(group));
    if (joined === undefined) this.#groups.push({ group, members: [member] });
    else joined.members.push(member);
  }
  leaveGroup(group: IpAddress, member: GroupMember): void {
    const i = this.#groups.findIndex((one) => one.group.equals(group));
    const members = this.#groups[i]?.members;
    const at = members?.indexOf(member) ?? -1;
    if (members === undefined || at < 0) return;
    members.splice(at, 1);
    if (members.length === 0) this.#groups.splice(i, 1);
  }
  /** Groups, and how many want each: those that sockets joined, and those every host is in. */
  get groups(): readonly GroupUse[] {
    const uses: { group: IpAddress; users: number; isEveryHosts: boolean }[] = [];
    const add = (group: IpAddress, users: number, isEveryHosts: boolean): void => {
      const known = uses.find((one) => one.group.equals(group));
      if (known === undefined) uses.push({ group, users, isEveryHosts });
      else known.users += users;
    };
    for (const { group, members } of this.#groups) add(group, members.length, false);
    for (const { address } of this.addresses) {
      if (!address.isV4 && !address.isLoopback) add(solicitedNode(address), 1, false);
    }
    for (const group of EVERY_HOSTS) add(group, 1, true);
    return uses;
  }
  /** Groups that sockets joined, and those every host is in: 224.0.0.1, ff01::1, ff02::1, and the solicited-node groups of its addresses (RFC 1112, RFC 4291 2.8). */
  isMemberOf(group: IpAddress): boolean {
    return this.#groups.some((one) => one.group.equals(group)) || this.#isOfEveryHost(group);
  }
  /** Whether a packet to `group` is wanted by any of its members, from whom it comes. */
  takesFor(group: IpAddress, { src0, src1, src2, src3 }: Packet): boolean {
    const joined = this.#groups.find((one) => one.group.equals(group));
    if (joined?.members.some((member) => member.takes(src0, src1, src2, src3)) === true) return true;
    return this.#isOfEveryHost(group);
  }
  #isOfEveryHost(group: IpAddress): boolean {
    if (group.isV4) return group.w3 === (0xe000_0001 | 0);
    if (group.w1 !== 0) return false;
    const scope = (group.w0 >>> 16) & 15;
    if ((scope === 1 || scope === 2) && group.w2 === 0 && group.w3 === 1) return true;
    return this.addresses.some((own) => !own.address.isV4 && solicitedNode(own.address).equals(group));
  }

  receive(packet: Packet): void {
    if (!this.isUp) {
      packet.release();
      return;
    }
    // The loopback also carries copies of our own broadcasts, which stand for the interface they left by.
    if (!this.isLoopback || packet.interfaceIndex === 0) packet.interfaceIndex = this.index;
    if (this.link.linkAddress === undefined) this.#receiveBare(packet);
    else this.#receiveFrame(packet, this.link.linkAddress);
  }
  #receiveBare(packet: Packet): void {
    const version = packet.length > 0 ? (packet.bytes[packet.at] as number) >>> 4 : 0;
    if (version !== 4 && version !== 6) {
      this.env.stats.Sandsock.LinkMalformed++;
      packet.release();
      return;
    }
    packet.ethertype = version === 4 ? ethernet.EtherType.Ipv4 : ethernet.EtherType.Ipv6;
    this.#user.receiveIp(packet, this);
  }
  #receiveFrame(packet: Packet, own: Uint8Array): void {
    const { Sandsock } = this.env.stats;
    const { bytes, at } = packet;
    if (ethernet.parse(bytes, at, packet.end) !== undefined) {
      Sandsock.LinkMalformed++;
      packet.release();
      return;
    }
    if (ethernet.isGroup(bytes, at)) packet.linkMulticast = true;
    else if (!ethernet.isAddress(bytes, at, own)) {
      Sandsock.LinkOtherHost++;
      packet.release();
      return;
    }
    packet.ethertype = ethernet.etherType(bytes, at);
    packet.pull(ethernet.HEADER_LEN);
    if (packet.ethertype === ethernet.EtherType.Arp) this.arp?.receive(packet);
    else if (packet.ethertype === ethernet.EtherType.Ipv4 || packet.ethertype === ethernet.EtherType.Ipv6) {
      this.#user.receiveIp(packet, this);
    } else {
      Sandsock.LinkUnknownType++;
      packet.release();
    }
  }

  linkClosed(reason: string): void {
    if (!this.isUp) return;
    this.isUp = false;
    this.neighbors?.clear();
    this.#user.interfaceClosed(this, reason);
  }

  /** Sends a packet, `at` on its IP header, to `nextHop` on this link: a neighbour, a group or everyone. Owns it. False when it was dropped. */
  send(packet: Packet, nextHop: IpAddress): boolean {
    if (this.neighbors === undefined) return this.link.transmit(packet);
    if (nextHop.isMulticast) return this.transmitTo(packet, ethernet.groupAddress(nextHop.isV4, nextHop.w3));
    if (nextHop.isLimitedBroadcast || this.isSubnetBroadcast(nextHop))
      return this.transmitTo(packet, ethernet.BROADCAST);
    return this.neighbors.send(this.neighbors.obtain(nextHop), packet);
  }
  /** As `send` to a unicast neighbour that the caller keeps. */
  sendTo(packet: Packet, neighbor: Neighbor): boolean {
    return this.neighbors === undefined ? this.link.transmit(packet) : this.neighbors.send(neighbor, packet);
  }
  /** Frames and transmits. Owns the packet. */
  transmitTo(packet: Packet, to: Uint8Array): boolean {
    const own = this.link.linkAddress;
    if (own !== undefined) ethernet.emit(packet.bytes, packet.push(ethernet.HEADER_LEN), to, own, packet.ethertype);
    packet.interfaceIndex = this.index;
    return this.link.transmit(packet);
  }

  #solicit(target: IpAddress, to: Uint8Array | undefined, waiting: Packet | undefined): void {
    const hint = waiting === undefined ? undefined : sourceOf(waiting);
    const source =
      hint !== undefined && this.hasAddress(hint) ? hint : selectSource(target, target, this.addresses, []);
    if (source === undefined) return;
    if (target.isV4) this.arp?.solicit(target, to, source);
    else this.ndp?.solicit(target, to, source);
  }
}
