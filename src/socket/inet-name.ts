/**
 * struct sockaddr of the internet families: what each call accepts and what is written back.
 *
 * Every call has rules of its own (net/ipv4/af_inet.c, ipv4/udp.c, ipv4/datagram.c, ipv6/af_inet6.c, ipv6/udp.c, ipv6/datagram.c, ipv4/tcp_ipv4.c, ipv6/tcp_ipv6.c),
 * so each has a decoder that answers 0 or a negative errno and leaves address, port and scope in the `InetName` it is given.
 * An IPv6 socket that is not V6ONLY takes IPv4 addresses as ::ffff:a.b.c.d, which is how `IpAddress` holds them anyway.
 */
import { Errno } from '../abi/errno.ts';
import { SIN6_LEN_RFC2133, sockaddrIn, sockaddrIn6 } from '../abi/sockaddr.ts';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../abi/socket.ts';
import { u16 } from '../abi/struct.ts';
import { u16 as be16, putU16, putU32 } from '../lib/bytes.ts';
import { IpAddress } from '../netstack/address.ts';

/** IPV6_FLOWINFO_MASK. */
const FLOW_INFO = 0x0fff_ffff;

/** Where a sockaddr points, and the interface a link-local one names. Reused by its socket. */
export class InetName {
  address: IpAddress = IpAddress.ANY4;
  port = 0;
  /** sin6_scope_id, 0 for none or where it has no meaning. */
  scopeId = 0;
  /** sin6_flowinfo: traffic class and flow label. */
  flowInfo = 0;

  read4(name: Uint8Array): void {
    this.port = be16(name, sockaddrIn.offset.port);
    this.address = IpAddress.read4(name, sockaddrIn.offset.addr);
    this.scopeId = this.flowInfo = 0;
  }
  read6(name: Uint8Array, len: number): void {
    this.port = be16(name, sockaddrIn6.offset.port);
    this.address = IpAddress.read6(name, sockaddrIn6.offset.addr);
    this.flowInfo = sockaddrIn6.fields.flowinfo.get(name, sockaddrIn6.offset.flowinfo) & FLOW_INFO;
    const scoped = len >= sockaddrIn6.size && needsScope(this.address);
    this.scopeId = scoped ? sockaddrIn6.fields.scopeId.get(name, sockaddrIn6.offset.scopeId) : 0;
  }
}

/** How an AF_INET6 socket that asks stands: IPV6_V6ONLY, and bound to an IPv4-mapped address. */
export interface NameContext {
  readonly domain: number;
  readonly v6Only: boolean;
  readonly boundToV4: boolean;
}

/** sa_family, or -1 when not even that is there. */
export const familyOf = (name: Uint8Array, len: number): number => (len < 2 ? -1 : u16.get(name, 0));

/** True for addresses that mean nothing without an interface: fe80::/10, ff01::/16, ff02::/16. */
export const needsScope = (address: IpAddress): boolean =>
  !address.isV4 &&
  (address.isLinkLocal ||
    (address.w0 >>> 24 === 0xff && (((address.w0 >>> 16) & 0xf) === 1 || ((address.w0 >>> 16) & 0xf) === 2)));

/** bind(2). An AF_INET socket takes AF_UNSPEC with 0.0.0.0 for AF_INET, for programs older than the rule. */
export function decodeBind(name: Uint8Array, len: number, context: NameContext, out: InetName): number {
  const family = familyOf(name, len);
  if (context.domain === AF_INET) {
    if (len < sockaddrIn.size) return -Errno.EINVAL;
    out.read4(name);
    if (family === AF_INET || (family === AF_UNSPEC && out.address.isUnspecified)) return 0;
    return -Errno.EAFNOSUPPORT;
  }
  if (len < SIN6_LEN_RFC2133) return -Errno.EINVAL;
  if (family !== AF_INET6) return -Errno.EAFNOSUPPORT;
  out.read6(name, len);
  return 0;
}

/** connect(2) of a stream. AF_UNSPEC was dealt with by the caller. The unspecified address means this host. */
export function decodeStreamPeer(name: Uint8Array, len: number, context: NameContext, out: InetName): number {
  const error = decodePeer(name, len, context, out);
  if (error !== 0) return error;
  const { address } = out;
  if (address.isMulticast || address.isLimitedBroadcast) return -Errno.ENETUNREACH;
  return 0;
}

