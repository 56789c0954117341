/** poll, select and epoll in all their spellings. */
import { u64Octets } from '../../../src/conformance/kit.ts';
import * as c from '../../../src/conformance/linux.ts';
import { EPOLL_EVENT_OCTETS, EVERY_EVENT } from '../../../src/conformance/show.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import { WAIT_US } from './messages.ts';
import type { Operations } from './operation.ts';
import type { Actor, World } from './world.ts';

const EVENTS = [EVERY_EVENT, c.POLLIN, c.POLLOUT, c.POLLRDHUP, c.POLLPRI, 0, c.POLLIN | c.POLLOUT];
/** 0 most often; a wait that ends by itself, and one that does not. */
const milliseconds = (r: Choice): number => r.rarely(4, 0, [WAIT_US / 1000, -1, -2]);
function timespec(world: World, r: Choice): number {
  const ms = milliseconds(r);
  return ms < 0 ? 0 : world.timespec(ms * 1000, 'timeout');
}

function poll(world: World, actor: Actor, r: Choice): void {
  const count = 1 + r.below(3);
  const at = world.sys.alloc(count * 8, 'pollfds', show('pollfds'));
  for (let i = 0; i < count; i++) {
    const { fd } = world.pick(actor, r);
    world.sys.put(c.pollfd, at + i * 8, { fd, events: r.of(EVENTS), revents: 0x1111 });
  }
  const nfds = r.rarely(16, count, [0]);
  if (r.once(2)) world.rough(actor, r, 'poll', [at, nfds, milliseconds(r)], undefined, [0]);
  else world.rough(actor, r, 'ppoll', [at, nfds, timespec(world, r), 0, r.rarely(8, 8, [0, 4])], undefined, [0, 2]);
}
/** Everything there is at once. */
function pollEvery(world: World, actor: Actor, r: Choice): void {
  const all = world.heldBy(actor.table);
  const events = r.rarely(4, EVERY_EVENT, EVENTS);
  const at = world.sys.alloc(Math.max(1, all.length) * 8, 'pollfds', show('pollfds'));
  all.forEach(({ fd }, i) => world.sys.put(c.pollfd, at + i * 8, { fd, events, revents: 0x1111 }));
  world.call(actor, 'poll', [at, all.length, 0]);
}
const SET_OCTETS = 16;
function select(world: World, actor: Actor, r: Choice): void {
  let most = 0;
  const sets = [0, 1, 2].map((i) => {
    if (r.once(3)) return 0;
    const bytes = new Uint8Array(SET_OCTETS);
    for (let n = 0; n < 1 + i; n++) {
      const { fd } = world.pick(actor, r);
      if (fd < 0 || fd >= SET_OCTETS * 8) continue;
      most = Math.max(most, fd);
      bytes[fd >> 3] = (bytes[fd >> 3] as number) | (1 << (fd & 7));
    }
    return world.octets(bytes, ['readable', 'writable', 'exceptional'][i] as string, show('octets'));
  });
  const n = r.rarely(16, most + 1, [0, -1, 128]);
  const ms = milliseconds(r);
  const at = ms < 0 ? 0 : world.sys.alloc(16, 'timeout', show('ended'));
  if (r.once(2)) {
    if (at !== 0) world.sys.put(c.timeval, at, { sec: 0, usec: ms * 1000 });
    return void world.rough(actor, r, 'select', [n, ...sets, at], undefined, [1, 2, 3]);
  }
  if (at !== 0) world.sys.put(c.timespec, at, { sec: 0, nsec: ms * 1_000_000 });
  world.rough(actor, r, 'pselect6', [n, ...sets, at, 0], undefined, [1, 2, 3]);
}

