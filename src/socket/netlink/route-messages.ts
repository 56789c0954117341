/**
 * RTM_NEWROUTE: the routing tables as messages, in the kernel's order of tables, routes and attributes (net/ipv4/fib_trie.c fn_trie_dump_leaf,
 * fib_semantics.c fib_dump_info, net/ipv4/route.c rt_fill_info, net/ipv6/route.c rt6_fill_node).
 *
 * The stack keeps one table of ways out; what Linux keeps in its table "local" is here derived from the addresses, because the stack decides that way: an
 * address of ours, or anything in 127.0.0.0/8, is delivered; a subnet's last address is its broadcast; groups of IPv6 leave by every link.
 */
import {
  type NetlinkWriter,
  nlattr,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RT_TABLE_UNSPEC,
  RTA_CACHEINFO,
  RTA_DST,
  RTA_GATEWAY,
  RTA_METRICS,
  RTA_OIF,
  RTA_PREF,
  RTA_PREFSRC,
  RTA_PRIORITY,
  RTA_SRC,
  RTA_TABLE,
  RTA_UID,
  RTAX_MTU,
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  RTM_F_CLONED,
  RTM_F_LOOKUP_TABLE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTPROT_BOOT,
  RTPROT_KERNEL,
  RTPROT_UNSPEC,
  rtaCacheinfo,
  rtmsg,
} from '../../abi/netlink.ts';
import { u32 } from '../../abi/struct.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { Netstack, PathInfo } from '../../netstack/endpoint.ts';
import { addressOctets, familyOf } from './link-messages.ts';

/** A line of a routing table. */
export interface TableRoute {
  readonly table: number;
  readonly type: number;
  readonly scope: number;
  readonly protocol: number;
  readonly destination: IpAddress;
  readonly prefix: number;
  readonly gateway: IpAddress | undefined;
  readonly source: IpAddress | undefined;
  readonly interfaceIndex: number;
  /** 0 for none. */
  readonly metric: number;
  readonly mtu: number | undefined;
}

/** IP6_RT_PRIO_ADDRCONF and IP6_RT_PRIO_USER: metrics of IPv6 routes that nobody gave one. */
const METRIC_KERNEL6 = 256;
const METRIC_USER6 = 1024;

/** All routes of one family in the order of Linux's dump: the main table, then the local one. */
export function tableRoutes(stack: Netstack, isV4: boolean): TableRoute[] {
  const byPrefix = isV4 ? compare4 : compare6;
  const main = mainRoutes(stack).filter(({ destination }) => destination.isV4 === isV4);
  const local = localRoutes(stack).filter(({ destination }) => destination.isV4 === isV4);
  return [...main.toSorted(byPrefix), ...local.toSorted(byPrefix)];
}

function mainRoutes(stack: Netstack): TableRoute[] {
  return stack.routes.map(({ destination, prefix, gateway, source, interfaceIndex, metric, mtu }) => {
    const isKernels = gateway === undefined && source !== undefined;
    const usual = destination.isV4 ? 0 : isKernels ? METRIC_KERNEL6 : METRIC_USER6;
    return {
      table: RT_TABLE_MAIN,
      type: RTN_UNICAST,
      scope: destination.isV4 && gateway === undefined ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
      protocol: isKernels ? RTPROT_KERNEL : RTPROT_BOOT,
      destination,
      prefix,
      gateway,
      // IPv6 chooses by RFC 6724 at the time of sending.
      source: destination.isV4 ? source : undefined,
      interfaceIndex,
      metric: metric ?? usual,
      mtu,
    };
  });
}

