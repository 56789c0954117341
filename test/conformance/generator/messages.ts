/** sendmsg, recvmsg, sendmmsg and recvmmsg: headers, names, vectors and control data that are right, nearly right and wild. */
import type { Kit } from '../../../src/conformance/kit.ts';
import { NOWHERE } from '../../../src/conformance/layout.ts';
import * as c from '../../../src/conformance/linux.ts';
import { COMMON_CONTROLS } from '../random-messages.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import { isConnected } from './lifecycle.ts';
import { nameFor, nameShow } from './names.ts';
import type { Operations } from './operation.ts';
import { missing, RECEIVE_FLAGS, receiver, SEND_FLAGS, sender, sent, vector } from './transfer.ts';
import type { Actor, Held, World } from './world.ts';

type ControlMessage = Parameters<Kit['control']>[0][number];

const CONTROLS = [
  ...COMMON_CONTROLS,
  { level: c.SOL_UDP, type: c.UDP_SEGMENT, len: 2 },
  { level: c.SOL_SOCKET, type: c.SCM_RIGHTS, len: 4 },
  { level: 77, type: 1, len: 4 },
] as const;
const ROOMS = [64, 0, 8, 16, 20, 24, 28, 32, 40, 48, 60, 80, 128];

/** A hop limit of 0 is refused here: such a packet dies at once. */
const data = (r: Choice): number => r.of([1, 2, 64, 255, 256, -1, 0x0100_007f]);
function controlMessage(world: World, actor: Actor, r: Choice, one: Held): ControlMessage {
  const choice =
    one.kind === 'unix'
      ? 11
      : one.family === c.AF_INET
        ? r.below(CONTROLS.length)
        : r.rarely(2, 4 + r.below(3), [...CONTROLS.keys()]);
  const { level, type, len } = CONTROLS[choice] as (typeof CONTROLS)[number];
  const bytes = new Uint8Array(Math.max(0, len + r.rarely(10, 0, [-4, -1, 1, 8])));
  const value = new Uint8Array(4);
  // Descriptors that pass are no AF_UNIX sockets: when Linux collects a cycle of sockets in flight is its own affair.
  const passed = world.heldBy(actor.table).find(({ kind }) => kind === 'udp' || kind === 'tcp')?.fd ?? 0;
  c.i32.put(value, 0, type === c.SCM_RIGHTS && level === c.SOL_SOCKET ? r.rarely(8, passed, [77, -1]) : data(r));
  // In a struct the value stands behind the interface index.
  bytes.set(value.subarray(0, Math.min(4, bytes.length)), len === 12 && bytes.length >= 8 ? 4 : 0);
  const message = { level, type, data: bytes };
  const off = r.rarely(10, 0, [-100, -20, -4, -1, 1, 4, 1000]);
  return off === 0 ? message : { ...message, len: Math.max(0, c.CMSG_LEN(bytes.length) + off) };
}
function control(world: World, actor: Actor, r: Choice, one: Held): { readonly at: number; readonly len: number } {
  const messages = Array.from({ length: r.rarely(2, 0, [1, 2]) }, () => controlMessage(world, actor, r, one));
  const len = messages.reduce((sum, message) => sum + c.CMSG_SPACE(message.data.length), 0);
  if (len === 0) return { at: 0, len: 0 };
  const bytes = new Uint8Array(len);
  let at = 0;
  for (const message of messages) {
    const { level, type } = message;
    c.cmsghdr.put(bytes, at, { len: message.len ?? c.CMSG_LEN(message.data.length), level, type });
    bytes.set(message.data, at + 16);
    at += c.CMSG_SPACE(message.data.length);
  }
  return { at: world.octets(bytes, 'control', show('control')), len: len + r.rarely(16, 0, [-16, -8, -4, -1]) };
}

function controlRoom(world: World, r: Choice): { readonly at: number; readonly len: number } {
  const len = r.of(ROOMS);
  return { at: len === 0 ? 0 : world.room(r, 128, 'control', show('control')), len };
}

