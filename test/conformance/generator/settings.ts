/** Options at every level, ioctl(2) and fcntl(2). */
import * as c from '../../../src/conformance/linux.ts';
import { OPTIONS } from '../../../src/socket/options/table.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import { askError, isSocket } from './lifecycle.ts';
import { WAIT_US } from './messages.ts';
import { isCompared, isSet, optionShow } from './normal.ts';
import type { Operations } from './operation.ts';
import type { Actor, Held, World } from './world.ts';

interface Option {
  readonly level: number;
  readonly option: number;
  readonly name: string;
}
const ALL: readonly Option[] = [...OPTIONS].flatMap(([level, rows]) =>
  [...rows.values()].map(({ option, name }) => ({ level, option, name })),
);
/** Whether what came before is stamped hangs on whether anyone on the host had asked for stamps. */
const SETTABLE = ALL.filter(({ name }) => isSet(name) && !name.startsWith('SO_TIMESTAMP'));
const COMPARED = ALL.filter(({ name }) => isCompared(name));
/** AF_UNIX sockets have no filters here. */
const FILTERS = /^SO_(?:ATTACH|DETACH|LOCK)_/;
/** No kernel has them. */
const UNKNOWN: readonly Option[] = [c.SOL_SOCKET, c.SOL_IP, c.SOL_IPV6, c.SOL_TCP, c.SOL_UDP, 77, -1].flatMap((level) =>
  [250, 1000, -1].map((option) => ({ level, option, name: 'unknown' })),
);
const LEVELS: Readonly<Record<string, readonly number[]>> = {
  tcp: [c.SOL_TCP, c.SOL_SOCKET],
  udp: [c.SOL_UDP, c.SOL_SOCKET],
  ping: [c.SOL_SOCKET],
  unix: [c.SOL_SOCKET],
};
function suits({ kind, family }: Held, { level }: Option): boolean {
  if (level === c.SOL_IP) return kind !== 'unix';
  if (level === c.SOL_IPV6) return family === c.AF_INET6;
  return LEVELS[kind]?.includes(level) === true;
}
function choose(r: Choice, one: Held, from: readonly Option[]): Option {
  const x = r.below(48);
  if (x === 47) return r.of(UNKNOWN);
  const suited = (x >= 45 ? from : from.filter((it) => suits(one, it))).filter(
    ({ name }) => one.kind !== 'unix' || !FILTERS.test(name),
  );
  return r.of(suited.length > 0 ? suited : from);
}
const VALUES = [1, 0, 2, 64, 127, 128, 255, 256, 4096, 32_767, 32_768, -1, -2, 0x7fff_ffff, -0x8000_0000];
const LENGTHS = [0, 1, 2, 3, 8, 12, 16, 20, -1];

