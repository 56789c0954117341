/**
 * Every option number of SOL_SOCKET and SOL_TCP, known or not, on every kind of internet socket: read into room of many lengths, set to values of many lengths and sizes, and read back.
 * What the value of an option is on this host, where it is the host's own, is not compared; that and how it can be read and set is.
 */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { showOctets } from '../session.ts';

const LENGTHS = [0, 1, 3, 4, 8, 16, 64, 512];
const INTS = [0, 1, 2, 6, 1000, -1];

const longInt = (value: number, octets: number): Uint8Array => {
  const bytes = new Uint8Array(octets);
  c.i32.put(bytes, 0, value);
  return bytes;
};
const VALUES: readonly Uint8Array[] = [
  new Uint8Array(0),
  new Uint8Array([1]),
  new Uint8Array([1, 0, 0]),
  ...INTS.map((value) => longInt(value, 4)),
  longInt(1, 8),
  longInt(1, 16),
  longInt(1, 64),
];

/** Options whose value is the host's: it is not compared, and why. */
const HOSTS: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [c.SOL_SOCKET]: {
    [c.SO_SNDBUF]: 'grows by itself with what a connection may send',
    [c.SO_RCVLOWAT]: 'bounded by a sysctl (tcp_rmem)',
    [c.SO_PEERNAME]: 'an ephemeral port',
    [c.SO_COOKIE]: 'any unique number',
    [c.SO_NETNS_COOKIE]: 'any number',
    [c.SO_INCOMING_CPU]: 'the processor that served it',
    [c.SO_MEMINFO]: 'what buffers take',
  },
  [c.SOL_TCP]: {
    [c.TCP_MAXSEG]: 'depends on the peer and the link',
    [c.TCP_WINDOW_CLAMP]: 'depends on the buffer',
    [c.TCP_INFO]: 'measured; has bodies of its own',
    [c.TCP_CONGESTION]: 'a sysctl',
  },
};
/** What is not set here, and why. */
const NOT_SET: Readonly<Record<number, Readonly<Record<number, string>>>> = {
  [c.SOL_SOCKET]: {
    [c.SO_ATTACH_BPF]: 'a number may be that of a descriptor of the host process',
    [c.SO_ATTACH_REUSEPORT_EBPF]: 'a number may be that of a descriptor of the host process',
    [c.SO_DEBUG]: 'needs a capability in the first user namespace',
    [c.SO_PREFER_BUSY_POLL]: 'needs a capability in the first user namespace',
    [c.SO_BUSY_POLL_BUDGET]: 'needs a capability in the first user namespace',
    [c.SO_ZEROCOPY]: 'to turn it on is refused here',
    [c.SO_TIMESTAMPING]: 'on streams, times of what is sent are refused here',
    [c.SO_TIMESTAMPING_NEW]: 'on streams, times of what is sent are refused here',
    [c.SO_SNDBUFFORCE]: 'bounded here',
    [c.SO_RCVBUFFORCE]: 'bounded here',
  },
  [c.SOL_TCP]: {
    [c.TCP_REPAIR]: 'refused here, as without CAP_NET_ADMIN',
  },
};
/** Not read: what has bodies of its own, is refused here, or depends on the congestion control. */
const NOT_READ: Readonly<Record<number, readonly number[]>> = {
  [c.SOL_SOCKET]: [],
  [c.SOL_TCP]: [
    c.TCP_ZEROCOPY_RECEIVE,
    c.TCP_CC_INFO,
    c.TCP_TIMESTAMP,
    // To read it takes CAP_NET_ADMIN, whose holder gets ENOPROTOOPT here.
    c.TCP_AO_REPAIR,
  ],
};

interface Kind {
  readonly name: string;
  /** The socket, and others that have to be open with it. */
  readonly make: (a: Kit) => readonly number[];
}
const KINDS: readonly Kind[] = [
  { name: 'TCP', make: (a) => [a.tcp()] },
  { name: 'TCP that listens', make: (a) => [a.listener().fd] },
  {
    name: 'TCP that is connected',
    make: (a) => {
      const { client, server, listener } = a.pair();
      return [client, server, listener];
    },
  },
  { name: 'UDP', make: (a) => [a.udp()] },
  { name: 'TCP over IPv6', make: (a) => [a.tcp(0, c.AF_INET6)] },
  { name: 'UDP over IPv6', make: (a) => [a.udp(0, c.AF_INET6)] },
];

