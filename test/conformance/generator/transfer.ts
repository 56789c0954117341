/** Octets on their way: sends, receives, reads and writes, of one buffer or several. */
import * as c from '../../../src/conformance/linux.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import { hasData, isConnected, isSocket } from './lifecycle.ts';
import { lengthOf, nameFor, nameShow } from './names.ts';
import type { Operations } from './operation.ts';
import type { Actor, Held, World } from './world.ts';

export const SEND_FLAGS = [
  c.MSG_DONTWAIT,
  c.MSG_NOSIGNAL,
  c.MSG_OOB,
  c.MSG_EOR,
  c.MSG_MORE,
  c.MSG_DONTROUTE,
  c.MSG_CONFIRM,
  c.MSG_PEEK,
  c.MSG_NOSIGNAL | c.MSG_DONTWAIT,
  -1 & ~(c.MSG_FASTOPEN | c.MSG_ZEROCOPY | c.MSG_MORE | c.MSG_PROBE | c.MSG_CMSG_COMPAT),
];
export const RECEIVE_FLAGS = [
  c.MSG_PEEK,
  c.MSG_TRUNC,
  c.MSG_WAITALL,
  c.MSG_DONTWAIT,
  c.MSG_PEEK | c.MSG_TRUNC,
  c.MSG_OOB,
  c.MSG_ERRQUEUE,
  c.MSG_WAITALL | c.MSG_DONTWAIT,
  c.MSG_OOB | c.MSG_PEEK,
  c.MSG_CMSG_CLOEXEC,
  c.MSG_ERRQUEUE | c.MSG_PEEK,
  c.MSG_PEEK | c.MSG_WAITALL | c.MSG_DONTWAIT,
  0x0100_0000,
];
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-';
/** Lengths are small: how much a buffer takes at once is each system's own affair. */
export const length = (r: Choice, least = 0): number => r.rarely(12, 1 + r.below(39), [least, 64]);
/**
 * Octets that a receive asks for at least. One of none ends when anything wakes it (tcp_recvmsg_locked), and after shutdown(2) the acknowledgement of the FIN does, with which the other end
 * takes its time (tcp_fin: pingpong mode).
 */
const leastReceived = (world: World): number => (world.hasShut ? 1 : 0);
/** Beyond what a datagram holds. */
const HUGE = [65_507, 65_508, 65_536, 70_000];

export const isSendable = (one: Held): boolean => isSocket(one) && (one.role === 'connected' || one.kind !== 'tcp');
export const content = (octets: number): string =>
  LETTERS.repeat(1 + Math.floor(octets / LETTERS.length)).slice(0, octets);

/** AF_UNIX has no urgent data here, as in a kernel without CONFIG_AF_UNIX_OOB. */
export const missing = ({ kind }: Held): number => (kind === 'unix' ? c.MSG_OOB : 0);
/** Where something is sent from, most often to a socket that the sequence has too, and where something is received. */
export const sender = (world: World, actor: Actor, r: Choice): Held =>
  world.pick(actor, r, ({ peer }) => peer !== undefined, isSendable);
