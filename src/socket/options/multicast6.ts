/** Multicast and anycast options of SOL_IPV6: ipv6(7), net/ipv6/ipv6_sockglue.c, RFC 3493 5.2. */
import { Errno } from '../../abi/errno.ts';
import {
  IPV6_ADD_MEMBERSHIP,
  IPV6_DROP_MEMBERSHIP,
  IPV6_JOIN_ANYCAST,
  IPV6_LEAVE_ANYCAST,
  IPV6_MULTICAST_ALL,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  IPV6_MULTICAST_LOOP,
} from '../../abi/in.ts';
import { SOL_IPV6 } from '../../abi/socket.ts';
import { ipv6Mreq } from '../../abi/sockopt.ts';
import { IpAddress } from '../../netstack/address.ts';
import { membership6 } from './membership.ts';
import { int, type OptionRow } from './row.ts';
import { SOURCE_FILTERS6 } from './source-filter.ts';
import { toggle } from './toggle.ts';

/**
 * The anycast address of a subnet belongs to its routers (RFC 4291 2.6.1), which a host that forwards nothing is none of: what can be joined on Linux besides
 * is an address of a prefix that the interface has, which nothing here would answer for.
 */
const joinAnycast: OptionRow = {
  option: IPV6_JOIN_ANYCAST,
  name: 'IPV6_JOIN_ANYCAST',
  set: ({ stack }, value, { netAdmin }) => {
    if (value.length < ipv6Mreq.size) return -Errno.EINVAL;
    if (!netAdmin) return -Errno.EPERM;
    const address = IpAddress.read6(value, ipv6Mreq.offset.multiaddr);
    return address.isMulticast || stack.isLocal(address) ? -Errno.EINVAL : -Errno.EADDRNOTAVAIL;
  },
};

/** An int that streams can only read. */
function notOfStreams(...[level, option, name, spec]: Parameters<typeof int>): OptionRow {
  const row = int(level, option, name, spec);
  return {
    ...row,
    set: (socket, value, credentials) =>
      socket.udp === undefined ? -Errno.ENOPROTOOPT : (row.set?.(socket, value, credentials) ?? -Errno.ENOPROTOOPT),
  };
}

export const MULTICAST6: readonly OptionRow[] = [
  notOfStreams(SOL_IPV6, IPV6_MULTICAST_HOPS, 'IPV6_MULTICAST_HOPS', {
    get: ({ options }) => options.multicastHops,
    set: ({ options }, value) => {
      if (value < -1 || value > 255) return -Errno.EINVAL;
      options.multicastHops = value === -1 ? 1 : value;
      return 0;
    },
  }),
  int(SOL_IPV6, IPV6_MULTICAST_LOOP, 'IPV6_MULTICAST_LOOP', {
    get: ({ options }) => (options.multicastLoop6 ? 1 : 0),
    set: ({ options }, value) => {
      if (value < 0 || value > 1) return -Errno.EINVAL;
      options.multicastLoop6 = value === 1;
      return 0;
    },
  }),
  notOfStreams(SOL_IPV6, IPV6_MULTICAST_IF, 'IPV6_MULTICAST_IF', {
    get: ({ options }) => options.multicastInterface6,
    set: ({ options, stack, settings }, value) => {
      if (value !== 0) {
        if (!stack.interfaces.some((i) => i.index === value)) return -Errno.ENODEV;
        if (settings.boundInterface !== 0 && settings.boundInterface !== value) return -Errno.EINVAL;
      }
      options.multicastInterface6 = value;
      return 0;
    },
  }),
  toggle(SOL_IPV6, IPV6_MULTICAST_ALL, 'IPV6_MULTICAST_ALL', 'multicastAll6'),
  membership6(IPV6_ADD_MEMBERSHIP, 'IPV6_ADD_MEMBERSHIP', true),
  membership6(IPV6_DROP_MEMBERSHIP, 'IPV6_DROP_MEMBERSHIP', false),
  ...SOURCE_FILTERS6,
  joinAnycast,
  {
    option: IPV6_LEAVE_ANYCAST,
    name: 'IPV6_LEAVE_ANYCAST',
    set: (_socket, value) => (value.length < ipv6Mreq.size ? -Errno.EINVAL : -Errno.ENOENT),
  },
];
