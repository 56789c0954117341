/**
 * Constants to the names of the C headers, as strace(1) shows them, and back. A value without a name is shown in hexadecimal. Where a value has several names the
 * usual one is shown; `constant` knows them all.
 */
import * as epoll from './epoll.ts';
import { Errno } from './errno.ts';
import * as fcntl from './fcntl.ts';
import * as fileFlags from './file-flags.ts';
import * as icmp from './icmp.ts';
import * as inet from './in.ts';
import * as ioctl from './ioctl.ts';
import * as multicast from './multicast.ts';
import * as netlink from './netlink.ts';
import * as openat from './openat.ts';
import * as packet from './packet.ts';
import * as poll from './poll.ts';
import * as resource from './resource.ts';
import * as sched from './sched.ts';
import * as signal from './signal.ts';
import * as socket from './socket.ts';
import * as sockopt from './sockopt.ts';
import * as splice from './splice.ts';
import * as timestamping from './timestamping.ts';
import * as transport from './transport.ts';

type Names = ReadonlyMap<number, string>;
type Module = Readonly<Record<string, unknown>>;

/** A table that is made when it is first asked: all of them take ten milliseconds, which a program that names nothing need not wait. */
type Table = () => Names;
function lazily(make: () => Names): Table {
  let made: Names | undefined;
  return () => (made ??= make());
}
/** By value, ascending. Where a value has several names, `not` takes out all but the usual one: a module's names come in alphabetical order, not in ours. */
const names = (module: Module, prefix: RegExp, not?: RegExp): Table => lazily(() => namesOf(module, prefix, not));
function namesOf(module: Module, prefix: RegExp, not: RegExp | undefined): Names {
  const found = new Map<number, string>();
  for (const [name, value] of Object.entries(module)) {
    if (typeof value !== 'number' || !prefix.test(name) || not?.test(name) === true) continue;
    if (!found.has(value)) found.set(value, name);
  }
  return new Map([...found].toSorted(([a], [b]) => (a >>> 0) - (b >>> 0)));
}
const nameOf = (table: Table | undefined, value: number): string =>
  table?.().get(value) ?? (value >= 0 ? `0x${value.toString(16)}` : `${value}`);

/** Flags by name, joined with |; bits without a name in hexadecimal. */
function flags(table: Table, value: number): string {
  let left = value >>> 0;
  const parts: string[] = [];
  for (const [bit, name] of table()) {
    if (bit !== 0 && (left & bit) >>> 0 === bit >>> 0) {
      parts.push(name);
      left = (left & ~bit) >>> 0;
    }
  }
  if (left !== 0 || parts.length === 0) parts.push(left === 0 ? '0' : `0x${left.toString(16)}`);
  return parts.join('|');
}
const merged = (...tables: readonly Table[]): Table => lazily(() => new Map(tables.flatMap((table) => [...table()])));

const FAMILIES = names(socket, /^AF_/, /AF_LOCAL|AF_MAX/);
const TYPES = names(socket, /^SOCK_/, /MAX|MASK|CLOEXEC|NONBLOCK|LOCK$|TXREHASH/);
const TYPE_FLAGS = names(socket, /^SOCK_(CLOEXEC|NONBLOCK)$/);
const MESSAGE_FLAGS = names(socket, /^MSG_/, /MSG_PROBE$/);
const LEVELS = names(socket, /^SOL_/);
const SHUT = names(socket, /^SHUT_/);
const PROTOCOLS = names(inet, /^IPPROTO_/, /MAX|HOPOPTS/);
const NETLINK_OPTIONS =
  /^NETLINK_(ADD_|DROP_|PKTINFO|BROADCAST_ERROR|NO_ENOBUFS|LISTEN_ALL|LIST_MEMBERSHIPS|CAP_ACK|EXT_ACK|GET_STRICT|RX_RING|TX_RING)/;
const NETLINK_PROTOCOLS = names(netlink, /^NETLINK_/, NETLINK_OPTIONS);
const TCP_STATES =
  /^TCP_(ESTABLISHED|SYN_SENT|SYN_RECV|FIN_WAIT1|FIN_WAIT2|TIME_WAIT|CLOSE|CLOSE_WAIT|LAST_ACK|LISTEN|CLOSING|NEW_SYN_RECV)$/;