function localRoutes(stack: Netstack): TableRoute[] {
  const out: TableRoute[] = [];
  for (const { index, isUp, isLoopback, addresses } of stack.interfaces) {
    if (!isUp) continue;
    const add = (type: number, destination: IpAddress, prefix: number, source?: IpAddress, metric = 0): void => {
      out.push({
        table: RT_TABLE_LOCAL,
        type,
        scope: scopeOfLocal(destination, type),
        protocol: RTPROT_KERNEL,
        destination,
        prefix,
        gateway: undefined,
        source,
        interfaceIndex: index,
        metric,
        mtu: undefined,
      });
    };
    for (const { address, prefix } of addresses) {
      if (!address.isV4) {
        add(RTN_LOCAL, address, 128);
        continue;
      }
      const hosts = prefix === 0 ? 0xffff_ffff : 0xffff_ffff >>> prefix;
      if (isLoopback && prefix < 32) add(RTN_LOCAL, IpAddress.v4(address.w3 & ~hosts), prefix, address);
      add(RTN_LOCAL, address, 32, address);
      if (prefix < 31) add(RTN_BROADCAST, IpAddress.v4(address.w3 | hosts), 32, address);
    }
    const hasV6 = addresses.some(({ address }) => !address.isV4);
    if (hasV6 && !isLoopback) add(RTN_MULTICAST, ALL_GROUPS6, 8, undefined, METRIC_KERNEL6);
  }
  return out;
}
const ALL_GROUPS6 = new IpAddress(0xff00 << 16, 0, 0, 0);
function scopeOfLocal(destination: IpAddress, type: number): number {
  if (!destination.isV4) return RT_SCOPE_UNIVERSE;
  return type === RTN_LOCAL ? RT_SCOPE_HOST : RT_SCOPE_LINK;
}

function compareAddress(a: IpAddress, b: IpAddress): number {
  return (
    (a.w0 >>> 0) - (b.w0 >>> 0) ||
    (a.w1 >>> 0) - (b.w1 >>> 0) ||
    (a.w2 >>> 0) - (b.w2 >>> 0) ||
    (a.w3 >>> 0) - (b.w3 >>> 0)
  );
}
/** The trie of IPv4 is walked by key, and the routes of one key longest prefix first. */
const compare4 = (a: TableRoute, b: TableRoute): number =>
  compareAddress(a.destination, b.destination) || b.prefix - a.prefix || a.metric - b.metric;
/** The radix tree of IPv6 is walked children first. */
function compare6(a: TableRoute, b: TableRoute): number {
  const shorter = Math.min(a.prefix, b.prefix);
  if (a.prefix !== b.prefix && a.destination.matches(b.destination, shorter)) return b.prefix - a.prefix;
  return compareAddress(a.destination, b.destination) || a.metric - b.metric;
}

/** The octets of route messages behind their header. */
export function writeRoute(out: NetlinkWriter, route: TableRoute): void {
  const { table, type, scope, protocol, destination, prefix, gateway, source, interfaceIndex, metric, mtu } = route;
  const isV4 = destination.isV4;
  const family = familyOf(destination);
  out.body(rtmsg.encode({ family, dstLen: prefix, srcLen: 0, tos: 0, table, protocol, scope, type, flags: 0 }));
  out.u32(RTA_TABLE, table);
  if (prefix > 0) out.attribute(RTA_DST, addressOctets(destination));
  if (!isV4 || metric !== 0) out.u32(RTA_PRIORITY, metric);
  if (mtu !== undefined) out.attribute(RTA_METRICS, mtuMetric(mtu));
  if (source !== undefined) out.attribute(RTA_PREFSRC, addressOctets(source));
  if (gateway !== undefined) out.attribute(RTA_GATEWAY, addressOctets(gateway));
  out.u32(RTA_OIF, interfaceIndex);
  if (isV4) return;
  out.attribute(RTA_CACHEINFO, cacheInfo(0));
  // ICMPV6_ROUTER_PREF_MEDIUM.
  out.u8(RTA_PREF, 0);
}
function mtuMetric(mtu: number): Uint8Array {
  const value = new Uint8Array(8);
  nlattr.put(value, 0, { len: 8, type: RTAX_MTU });
  u32.put(value, 4, mtu);
  return value;
}
const cacheInfo = (users: number): Uint8Array =>
  rtaCacheinfo.encode({ clntref: users, lastuse: 0, expires: 0, error: 0, used: 0, id: 0, ts: 0, tsage: 0 });

/** What RTM_GETROUTE asked for one destination. */
export interface PathQuestion {
  readonly destination: IpAddress;
  readonly source: IpAddress | undefined;
  /** RTM_F_* of the request. */
  readonly flags: number;
  readonly uid: number;
}

