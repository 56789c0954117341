/**
 * What Linux offers on its sockets, for the compatibility report: only what it offers and the sandbox does not is a gap; the rest a program is refused everywhere.
 *
 * Measured on Linux 6.18 as root in a namespace of its own, by asking every number: getsockopt(2) and setsockopt(2) for options 0 to 139 of each level on each kind of
 * socket (an option is offered unless the answer is ENOPROTOOPT or EOPNOTSUPP), ioctl(2) for 0x8900 to 0x89ff and 0x5401 to 0x54ff (unless it is ENOTTY). A test asks
 * the kernel again. Families and protocols are those that Linux has code for, as a module or not.
 */
import {
  IP_PKTOPTIONS,
  IP6T_SO_ORIGINAL_DST,
  IPPROTO_L2TP,
  IPPROTO_MPTCP,
  IPPROTO_SCTP,
  IPPROTO_SMC,
  IPPROTO_UDPLITE,
  IPV6_2292PKTOPTIONS,
  IPV6_MULTICAST_HOPS,
  IPV6_MULTICAST_IF,
  SO_ORIGINAL_DST,
} from '../abi/in.ts';
import { SIOCGSTAMP_NEW, SIOCGSTAMPNS_NEW } from '../abi/ioctl.ts';
import { MAX_LINKS } from '../abi/netlink.ts';
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  SO_INQ,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_PASSRIGHTS,
  SO_PASSSEC,
  SO_PEEK_OFF,
  SO_REUSEPORT,
  SO_TXREHASH,
  SO_ZEROCOPY,
  SOCK_DGRAM,
  SOCK_PACKET,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_IP,
  SOL_IPV6,
  SOL_NETLINK,
  SOL_SOCKET,
  SOL_TCP,
  SOL_UDP,
} from '../abi/socket.ts';

/** What decides which options and requests a socket has. */
export interface SocketKind {
  readonly domain: number;
  readonly type: number;
}

/** `1-15,17`: the numbers 1 to 15, and 17. */
function numbers(text: string): ReadonlySet<number> {
  const all = new Set<number>();
  for (const part of text.split(',')) {
    const [from = 0, to = from] = part.split('-').map(Number);
    for (let n = from; n <= to; n++) all.add(n);
  }
  return all;
}
interface Offer {
  readonly get: ReadonlySet<number>;
  readonly set: ReadonlySet<number>;
}
const offer = (get: string, set: string): Offer => ({ get: numbers(get), set: numbers(set) });

const OPTIONS: ReadonlyMap<number, Offer> = new Map([
  [
    SOL_SOCKET,
    offer(
      '1-21,25-26,28-30,34-49,55-57,59-67,69,71-77,82-83',
      '1-2,5-16,18,20-21,25-27,29,32-37,40-47,49-53,60-70,72,74-76,80,82-84',
    ),
  ],
  // 64 and above are netfilter's, but for those of raw sockets.
  [SOL_IP, offer('1-15,18-26,32-34,41,48-52,64-67,80,83,96-99', '1-2,4-8,10-13,15,18-21,23-26,32-51,64-65,96-97')],
  [
    SOL_IPV6,
    offer(
      '1-6,8,11,16-19,22-26,29-33,48-49,51,53-62,64-70,72-78,80',
      '1-6,8,11,16-21,23-33,35,42-51,53-60,62,64-67,70,72-78',
    ),
  ],
  [SOL_TCP, offer('1-13,16-21,23-31,33-37,43-46', '1-10,12-14,16-25,27,29-34,36-37,44-46')],
  [SOL_UDP, offer('1,10-11,100-104', '1,100-104')],
  [SOL_NETLINK, offer('3-5,8-12', '1-5,8,10-12')],
]);