function value(world: World, r: Choice, { level, option: number }: Option): readonly [at: number, len: number] {
  if (level === c.SOL_SOCKET && (number === c.SO_RCVTIMEO || number === c.SO_SNDTIMEO)) {
    const at = world.sys.alloc(16, 'timeval', show('octets'));
    // A wait must be seen before it ends, and one number of microseconds is no whole number of ticks.
    const usec = r.of([WAIT_US, 0, WAIT_US + 1, 1_000_000, -1]);
    world.sys.put(c.timeval, at, { sec: r.rarely(8, 0, [1, -1]), usec });
    return [at, 16];
  }
  if (level === c.SOL_SOCKET && number === c.SO_LINGER) {
    const at = world.sys.alloc(8, 'linger', show('octets'));
    world.sys.put(c.linger, at, { onoff: r.below(2), linger: r.of([0, 1, -1]) });
    return [at, 8];
  }
  const at = world.sys.alloc(20, 'value', show('octets'));
  const bytes = new Uint8Array(20);
  c.i32.put(bytes, 0, r.of(VALUES));
  if (r.once(4)) c.i32.put(bytes, 4, r.of(VALUES));
  world.sys.write(at, bytes);
  return [at, r.rarely(6, 4, LENGTHS)];
}
function setOption(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, isSocket);
  const which = choose(r, one, SETTABLE);
  const [at, len] = value(world, r, which);
  // Whether a bad pointer or a short length comes first is told of each option of these levels by Linux alone.
  const may = which.level === c.SOL_IP || which.level === c.SOL_IPV6 ? [0, 4] : [0, 3, 4];
  world.rough(actor, r, 'setsockopt', [one.fd, which.level, which.option, at, len], undefined, may);
}
function getOption(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, isSocket);
  const which = choose(r, one, COMPARED);
  // Buffers grow with what is sent and received (tcp_sndbuf_expand, tcp_rcv_space_adjust), as fast as the host pleases, and segments with the window (tcp_bound_to_half_wnd).
  const grows = one.kind === 'tcp' && /^(?:SO_(?:SND|RCV)BUF|TCP_(?:MAXSEG|WINDOW_CLAMP))$/.test(which.name);
  // What is bound or listens now may have been connected.
  if (grows && one.role !== 'fresh') return;
  const how = optionShow(which.name);
  const at = world.sys.alloc(300, which.name, how);
  const len = world.int(r.rarely(6, 300, [0, 1, 2, 3, 4, 8, 16, -1]), 'optlen');
  world.rough(actor, r, 'getsockopt', [one.fd, which.level, which.option, at, len], undefined, [0, 3, 4]);
}

/** Those that read and change nothing beyond the socket. Owners are left alone: what they are sent would end the host's tasks. */
const REQUESTS = [
  c.FIONREAD,
  c.SIOCOUTQ,
  c.SIOCATMARK,
  c.FIONBIO,
  c.SIOCOUTQNSD,
  c.FIOCLEX,
  c.FIONCLEX,
  c.SIOCGSTAMP_OLD,
  c.SIOCGIFFLAGS,
  c.SIOCGIFADDR,
  c.SIOCGIFNETMASK,
  c.SIOCGIFMTU,
  c.SIOCGIFINDEX,
  c.SIOCGIFNAME,
  c.SIOCGIFCONF,
  c.SIOCGIFHWADDR,
  c.SIOCGIFTXQLEN,
  c.SIOCGIFMETRIC,
  c.SIOCGIFBRDADDR,
  c.SIOCGIFDSTADDR,
  c.FIOGETOWN,
  c.TCGETS,
  0x8999,
  0,
  -1,
];
const isInterface = (request: number): boolean => request >= c.SIOCGIFNAME && request <= c.SIOCGIFTXQLEN;
function argumentShow(request: number): string {
  if (request === c.SIOCGSTAMP_OLD) return 'arrival';
  return isInterface(request) ? 'octets' : 'int';
}
function ioctl(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, isSocket);
  // Files are the host's own affair.
  if (one.kind === 'file' && world.heldBy(actor.table).includes(one)) return;
  const request = r.of([c.FIONREAD, c.SIOCOUTQ, c.SIOCATMARK, ...REQUESTS]);
  // It counts a FIN, and Linux takes its time to acknowledge one (tcp_fin: pingpong mode).
  if (request === c.SIOCOUTQ && one.kind === 'tcp' && world.hasShut) return;
  // No urgent data of AF_UNIX here (`missing` in transfer.ts).
  if (request === c.SIOCATMARK && one.kind === 'unix') return;
  const at = world.room(r, 40, 'argument', show(argumentShow(request)));
  if (isInterface(request)) {
    const name = new Uint8Array(40);
    name.set(Buffer.from(r.rarely(6, 'lo', ['nope', '', '0123456789abcdef'])), 0);
    if (request === c.SIOCGIFNAME) c.i32.put(name, 16, r.of([1, 2, 0]));
    if (request === c.SIOCGIFCONF) name.fill(0).set([r.of([0, 40, 80])]);
    if (world.isOwn(at, 40)) world.sys.write(at, name);
  } else if (world.isOwn(at, 4)) world.sys.put(c.i32, at, r.below(2));
  world.rough(actor, r, 'ioctl', [one.fd, request, at], undefined, [0, 2]);
}
const STATUS_FLAGS = [c.O_NONBLOCK, 0, c.O_NONBLOCK | c.O_RDWR, c.O_APPEND, c.O_NOATIME];
const COMMANDS = [c.F_GETFL, c.F_SETFL, c.F_GETFD, c.F_SETFD, c.F_GETOWN, c.F_GETSIG, c.F_GETPIPE_SZ, 999];
function fcntl(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r);
  const command = r.of(COMMANDS);
  const argument = command === c.F_SETFL ? r.of(STATUS_FLAGS) : r.of([0, 1, -1]);
  world.rough(actor, r, 'fcntl', [one.fd, command, argument], undefined, [0]);
}
function timeout(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, isSocket);
  const at = world.sys.alloc(16, 'timeval', show('octets'));
  world.sys.put(c.timeval, at, { sec: 0, usec: WAIT_US });
  world.call(actor, 'setsockopt', [one.fd, c.SOL_SOCKET, r.of([c.SO_RCVTIMEO, c.SO_SNDTIMEO]), at, 16]);
}
/** An error may stand at it. */
const mayFail = ({ kind, role, peer }: Held): boolean =>
  (kind === 'tcp' || kind === 'udp') && role === 'connected' && peer === undefined;