function read(sys: System, a: Kit, fd: number, level: number, option: number, room: number): void {
  const isHosts = HOSTS[level]?.[option] !== undefined;
  const show = isHosts ? () => "the host's" : (b: Uint8Array) => showOctets(b).replace(/(?:ee)+$/, '');
  const value = sys.alloc(Math.max(room, 1), 'value', show);
  a.task.call('getsockopt', fd, level, option, value, a.int(room, 'len'));
}
function tryLengths(sys: System, a: Kit, fd: number, level: number, option: number): void {
  if (NOT_READ[level]?.includes(option) !== true) for (const room of LENGTHS) read(sys, a, fd, level, option, room);
  if (NOT_SET[level]?.[option] !== undefined) return;
  for (const value of VALUES) {
    const at = sys.alloc(Math.max(value.length, 1), 'value');
    sys.write(at, value);
    if (a.task.call('setsockopt', fd, level, option, at, value.length) === 0) read(sys, a, fd, level, option, 8);
  }
}

const sweep = (name: string, level: number, options: readonly number[], kinds = KINDS): void =>
  conformance(name, { group: 'option-lengths' }, (sys) => {
    const a = kit(sys);
    for (const option of options) {
      for (const kind of kinds) {
        sys.record('option', option);
        sys.record('on', kind.name);
        let fds: readonly number[] = [];
        sys.quietly(() => {
          fds = kind.make(a);
        });
        tryLengths(sys, a, fds[0] ?? -1, level, option);
        for (const fd of fds) a.close(fd);
      }
    }
  });
const range = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

const named = (prefixes: readonly string[]): ReadonlyMap<number, string> => {
  const names = new Map<number, string>();
  for (const [name, value] of Object.entries(c)) {
    if (typeof value !== 'number' || names.has(value)) continue;
    if (
      prefixes.some((prefix) => name.startsWith(prefix)) &&
      !/^TCP_(CA_|CLOSE|LISTEN|ESTAB|SYN_|FIN_|TIME_|LAST|CM_|UL)/.test(name)
    )
      names.set(value, name);
  }
  return names;
};

const LEVELS = [
  { level: c.SOL_SOCKET, last: 84, names: named(['SO_']) },
  { level: c.SOL_TCP, last: 46, names: named(['TCP_']) },
];
for (const { level, last, names } of LEVELS) {
  for (const option of range(1, last)) {
    const name = names.get(option);
    if (name !== undefined) sweep(`${name} (${level}/${option}) of every length`, level, [option]);
  }
  const unknown = range(0, 130).filter((option) => !names.has(option));
  sweep(`option numbers that level ${level} does not have`, level, unknown, KINDS.slice(2, 4));
}
for (const level of [2, 4, 77, 132, 255, 263, -1]) {
  sweep(`level ${level} on every kind of socket`, level, [0, 1, 2, 3, 18]);
}

/** Sockets without an internet endpoint share most of SOL_SOCKET. */
const LOCAL: readonly Kind[] = [
  { name: 'AF_UNIX stream', make: (a) => [a.task.call('socket', c.AF_UNIX, c.SOCK_STREAM, 0)] },
  { name: 'AF_UNIX datagram', make: (a) => [a.task.call('socket', c.AF_UNIX, c.SOCK_DGRAM, 0)] },
  { name: 'AF_NETLINK', make: (a) => [a.task.call('socket', c.AF_NETLINK, c.SOCK_RAW, 0)] },
];
/** Refused here on these sockets where Linux has them. */
const NOT_LOCAL: readonly number[] = [c.SO_ATTACH_FILTER, c.SO_PASSPIDFD, c.SO_PEERPIDFD, c.SO_INQ];
for (let from = 1; from <= 84; from += 12) {
  const options = range(from, Math.min(from + 11, 84)).filter((option) => !NOT_LOCAL.includes(option));
  sweep(`options ${from} to ${Math.min(from + 11, 84)} of SOL_SOCKET on local sockets`, c.SOL_SOCKET, options, LOCAL);
}
