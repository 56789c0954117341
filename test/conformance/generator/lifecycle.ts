/** Sockets from their making to their end. */
import { inet, inet6 } from '../../../src/conformance/kit.ts';
import * as c from '../../../src/conformance/linux.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import { lengthOf, loopback, nameFor, nameShow, PORTS, port } from './names.ts';
import type { Operations } from './operation.ts';
import type { Actor, Held, Kind, World } from './world.ts';

const UNIX_TYPES = [c.SOCK_STREAM, c.SOCK_DGRAM, c.SOCK_SEQPACKET];
const INTERNET = [c.AF_INET, c.AF_INET6];
/** Most sockets do not wait, so that sequences go on. */
const blockingFlag = (r: Choice): number => r.rarely(4, c.SOCK_NONBLOCK, [0]);

export const isSocket = ({ kind }: Held): boolean =>
  kind === 'tcp' || kind === 'udp' || kind === 'unix' || kind === 'ping';
const listens = ({ role }: Held): boolean => role === 'listening';
export const isConnected = ({ role }: Held): boolean => role === 'connected';
export const hasData = (one: Held): boolean => one.hasData === true;

function kindOf(family: number, type: number, protocol: number): Kind {
  if (family === c.AF_UNIX) return 'unix';
  if (type === c.SOCK_STREAM) return 'tcp';
  return protocol === c.IPPROTO_ICMP || protocol === c.IPPROTO_ICMPV6 ? 'ping' : 'udp';
}
function open(world: World, actor: Actor, family: number, type: number, flags: number, protocol = 0): Held | undefined {
  const fd = world.call(actor, 'socket', [family, type | flags, protocol]);
  if (fd < 0) return undefined;
  const kind = kindOf(family, type, protocol);
  const one: Held = { fd, kind, family, type, table: actor.table, role: 'fresh' };
  world.hold(one);
  return one;
}
const named = (world: World, bytes: Uint8Array): readonly [number, number] => [
  world.octets(bytes, 'addr'),
  bytes.length,
];

