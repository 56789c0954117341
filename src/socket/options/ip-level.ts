/** SOL_IP: ip(7), net/ipv4/ip_sockglue.c. An AF_INET6 socket has these too, for its IPv4 side. */
import { Errno } from '../../abi/errno.ts';
import {
  IP_BIND_ADDRESS_NO_PORT,
  IP_CHECKSUM,
  IP_FREEBIND,
  IP_HDRINCL,
  IP_IPSEC_POLICY,
  IP_LOCAL_PORT_RANGE,
  IP_MINTTL,
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_NODEFRAG,
  IP_OPTIONS,
  IP_PASSSEC,
  IP_PKTINFO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_OMIT,
  IP_PROTOCOL,
  IP_RECVERR,
  IP_RECVERR_RFC4884,
  IP_RECVFRAGSIZE,
  IP_RECVOPTS,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_RETOPTS,
  IP_ROUTER_ALERT,
  IP_TOS,
  IP_TRANSPARENT,
  IP_TTL,
  IP_UNICAST_IF,
  IP_XFRM_POLICY,
} from '../../abi/in.ts';
import { AF_INET, SOL_IP } from '../../abi/socket.ts';
import { be32, i32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { MULTICAST4 } from './multicast4.ts';
import { PACKET_OPTIONS } from './packet-options.ts';
import { int, type OptionRow, writeInt } from './row.ts';
import type { OptionTarget } from './target.ts';
import { bounded, toggle } from './toggle.ts';

/** net.ipv4.ip_default_ttl. */
const DEFAULT_TTL = 64;
/** The bits that belong to ECN: a stream's own (RFC 3168), so IP_TOS leaves them alone there. */
export const ECN_MASK = 3;

/** Octets of options that an IPv4 header has room for. */
const OPTIONS_MAX = 40;

/** rt_tos2priority: the priority that the four TOS bits of RFC 1349 stand for. */
const PRIORITIES = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
export const tosPriority = (tos: number): number => PRIORITIES[(tos & 0x1e) >> 1] ?? 0;

/** Of the route to the peer; undefined while there is none. */
export function peerMtu(socket: OptionTarget): number | undefined {
  const { tcp, udp } = socket;
  const isConnected = udp === undefined ? tcp !== undefined && tcp.remotePort !== 0 : udp.isConnected;
  const endpoint = tcp ?? udp;
  return endpoint === undefined || !isConnected ? undefined : socket.stack.pathMtu(endpoint.remoteAddress);
}
/** IP_MTU and IPV6_MTU. */
export function pathMtu(level: number, socket: OptionTarget, out: Uint8Array): number {
  const mtu = peerMtu(socket);
  return mtu === undefined ? -Errno.ENOTCONN : writeInt(level, out, mtu);
}

/** What IP_TRANSPARENT and IPV6_TRANSPARENT want to be switched on (ip_sock_set_transparent's callers). */
export const mayBeTransparent = ({ netAdmin, netRaw }: Credentials): boolean => netAdmin || netRaw;

/** IP_UNICAST_IF and IPV6_UNICAST_IF: an index in network byte order, of exactly that many octets. */
export const unicastInterface = (
  level: number,
  option: number,
  name: string,
  key: 'unicastInterface' | 'unicastInterface6',
): OptionRow => ({
  option,
  name,
  get: ({ options }, out) => {
    const octets = new Uint8Array(4);
    be32.put(octets, 0, options[key]);
    return writeInt(level, out, i32.get(octets, 0));
  },
  set: (socket, value) => {
    if (value.length !== 4) return -Errno.EINVAL;
    const index = be32.get(value, 0);
    const { boundInterface } = socket.settings;
    if (index !== 0) {
      if (!socket.stack.interfaces.some((i) => i.index === index)) return -Errno.EADDRNOTAVAIL;
      if (boundInterface !== 0 && boundInterface !== index) return -Errno.EINVAL;
    }
    socket.options[key] = index;
    socket.optionsChanged();
    return 0;
  },
});

const localPortRange: OptionRow = {
  option: IP_LOCAL_PORT_RANGE,
  name: 'IP_LOCAL_PORT_RANGE',
  get: ({ options }, out) => writeInt(SOL_IP, out, options.localPortRange),
  set: (socket, value) => {
    if (value.length !== 4) return -Errno.EINVAL;
    const range = i32.get(value, 0);
    const lowest = range & 0xffff;
    const highest = range >>> 16;
    if (lowest !== 0 && highest !== 0 && lowest > highest) return -Errno.EINVAL;
    socket.options.localPortRange = range;
    socket.optionsChanged();
    return 0;
  },
};

/** xfrm_user_policy: no policy can be had here, as in a kernel without CONFIG_XFRM_USER's handler; nothing at all is not even a policy. */
const securityPolicy = (option: number, name: string): OptionRow => ({
  option,
  name,
  lengths: policyLength,
  set: (_socket, value, { netAdmin }) => policyRefusal(value, netAdmin) || -Errno.EOPNOTSUPP,
});
/** The right to set it comes first, then PAGE_SIZE at most. */
export const policyLength = (octets: number, { netAdmin }: Credentials): number => {
  if (!netAdmin) return -Errno.EPERM;
  return octets > POLICY_MAX ? -Errno.EMSGSIZE : 0;
};
const POLICY_MAX = 4096;
/** What comes before the policy is looked at. */
export function policyRefusal(value: Uint8Array, netAdmin: boolean): number {
  if (!netAdmin) return -Errno.EPERM;
  return value.length === 0 ? -Errno.EMSGSIZE : 0;
}
export const SECURITY_POLICIES = { ip: securityPolicy(IP_IPSEC_POLICY, 'IP_IPSEC_POLICY'), of: securityPolicy };

/** Of a connection that was reset only the name is left (inet_put_port). */
const boundPort = (endpoint: OptionTarget['tcp'] | OptionTarget['udp']): number =>
  endpoint?.isBound === true ? endpoint.localPort : 0;

/** Of raw sockets alone; elsewhere off, and refused. */
const rawOnly = (option: number, name: string, errno: number): OptionRow => ({
  option,
  name,
  get: (_socket, out) => writeInt(SOL_IP, out, 0),
  set: () => -errno,
});

export const IP_LEVEL: readonly OptionRow[] = [
  int(SOL_IP, IP_TOS, 'IP_TOS', {
    get: ({ options }) => options.tos,
    set: ({ options, tcp }, value) => {
      const tos = tcp === undefined ? value & 0xff : (value & 0xff & ~ECN_MASK) | (options.tos & ECN_MASK);
      // The priority goes with it, whatever SO_PRIORITY said (__ip_sock_set_tos).
      if (tos !== options.tos) options.priority = tosPriority(tos);
      options.tos = tos;
    },
  }),
  int(SOL_IP, IP_TTL, 'IP_TTL', {
    shortest: 1,
    get: ({ options }) => (options.ttl < 0 ? DEFAULT_TTL : options.ttl),
    set: ({ options }, value) => {
      if (value !== -1 && (value < 1 || value > 255)) return -Errno.EINVAL;
      options.ttl = value;
      return 0;
    },
  }),
  rawOnly(IP_HDRINCL, 'IP_HDRINCL', Errno.ENOPROTOOPT),
  rawOnly(IP_ROUTER_ALERT, 'IP_ROUTER_ALERT', Errno.EINVAL),
  rawOnly(IP_NODEFRAG, 'IP_NODEFRAG', Errno.ENOPROTOOPT),
  {
    option: IP_OPTIONS,
    name: 'IP_OPTIONS',
    lengths: (octets) => (octets > OPTIONS_MAX ? -Errno.EINVAL : 0),
    // There are none in what is sent here, and no way to have any but to be told so.
    get: () => 0,
    set: (_socket, value) => (value.length === 0 ? 0 : -Errno.ENOPROTOOPT),
  },
  toggle(SOL_IP, IP_RECVOPTS, 'IP_RECVOPTS', 'receiveOptions'),
  toggle(SOL_IP, IP_RETOPTS, 'IP_RETOPTS', 'returnOptions'),
  toggle(SOL_IP, IP_PKTINFO, 'IP_PKTINFO', 'packetInfo'),
  PACKET_OPTIONS,
  toggle(SOL_IP, IP_RECVTTL, 'IP_RECVTTL', 'receiveTtl'),
  toggle(SOL_IP, IP_RECVTOS, 'IP_RECVTOS', 'receiveTos'),
  toggle(SOL_IP, IP_RECVORIGDSTADDR, 'IP_RECVORIGDSTADDR', 'receiveOriginalDestination'),
  toggle(SOL_IP, IP_CHECKSUM, 'IP_CHECKSUM', 'receiveChecksum'),
  int(SOL_IP, IP_RECVFRAGSIZE, 'IP_RECVFRAGSIZE', {
    get: ({ options }) => (options.receiveFragmentSize ? 1 : 0),
    set: ({ options, tcp }, value) => {
      if (tcp !== undefined) return -Errno.EINVAL;
      options.receiveFragmentSize = value !== 0;
      return 0;
    },
  }),
  toggle(SOL_IP, IP_PASSSEC, 'IP_PASSSEC', 'passSecurity'),
  int(SOL_IP, IP_RECVERR, 'IP_RECVERR', {
    get: ({ options }) => (options.receiveErrors ? 1 : 0),
    set: ({ options, udp }, value) => {
      options.receiveErrors = value !== 0;
      if (value === 0) udp?.purgeErrors();
    },
  }),
  int(SOL_IP, IP_RECVERR_RFC4884, 'IP_RECVERR_RFC4884', {
    get: ({ options }) => (options.receiveErrorsRfc4884 ? 1 : 0),
    set: ({ options }, value) => {
      if (value < 0 || value > 1) return -Errno.EINVAL;
      options.receiveErrorsRfc4884 = value === 1;
      return 0;
    },
  }),
  bounded(SOL_IP, IP_MTU_DISCOVER, 'IP_MTU_DISCOVER', 'mtuDiscover', { min: IP_PMTUDISC_DONT, max: IP_PMTUDISC_OMIT }),
  { option: IP_MTU, name: 'IP_MTU', get: (socket, out) => pathMtu(SOL_IP, socket, out) },
  int(SOL_IP, IP_FREEBIND, 'IP_FREEBIND', {
    shortest: 1,
    get: ({ settings }) => (settings.freeBind ? 1 : 0),
    set: ({ settings }, value) => {
      settings.freeBind = value !== 0;
    },
  }),
  int(SOL_IP, IP_TRANSPARENT, 'IP_TRANSPARENT', {
    shortest: 1,
    get: ({ options }) => (options.transparent ? 1 : 0),
    set: ({ options }, value, credentials) => {
      if (value !== 0 && !mayBeTransparent(credentials)) return -Errno.EPERM;
      options.transparent = value !== 0;
      return 0;
    },
  }),
  bounded(SOL_IP, IP_MINTTL, 'IP_MINTTL', 'minTtl', { min: 0, max: 255 }, 1),
  int(SOL_IP, IP_BIND_ADDRESS_NO_PORT, 'IP_BIND_ADDRESS_NO_PORT', {
    get: ({ settings }) => (settings.bindAddressNoPort ? 1 : 0),
    set: ({ settings }, value) => {
      settings.bindAddressNoPort = value !== 0;
    },
  }),
  unicastInterface(SOL_IP, IP_UNICAST_IF, 'IP_UNICAST_IF', 'unicastInterface'),
  localPortRange,
  {
    // inet_num: the port, of a raw socket alone the protocol.
    option: IP_PROTOCOL,
    name: 'IP_PROTOCOL',
    get: ({ tcp, udp }, out) => writeInt(SOL_IP, out, boundPort(tcp ?? udp)),
  },
  SECURITY_POLICIES.ip,
  {
    option: IP_XFRM_POLICY,
    name: 'IP_XFRM_POLICY',
    lengths: policyLength,
    // A policy for the other family is looked for by its number, which is of none here.
    set: ({ domain }, value, { netAdmin }) =>
      policyRefusal(value, netAdmin) || (domain === AF_INET ? -Errno.EINVAL : -Errno.EOPNOTSUPP),
  },
  ...MULTICAST4,
];