const OPTIONS: ReadonlyMap<number, Table> = new Map([
  [socket.SOL_SOCKET, names(socket, /^SO_/, /SO_(GET_FILTER|DETACH_BPF)/)],
  [socket.SOL_IP, names(inet, /^(IP|MCAST|SO)_/, /PMTUDISC|IP_ORIGDST|IP_RECVRETOPTS/)],
  [
    socket.SOL_IPV6,
    names(inet, /^(IPV6|MCAST|IP6T)_/, /IPV6_(JOIN|LEAVE)_GROUP|IPV6_ORIGDST|IPV6_(FL|PMTUDISC|PREFER_SRC)_/),
  ],
  [socket.SOL_TCP, names(transport, /^TCP_/, new RegExp(`TCP_CM_INQ|TCP_CA_|TCP_NLA_|${TCP_STATES.source}`))],
  [socket.SOL_UDP, names(transport, /^UDP(LITE)?_/, /UDP_ENCAP_/)],
  [socket.SOL_NETLINK, names(netlink, NETLINK_OPTIONS)],
  [
    socket.SOL_PACKET,
    names(
      packet,
      /^PACKET_/,
      /PACKET_(HOST|BROADCAST|MULTICAST|OTHERHOST|OUTGOING|LOOPBACK|USER|KERNEL|FANOUT_(?!DATA)|MR_)/,
    ),
  ],
  [socket.SOL_RAW, names(icmp, /^ICMP_FILTER$/)],
  [socket.SOL_ICMPV6, names(icmp, /^ICMPV6_FILTER$/)],
]);
/** Types of control messages that differ from the option of that number; the others have its name. */
const CONTROL_TYPES: ReadonlyMap<number, Table> = new Map([
  [
    socket.SOL_SOCKET,
    merged(names(socket, /^SCM_/, /MAX_FD/), () => new Map([[socket.SO_TIMESTAMP, 'SO_TIMESTAMP_OLD']])),
  ],
  [socket.SOL_IP, names(inet, /^IP_(RETOPTS|ORIGDSTADDR)$/)],
  [socket.SOL_IPV6, names(inet, /^IPV6_ORIGDSTADDR$/)],
  [socket.SOL_TCP, names(transport, /^TCP_CM_INQ$/)],
]);
const IOCTLS = names(ioctl, /./, /^(TIOCINQ|SIOCINQ|SIOCOUTQ)$/);
const COMMANDS = names(fcntl, /^F_/, /^F_(OWNER_|UNLCK|RDLCK|WRLCK|SEAL_)/);
const OPEN_FLAGS = names(fcntl, /^O_/, /O_(RDONLY|WRONLY|RDWR|ACCMODE)/);
const POLL = names(poll, /^POLL/);
const EPOLL = names(epoll, /^EPOLL/, /CTL|CLOEXEC/);
const EPOLL_OPERATIONS = names(epoll, /^EPOLL_CTL_/);
const NAMESPACES = names(sched, /^CLONE_NEW/);
const SIGNALS = names(signal, /^SIG[A-Z]/, /^SIG(RTMIN|SET)/);
const STATES = names(transport, TCP_STATES);
const INTERFACE_FLAGS = names(netlink, /^IFF_/);
const TIMESTAMPING = names(timestamping, /^SOF_TIMESTAMPING_/);
const ORIGINS = names(sockopt, /^SO_EE_ORIGIN_/, /TXSTATUS/);

/** `'AF_INET'` for 2. */
export const familyName = (family: number): string => nameOf(FAMILIES, family);
/** The type, with the flags that share its argument: `'SOCK_STREAM|SOCK_CLOEXEC'`. */
export function socketTypeName(type: number): string {
  const extra = type & ~socket.SOCK_TYPE_MASK;
  const name = nameOf(TYPES, type & socket.SOCK_TYPE_MASK);
  return extra === 0 ? name : `${name}|${flags(TYPE_FLAGS, extra)}`;
}
/** SOCK_CLOEXEC and SOCK_NONBLOCK. */
export const socketFlagNames = (value: number): string => flags(TYPE_FLAGS, value);
/** IPPROTO_* or NETLINK_* for the families that have them. */
export function protocolName(family: number, protocol: number): string {
  if (family === socket.AF_NETLINK) return nameOf(NETLINK_PROTOCOLS, protocol);
  return family === socket.AF_INET || family === socket.AF_INET6 ? nameOf(PROTOCOLS, protocol) : `${protocol}`;
}
/** `'MSG_PEEK|MSG_DONTWAIT'` for 0x42. */
export const messageFlagNames = (value: number): string => flags(MESSAGE_FLAGS, value);
/** `'SOL_TCP'` for 6. */
export const levelName = (level: number): string => nameOf(LEVELS, level);
/** `'TCP_NODELAY'` for level 6, option 1. */
export const optionName = (level: number, option: number): string => nameOf(OPTIONS.get(level), option);
/** The type of a control message: `'SCM_RIGHTS'` for level 1, type 1. */
export const controlTypeName = (level: number, type: number): string =>
  CONTROL_TYPES.get(level)?.().get(type) ??
  (level === socket.SOL_SOCKET ? nameOf(undefined, type) : optionName(level, type));
