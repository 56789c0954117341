/** Multicast options of SOL_IP: ip(7), net/ipv4/ip_sockglue.c. */
import { Errno } from '../../abi/errno.ts';
import {
  IP_ADD_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_MULTICAST_ALL,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
} from '../../abi/in.ts';
import { AF_INET, SOL_IP } from '../../abi/socket.ts';
import { ipMreqn } from '../../abi/sockopt.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { Netstack } from '../../netstack/endpoint.ts';
import { membership4 } from './membership.ts';
import { int, type OptionRow, writeOctets } from './row.ts';
import { SOURCE_FILTERS4 } from './source-filter.ts';

/** ip_dev_find: any address of 127.0.0.0/8 is one of loopback. */
function interfaceOf({ interfaces }: Netstack, address: IpAddress): number {
  const found = address.isLoopback
    ? interfaces.find((i) => i.isLoopback)
    : interfaces.find((i) => i.addresses.some((a) => a.address.equals(address)));
  return found?.index ?? 0;
}

const multicastInterface: OptionRow = {
  option: IP_MULTICAST_IF,
  name: 'IP_MULTICAST_IF',
  get: (socket, out) => {
    const octets = new Uint8Array(4);
    IpAddress.v4(socket.options.multicastInterfaceAddress).write4(octets, 0);
    return writeOctets(out, octets);
  },
  // in_addr, ip_mreq (its second address) or ip_mreqn.
  set: (socket, value) => {
    if (value.length < 4 || socket.udp === undefined) return -Errno.EINVAL;
    const named = value.length >= ipMreqn.offset.ifindex ? ipMreqn.offset.address : 0;
    const address = IpAddress.read4(value, named);
    let index = value.length >= ipMreqn.size ? ipMreqn.fields.ifindex.get(value, ipMreqn.offset.ifindex) : 0;
    if (index !== 0) {
      if (!socket.stack.interfaces.some((i) => i.index === index)) return -Errno.EADDRNOTAVAIL;
    } else if (!address.isUnspecified) {
      index = interfaceOf(socket.stack, address);
      if (index === 0) return -Errno.EADDRNOTAVAIL;
    }
    const { boundInterface } = socket.settings;
    if (index !== 0 && boundInterface !== 0 && boundInterface !== index) return -Errno.EINVAL;
    socket.options.multicastInterfaceAddress = address.w3;
    socket.options.multicastInterface = index;
    socket.optionsChanged();
    return 0;
  },
};

export const MULTICAST4: readonly OptionRow[] = [
  int(SOL_IP, IP_MULTICAST_TTL, 'IP_MULTICAST_TTL', {
    shortest: 1,
    get: ({ options }) => options.multicastTtl,
    set: ({ options, udp }, value) => {
      if (udp === undefined || value < -1 || value > 255) return -Errno.EINVAL;
      options.multicastTtl = value === -1 ? 1 : value;
      return 0;
    },
  }),
  int(SOL_IP, IP_MULTICAST_LOOP, 'IP_MULTICAST_LOOP', {
    shortest: 1,
    get: ({ options }) => (options.multicastLoop ? 1 : 0),
    set: ({ options }, value) => {
      options.multicastLoop = value !== 0;
    },
  }),
  multicastInterface,
  membership4(IP_ADD_MEMBERSHIP, 'IP_ADD_MEMBERSHIP', true),
  membership4(IP_DROP_MEMBERSHIP, 'IP_DROP_MEMBERSHIP', false),
  int(SOL_IP, IP_MULTICAST_ALL, 'IP_MULTICAST_ALL', {
    shortest: 1,
    get: ({ options, domain }) => ((options.multicastAll ?? domain === AF_INET) ? 1 : 0),
    set: ({ options }, value) => {
      if (value !== 0 && value !== 1) return -Errno.EINVAL;
      options.multicastAll = value === 1;
      return 0;
    },
  }),
  ...SOURCE_FILTERS4,
];