function create(world: World, actor: Actor, r: Choice): number {
  const fd = world.call(actor, 'epoll_create1', [r.rarely(8, 0, [c.EPOLL_CLOEXEC, 1])]);
  world.hold({ fd, kind: 'epoll', family: 0, type: 0, table: actor.table, role: 'fresh' });
  return fd;
}
const INTERESTS = [
  c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP,
  c.EPOLLIN,
  c.EPOLLIN | c.EPOLLET,
  c.EPOLLIN | c.EPOLLOUT | c.EPOLLRDHUP | c.EPOLLET,
  c.EPOLLIN | c.EPOLLONESHOT,
  c.EPOLLIN | c.EPOLLOUT | c.EPOLLPRI,
  c.EPOLLIN | c.EPOLLEXCLUSIVE,
  c.EPOLLIN | c.EPOLLEXCLUSIVE | c.EPOLLONESHOT,
  c.EPOLLIN | c.EPOLLWAKEUP,
  0,
];
const OPERATIONS = [c.EPOLL_CTL_ADD, c.EPOLL_CTL_ADD, c.EPOLL_CTL_MOD, c.EPOLL_CTL_DEL];
function control(world: World, actor: Actor, r: Choice): void {
  const ep = world.pick(actor, r, ({ kind }) => kind === 'epoll');
  const { fd } = world.pick(actor, r, ({ kind }) => kind !== 'epoll');
  const at = world.sys.alloc(EPOLL_EVENT_OCTETS, 'event', show('octets'));
  world.sys.put(c.epollEventAmd64, at, { events: r.of(INTERESTS) >>> 0, data: u64Octets(Math.max(0, fd)) });
  world.rough(actor, r, 'epoll_ctl', [ep.fd, r.rarely(16, r.of(OPERATIONS), [0, 4]), fd, at], undefined, [0, 2, 3]);
}
/** An epoll descriptor with everything there is in it. */
function watchEvery(world: World, actor: Actor, r: Choice, interests: readonly number[]): number {
  const ep = create(world, actor, r);
  const events = r.of(interests) >>> 0;
  for (const { fd, kind } of world.heldBy(actor.table)) {
    if (kind === 'epoll') continue;
    const at = world.sys.alloc(EPOLL_EVENT_OCTETS, 'event');
    world.sys.put(c.epollEventAmd64, at, { events, data: u64Octets(fd) });
    world.call(actor, 'epoll_ctl', [ep, c.EPOLL_CTL_ADD, fd, at]);
  }
  return ep;
}
/** Waits that end at once, with room for all: what is level-triggered comes again, what is edge-triggered or one-shot does not until something happens. */
function look(world: World, actor: Actor, ep: number, times: number): void {
  for (let i = 0; i < times; i++) {
    const at = world.sys.alloc(ROOM * EPOLL_EVENT_OCTETS, 'events', show('events'));
    world.call(actor, 'epoll_wait', [ep, at, ROOM, 0]);
  }
}
const ROOM = 8;
const EDGES = INTERESTS.filter((events) => (events & c.EPOLLET) !== 0);
/** All that is ready is told of once; what happens later is for the waits of other steps. */
function watchEdges(world: World, actor: Actor, r: Choice): void {
  look(world, actor, watchEvery(world, actor, r, EDGES), r.of([2, 1, 3]));
}
function wait(world: World, actor: Actor, r: Choice): void {
  const { fd } = world.pick(actor, r, ({ kind }) => kind === 'epoll');
  const room = 1 + r.below(8);
  const at = world.room(r, room * EPOLL_EVENT_OCTETS, 'events', show('events'));
  const most = r.rarely(16, room, [0, -1]);
  const how = r.below(5);
  if (r.once(3)) look(world, actor, fd, 1 + r.below(2));
  if (how < 2) return void world.rough(actor, r, 'epoll_wait', [fd, at, most, milliseconds(r)], undefined, [0, 1]);
  const [timeout, size] = [how === 2 ? milliseconds(r) : timespec(world, r), r.rarely(8, 8, [0])];
  world.rough(
    actor,
    r,
    how === 2 ? 'epoll_pwait' : 'epoll_pwait2',
    [fd, at, most, timeout, 0, size],
    undefined,
    [0, 1],
  );
}

export const READINESS: Operations = {
  poll: { weight: 10, run: poll },
  pollEvery: { weight: 4, run: pollEvery },
  select: { weight: 4, run: select },
  epoll: { weight: 2, run: (w, a, r) => void create(w, a, r) },
  watchAll: { weight: 4, run: (w, a, r) => void watchEvery(w, a, r, INTERESTS) },
  watchEdges: { weight: 4, run: watchEdges },
  control: { weight: 6, run: control },
  wait: { weight: 8, run: wait },
};
