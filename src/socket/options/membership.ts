/** Multicast membership: ip(7) IP_ADD_MEMBERSHIP and IP_DROP_MEMBERSHIP, ipv6(7) IPV6_JOIN_GROUP and IPV6_LEAVE_GROUP. */
import { Errno } from '../../abi/errno.ts';
import { ipMreq, ipMreqn, ipv6Mreq } from '../../abi/sockopt.ts';
import { IpAddress } from '../../netstack/address.ts';
import { resultOf } from '../errors.ts';
import type { OptionRow } from './row.ts';

/** `struct ip_mreq` names the interface by its address, `struct ip_mreqn` by address or index. */
export const membership4 = (option: number, name: string, joins: boolean): OptionRow => ({
  option,
  name,
  set: ({ udp }, value) => {
    // A stream has no groups, whatever the value (do_ip_setsockopt).
    if (udp === undefined) return -Errno.EPROTO;
    if (value.length < ipMreq.size) return -Errno.EINVAL;
    const group = IpAddress.read4(value, ipMreqn.offset.multiaddr);
    const address = IpAddress.read4(value, ipMreqn.offset.address);
    const index = value.length < ipMreqn.size ? 0 : ipMreqn.fields.ifindex.get(value, ipMreqn.offset.ifindex);
    const named = address.isUnspecified ? undefined : address;
    return resultOf(joins ? udp.join(group, index, named) : udp.leave(group, index, named));
  },
});

/** `struct ipv6_mreq`. */
export const membership6 = (option: number, name: string, joins: boolean): OptionRow => ({
  option,
  name,
  set: ({ udp }, value) => {
    if (value.length < ipv6Mreq.size) return -Errno.EINVAL;
    if (udp === undefined) return -Errno.EPROTO;
    const group = IpAddress.read6(value, ipv6Mreq.offset.multiaddr);
    // A mapped address is no group of IPv6.
    if (group.isV4) return -Errno.EINVAL;
    const index = ipv6Mreq.fields.interface.get(value, ipv6Mreq.offset.interface);
    return resultOf(joins ? udp.join(group, index, undefined) : udp.leave(group, index, undefined));
  },
});