/** Puts one `struct user_msghdr` where it is asked for. */
function header(world: World, actor: Actor, r: Choice, at: number, one: Held, isSend: boolean): void {
  const isNamed = isSend ? r.once(isConnected(one) ? 6 : 1) : r.once(2);
  const bytes = isSend && isNamed ? nameFor(world, r, one) : undefined;
  const room = isNamed ? (bytes === undefined ? world.nameRoom(r, nameShow(one)) : world.octets(bytes, 'addr')) : 0;
  const namelen = isNamed ? (bytes?.length ?? 128) + r.rarely(16, 0, [-100, -20, -12, -4, -1, 1, 4, 12, 100]) : 0;
  const iov = vector(world, r, isSend);
  const given = isSend ? control(world, actor, r, one) : controlRoom(world, r);
  world.sys.put(c.msghdr, at, {
    name: r.rarely(24, room, [NOWHERE, 0]),
    namelen,
    iov: r.rarely(32, iov.at, [NOWHERE, 0]),
    iovlen: r.rarely(24, iov.count, [1025, 1024]),
    control: given.at,
    controllen: r.rarely(32, given.len, [200_000]),
    flags: r.rarely(4, 0, [c.MSG_PEEK, -1]),
  });
}
const REFUSED = [{ iovlen: 1025 }, { iov: NOWHERE, iovlen: 1 }, { name: NOWHERE, namelen: 16 }, { namelen: -1 }];
/** A header that is refused. */
function spoil(world: World, r: Choice, at: number): void {
  const right = world.sys.get(c.msghdr, at);
  const wrong = r.of(REFUSED);
  world.sys.put(c.msghdr, at, { ...right, ...wrong });
}
const target = (world: World, actor: Actor, r: Choice, isSend: boolean): Held =>
  isSend ? sender(world, actor, r) : receiver(world, actor, r);

function single(world: World, actor: Actor, r: Choice, isSend: boolean): void {
  const held = target(world, actor, r, isSend);
  const at = world.sys.alloc(56, 'msg', show('msghdr'));
  header(world, actor, r, at, held, isSend);
  const flags = (isSend ? r.rarely(2, 0, SEND_FLAGS) : r.rarely(2, 0, RECEIVE_FLAGS)) & ~missing(held);
  if (isSend && (flags & c.MSG_MORE) !== 0) held.isCorked = true;
  const result = world.rough(actor, r, isSend ? 'sendmsg' : 'recvmsg', [held.fd, at, flags], undefined, [0, 1]);
  if (isSend) sent(held, result);
}
/** Longer than any host needs to see that a call waits. */
export const WAIT_US = 100_000;
function many(world: World, actor: Actor, r: Choice, isSend: boolean): void {
  const held = target(world, actor, r, isSend);
  // Who waits for the first is woken by it there, and by all here.
  const count = isSend && world.blocked.length > 0 ? 1 : r.of([2, 1, 3]);
  // One that fails behind one that does not is told of by the count alone.
  const isSpoiled = count > 1 && r.once(3);
  const at = world.sys.alloc(64 * count, 'mmsg', show('mmsghdrs'));
  for (let i = 0; i < count; i++) header(world, actor, r, at + 64 * i, held, isSend);
  if (isSpoiled) spoil(world, r, at + 64 * (count - 1));
  const chosen = r.rarely(2, 0, isSend ? SEND_FLAGS : [c.MSG_WAITFORONE, ...RECEIVE_FLAGS]) & ~missing(held);
  // A signal that ends the wait for a second message leaves ERESTARTSYS, which is no errno, as the socket's error (do_recvmmsg): for a second one nobody waits.
  const flags = !isSend && count > 1 ? chosen | c.MSG_WAITFORONE : chosen;
  const vlen = r.rarely(12, count, [0]);
  if (isSend && (flags & c.MSG_MORE) !== 0) held.isCorked = true;
  if (isSend) return sent(held, world.rough(actor, r, 'sendmmsg', [held.fd, at, vlen, flags], undefined, [0, 1]));
  const us = r.rarely(3, -1, [0, WAIT_US]);
  const timeout = us < 0 ? 0 : world.timespec(us, 'timeout');
  world.rough(actor, r, 'recvmmsg', [held.fd, at, vlen, flags, timeout], undefined, [0, 1]);
}

export const MESSAGES: Operations = {
  sendmsg: { weight: 15, run: (w, a, r) => single(w, a, r, true) },
  recvmsg: { weight: 18, run: (w, a, r) => single(w, a, r, false) },
  sendmmsg: { weight: 7, run: (w, a, r) => many(w, a, r, true) },
  recvmmsg: { weight: 7, run: (w, a, r) => many(w, a, r, false) },
};
