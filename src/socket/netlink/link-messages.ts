/**
 * RTM_NEWLINK and RTM_NEWADDR: interfaces and addresses as messages (net/core/rtnetlink.c rtnl_fill_ifinfo, net/ipv4/devinet.c inet_fill_ifaddr,
 * net/ipv6/addrconf.c inet6_fill_ifaddr), attributes in the kernel's order. Left out are those that speak of what the stack does not have: XDP, network
 * namespaces, physical ports, per-interface sysctls (IFLA_AF_SPEC), hardware maps, GSO limits.
 */
import {
  ARPHRD_ETHER,
  ARPHRD_LOOPBACK,
  ARPHRD_NONE,
  IF_OPER_DOWN,
  IF_OPER_UNKNOWN,
  IF_OPER_UP,
  IFA_ADDRESS,
  IFA_BROADCAST,
  IFA_CACHEINFO,
  IFA_F_PERMANENT,
  IFA_FLAGS,
  IFA_LABEL,
  IFA_LOCAL,
  IFA_PROTO,
  IFAPROT_KERNEL_LL,
  IFAPROT_KERNEL_LO,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_LOWER_UP,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  IFF_RUNNING,
  IFF_UP,
  IFLA_ADDRESS,
  IFLA_BROADCAST,
  IFLA_CARRIER,
  IFLA_GROUP,
  IFLA_IFNAME,
  IFLA_LINKMODE,
  IFLA_MTU,
  IFLA_NUM_RX_QUEUES,
  IFLA_NUM_TX_QUEUES,
  IFLA_OPERSTATE,
  IFLA_PROMISCUITY,
  IFLA_QDISC,
  IFLA_STATS,
  IFLA_STATS64,
  IFLA_TXQLEN,
  ifaCacheinfo,
  ifaddrmsg,
  ifinfomsg,
  type NetlinkWriter,
  noLinkStats,
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  rtnlLinkStats,
  rtnlLinkStats64,
} from '../../abi/netlink.ts';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../../abi/socket.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { InterfaceInfo } from '../../netstack/endpoint.ts';

type Own = InterfaceInfo['addresses'][number];

/** ARPHRD_*: loopback, Ethernet, or a link that carries bare IP packets. */
export function hardwareType(link: InterfaceInfo): number {
  if (link.isLoopback) return ARPHRD_LOOPBACK;
  return link.linkAddress === undefined ? ARPHRD_NONE : ARPHRD_ETHER;
}
/** IFF_*, those beyond 16 bits included. */
export function interfaceFlags(link: InterfaceInfo): number {
  const state = link.isUp ? IFF_UP | IFF_RUNNING | IFF_LOWER_UP : 0;
  if (link.isLoopback) return state | IFF_LOOPBACK;
  if (link.linkAddress === undefined) return state | IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
  return state | IFF_BROADCAST | IFF_MULTICAST;
}
/** The MAC address; six zeros on loopback, nothing on a link without such addresses. */
export const hardwareAddress = (link: InterfaceInfo): Uint8Array =>
  link.linkAddress ?? new Uint8Array(link.isLoopback ? 6 : 0);

/** The all-ones address of an IPv4 subnet; undefined where there is none (loopback, /31 and /32: RFC 3021). */
export function broadcastOf(link: InterfaceInfo, { address, prefix }: Own): IpAddress | undefined {
  if (!address.isV4 || link.isLoopback || prefix > 30) return undefined;
  return IpAddress.v4(address.w3 | (0xffff_ffff >>> prefix));
}

/** The octets of an address as its family has them. */
export function addressOctets(address: IpAddress): Uint8Array {
  const out = new Uint8Array(address.isV4 ? 4 : 16);
  if (address.isV4) address.write4(out, 0);
  else address.write6(out, 0);
  return out;
}
export const familyOf = (address: IpAddress): number => (address.isV4 ? AF_INET : AF_INET6);