/** A TCP connection over a listener of its own, which is closed again unless it is to stay. The client's end, if it came about. */
function connection(
  world: World,
  actor: Actor,
  family: number,
  flags: number,
  stays: boolean,
  x: number,
): Held | undefined {
  const name = family === c.AF_INET6 ? inet6('::1', port(world, x)) : inet('127.0.0.1', port(world, x));
  const listener = world.call(actor, 'socket', [family, c.SOCK_STREAM | c.SOCK_NONBLOCK, 0]);
  world.call(actor, 'setsockopt', [listener, c.SOL_SOCKET, c.SO_REUSEADDR, world.int(1, 'one'), 4]);
  world.call(actor, 'bind', [listener, ...named(world, name)]);
  const isListening = world.call(actor, 'listen', [listener, 8]) === 0;
  const client = world.call(actor, 'socket', [family, c.SOCK_STREAM, 0]);
  const held = { kind: 'tcp', family, type: c.SOCK_STREAM, table: actor.table } as const;
  let one: Held | undefined;
  // Without the listener the port is somebody else's, and a blocking connect or accept might wait for ever.
  if (isListening && world.call(actor, 'connect', [client, ...named(world, name)]) === 0) {
    one = { ...held, fd: client, role: 'connected' };
    const other: Held = { ...one, fd: world.call(actor, 'accept4', [listener, 0, 0, flags]) };
    world.join(one, other);
    for (const end of [one, other]) world.hold(end);
    if (flags !== 0) world.call(actor, 'fcntl', [client, c.F_SETFL, c.O_NONBLOCK]);
  } else world.call(actor, 'close', [client]);
  if (stays && isListening) world.hold({ ...held, fd: listener, role: 'listening' });
  else world.call(actor, 'close', [listener]);
  return one;
}
/** One end of a connection that the other has reset: SO_LINGER of 0 makes the close an abort. */
function reset(world: World, actor: Actor, r: Choice): void {
  const one = connection(world, actor, r.of(INTERNET), blockingFlag(r), r.once(4), r.below(PORTS));
  if (one?.peer === undefined) return;
  const [stays, goes] = r.once(2) ? [one.peer, one] : [one, one.peer];
  if (r.once(3)) world.call(actor, 'sendto', [goes.fd, world.octets('left', 'out'), 4, 0, 0, 0]);
  const at = world.sys.alloc(8, 'linger');
  world.sys.put(c.linger, at, { onoff: 1, linger: 0 });
  world.call(actor, 'setsockopt', [goes.fd, c.SOL_SOCKET, c.SO_LINGER, at, 8]);
  if (world.call(actor, 'close', [goes.fd]) === 0) world.drop(actor.table, goes.fd);
  world.part(stays);
}
/** SO_ERROR, and again once it is gone. */
export function askError(world: World, actor: Actor, { fd }: Held, times: number): void {
  for (let i = 0; i < times; i++) {
    const at = world.sys.alloc(4, 'error', show('int'));
    world.call(actor, 'getsockopt', [fd, c.SOL_SOCKET, c.SO_ERROR, at, world.int(4, 'optlen')]);
  }
}
/** A socket whose connect was refused, most often without waiting for it: the error stands. */
function refused(world: World, actor: Actor, r: Choice): void {
  const one = open(world, actor, r.of(INTERNET), c.SOCK_STREAM, r.rarely(4, c.SOCK_NONBLOCK, [0]));
  if (one === undefined) return;
  const x = PORTS - 1 - r.rarely(4, 0, [1]);
  const name = one.family === c.AF_INET6 ? inet6('::1', port(world, x)) : inet('127.0.0.1', port(world, x));
  world.call(actor, 'connect', [one.fd, ...named(world, name)], (result) => {
    if (result === 0 || result === -c.Errno.EINPROGRESS) one.role = 'connected';
  });
  askError(world, actor, one, r.of([0, 0, 2, 1]));
}
/** What comes with a datagram if it is asked for. */
const told = (family: number): readonly (readonly [level: number, option: number])[] =>
  family === c.AF_INET
    ? [
        [c.SOL_IP, c.IP_PKTINFO],
        [c.SOL_IP, c.IP_RECVTTL],
      ]
    : [
        [c.SOL_IPV6, c.IPV6_RECVPKTINFO],
        [c.SOL_IPV6, c.IPV6_RECVHOPLIMIT],
      ];
/** Two UDP sockets, connected to each other. */
function datagramPair(world: World, actor: Actor, r: Choice): void {
  const [family, flags, isTold] = [r.of(INTERNET), blockingFlag(r), r.once(3)];
  const names = [0, 1].map((x) =>
    family === c.AF_INET6 ? inet6('::1', port(world, x)) : inet('127.0.0.1', port(world, x)),
  );
  const both = names.map((name) => {
    const one = open(world, actor, family, c.SOCK_DGRAM, flags);
    if (one === undefined) return one;
    if (world.call(actor, 'bind', [one.fd, ...named(world, name)]) === 0) one.role = 'bound';
    for (const [level, option] of isTold ? told(family) : []) {
      world.call(actor, 'setsockopt', [one.fd, level, option, world.int(1, 'on'), 4]);
    }
    return one;
  });
  const [one, other] = both;
  if (one?.role === 'bound' && other?.role === 'bound') world.join(one, other);
  both.forEach((end, i) => {
    if (end === undefined) return;
    world.call(actor, 'connect', [end.fd, ...named(world, names[1 - i] as Uint8Array)]);
    end.role = 'connected';
  });
}
function socketpair(world: World, actor: Actor, r: Choice): void {
  const type = r.of(UNIX_TYPES);
  const at = world.sys.alloc(8, 'pair');
  const wild = r.rarely(16, c.AF_UNIX, [c.AF_INET, c.AF_INET6, 77]);
  const result = world.rough(actor, r, 'socketpair', [wild, type | blockingFlag(r), r.rarely(16, 0, [1, 6, -1]), at]);
  if (result !== 0 || wild !== c.AF_UNIX) return;
  const held = { kind: 'unix', family: c.AF_UNIX, type, table: actor.table, role: 'connected' } as const;
  const one: Held = { ...held, fd: world.sys.get(c.i32, at) };
  const other: Held = { ...held, fd: world.sys.get(c.i32, at + 4) };
  world.join(one, other);
  for (const end of [one, other]) world.hold(end);
}
/** An odd one: most are refused. */
function anySocket(world: World, actor: Actor, r: Choice): void {
  const family = r.of([c.AF_INET, c.AF_INET6, ...(world.unix ? [c.AF_UNIX] : []), 0, 45, 46, -1]);
  const type = r.of([1, 2, 3, 4, 5, 6, 11, -1, 0x800, 0x1000, 0x80000 | 2, 0x801]);
  // Whether SCTP, UDP-Lite and MPTCP are there is the host's affair.
  const protocol = r.of([0, 6, 17, 1, 58, 255, 256, 999, -1]);
  // Raw and packet sockets are for another suite.
  if ((type & 0xf) === c.SOCK_RAW) return;
  const fd = world.rough(actor, r, 'socket', [family, type, protocol], undefined, [2]);
  if (fd < 0) return;
  const kind = kindOf(family, type & 0xf, protocol);
  world.hold({ fd, kind, family, type: type & 0xf, table: actor.table, role: 'fresh' });
}