/** The answer to the question where a packet would go, IPv4 (rt_fill_info). */
export function writePath4(out: NetlinkWriter, asked: PathQuestion, path: PathInfo): void {
  const { destination, source, uid } = asked;
  const [type, marks] = typeOf4(path);
  // No table was looked up for the unspecified address.
  const inNone = destination.isUnspecified && (asked.flags & RTM_F_LOOKUP_TABLE) !== 0;
  const table = inNone ? RT_TABLE_UNSPEC : RT_TABLE_MAIN;
  out.body(
    rtmsg.encode({
      family: familyOf(destination),
      dstLen: 32,
      srcLen: source === undefined ? 0 : 32,
      tos: 0,
      table,
      protocol: RTPROT_UNSPEC,
      scope: RT_SCOPE_UNIVERSE,
      type,
      flags: RTM_F_CLONED | marks,
    }),
  );
  out.u32(RTA_TABLE, table);
  out.attribute(RTA_DST, addressOctets(destination));
  if (source !== undefined) out.attribute(RTA_SRC, addressOctets(source));
  out.u32(RTA_OIF, path.interfaceIndex);
  if (source?.equals(path.local) !== true) out.attribute(RTA_PREFSRC, addressOctets(path.local));
  if (!path.nextHop.equals(path.remote)) out.attribute(RTA_GATEWAY, addressOctets(path.nextHop));
  out.u32(RTA_UID, uid);
  out.attribute(RTA_CACHEINFO, cacheInfo(1));
}
/** RTN_* and RTCF_*. */
function typeOf4(path: PathInfo): readonly [number, number] {
  if (path.isBroadcast) return [RTN_BROADCAST, RTCF_BROADCAST | RTCF_LOCAL];
  if (path.remote.isMulticast) return [RTN_MULTICAST, RTCF_MULTICAST];
  return path.isLoopback ? [RTN_LOCAL, RTCF_LOCAL] : [RTN_UNICAST, 0];
}

/** IPv6 answers with the route itself (rt6_fill_node). */
export function writePath6(out: NetlinkWriter, asked: PathQuestion, path: PathInfo, stack: Netstack): void {
  const { destination } = asked;
  const route = routeBehind(stack, path);
  out.body(
    rtmsg.encode({
      family: familyOf(destination),
      dstLen: 128,
      srcLen: 128,
      tos: 0,
      table: route.table,
      protocol: route.protocol,
      scope: RT_SCOPE_UNIVERSE,
      type: route.type,
      flags: 0,
    }),
  );
  out.u32(RTA_TABLE, route.table);
  out.attribute(RTA_DST, addressOctets(destination));
  out.attribute(RTA_SRC, addressOctets(asked.source ?? IpAddress.ANY6));
  out.attribute(RTA_PREFSRC, addressOctets(path.local));
  out.u32(RTA_PRIORITY, route.metric);
  if (!path.nextHop.equals(path.remote)) out.attribute(RTA_GATEWAY, addressOctets(path.nextHop));
  out.u32(RTA_OIF, path.interfaceIndex);
  out.attribute(RTA_CACHEINFO, cacheInfo(1));
  out.u8(RTA_PREF, 0);
}
function routeBehind(stack: Netstack, path: PathInfo): Pick<TableRoute, 'table' | 'protocol' | 'type' | 'metric'> {
  const own = { table: RT_TABLE_LOCAL, protocol: RTPROT_KERNEL };
  if (path.isLoopback) return { ...own, type: RTN_LOCAL, metric: 0 };
  if (path.remote.isMulticast) return { ...own, type: RTN_MULTICAST, metric: METRIC_KERNEL6 };
  const best = mainRoutes(stack)
    .filter((r) => r.interfaceIndex === path.interfaceIndex && !r.destination.isV4)
    .filter((r) => r.destination.matches(path.remote, r.prefix))
    .toSorted((a, b) => b.prefix - a.prefix || a.metric - b.metric)[0];
  return best ?? { table: RT_TABLE_MAIN, protocol: RTPROT_UNSPEC, type: RTN_UNICAST, metric: 0 };
}