function statistics(link: InterfaceInfo) {
  const { rxFrames, txFrames, rxOctets, txOctets, rxErrors, rxDropped, txDropped } = link.counters;
  return {
    ...noLinkStats(),
    rxPackets: rxFrames,
    txPackets: txFrames,
    rxBytes: rxOctets,
    txBytes: txOctets,
    rxErrors,
    rxDropped,
    txDropped,
  };
}

/** The octets of a link message behind its header. RTEXT_FILTER_SKIP_STATS speaks of the statistics in IFLA_AF_SPEC alone. */
export function writeLink(out: NetlinkWriter, link: InterfaceInfo): void {
  const { index, name, mtu, isUp, queueLimit } = link;
  out.body(
    ifinfomsg.encode({
      family: AF_UNSPEC,
      pad: 0,
      type: hardwareType(link),
      index,
      flags: interfaceFlags(link),
      change: 0,
    }),
  );
  out.text(IFLA_IFNAME, name);
  out.u32(IFLA_TXQLEN, queueLimit);
  out.u8(IFLA_OPERSTATE, operationalState(link));
  out.u8(IFLA_LINKMODE, 0);
  out.u32(IFLA_MTU, mtu);
  out.u32(IFLA_GROUP, 0);
  out.u32(IFLA_PROMISCUITY, 0);
  out.u32(IFLA_NUM_TX_QUEUES, 1);
  out.u32(IFLA_NUM_RX_QUEUES, 1);
  out.u8(IFLA_CARRIER, isUp ? 1 : 0);
  const mac = hardwareAddress(link);
  if (mac.length > 0) {
    out.attribute(IFLA_ADDRESS, mac);
    out.attribute(IFLA_BROADCAST, new Uint8Array(mac.length).fill(link.isLoopback ? 0 : 0xff));
  }
  const counted = statistics(link);
  out.attribute(IFLA_STATS64, rtnlLinkStats64.encode({ ...counted, rxOtherhostDropped: 0 }));
  out.attribute(IFLA_STATS, rtnlLinkStats.encode(counted));
  // Frames go straight to the link's own queue.
  out.text(IFLA_QDISC, 'noqueue');
}
/** RFC 2863 ifOperStatus, as net/core/link_watch.c has it: loopback's is never worked out. */
function operationalState(link: InterfaceInfo): number {
  if (!link.isUp) return IF_OPER_DOWN;
  return link.isLoopback ? IF_OPER_UNKNOWN : IF_OPER_UP;
}

/** RT_SCOPE_* of an address of ours. */
export function scopeOf(address: IpAddress): number {
  if (address.isLoopback) return RT_SCOPE_HOST;
  return !address.isV4 && address.isLinkLocal ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

/** Addresses are there as long as the stack: no lifetime, and no time of their making is kept. */
const FOREVER = ifaCacheinfo.encode({ prefered: 0xffff_ffff, valid: 0xffff_ffff, cstamp: 0, tstamp: 0 });

export function writeAddress(out: NetlinkWriter, link: InterfaceInfo, own: Own): void {
  const { address, prefix } = own;
  const family = familyOf(address);
  const scope = scopeOf(address);
  out.body(ifaddrmsg.encode({ family, prefixlen: prefix, flags: IFA_F_PERMANENT, scope, index: link.index }));
  const octets = addressOctets(address);
  out.attribute(IFA_ADDRESS, octets);
  if (family === AF_INET) {
    out.attribute(IFA_LOCAL, octets);
    const broadcast = broadcastOf(link, own);
    if (broadcast !== undefined) out.attribute(IFA_BROADCAST, addressOctets(broadcast));
    out.text(IFA_LABEL, link.name);
    out.u32(IFA_FLAGS, IFA_F_PERMANENT);
    out.attribute(IFA_CACHEINFO, FOREVER);
    return;
  }
  out.attribute(IFA_CACHEINFO, FOREVER);
  out.u32(IFA_FLAGS, IFA_F_PERMANENT);
  if (scope === RT_SCOPE_HOST) out.u8(IFA_PROTO, IFAPROT_KERNEL_LO);
  else if (scope === RT_SCOPE_LINK) out.u8(IFA_PROTO, IFAPROT_KERNEL_LL);
}
