/**
 * Options of netlink sockets: SOL_NETLINK (net/netlink/af_netlink.c netlink_setsockopt, netlink_getsockopt), and of SOL_SOCKET those that mean the same on
 * every socket. What has no effect here and would be forgotten is refused.
 */
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
import {
  SO_ACCEPTCONN,
  SO_BROADCAST,
  SO_DETACH_FILTER,
  SO_DOMAIN,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_REUSEADDR,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_TYPE,
  SOL_NETLINK,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { i32, u32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { writeInt } from '../options/row.ts';
import { capReceiveBuffer, capSendBuffer, SOCKET_LEVEL } from '../options/socket-level.ts';
import type { OptionTarget } from '../options/target.ts';

export class NetlinkOptions {
  receiveBuffer = 212_992;
  sendBuffer = 212_992;
  passCredentials = false;
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

/** Rows of SOL_SOCKET that need no internet endpoint. */
const SHARED: readonly number[] = [
  SO_TYPE,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_ERROR,
  SO_ACCEPTCONN,
  SO_REUSEADDR,
  SO_BROADCAST,
  SO_KEEPALIVE,
  SO_OOBINLINE,
  SO_NO_CHECK,
  SO_LINGER,
  SO_RCVLOWAT,
  SO_SNDLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_DETACH_FILTER,
];
const shared = new Map(SOCKET_LEVEL.filter((row) => SHARED.includes(row.option)).map((row) => [row.option, row]));

export function setNetlinkOption(
  options: NetlinkOptions,
  target: OptionTarget,
  level: number,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  if (level === SOL_SOCKET) return setSocketLevel(options, target, option, value, credentials);
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

function setSocketLevel(
  options: NetlinkOptions,
  target: OptionTarget,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  if (value.length < 4) return -Errno.EINVAL;
  const number = i32.get(value, 0);
  switch (option) {
    case SO_RCVBUF:
      options.receiveBuffer = capReceiveBuffer(number, false);
      return 0;
    case SO_SNDBUF:
      options.sendBuffer = capSendBuffer(number, false);
      return 0;
    case SO_RCVBUFFORCE:
      if (!credentials.netAdmin) return -Errno.EPERM;
      options.receiveBuffer = capReceiveBuffer(number, true);
      return 0;
    case SO_SNDBUFFORCE:
      if (!credentials.netAdmin) return -Errno.EPERM;
      options.sendBuffer = capSendBuffer(number, true);
      return 0;
    case SO_PASSCRED:
      options.passCredentials = number !== 0;
      return 0;
    default:
      return shared.get(option)?.set?.(target, value, credentials) ?? -Errno.ENOPROTOOPT;
  }
}

export function getNetlinkOption(
  options: NetlinkOptions,
  target: OptionTarget,
  level: number,
  option: number,
  out: Uint8Array,
): number {
  if (level === SOL_SOCKET) {
    if (option === SO_RCVBUF) return writeInt(level, out, options.receiveBuffer);
    if (option === SO_SNDBUF) return writeInt(level, out, options.sendBuffer);
    if (option === SO_PASSCRED) return writeInt(level, out, options.passCredentials ? 1 : 0);
    return shared.get(option)?.get?.(target, out) ?? -Errno.ENOPROTOOPT;
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
