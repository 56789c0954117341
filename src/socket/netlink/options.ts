/** Options of netlink sockets: SOL_NETLINK (net/netlink/af_netlink.c netlink_setsockopt, netlink_getsockopt), and of SOL_SOCKET what every socket has. */
import { Errno } from '../../abi/errno.ts';
import {
  NETLINK_ADD_MEMBERSHIP,
  NETLINK_BROADCAST_ERROR,
  NETLINK_CAP_ACK,
  NETLINK_DROP_MEMBERSHIP,
  NETLINK_EXT_ACK,
  NETLINK_GET_STRICT_CHK,
  NETLINK_LIST_MEMBERSHIPS,
  NETLINK_LISTEN_ALL_NSID,
  NETLINK_NO_ENOBUFS,
  NETLINK_PKTINFO,
  RTNLGRP_IPV4_MROUTE_R,
  RTNLGRP_IPV6_MROUTE_R,
  RTNLGRP_MAX,
} from '../../abi/netlink.ts';
import { SO_PEEK_OFF, SOL_NETLINK, SOL_SOCKET } from '../../abi/socket.ts';
import { i32, u32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { getLocalOption, LocalOptions, setLocalOption } from '../options/local.ts';
import { writeInt } from '../options/row.ts';
import type { OptionTarget } from '../options/target.ts';

export class NetlinkOptions extends LocalOptions {
  packetInfo = false;
  broadcastError = false;
  noEnobufs = false;
  listenAllNamespaces = false;
  capAck = false;
  extAck = false;
  strictCheck = false;
  /** Bit `group - 1` of word `(group - 1) >> 5`. */
  readonly groups = new Uint32Array(Math.ceil(RTNLGRP_MAX / 32));

  hasGroup(group: number): boolean {
    return (((this.groups[(group - 1) >>> 5] as number) >>> ((group - 1) & 31)) & 1) === 1;
  }
  setGroup(group: number, on: boolean): void {
    const bit = 1 << ((group - 1) & 31);
    const word = this.groups[(group - 1) >>> 5] as number;
    this.groups[(group - 1) >>> 5] = on ? word | bit : word & ~bit;
  }
}

/** rtnetlink_bind: who hears what these are told could forge multicast routes. */
const isGuarded = (group: number): boolean => group === RTNLGRP_IPV4_MROUTE_R || group === RTNLGRP_IPV6_MROUTE_R;
/** The same of a mask, bit `group - 1`. */
export const GUARDED_GROUPS = (1 << (RTNLGRP_IPV4_MROUTE_R - 1)) | (1 << (RTNLGRP_IPV6_MROUTE_R - 1));

type Flag = 'packetInfo' | 'broadcastError' | 'noEnobufs' | 'listenAllNamespaces' | 'capAck' | 'extAck' | 'strictCheck';
const FLAGS: ReadonlyMap<number, Flag> = new Map<number, Flag>([
  [NETLINK_PKTINFO, 'packetInfo'],
  [NETLINK_BROADCAST_ERROR, 'broadcastError'],
  [NETLINK_NO_ENOBUFS, 'noEnobufs'],
  [NETLINK_LISTEN_ALL_NSID, 'listenAllNamespaces'],
  [NETLINK_CAP_ACK, 'capAck'],
  [NETLINK_EXT_ACK, 'extAck'],
  [NETLINK_GET_STRICT_CHK, 'strictCheck'],
]);

/** What is peeked at is always the head here (no set_peek_off). */
const isPeekOffset = (option: number, value: Uint8Array): boolean => option === SO_PEEK_OFF && value.length >= i32.size;

export function setNetlinkOption(
  options: NetlinkOptions,
  target: OptionTarget,
  level: number,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  if (level === SOL_SOCKET) {
    return isPeekOffset(option, value)
      ? -Errno.EOPNOTSUPP
      : setLocalOption(options, target, option, value, credentials);
  }
  if (level !== SOL_NETLINK) return -Errno.ENOPROTOOPT;
  const number = value.length >= 4 ? i32.get(value, 0) : 0;
  if (option === NETLINK_ADD_MEMBERSHIP || option === NETLINK_DROP_MEMBERSHIP) {
    if (number < 1 || number > RTNLGRP_MAX) return -Errno.EINVAL;
    const joins = option === NETLINK_ADD_MEMBERSHIP;
    if (joins && isGuarded(number) && !credentials.netAdmin) return -Errno.EPERM;
    options.setGroup(number, joins);
    return 0;
  }
  const flag = FLAGS.get(option);
  if (flag === undefined) return -Errno.ENOPROTOOPT;
  // CAP_NET_BROADCAST, which goes with the power over the network here; there is one namespace to listen to.
  if (flag === 'listenAllNamespaces' && !credentials.netAdmin) return -Errno.EPERM;
  options[flag] = number !== 0;
  return 0;
}

export function getNetlinkOption(
  options: NetlinkOptions,
  target: OptionTarget,
  level: number,
  option: number,
  out: Uint8Array,
): number {
  if (level === SOL_SOCKET) {
    return option === SO_PEEK_OFF ? -Errno.EOPNOTSUPP : getLocalOption(options, target, option, out);
  }
  if (level !== SOL_NETLINK) return -Errno.ENOPROTOOPT;
  if (option === NETLINK_LIST_MEMBERSHIPS) return listMemberships(options, out);
  const flag = FLAGS.get(option);
  if (flag === undefined) return -Errno.ENOPROTOOPT;
  return out.length < 4 ? -Errno.EINVAL : writeInt(level, out, options[flag] ? 1 : 0);
}
/** As many words as fit; the length told is that of all. */
function listMemberships({ groups }: NetlinkOptions, out: Uint8Array): number {
  for (const [i, word] of groups.entries()) if (i * 4 + 4 <= out.length) u32.put(out, i * 4, word);
  return groups.length * 4;
}