function listen(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(
    actor,
    r,
    ({ kind, type, role }) => (kind === 'tcp' || (kind === 'unix' && type !== c.SOCK_DGRAM)) && role !== 'connected',
  );
  const backlog = r.of([8, 0, 1, 2, -1]);
  if (world.rough(actor, r, 'listen', [one.fd, backlog], undefined, [1]) === 0) one.role = 'listening';
}
function accept(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, listens);
  const hasName = r.once(2);
  const name = hasName ? world.nameRoom(r, nameShow(one)) : 0;
  const len = hasName ? world.int(r.rarely(8, 128, [0, 1, 16, 28, -1]), 'namelen') : 0;
  const flags = r.rarely(6, c.SOCK_NONBLOCK, [0, c.SOCK_CLOEXEC, 4, -1]);
  const args = [one.fd, name, len, flags];
  const { kind, family, type } = one;
  world.rough(actor, r, 'accept4', args, (fd) => {
    if (kind !== 'file') world.hold({ fd, kind, family, type, table: actor.table, role: 'connected' });
  });
}
function connect(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, (it) => isSocket(it) && it.role !== 'listening');
  const bytes = nameFor(world, r, one);
  world.part(one);
  const at = world.octets(bytes, 'addr');
  world.rough(actor, r, 'connect', [one.fd, at, lengthOf(r, bytes)], (result) => {
    if (result === 0 || result === -c.Errno.EINPROGRESS) one.role = 'connected';
  });
}
function bind(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, ({ role, ...it }) => isSocket({ ...it, role }) && role === 'fresh');
  const bytes = nameFor(world, r, one);
  const result = world.rough(actor, r, 'bind', [one.fd, world.octets(bytes, 'addr'), lengthOf(r, bytes)]);
  if (result === 0) one.role = 'bound';
}
function nameOf(call: 'getsockname' | 'getpeername') {
  return (world: World, actor: Actor, r: Choice): void => {
    const one = world.pick(actor, r, isSocket);
    const at = world.nameRoom(r, nameShow(one));
    const len = world.int(r.rarely(6, 128, [0, 1, 2, 5, 16, 28, 127, -1]), 'namelen');
    world.rough(actor, r, call, [one.fd, at, len]);
  };
}
function duplicate(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r);
  // RLIMIT_NOFILE is the host's affair: nothing near it.
  const to = r.of([20, one.fd, 30, 5, -1]);
  const how = r.of([2, 0, 1, 3, 4, 2]);
  const hold = (fd: number): void => {
    if (one.kind !== 'file') world.hold({ ...one, fd });
    if (!r.once(3)) world.call(actor, 'fcntl', [fd, r.of([c.F_GETFD, c.F_GETFD, c.F_GETFL]), 0]);
  };
  if (how === 0) hold(world.call(actor, 'dup', [one.fd]));
  else if (how === 1) hold(world.call(actor, 'dup2', [one.fd, to]));
  else if (how === 2) hold(world.call(actor, 'dup3', [one.fd, to, r.rarely(4, 0, [c.O_CLOEXEC, 1, c.O_NONBLOCK])]));
  else hold(world.call(actor, 'fcntl', [one.fd, how === 3 ? c.F_DUPFD : c.F_DUPFD_CLOEXEC, r.of([0, 10, 40, -1])]));
}
function close(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r);
  if (world.call(actor, 'close', [one.fd]) === 0) world.drop(actor.table, one.fd);
}
function closeRange(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r);
  const last = r.of([one.fd, one.fd + 1, one.fd - 1]);
  const flags = r.rarely(3, 0, [4, 2, 8, -1]);
  const result = world.call(actor, 'close_range', [Math.max(3, one.fd), Math.max(3, last), flags & ~2]);
  if (result === 0 && flags === 0) for (const fd of [one.fd, last]) world.drop(actor.table, fd);
}