export const receiver = (world: World, actor: Actor, r: Choice): Held => world.pick(actor, r, hasData, isConnected);
export function sent({ peer }: Held, result: number): void {
  if (peer !== undefined && result > 0) peer.hasData = true;
}
/** What is sent to a socket that may wait and takes no more is sent by nobody: so nothing large goes to streams. */
function send(world: World, actor: Actor, r: Choice): void {
  const one = sender(world, actor, r);
  const octets = one.kind === 'udp' ? r.rarely(24, length(r), HUGE) : length(r);
  const at = world.room(r, octets, 'out', show('octets'), content(octets));
  const flags = r.rarely(3, 0, SEND_FLAGS) & ~missing(one);
  const isNamed = isConnected(one) ? r.once(6) : !r.once(6);
  const bytes = isNamed ? nameFor(world, r, one) : undefined;
  const name = bytes === undefined ? 0 : world.octets(bytes, 'addr');
  const args = [one.fd, at, octets, flags, name, bytes === undefined ? 0 : lengthOf(r, bytes)];
  if ((flags & c.MSG_MORE) !== 0) one.isCorked = true;
  sent(one, world.rough(actor, r, 'sendto', args, undefined, [0, 1, 4, 5]));
}
function receive(world: World, actor: Actor, r: Choice): void {
  const one = receiver(world, actor, r);
  const least = leastReceived(world);
  const octets = length(r, least);
  const at = world.room(r, octets, 'in', show('text'));
  const flags = r.rarely(2, 0, RECEIVE_FLAGS) & ~missing(one);
  const isNamed = r.once(3);
  const name = isNamed ? world.nameRoom(r, nameShow(one)) : 0;
  const len = isNamed ? world.int(r.rarely(8, 128, [0, 1, 16, 28, -1]), 'namelen') : 0;
  world.rough(actor, r, 'recvfrom', [one.fd, at, octets, flags, name, len], undefined, [
    0,
    1,
    4,
    5,
    ...(least === 0 ? [2] : []),
    ...(one.kind === 'unix' ? [] : [3]),
  ]);
}
/** What was looked at is still there, and nothing behind it has come to the front. */
function peek(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, (it) => hasData(it) && it.type === c.SOCK_DGRAM, hasData, isConnected);
  for (const flags of [r.of([c.MSG_PEEK, c.MSG_PEEK | c.MSG_TRUNC]), 0]) {
    const octets = length(r);
    const at = world.sys.alloc(Math.max(1, octets), 'in', show('text'));
    world.call(actor, 'recvfrom', [one.fd, at, octets, flags | c.MSG_DONTWAIT, 0, 0]);
  }
}
/** An array of iovecs, at most three of them right. */
export function vector(world: World, r: Choice, isSend: boolean): { readonly at: number; readonly count: number } {
  const least = isSend ? 0 : leastReceived(world);
  const count = r.of([1, 2, 3, least]);
  const at = world.sys.alloc(Math.max(1, count) * 16, 'iov', show('octets'));
  for (let i = 0; i < count; i++) {
    const len = length(r, least);
    const base = world.room(
      r,
      len,
      isSend ? 'out' : 'in',
      show(isSend ? 'octets' : 'text'),
      isSend ? content(len) : undefined,
    );
    world.sys.put(c.iovec, at + 16 * i, { base, len });
  }
  return { at, count };
}
const OFFSETS = [0, -1, 8];
const RW_FLAGS = [0, 1, 8, 2, 16, 0x4000_0000];

function readWrite(world: World, actor: Actor, r: Choice, isWrite: boolean): void {
  const one = isWrite ? sender(world, actor, r) : receiver(world, actor, r);
  const octets = length(r);
  const at = world.room(
    r,
    octets,
    isWrite ? 'out' : 'in',
    show(isWrite ? 'octets' : 'text'),
    isWrite ? content(octets) : undefined,
  );
  const result = world.rough(
    actor,
    r,
    isWrite ? 'write' : 'read',
    [one.fd, at, octets],
    undefined,
    isWrite ? [0, 1] : [0, 1, 2],
  );
  if (isWrite) sent(one, result);
}
function vectors(world: World, actor: Actor, r: Choice, isWrite: boolean): void {
  const one = isWrite ? sender(world, actor, r) : receiver(world, actor, r);
  const { at, count } = vector(world, r, isWrite);
  const counted = r.rarely(12, count, [-1, 1025, 1024]);
  world.rough(actor, r, isWrite ? 'writev' : 'readv', [one.fd, at, counted]);
}
function positioned(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, isConnected);
  // The memory files of the emulator have no positioned calls, and say so.
  if (one.kind === 'file' && one.role === 'fresh' && one.fd > 2 && one.fd < 77) return;
  const how = r.below(4);
  const isWrite = how % 2 === 1;
  if (how < 2) {
    const at = world.room(r, 8, 'at', show('octets'));
    world.rough(actor, r, isWrite ? 'pwrite64' : 'pread64', [one.fd, at, 8, r.of(OFFSETS)]);
    return;
  }
  const { at, count } = vector(world, r, isWrite);
  const offset = r.of([-1, 0, 8]);
  world.rough(
    actor,
    r,
    isWrite ? 'pwritev2' : 'preadv2',
    [one.fd, at, count, offset, 0, r.of(RW_FLAGS)],
    undefined,
    [0, 1, 3, 5],
  );
}

export const TRANSFER: Operations = {
  send: { weight: 24, run: send },
  receive: { weight: 22, run: receive },
  peek: { weight: 4, run: peek },
  read: { weight: 3, run: (w, a, r) => readWrite(w, a, r, false) },
  write: { weight: 3, run: (w, a, r) => readWrite(w, a, r, true) },
  readv: { weight: 2, run: (w, a, r) => vectors(w, a, r, false) },
  writev: { weight: 2, run: (w, a, r) => vectors(w, a, r, true) },
  positioned: { weight: 1, run: positioned },
};