type OptionCall = 'getsockopt' | 'setsockopt';
type Condition = (kind: SocketKind, call: OptionCall) => boolean;
const isUnix = ({ domain }: SocketKind): boolean => domain === AF_UNIX;
const isLocal = ({ domain }: SocketKind): boolean => domain === AF_UNIX || domain === AF_NETLINK;
const isInet = ({ domain }: SocketKind): boolean => domain === AF_INET || domain === AF_INET6;
const isStream = ({ type }: SocketKind): boolean => type === SOCK_STREAM;
const isInetStream = (kind: SocketKind): boolean => isInet(kind) && isStream(kind);
/** Every socket has it to read. */
const readOr =
  (set: (kind: SocketKind) => boolean): Condition =>
  (kind, call) =>
    call === 'getsockopt' || set(kind);
const notStreamToSet: Condition = (kind, call) => call === 'getsockopt' || !isStream(kind);

/** Options that only some of the sockets with their level have. */
const ONLY: ReadonlyMap<number, ReadonlyMap<number, Condition>> = new Map([
  [
    SOL_SOCKET,
    new Map<number, Condition>([
      [SO_REUSEPORT, readOr(isInet)],
      [SO_PASSCRED, isLocal],
      [SO_PASSSEC, isLocal],
      [SO_PASSPIDFD, isUnix],
      [SO_PASSRIGHTS, isUnix],
      [SO_INQ, (kind) => isUnix(kind) && isStream(kind)],
      [SO_TXREHASH, isInetStream],
      [SO_PEEK_OFF, ({ domain, type }) => domain !== AF_NETLINK && type !== SOCK_RAW],
      [SO_ZEROCOPY, readOr((kind) => isInet(kind) && kind.type !== SOCK_RAW)],
    ]),
  ],
  [
    SOL_IP,
    new Map<number, Condition>([
      [IP_PKTOPTIONS, isStream],
      [SO_ORIGINAL_DST, isStream],
    ]),
  ],
  [
    SOL_IPV6,
    new Map<number, Condition>([
      [IPV6_2292PKTOPTIONS, (kind, call) => call === 'setsockopt' || isStream(kind)],
      [IPV6_MULTICAST_IF, notStreamToSet],
      [IPV6_MULTICAST_HOPS, notStreamToSet],
      [IP6T_SO_ORIGINAL_DST, isStream],
    ]),
  ],
]);

/** The levels that a socket looks at. */
function hasLevel(kind: SocketKind, level: number): boolean {
  switch (level) {
    case SOL_SOCKET:
      return true;
    case SOL_IP:
      return isInet(kind);
    case SOL_IPV6:
      return kind.domain === AF_INET6;
    case SOL_TCP:
      return isInetStream(kind);
    case SOL_UDP:
      return isInet(kind) && kind.type === SOCK_DGRAM;
    default:
      return level === SOL_NETLINK && kind.domain === AF_NETLINK;
  }
}

/** True for an option that Linux has on such a socket, for reading or for setting. */
export function offersOption(kind: SocketKind, call: OptionCall, level: number, option: number): boolean {
  const offered = OPTIONS.get(level);
  if (offered === undefined || !hasLevel(kind, level)) return false;
  if (!(call === 'getsockopt' ? offered.get : offered.set).has(option)) return false;
  return ONLY.get(level)?.get(option)?.(kind, call) !== false;
}