export const LIFECYCLE: Operations = {
  tcp: { weight: 3, run: (w, a, r) => void open(w, a, r.of(INTERNET), c.SOCK_STREAM, blockingFlag(r)) },
  udp: { weight: 3, run: (w, a, r) => void open(w, a, r.of(INTERNET), c.SOCK_DGRAM, blockingFlag(r)) },
  unix: {
    weight: 3,
    run: (w, a, r) => void (w.unix && open(w, a, c.AF_UNIX, r.of(UNIX_TYPES), blockingFlag(r))),
  },
  ping: {
    weight: 1,
    run: (w, a, r) => {
      const family = r.of(INTERNET);
      open(w, a, family, c.SOCK_DGRAM, c.SOCK_NONBLOCK, family === c.AF_INET ? c.IPPROTO_ICMP : c.IPPROTO_ICMPV6);
    },
  },
  anySocket: { weight: 2, run: anySocket },
  connection: {
    weight: 2,
    run: (w, a, r) => void connection(w, a, r.of(INTERNET), blockingFlag(r), r.once(2), r.below(PORTS)),
  },
  reset: { weight: 2, run: reset },
  refused: { weight: 2, run: refused },
  datagramPair: { weight: 2, run: datagramPair },
  listener: {
    weight: 2,
    run: (w, a, r) => {
      const one = open(w, a, r.of(INTERNET), c.SOCK_STREAM, blockingFlag(r));
      if (one === undefined) return;
      const name =
        one.family === c.AF_INET6
          ? inet6(r.of(['::1', '::']), port(w, r.below(PORTS)))
          : inet(r.of([loopback(c.AF_INET), '0.0.0.0']), port(w, r.below(PORTS)));
      w.call(a, 'bind', [one.fd, ...named(w, name)]);
      if (w.call(a, 'listen', [one.fd, r.of([8, 0, 1])]) === 0) one.role = 'listening';
    },
  },
  socketpair: { weight: 2, run: (w, a, r) => void (w.unix && socketpair(w, a, r)) },
  bind: { weight: 4, run: bind },
  listen: { weight: 3, run: listen },
  accept: { weight: 5, run: accept },
  connect: { weight: 6, run: connect },
  name: { weight: 2, run: nameOf('getsockname') },
  peer: { weight: 2, run: nameOf('getpeername') },
  shutdown: {
    weight: 5,
    run: (w, a, r) => {
      const one = w.pick(a, r, isConnected);
      w.part(one);
      w.hasShut = true;
      w.rough(a, r, 'shutdown', [one.fd, r.rarely(12, r.below(3), [3, -1])], undefined, [1]);
    },
  },
  duplicate: { weight: 4, run: duplicate },
  close: { weight: 6, run: close },
  closeRange: { weight: 1, run: closeRange },
  unlink: {
    weight: 1,
    run: (w, a, r) => void (w.unix && w.call(a, 'unlink', [w.octets(`${r.of(['c', 'd', 'e'])}\0`, 'path')])),
  },
};
