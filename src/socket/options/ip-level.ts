/** SOL_IP: ip(7), net/ipv4/ip_sockglue.c. An AF_INET6 socket has these too, for its IPv4 side. */
import { Errno } from '../../abi/errno.ts';
import {
  IP_ADD_MEMBERSHIP,
  IP_BIND_ADDRESS_NO_PORT,
  IP_DROP_MEMBERSHIP,
  IP_FREEBIND,
  IP_MTU,
  IP_MTU_DISCOVER,
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_PKTINFO,
  IP_PMTUDISC_DO,
  IP_PMTUDISC_DONT,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_WANT,
  IP_RECVERR,
  IP_RECVORIGDSTADDR,
  IP_RECVTOS,
  IP_RECVTTL,
  IP_TOS,
  IP_TTL,
} from '../../abi/in.ts';
import { AF_INET, SOL_IP } from '../../abi/socket.ts';
import { ipMreqn } from '../../abi/sockopt.ts';
import { IpAddress } from '../../netstack/address.ts';
import { membership4 } from './membership.ts';
import { flag, int, type OptionRow, writeInt, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';

/** net.ipv4.ip_default_ttl. */
const DEFAULT_TTL = 64;
/** The bits that belong to ECN: a stream's own (RFC 3168), so IP_TOS leaves them alone there. */
export const ECN_MASK = 3;

/** IP_MTU and IPV6_MTU: of the route to the peer. */
export function pathMtu(level: number, socket: OptionTarget, out: Uint8Array): number {
  const endpoint = socket.tcp ?? socket.udp;
  if (endpoint === undefined || endpoint.remotePort === 0) return -Errno.ENOTCONN;
  const mtu = socket.stack.pathMtu(endpoint.remoteAddress);
  return mtu === undefined ? -Errno.ENOTCONN : writeInt(level, out, mtu);
}

/**
 * IP_MTU_DISCOVER and IPV6_MTU_DISCOVER. A stream always discovers (RFC 1191, DF on every segment), so only the values that say so are taken there; PROBE, INTERFACE and
 * OMIT ignore the path MTU, which no endpoint here does.
 */
export function setMtuDiscover(socket: OptionTarget, value: number): number {
  if (value < IP_PMTUDISC_DONT || value > IP_PMTUDISC_OMIT) return -Errno.EINVAL;
  if (value > IP_PMTUDISC_DO) return -Errno.ENOPROTOOPT;
  if (socket.tcp !== undefined && value === IP_PMTUDISC_DONT) return -Errno.ENOPROTOOPT;
  socket.options.mtuDiscover = value;
  if (socket.udp !== undefined) {
    socket.udp.settings.dontFragment = value === IP_PMTUDISC_WANT || value === IP_PMTUDISC_DO;
    socket.udp.settings.neverFragment = value === IP_PMTUDISC_DO;
  }
  return 0;
}

const multicastInterface: OptionRow = {
  option: IP_MULTICAST_IF,
  name: 'IP_MULTICAST_IF',
  only: 'datagram',
  get: (socket, out) => {
    const octets = new Uint8Array(4);
    IpAddress.v4(socket.options.multicastInterfaceAddress).write4(octets, 0);
    return writeOctets(out, octets);
  },
  // in_addr, ip_mreq (its second address) or ip_mreqn.
  set: (socket, value) => {
    if (value.length < 4 || socket.udp === undefined) return -Errno.EINVAL;
    let address = IpAddress.ANY4;
    let index = 0;
    if (value.length >= ipMreqn.size) index = ipMreqn.fields.ifindex.get(value, ipMreqn.offset.ifindex);
    if (value.length >= ipMreqn.offset.ifindex) address = IpAddress.read4(value, ipMreqn.offset.address);
    else address = IpAddress.read4(value, 0);
    const { interfaces } = socket.stack;
    if (index !== 0) {
      if (!interfaces.some((i) => i.index === index)) return -Errno.EADDRNOTAVAIL;
    } else if (!address.isUnspecified) {
      index = interfaces.find((i) => i.addresses.some((a) => a.address.equals(address)))?.index ?? 0;
      if (index === 0) return -Errno.EADDRNOTAVAIL;
    }
    socket.options.multicastInterfaceAddress = address.w3;
    socket.udp.settings.multicastInterface = index;
    socket.udp.settings.multicastSource = address.isUnspecified ? undefined : address;
    socket.optionsChanged();
    return 0;
  },
};

const freeBind = int(SOL_IP, IP_FREEBIND, 'IP_FREEBIND', {
  notEmpty: true,
  get: ({ settings }) => (settings.freeBind ? 1 : 0),
  set: ({ settings }, value) => {
    settings.freeBind = value !== 0;
  },
});

export const IP_LEVEL: readonly OptionRow[] = [
  int(SOL_IP, IP_TOS, 'IP_TOS', {
    get: ({ options }) => options.tos,
    set: ({ options, tcp }, value) => {
      options.tos = tcp === undefined ? value & 0xff : (value & 0xff & ~ECN_MASK) | (options.tos & ECN_MASK);
    },
  }),
  int(SOL_IP, IP_TTL, 'IP_TTL', {
    notEmpty: true,
    get: ({ options }) => (options.ttl < 0 ? DEFAULT_TTL : options.ttl),
    set: ({ options }, value) => {
      if (value !== -1 && (value < 1 || value > 255)) return -Errno.EINVAL;
      options.ttl = value;
      return 0;
    },
  }),
  flag(
    SOL_IP,
    IP_PKTINFO,
    'IP_PKTINFO',
    ({ options }) => options.packetInfo,
    ({ options }, on) => {
      options.packetInfo = on;
    },
  ),
  flag(
    SOL_IP,
    IP_RECVTTL,
    'IP_RECVTTL',
    ({ options }) => options.receiveTtl,
    ({ options }, on) => {
      options.receiveTtl = on;
    },
  ),
  flag(
    SOL_IP,
    IP_RECVTOS,
    'IP_RECVTOS',
    ({ options }) => options.receiveTos,
    ({ options }, on) => {
      options.receiveTos = on;
    },
  ),
  flag(
    SOL_IP,
    IP_RECVORIGDSTADDR,
    'IP_RECVORIGDSTADDR',
    ({ options }) => options.receiveOriginalDestination,
    ({ options }, on) => {
      options.receiveOriginalDestination = on;
    },
  ),
  flag(
    SOL_IP,
    IP_RECVERR,
    'IP_RECVERR',
    ({ options }) => options.receiveErrors,
    ({ options }, on) => {
      options.receiveErrors = on;
    },
    'datagram',
  ),
  int(SOL_IP, IP_MTU_DISCOVER, 'IP_MTU_DISCOVER', {
    get: ({ options }) => options.mtuDiscover,
    set: setMtuDiscover,
  }),
  { option: IP_MTU, name: 'IP_MTU', get: (socket, out) => pathMtu(SOL_IP, socket, out) },
  int(SOL_IP, IP_MULTICAST_TTL, 'IP_MULTICAST_TTL', {
    notEmpty: true,
    get: ({ udp }) => udp?.settings.multicastTtl ?? 1,
    set: ({ udp }, value) => {
      if (udp === undefined || value < -1 || value > 255) return -Errno.EINVAL;
      udp.settings.multicastTtl = value === -1 ? 1 : value;
      return 0;
    },
  }),
  flag(
    SOL_IP,
    IP_MULTICAST_LOOP,
    'IP_MULTICAST_LOOP',
    ({ udp }) => udp?.settings.multicastLoop ?? true,
    ({ udp }, on) => {
      if (udp !== undefined) udp.settings.multicastLoop = on;
    },
    'datagram',
  ),
  multicastInterface,
  freeBind,
  int(SOL_IP, IP_BIND_ADDRESS_NO_PORT, 'IP_BIND_ADDRESS_NO_PORT', {
    notEmpty: true,
    get: ({ settings }) => (settings.bindAddressNoPort ? 1 : 0),
    set: ({ settings }, value) => {
      settings.bindAddressNoPort = value !== 0;
    },
  }),
  membership4(IP_ADD_MEMBERSHIP, 'IP_ADD_MEMBERSHIP', true),
  membership4(IP_DROP_MEMBERSHIP, 'IP_DROP_MEMBERSHIP', false),
  int(SOL_IP, IP_MULTICAST_ALL, 'IP_MULTICAST_ALL', {
    notEmpty: true,
    get: ({ options, domain }) => ((options.multicastAll ?? domain === AF_INET) ? 1 : 0),
    set: ({ options, udp }, value) => {
      if (value !== 0 && value !== 1) return -Errno.EINVAL;
      options.multicastAll = value === 1;
      if (udp !== undefined) udp.settings.multicastAll = value === 1;
      return 0;
    },
  }),
];
