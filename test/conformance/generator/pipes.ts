/** Pipes and memory files, and what moves octets between them and sockets without a buffer. */
import * as c from '../../../src/conformance/linux.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import { isConnected, isSocket } from './lifecycle.ts';
import type { Operations } from './operation.ts';
import { content, vector } from './transfer.ts';
import type { Actor, Held, World } from './world.ts';

const other = (kind: 'pipe' | 'file', fd: number, table: number): Held => ({
  fd,
  kind,
  family: 0,
  type: 0,
  table,
  role: 'fresh',
});

function pipe(world: World, actor: Actor, r: Choice): void {
  const at = world.sys.alloc(8, 'pipe');
  const flags = r.rarely(3, c.O_NONBLOCK, [0, c.O_NONBLOCK | c.O_CLOEXEC, 1]);
  if (world.rough(actor, r, 'pipe2', [at, flags], undefined, []) !== 0) return;
  for (const offset of [0, 4]) world.hold(other('pipe', world.sys.get(c.i32, at + offset), actor.table));
  if (!r.once(2)) return;
  const octets = 1 + r.below(20);
  world.call(actor, 'write', [world.sys.get(c.i32, at + 4), world.octets(content(octets), 'out'), octets]);
}
/** One with octets in it. */
function file(world: World, actor: Actor, r: Choice): void {
  const fd = world.call(actor, 'memfd_create', [world.octets('memory\0', 'path'), 0]);
  const octets = r.below(40);
  world.call(actor, 'write', [fd, world.octets(content(octets), 'out'), octets]);
  world.call(actor, 'lseek', [fd, 0, 0]);
  world.hold(other('file', fd, actor.table));
}
const isPlain = ({ kind }: Held): boolean => kind === 'pipe' || kind === 'file';
const FLAGS = [0, c.SPLICE_F_NONBLOCK, c.SPLICE_F_MORE, c.SPLICE_F_MOVE, 16];
function position(world: World, r: Choice): number {
  const value = r.rarely(6, -1, [0, 4, -2]);
  if (value === -1) return 0;
  const at = world.sys.alloc(8, 'offset', show('octets'));
  const bytes = new Uint8Array(8);
  c.i64.put(bytes, 0, value);
  world.sys.write(at, bytes);
  return at;
}
/** At least one end is a socket: between others the call is not the sandbox's. */
function ends(world: World, actor: Actor, r: Choice): readonly [Held, Held] {
  const one = world.pick(actor, r, isConnected);
  const two = world.pick(actor, r, isPlain);
  return r.once(2) ? [two, one] : [one, two];
}
function splice(world: World, actor: Actor, r: Choice): void {
  const [from, to] = ends(world, actor, r);
  if (!isSocket(from) && !isSocket(to)) return;
  const args = [from.fd, position(world, r), to.fd, position(world, r), 1 + r.below(40), r.of(FLAGS)];
  world.rough(actor, r, 'splice', args, undefined, [1, 3]);
}
function sendfile(world: World, actor: Actor, r: Choice): void {
  const [to, from] = ends(world, actor, r);
  if (!isSocket(from) && !isSocket(to)) return;
  world.rough(actor, r, 'sendfile', [to.fd, from.fd, position(world, r), r.below(40)], undefined, [2]);
}
function tee(world: World, actor: Actor, r: Choice): void {
  const [from, to] = ends(world, actor, r);
  if (!isSocket(from) && !isSocket(to)) return;
  world.rough(actor, r, 'tee', [from.fd, to.fd, r.below(40), r.of(FLAGS)], undefined, []);
}
function vmsplice(world: World, actor: Actor, r: Choice): void {
  const one = world.pick(actor, r, isConnected);
  if (!isSocket(one)) return;
  const { at, count } = vector(world, r, true);
  world.rough(actor, r, 'vmsplice', [one.fd, at, count, r.of(FLAGS)], undefined, [1]);
}

export const PIPES: Operations = {
  pipe: { weight: 2, run: pipe },
  file: { weight: 2, run: file },
  splice: { weight: 4, run: splice },
  sendfile: { weight: 3, run: sendfile },
  tee: { weight: 1, run: tee },
  vmsplice: { weight: 1, run: vmsplice },
};