/** connect(2) of a datagram socket. An AF_INET6 one takes a sockaddr_in as well. */
export function decodeDatagramPeer(name: Uint8Array, len: number, context: NameContext, out: InetName): number {
  if (context.domain === AF_INET6 && familyOf(name, len) === AF_INET) {
    if (context.v6Only) return -Errno.EAFNOSUPPORT;
    if (len < sockaddrIn.size) return -Errno.EINVAL;
    out.read4(name);
    return toThisHost(out, context);
  }
  return decodePeer(name, len, context, out);
}

function decodePeer(name: Uint8Array, len: number, context: NameContext, out: InetName): number {
  const family = familyOf(name, len);
  if (context.domain === AF_INET) {
    if (len < sockaddrIn.size) return -Errno.EINVAL;
    if (family !== AF_INET) return -Errno.EAFNOSUPPORT;
    out.read4(name);
    return toThisHost(out, context);
  }
  if (len < SIN6_LEN_RFC2133) return -Errno.EINVAL;
  if (family !== AF_INET6) return -Errno.EAFNOSUPPORT;
  out.read6(name, len);
  if (out.address.isV4 && context.v6Only) return -Errno.ENETUNREACH;
  return toThisHost(out, context);
}

/** What `decodeDestination` answers for AF_UNSPEC on an AF_INET6 socket: as if no name had been given. */
export const NO_NAME = 1;

/**
 * The name of sendto(2) and sendmsg(2) on a datagram socket. AF_UNSPEC counts as AF_INET on an AF_INET socket. A port of 0 is
 * the caller's to refuse, because IPv4 looks at the length of the message and at the flags first.
 */
export function decodeDestination(name: Uint8Array, len: number, context: NameContext, out: InetName): number {
  const family = familyOf(name, len);
  if (context.domain === AF_INET) {
    if (len < sockaddrIn.size) return -Errno.EINVAL;
    if (family !== AF_INET && family !== AF_UNSPEC) return -Errno.EAFNOSUPPORT;
    out.read4(name);
    return toThisHost(out, context);
  }
  switch (family) {
    case AF_INET6:
      if (len < SIN6_LEN_RFC2133) return -Errno.EINVAL;
      out.read6(name, len);
      if (out.address.isV4 && context.v6Only) return -Errno.ENETUNREACH;
      return toThisHost(out, context);
    case AF_INET:
      if (context.v6Only) return -Errno.ENETUNREACH;
      if (len < sockaddrIn.size) return -Errno.EINVAL;
      out.read4(name);
      return toThisHost(out, context);
    case AF_UNSPEC:
      return NO_NAME;
    default:
      return -Errno.EINVAL;
  }
}

/**
 * The unspecified address as a destination is this host (RFC 1122 3.2.1.3 calls it an error; every BSD and Linux take it so). Of IPv4 it is the address that the
 * socket sends from, which the route tells (ip_route_output_key_hash_rcu).
 */
function toThisHost(out: InetName, context: NameContext): number {
  const { address } = out;
  if (!address.isV4 && address.isUnspecified) {
    out.address = context.boundToV4 ? IpAddress.LOOPBACK4 : IpAddress.LOOPBACK6;
  }
  return 0;
}

/** Writes struct sockaddr_in or sockaddr_in6; returns its size. `interfaceIndex` is shown for addresses that need one. */
export function writeName(
  out: Uint8Array,
  domain: number,
  address: IpAddress,
  port: number,
  interfaceIndex: number,
  flowInfo = 0,
): number {
  u16.put(out, 0, domain);
  putU16(out, sockaddrIn.offset.port, port);
  if (domain === AF_INET) {
    address.write4(out, sockaddrIn.offset.addr);
    out.fill(0, sockaddrIn.offset.zero, sockaddrIn.size);
    return sockaddrIn.size;
  }
  putU32(out, sockaddrIn6.offset.flowinfo, flowInfo);
  address.write6(out, sockaddrIn6.offset.addr);
  sockaddrIn6.fields.scopeId.put(out, sockaddrIn6.offset.scopeId, needsScope(address) ? interfaceIndex : 0);
  return sockaddrIn6.size;
}
