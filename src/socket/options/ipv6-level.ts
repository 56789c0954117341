/** SOL_IPV6: ipv6(7), net/ipv6/ipv6_sockglue.c; of AF_INET6 sockets only. */
import { Errno } from '../../abi/errno.ts';
import {
  IPV6_ADD_MEMBERSHIP,
  IPV6_DROP_MEMBERSHIP,
  IPV6_FREEBIND,
  IPV6_MTU,
  IPV6_MTU_DISCOVER,
  IPV6_MULTICAST_ALL,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
  IPV6_RECVERR,
  IPV6_RECVHOPLIMIT,
  IPV6_RECVORIGDSTADDR,
  IPV6_RECVPKTINFO,
  IPV6_RECVTCLASS,
  IPV6_TCLASS,
  IPV6_UNICAST_HOPS,
  IPV6_V6ONLY,
} from '../../abi/in.ts';
import { SOL_IPV6 } from '../../abi/socket.ts';
import { ECN_MASK, pathMtu, setMtuDiscover } from './ip-level.ts';
import { membership6 } from './membership.ts';
import { flag, int, type OptionRow } from './row.ts';

/** net.ipv6.conf.default.hop_limit. */
const DEFAULT_HOPS = 64;

export const IPV6_LEVEL: readonly OptionRow[] = [
  flag(
    SOL_IPV6,
    IPV6_V6ONLY,
    'IPV6_V6ONLY',
    ({ settings }) => settings.v6Only,
    ({ settings, tcp, udp }, on) => {
      if (tcp?.isBound === true || udp?.isBound === true) return -Errno.EINVAL;
      settings.v6Only = on;
      return 0;
    },
  ),
  int(SOL_IPV6, IPV6_UNICAST_HOPS, 'IPV6_UNICAST_HOPS', {
    get: ({ options }) => (options.hopLimit < 0 ? DEFAULT_HOPS : options.hopLimit),
    set: ({ options }, value) => {
      // Linux takes 0 as well; such a packet dies at once, and no endpoint here sends one.
      if (value !== -1 && (value < 1 || value > 255)) return -Errno.EINVAL;
      options.hopLimit = value;
      return 0;
    },
  }),
  int(SOL_IPV6, IPV6_TCLASS, 'IPV6_TCLASS', {
    get: ({ options }) => options.trafficClass,
    set: ({ options, tcp }, value) => {
      if (value < -1 || value > 255) return -Errno.EINVAL;
      const octet = Math.max(value, 0);
      options.trafficClass = tcp === undefined ? octet : (octet & ~ECN_MASK) | (options.trafficClass & ECN_MASK);
      return 0;
    },
  }),
  flag(
    SOL_IPV6,
    IPV6_RECVPKTINFO,
    'IPV6_RECVPKTINFO',
    ({ options }) => options.packetInfo6,
    ({ options }, on) => {
      options.packetInfo6 = on;
    },
  ),
  flag(
    SOL_IPV6,
    IPV6_RECVHOPLIMIT,
    'IPV6_RECVHOPLIMIT',
    ({ options }) => options.receiveHopLimit,
    ({ options }, on) => {
      options.receiveHopLimit = on;
    },
  ),
  flag(
    SOL_IPV6,
    IPV6_RECVTCLASS,
    'IPV6_RECVTCLASS',
    ({ options }) => options.receiveTrafficClass,
    ({ options }, on) => {
      options.receiveTrafficClass = on;
    },
  ),
  flag(
    SOL_IPV6,
    IPV6_RECVORIGDSTADDR,
    'IPV6_RECVORIGDSTADDR',
    ({ options }) => options.receiveOriginalDestination6,
    ({ options }, on) => {
      options.receiveOriginalDestination6 = on;
    },
  ),
  flag(
    SOL_IPV6,
    IPV6_RECVERR,
    'IPV6_RECVERR',
    ({ options }) => options.receiveErrors6,
    ({ options }, on) => {
      options.receiveErrors6 = on;
    },
    'datagram',
  ),
  int(SOL_IPV6, IPV6_MTU_DISCOVER, 'IPV6_MTU_DISCOVER', {
    get: ({ options }) => options.mtuDiscover,
    set: setMtuDiscover,
  }),
  { option: IPV6_MTU, name: 'IPV6_MTU', get: (socket, out) => pathMtu(SOL_IPV6, socket, out) },
  int(SOL_IPV6, IPV6_MULTICAST_HOPS, 'IPV6_MULTICAST_HOPS', {
    only: 'datagram',
    get: ({ udp }) => udp?.settings.multicastTtl ?? 1,
    set: ({ udp }, value) => {
      if (udp === undefined || value < -1 || value > 255) return -Errno.EINVAL;
      udp.settings.multicastTtl = value === -1 ? 1 : value;
      return 0;
    },
  }),
  int(SOL_IPV6, IPV6_MULTICAST_LOOP, 'IPV6_MULTICAST_LOOP', {
    only: 'datagram',
    get: ({ udp }) => (udp?.settings.multicastLoop === false ? 0 : 1),
    set: ({ udp }, value) => {
      if (udp === undefined || value < 0 || value > 1) return -Errno.EINVAL;
      udp.settings.multicastLoop = value === 1;
      return 0;
    },
  }),
  int(SOL_IPV6, IPV6_MULTICAST_IF, 'IPV6_MULTICAST_IF', {
    only: 'datagram',
    get: ({ udp }) => udp?.settings.multicastInterface ?? 0,
    set: ({ udp, stack }, value) => {
      if (udp === undefined) return -Errno.EINVAL;
      if (value !== 0 && !stack.interfaces.some((i) => i.index === value)) return -Errno.ENODEV;
      udp.settings.multicastInterface = value;
      return 0;
    },
  }),
  // One flag for both levels.
  flag(
    SOL_IPV6,
    IPV6_FREEBIND,
    'IPV6_FREEBIND',
    ({ settings }) => settings.freeBind,
    ({ settings }, on) => {
      settings.freeBind = on;
    },
  ),
  membership6(IPV6_ADD_MEMBERSHIP, 'IPV6_ADD_MEMBERSHIP', true),
  membership6(IPV6_DROP_MEMBERSHIP, 'IPV6_DROP_MEMBERSHIP', false),
  flag(
    SOL_IPV6,
    IPV6_MULTICAST_ALL,
    'IPV6_MULTICAST_ALL',
    ({ options }) => options.multicastAll6,
    ({ options, udp }, on) => {
      options.multicastAll6 = on;
      if (udp !== undefined) udp.settings.multicastAll6 = on;
    },
  ),
];