/** Requests of every socket: owners, time stamps, bonds, bridges, VLANs and the interfaces of netdevice(7). */
const REQUESTS = numbers(
  [
    [0x5421, 0x5421],
    [0x5450, 0x5452],
    [0x8901, 0x8904],
    [0x8910, 0x8910],
    [0x8912, 0x8914],
    [0x891d, 0x891e],
    [0x8921, 0x8924],
    [0x8927, 0x8927],
    [0x8929, 0x8929],
    [0x8930, 0x8933],
    [0x8937, 0x8937],
    [0x8940, 0x8943],
    [0x8946, 0x894a],
    [0x894c, 0x894c],
    [0x8970, 0x8971],
    [0x8982, 0x8983],
    [0x8990, 0x8995],
    [0x89a0, 0x89a3],
    [0x89b0, 0x89b1],
    [0x89f0, 0x89ff],
  ]
    .map(([from, to]) => `${from}-${to}`)
    .join(','),
);
const INET_REQUESTS: ReadonlySet<number> = new Set([
  0x5411,
  0x541b,
  0x8906,
  0x8907,
  0x890b,
  0x890c,
  0x8916,
  0x8918,
  SIOCGSTAMP_NEW,
  SIOCGSTAMPNS_NEW,
]);
const INET4_REQUESTS: ReadonlySet<number> = new Set([
  0x890d, 0x8915, 0x8917, 0x8919, 0x891a, 0x891b, 0x891c, 0x8934, 0x8935, 0x8953, 0x8954, 0x8955,
]);
const SIOCDIFADDR = 0x8936;
const STREAM_REQUESTS: ReadonlySet<number> = new Set([0x8905, 0x894b]);
const UNIX_REQUESTS: ReadonlySet<number> = new Set([0x5411, 0x541b, 0x8905, 0x89e0]);

/** True for an ioctl(2) request that Linux knows on such a socket. */
export function offersRequest(kind: SocketKind, request: number): boolean {
  if (REQUESTS.has(request)) return true;
  if (isUnix(kind)) return UNIX_REQUESTS.has(request);
  if (!isInet(kind)) return false;
  if (INET_REQUESTS.has(request)) return true;
  if (kind.type === SOCK_STREAM && STREAM_REQUESTS.has(request)) return true;
  return kind.domain === AF_INET ? INET4_REQUESTS.has(request) : request === SIOCDIFADDR;
}

/** Families with sockets in Linux 6.18, beside those of the sandbox (include/linux/socket.h, without those that only have a number or had sockets once). */
const FAMILIES = numbers('3,5-6,8-9,11,15,17,20-21,24,26,29-31,33-45');
const STREAM_PROTOCOLS: readonly number[] = [IPPROTO_SCTP, IPPROTO_SMC, IPPROTO_MPTCP];
const DATAGRAM_PROTOCOLS: readonly number[] = [IPPROTO_UDPLITE, IPPROTO_L2TP];

/** True for a socket that a Linux with all its modules would make, and for the family alone where what it has is not known here. */
export function offersSocket(domain: number, type: number, protocol: number): boolean {
  if (domain === AF_UNIX) return false;
  if (domain === AF_NETLINK) return (type === SOCK_RAW || type === SOCK_DGRAM) && protocol >= 0 && protocol < MAX_LINKS;
  if (domain === AF_PACKET) return type === SOCK_RAW || type === SOCK_DGRAM || type === SOCK_PACKET;
  if (!isInet({ domain, type })) return FAMILIES.has(domain);
  switch (type) {
    case SOCK_STREAM:
      return STREAM_PROTOCOLS.includes(protocol);
    case SOCK_SEQPACKET:
      return protocol === IPPROTO_SCTP;
    case SOCK_DGRAM:
      return DATAGRAM_PROTOCOLS.includes(protocol);
    default:
      return type === SOCK_RAW && protocol > 0;
  }
}

/** Names of congestion controls and upper layer protocols that Linux has modules for: a value of TCP_CONGESTION or TCP_ULP that is ENOENT. */
const CONGESTION_CONTROLS: readonly string[] =
  'bbr bic cdg cubic dctcp highspeed htcp hybla illinois lp nv reno scalable vegas veno westwood yeah'.split(' ');
const UPPER_LAYERS: readonly string[] = 'espintcp mptcp smc tls'.split(' ');
export const offersName = (option: 'TCP_CONGESTION' | 'TCP_ULP', name: string): boolean =>
  (option === 'TCP_CONGESTION' ? CONGESTION_CONTROLS : UPPER_LAYERS).includes(name);
