/** Constants back to the names of the C headers, for strace and for the compatibility report. */
import * as epoll from '../abi/epoll.ts';
import * as fcntl from '../abi/fcntl.ts';
import * as inet from '../abi/in.ts';
import * as ioctl from '../abi/ioctl.ts';
import * as netlink from '../abi/netlink.ts';
import * as poll from '../abi/poll.ts';
import * as sched from '../abi/sched.ts';
import * as socket from '../abi/socket.ts';
import * as transport from '../abi/transport.ts';

type Names = ReadonlyMap<number, string>;

/** By value, ascending. Where a value has several names, `not` takes out all but one. */
function names(module: Readonly<Record<string, unknown>>, prefix: RegExp, not?: RegExp): Names {
  const found = new Map<number, string>();
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'number' || !prefix.test(name) || not?.test(name) === true) continue;
    if (!found.has(value)) found.set(value, name);
  }
  return new Map([...found].toSorted(([a], [b]) => (a >>> 0) - (b >>> 0)));
}
const nameOf = (table: Names, value: number): string =>
  table.get(value) ?? (value >= 0 ? `0x${value.toString(16)}` : `${value}`);

/** Flags by name, joined with |; bits without a name in hexadecimal. */
function flags(table: Names, value: number): string {
  let left = value >>> 0;
  const parts: string[] = [];
  for (const [bit, name] of table) {
    if (bit !== 0 && (left & bit) >>> 0 === bit >>> 0) {
      parts.push(name);
      left = (left & ~bit) >>> 0;
    }
  }
  if (left !== 0 || parts.length === 0) parts.push(left === 0 ? '0' : `0x${left.toString(16)}`);
  return parts.join('|');
}

const FAMILIES = names(socket, /^AF_/, /AF_LOCAL|AF_MAX/);
const TYPES = names(socket, /^SOCK_/, /MAX|MASK|CLOEXEC|NONBLOCK/);
const TYPE_FLAGS = names(socket, /^SOCK_(CLOEXEC|NONBLOCK)$/);
const MESSAGE_FLAGS = names(socket, /^MSG_/, /MSG_PROBE$/);
const LEVELS = names(socket, /^SOL_/);
const SHUT = names(socket, /^SHUT_/);
const PROTOCOLS = names(inet, /^IPPROTO_/, /MAX/);
const NETLINK_PROTOCOLS = names(netlink, /^NETLINK_(ROUTE|GENERIC)$/);
const OPTIONS: ReadonlyMap<number, Names> = new Map([
  [socket.SOL_SOCKET, names(socket, /^SO_/, /SO_(GET_FILTER)/)],
  [socket.SOL_IP, names(inet, /^(IP|MCAST|SO)_/, /PMTUDISC|IP_ORIGDST/)],
  [socket.SOL_IPV6, names(inet, /^(IPV6|MCAST|IP6T)_/, /IPV6_(JOIN|LEAVE)_GROUP|IPV6_ORIGDST/)],
  [
    socket.SOL_TCP,
    names(
      transport,
      /^TCP_/,
      /TCP_CM_INQ|TCP_CA_|TCP_(ESTABLISHED|SYN_SENT|SYN_RECV|FIN_WAIT|TIME_WAIT|CLOSE|LAST_ACK|LISTEN|CLOSING)/,
    ),
  ],
  [socket.SOL_UDP, names(transport, /^UDP(LITE)?_/)],
  [socket.SOL_NETLINK, names(netlink, /^NETLINK_/, /NETLINK_(ROUTE|GENERIC)/)],
]);
const CONTROL_TYPES: ReadonlyMap<number, Names> = new Map([
  [socket.SOL_SOCKET, new Map([...names(socket, /^SCM_/, /MAX_FD/), [socket.SO_TIMESTAMP, 'SO_TIMESTAMP_OLD']])],
]);
const IOCTLS = names(ioctl, /./, /^(TIOCINQ|SIOCINQ|SIOCOUTQ)$/);
const COMMANDS = names(fcntl, /^F_/, /F_OWNER_|F_UNLCK/);
const OPEN_FLAGS = names(fcntl, /^O_/, /O_(RDONLY|WRONLY|RDWR|ACCMODE)/);
const NAMESPACES = names(sched, /^CLONE_NEW/);
const POLL = names(poll, /^POLL/);
const EPOLL = names(epoll, /^EPOLL/, /CTL|CLOEXEC/);
const EPOLL_OPERATIONS = names(epoll, /^EPOLL_CTL_/);

/** CLONE_NEW*. */
export const namespaceFlagNames = (value: number): string => flags(NAMESPACES, value);
export const familyName = (family: number): string => nameOf(FAMILIES, family);
/** The type, with the flags that share its argument. */
export function socketTypeName(type: number): string {
  const extra = type & ~socket.SOCK_TYPE_MASK;
  const name = nameOf(TYPES, type & socket.SOCK_TYPE_MASK);
  return extra === 0 ? name : `${name}|${flags(TYPE_FLAGS, extra)}`;
}
export const socketFlagNames = (value: number): string => flags(TYPE_FLAGS, value);
/** IPPROTO_* or NETLINK_* for the families that have them. */
export function protocolName(family: number, protocol: number): string {
  if (family === socket.AF_NETLINK) return nameOf(NETLINK_PROTOCOLS, protocol);
  return family === socket.AF_INET || family === socket.AF_INET6 ? nameOf(PROTOCOLS, protocol) : `${protocol}`;
}
export const messageFlagNames = (value: number): string => flags(MESSAGE_FLAGS, value);
export const levelName = (level: number): string => nameOf(LEVELS, level);
export const optionName = (level: number, option: number): string => nameOf(OPTIONS.get(level) ?? new Map(), option);
export const controlTypeName = (level: number, type: number): string =>
  nameOf(CONTROL_TYPES.get(level) ?? OPTIONS.get(level) ?? new Map(), type);
export const ioctlName = (request: number): string => nameOf(IOCTLS, request);
/** True for a command that Linux has. */
export const isFcntlCommand = (command: number): boolean => COMMANDS.has(command);
export const fcntlName = (command: number): string => nameOf(COMMANDS, command);
/** O_*: the access mode, then the flags. */
export function openFlagNames(value: number): string {
  const mode = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][value & fcntl.O_ACCMODE] as string;
  const rest = value & ~fcntl.O_ACCMODE;
  return rest === 0 ? mode : `${mode}|${flags(OPEN_FLAGS, rest)}`;
}
/** O_* flags alone, for arguments that have no access mode. */
export const descriptorFlagNames = (value: number): string => flags(OPEN_FLAGS, value);
export const shutdownName = (how: number): string => nameOf(SHUT, how);
export const pollNames = (value: number): string => flags(POLL, value);
export const epollNames = (value: number): string => flags(EPOLL, value);
export const epollOperationName = (op: number): string => nameOf(EPOLL_OPERATIONS, op);

/** A C string of the guest's, at most `most` octets of it, as it may stand in a report or on a terminal. */
export function printable(octets: Uint8Array, most: number): string {
  const end = octets.indexOf(0);
  const text = octets.subarray(0, Math.min(end < 0 ? octets.length : end, most));
  return Array.from(text, (octet) => (octet > 0x20 && octet < 0x7f ? String.fromCharCode(octet) : '?')).join('');
}