/** `'SIOCGIFCONF'` for 0x8912. */
export const ioctlName = (request: number): string => nameOf(IOCTLS, request);
/** `'F_GETFL'` for 3. */
export const fcntlName = (command: number): string => nameOf(COMMANDS, command);
/** True for a command of fcntl(2) that Linux has. */
export const isFcntlCommand = (command: number): boolean => COMMANDS().has(command);
/** O_*: the access mode, then the flags. */
export function openFlagNames(value: number): string {
  const mode = ['O_RDONLY', 'O_WRONLY', 'O_RDWR', 'O_ACCMODE'][value & fcntl.O_ACCMODE] as string;
  const rest = value & ~fcntl.O_ACCMODE;
  return rest === 0 ? mode : `${mode}|${flags(OPEN_FLAGS, rest)}`;
}
/** O_* flags alone, for arguments that have no access mode. */
export const descriptorFlagNames = (value: number): string => flags(OPEN_FLAGS, value);
export const shutdownName = (how: number): string => nameOf(SHUT, how);
/** POLL* of poll(2). */
export const pollNames = (value: number): string => flags(POLL, value);
/** EPOLL* of epoll_ctl(2). */
export const epollNames = (value: number): string => flags(EPOLL, value);
export const epollOperationName = (op: number): string => nameOf(EPOLL_OPERATIONS, op);
/** CLONE_NEW*. */
export const namespaceFlagNames = (value: number): string => flags(NAMESPACES, value);
/** `'SIGURG'` for 23, `'SIGRT_2'` for 34. */
export const signalName = (number: number): string =>
  number >= signal.SIGRTMIN && number <= signal.NSIG ? `SIGRT_${number - signal.SIGRTMIN}` : nameOf(SIGNALS, number);
/** `'TCP_ESTABLISHED'` for 1: tcpi_state. */
export const tcpStateName = (state: number): string => nameOf(STATES, state);
/** IFF_*. */
export const interfaceFlagNames = (value: number): string => flags(INTERFACE_FLAGS, value);
/** SOF_TIMESTAMPING_*. */
export const timestampingFlagNames = (value: number): string => flags(TIMESTAMPING, value);
/** SO_EE_ORIGIN_*: where an error of the error queue comes from. */
export const errorOriginName = (origin: number): string => nameOf(ORIGINS, origin);

const MODULES: readonly Module[] = [
  epoll,
  Errno,
  fcntl,
  fileFlags,
  icmp,
  inet,
  ioctl,
  multicast,
  netlink,
  openat,
  packet,
  poll,
  resource,
  sched,
  signal,
  sockopt,
  socket,
  splice,
  timestamping,
  transport,
];
let constants: ReadonlyMap<string, number> | undefined;
function allConstants(): ReadonlyMap<string, number> {
  const numbers = MODULES.flatMap((module) =>
    Object.entries(module).filter((entry): entry is [string, number] => typeof entry[1] === 'number'),
  );
  constants = new Map(numbers);
  return constants;
}
/** The value of any constant of this package by its C name: `constant('SO_REUSEADDR')` is 2. Undefined for a name that it does not have. */
export const constant = (name: string): number | undefined => (constants ?? allConstants()).get(name);

const NUMBER = /^(?:0x[0-9a-f]+|\d+)$/i;
/** The number of names and numbers joined with |, as the functions above show flags: `flagsFrom('MSG_PEEK|0x40')` is 0x42. Undefined if one is unknown. */
export function flagsFrom(text: string): number | undefined {
  let value = 0;
  for (const part of text.split('|')) {
    const one = NUMBER.test(part) ? Number(part) : constant(part);
    if (one === undefined) return undefined;
    value = (value | one) >>> 0;
  }
  return value;
}
