/** Every option number of SOL_IP, SOL_IPV6 and SOL_UDP on every kind of socket: read at every length, set to values at the edges and of every length, and read back. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { showOctets } from '../session.ts';

const group = 'ip-sweep';
const LAST = 130;
const ROOM = 64;
const LENGTHS = [0, 1, 2, 3, 4, 8, 16, ROOM];
const VALUES = [0, 1, 2, 4, 6, 255, 256, 0xffff, 0x1_0000, -1, 0x7fff_ffff, -0x8000_0000];
/** Of other lengths than an int's. */
const ODD = [0, 1, 3, 5, 8, 12, 20, 40, 41];

/** Options of netfilter (IPT_SO_*, IP6T_SO_*, ARPT_SO_*, IP_VS_SO_*, SO_IP_SET, SO_ORIGINAL_DST): which there are depends on the modules that the host has loaded. */
const isOfNetfilter = (level: number, option: number): boolean =>
  level !== c.SOL_UDP && ((option >= 64 && option <= 69) || (option >= 80 && option <= 99));

/** Values that Linux takes for what is refused here: the tunnels of UDP_ENCAP. */
const isRefused = (level: number, option: number, value: number): boolean =>
  level === c.SOL_UDP && option === c.UDP_ENCAP && (value === 2 || value === 3);
/** IP_PROTOCOL reads a port. */
const kindsOf = (level: number, option: number): typeof KINDS =>
  level === c.SOL_IP && option === c.IP_PROTOCOL ? KINDS.slice(0, 5) : KINDS;
/** Refused here: options and extension headers in what is sent, and labels that are leased. */
const REFUSED: Readonly<Record<number, readonly number[]>> = {
  [c.SOL_IP]: [c.IP_OPTIONS],
  [c.SOL_IPV6]: [
    c.IPV6_2292PKTOPTIONS,
    c.IPV6_FLOWLABEL_MGR,
    c.IPV6_HOPOPTS,
    c.IPV6_RTHDRDSTOPTS,
    c.IPV6_RTHDR,
    c.IPV6_DSTOPTS,
  ],
};

type Make = (a: Kit) => number;
const fresh =
  (family: number, type: number): Make =>
  ({ task }) =>
    task.call('socket', family, type, 0);
const KINDS: readonly (readonly [string, Make])[] = [
  ['UDP over IPv4', fresh(c.AF_INET, c.SOCK_DGRAM)],
  ['UDP over IPv6', fresh(c.AF_INET6, c.SOCK_DGRAM)],
  ['TCP over IPv4', fresh(c.AF_INET, c.SOCK_STREAM)],
  ['TCP over IPv6', fresh(c.AF_INET6, c.SOCK_STREAM)],
  ['a ping socket', ({ task }) => task.call('socket', c.AF_INET, c.SOCK_DGRAM, c.IPPROTO_ICMP)],
  ['TCP connected', (a) => a.pair().client],
  ['UDP over IPv6 connected to IPv4', (a) => connected(a, '::ffff:127.0.0.1', c.AF_INET6)],
];
function connected(a: Kit, host: string, family: number): number {
  const fd = a.udp(0, family);
  a.connect(fd, host, 9);
  return fd;
}

/** An int in `len` octets, of which those beyond are zeros. */
function octetsOf(value: number, len: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(4, len));
  c.i32.put(bytes, 0, value);
  return bytes.subarray(0, len);
}

function read(sys: System, a: Kit, fd: number, level: number, option: number, len: number): void {
  const value = sys.alloc(ROOM, 'value', (b) => showOctets(b).replace(/(?:ee)+$/, ''));
  a.task.call('getsockopt', fd, level, option, value, a.int(len, 'len'));
}
function sweep(sys: System, level: number, option: number, kinds: typeof KINDS): void {
  const a = kit(sys);
  for (const [name, make] of kinds) {
    sys.record('on', name);
    let fd = -1;
    // Which ports are chosen is not what this is about.
    sys.quietly(() => {
      fd = make(a);
    });
    for (const len of LENGTHS) read(sys, a, fd, level, option, len);
    // A refusal must leave the value alone: that is looked at once, by what is read last. What knows neither 0 nor 1 has no values to tell apart.
    let refusals = 0;
    for (const [i, value] of VALUES.entries()) {
      if (isRefused(level, option, value)) continue;
      sys.record('value', value);
      const result = a.setInt(fd, level, option, value);
      if (result === 0) read(sys, a, fd, level, option, ROOM);
      if (i < 2 && result === -c.Errno.ENOPROTOOPT && ++refusals === 2) break;
    }
    for (const len of ODD) {
      const octets = a.octets(octetsOf(1, len), 'value');
      const isSet = a.task.call('setsockopt', fd, level, option, octets, len) === 0;
      if (isSet) read(sys, a, fd, level, option, ROOM);
    }
    read(sys, a, fd, level, option, ROOM);
    a.close(fd);
  }
}

const namesOf = (prefixes: readonly string[], other: RegExp): ReadonlyMap<number, string> =>
  new Map(
    Object.entries(c)
      .filter(
        ([name, value]) => typeof value === 'number' && prefixes.some((p) => name.startsWith(p)) && !other.test(name),
      )
      .map(([name, value]): [number, string] => [value as number, name]),
  );
const LEVELS: readonly (readonly [string, number, ReadonlyMap<number, string>])[] = [
  ['SOL_IP', c.SOL_IP, namesOf(['IP_', 'MCAST_'], /PMTUDISC/)],
  ['SOL_IPV6', c.SOL_IPV6, namesOf(['IPV6_', 'MCAST_'], /PREFER_SRC|IPV6_ORIGDST/)],
  ['SOL_UDP', c.SOL_UDP, namesOf(['UDP_', 'UDPLITE_'], /^$/)],
];

for (const [levelName, level, names] of LEVELS) {
  const unnamed: number[] = [];
  for (let option = 0; option <= LAST; option++) {
    if (REFUSED[level]?.includes(option) === true) continue;
    const name = names.get(option);
    if (name === undefined) {
      if (!isOfNetfilter(level, option)) unnamed.push(option);
    } else
      conformance(`${levelName} ${option} ${name} on every socket`, { group }, (sys) =>
        sweep(sys, level, option, kindsOf(level, option)),
      );
  }
  conformance(`${levelName}: numbers that are no option`, { group }, (sys) => {
    const a = kit(sys);
    for (const [name, make] of KINDS.slice(0, 4)) {
      sys.record('on', name);
      const fd = make(a);
      for (const [i, option] of unnamed.entries()) {
        // In what order lengths are looked at is no matter of the number.
        for (const len of i === 0 ? [0, 4, ROOM] : [4]) read(sys, a, fd, level, option, len);
        for (const len of i === 0 ? [0, 1, 4, 40] : [4])
          a.task.call('setsockopt', fd, level, option, a.octets(octetsOf(1, len), 'value'), len);
      }
      a.close(fd);
    }
  });
}