function socketError(world: World, actor: Actor, r: Choice): void {
  const one = r.once(2) ? world.pick(actor, r, mayFail, isSocket) : world.pick(actor, r, isSocket);
  askError(world, actor, one, r.of([2, 1]));
}
/** SO_LINGER of 0: the close is a reset. */
function abortive(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, ({ kind, role }) => kind === 'tcp' && role === 'connected');
  const at = world.sys.alloc(8, 'linger');
  world.sys.put(c.linger, at, { onoff: 1, linger: 0 });
  world.call(actor, 'setsockopt', [one.fd, c.SOL_SOCKET, c.SO_LINGER, at, 8]);
}
/** What adds control messages to what is received. */
const RECEIVED = [
  [c.SOL_IP, c.IP_PKTINFO],
  [c.SOL_IP, c.IP_RECVTTL],
  [c.SOL_IP, c.IP_RECVTOS],
  [c.SOL_IP, c.IP_RECVERR],
  [c.SOL_IP, c.IP_RECVORIGDSTADDR],
  [c.SOL_IPV6, c.IPV6_RECVPKTINFO],
  [c.SOL_IPV6, c.IPV6_RECVHOPLIMIT],
  [c.SOL_IPV6, c.IPV6_RECVTCLASS],
  [c.SOL_IPV6, c.IPV6_RECVERR],
  [c.SOL_SOCKET, c.SO_OOBINLINE],
] as const;
function asked(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, ({ kind }) => kind === 'udp', isSocket);
  const suiting = RECEIVED.filter(([level]) => suits(one, { level, option: 0, name: '' }));
  // Several at once: they come in an order.
  const first = r.below(64);
  for (let n = r.of([3, 2, 1]); n > 0; n--) {
    const [level, number] = suiting[(first + n) % Math.max(1, suiting.length)] ?? RECEIVED[0];
    world.call(actor, 'setsockopt', [one.fd, level, number, world.int(r.rarely(6, 1, [0]), 'on'), 4]);
  }
}

export const SETTINGS: Operations = {
  setOption: { weight: 8, run: setOption },
  getOption: { weight: 6, run: getOption },
  socketError: { weight: 4, run: socketError },
  abortive: { weight: 4, run: abortive },
  asked: { weight: 6, run: asked },
  timeout: { weight: 2, run: timeout },
  ioctl: { weight: 6, run: ioctl },
  fcntl: { weight: 4, run: fcntl },
};
