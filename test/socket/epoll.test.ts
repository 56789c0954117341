import test from 'ava';
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDHUP,
} from '../../src/abi/epoll.ts';
import { Errno } from '../../src/abi/errno.ts';
import { EpollFile } from '../../src/socket/epoll.ts';
import { OpenFile } from '../../src/socket/file.ts';
import { Waiter } from '../../src/socket/wait-queue.ts';

class Scripted extends OpenFile {
  events = 0;
  closed = 0;
  constructor() {
    super(2);
    this.retain();
  }
  poll(): number {
    return this.events;
  }
  rise(events: number): void {
    this.events |= events;
    this.waiters.wake(events);
  }
  protected released(): void {
    this.closed++;
  }
}
class Regular extends Scripted {
  override get canPoll(): boolean {
    return false;
  }
}

/** Waits once: [events, data] of each, committed. */
function wait(epoll: EpollFile, limit = 10): [number, number][] {
  const count = epoll.collect(limit);
  const out = epoll.collected.slice(0, count).map((e): [number, number] => [e.events, e.dataLow]);
  epoll.commit(count);
  return out;
}
const descriptors = (epoll: EpollFile, limit: number): number[] => wait(epoll, limit).map(([, fd]) => fd);
const add = (epoll: EpollFile, fd: number, file: OpenFile, events: number): number =>
  epoll.ctl(EPOLL_CTL_ADD, fd, file, events, fd, 0);

test('ADD twice is EEXIST, MOD and DEL of what is not there ENOENT, itself EINVAL, a file without poll EPERM', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  t.is(add(epoll, 3, file, EPOLLIN), 0);
  t.is(add(epoll, 3, file, EPOLLIN), -Errno.EEXIST);
  t.is(add(epoll, 4, file, EPOLLIN), 0);
  t.is(epoll.ctl(EPOLL_CTL_MOD, 5, file, EPOLLIN, 0, 0), -Errno.ENOENT);
  t.is(epoll.ctl(EPOLL_CTL_DEL, 5, file, 0, 0, 0), -Errno.ENOENT);
  t.is(add(epoll, 9, epoll, EPOLLIN), -Errno.EINVAL);
  t.is(add(epoll, 6, new Regular(), EPOLLIN), -Errno.EPERM);
  t.is(epoll.ctl(99, 3, file, EPOLLIN, 0, 0), -Errno.EINVAL);
  t.is(epoll.size, 2);
});

test('EPOLLEXCLUSIVE: only ADD, not on an epoll object, not with ONESHOT or RDHUP, not changed by MOD', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  t.is(add(epoll, 3, file, EPOLLEXCLUSIVE | EPOLLIN | EPOLLONESHOT), -Errno.EINVAL);
  t.is(add(epoll, 3, file, EPOLLEXCLUSIVE | EPOLLIN | EPOLLRDHUP), -Errno.EINVAL);
  t.is(add(epoll, 3, new EpollFile(), EPOLLEXCLUSIVE | EPOLLIN), -Errno.EINVAL);
  t.is(add(epoll, 3, file, (EPOLLEXCLUSIVE | EPOLLIN | EPOLLET) >>> 0), 0);
  t.is(epoll.ctl(EPOLL_CTL_MOD, 3, file, EPOLLIN, 0, 0), -Errno.EINVAL);
  t.is(epoll.ctl(EPOLL_CTL_MOD, 3, file, EPOLLEXCLUSIVE | EPOLLIN, 0, 0), -Errno.EINVAL);
  t.is(epoll.ctl(EPOLL_CTL_DEL, 3, file, 0, 0, 0), 0);
});

test('level-triggered: reported as long as it holds; ERR and HUP unasked', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  add(epoll, 3, file, EPOLLIN);
  t.deepEqual(wait(epoll), []);
  t.is(epoll.poll(), 0);
  file.rise(EPOLLIN | EPOLLOUT);
  t.is(epoll.poll(), 0x41);
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]]);
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]]);
  file.events = 0;
  t.deepEqual(wait(epoll), []);
  file.rise(EPOLLHUP);
  t.deepEqual(wait(epoll), [[EPOLLHUP, 3]]);
});

test('edge-triggered: once for each event, not again after a partial read', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  file.events = EPOLLIN;
  add(epoll, 3, file, (EPOLLIN | EPOLLET) >>> 0);
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]], 'what holds at ADD is an event');
  t.deepEqual(wait(epoll), []);
  file.rise(EPOLLIN);
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]], 'more data is a new one though nothing was read');
  t.deepEqual(wait(epoll), []);
  epoll.ctl(EPOLL_CTL_MOD, 3, file, EPOLLIN | EPOLLET, 3, 0);
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]], 'MOD asks anew');
});

test('one-shot: disarmed when reported, armed again by MOD', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  add(epoll, 3, file, EPOLLIN | EPOLLONESHOT);
  file.rise(EPOLLIN);
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]]);
  file.rise(EPOLLIN | EPOLLHUP);
  t.deepEqual(wait(epoll), []);
  t.is(epoll.ctl(EPOLL_CTL_MOD, 3, file, EPOLLIN | EPOLLONESHOT, 3, 0), 0);
  t.deepEqual(wait(epoll), [[EPOLLIN | EPOLLHUP, 3]]);
});

test('the ready list is first in, first out, and rotates', (t) => {
  const epoll = new EpollFile();
  const files = [3, 4, 5].map((fd) => {
    const file = new Scripted();
    add(epoll, fd, file, EPOLLIN);
    return file;
  });
  for (const i of [1, 0, 2]) files[i]?.rise(EPOLLIN);
  t.deepEqual(descriptors(epoll, 2), [4, 3]);
  t.deepEqual(descriptors(epoll, 2), [5, 4]);
  t.deepEqual(descriptors(epoll, 2), [3, 5]);
});

test('events that the guest did not get are not lost', (t) => {
  const epoll = new EpollFile();
  for (const fd of [3, 4]) {
    const file = new Scripted();
    add(epoll, fd, file, (EPOLLIN | EPOLLET | EPOLLONESHOT) >>> 0);
    file.rise(EPOLLIN);
  }
  t.is(epoll.collect(10), 2);
  epoll.rollback();
  t.is(epoll.collect(10), 2);
  epoll.commit(1);
  t.deepEqual(wait(epoll), [[EPOLLIN, 4]]);
  t.deepEqual(wait(epoll), []);
});

test('epoll_data comes back whole', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  file.events = EPOLLIN;
  epoll.ctl(EPOLL_CTL_ADD, 3, file, EPOLLIN, 0xdead_beef, 0xffff_ffff);
  epoll.collect(1);
  t.deepEqual(epoll.collected[0], { events: EPOLLIN, dataLow: 0xdead_beef, dataHigh: 0xffff_ffff });
  epoll.ctl(EPOLL_CTL_MOD, 3, file, EPOLLIN, 1, 2);
  epoll.collect(1);
  t.deepEqual(epoll.collected[0], { events: EPOLLIN, dataLow: 1, dataHigh: 2 });
});

test('an item goes with the last reference of its file, not with the number', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  add(epoll, 3, file.retain(), EPOLLIN);
  file.rise(EPOLLIN);
  file.release();
  t.deepEqual(wait(epoll), [[EPOLLIN, 3]], 'the dup keeps it');
  file.release();
  t.is(file.closed, 1);
  t.is(epoll.size, 0);
  t.deepEqual(wait(epoll), []);
});

test('waiters on the epoll object are woken by an event, not by one nobody asked for', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  add(epoll, 3, file, EPOLLIN);
  const woken: number[] = [];
  epoll.waiters.add(new Waiter((events) => woken.push(events)), EPOLLIN);
  file.rise(EPOLLOUT);
  t.deepEqual(woken, []);
  file.rise(EPOLLIN);
  t.deepEqual(woken, [0x41]);
});

test('nested: readiness of the inner one is an event of the outer, level or edge', (t) => {
  const inner = new EpollFile().retain();
  const outer = new EpollFile();
  const edge = new EpollFile();
  const file = new Scripted();
  add(inner, 3, file, EPOLLIN);
  add(outer, 4, inner, EPOLLIN);
  add(edge, 4, inner, (EPOLLIN | EPOLLET) >>> 0);
  t.deepEqual(wait(outer), []);
  file.rise(EPOLLIN);
  t.deepEqual(wait(outer), [[EPOLLIN, 4]]);
  t.deepEqual(wait(edge), [[EPOLLIN, 4]]);
  t.deepEqual(wait(edge), []);
  file.events = 0;
  t.deepEqual(wait(outer), []);
  inner.release();
  t.is(outer.size, 0);
  t.true(file.waiters.isEmpty);
});

test('nests: five levels are ELOOP, as is a cycle; a crowd of ways up is EINVAL', (t) => {
  const chain = Array.from({ length: 7 }, () => new EpollFile());
  const link = (outer: number, inner: number): number =>
    add(chain[outer] as EpollFile, inner, chain[inner] as EpollFile, EPOLLIN);
  t.deepEqual(
    [0, 1, 2, 3, 4, 5].map((i) => link(i + 1, i)),
    [0, 0, 0, 0, -Errno.ELOOP, 0],
  );
  t.is(link(0, 2), -Errno.ELOOP);
});

test('ways up from a file: any number of one step, few of many', (t) => {
  const file = new Scripted();
  for (let i = 0; i < 1200; i++) t.is(add(new EpollFile(), 9, file, EPOLLIN), 0);
  const ladder = Array.from({ length: 4 }, () => new EpollFile());
  const top = ladder[3] as EpollFile;
  t.is(add(ladder[0] as EpollFile, 9, new Scripted(), EPOLLIN), 0);
  for (let i = 1; i < 4; i++) t.is(add(ladder[i] as EpollFile, i, ladder[i - 1] as EpollFile, EPOLLIN), 0);
  const above = Array.from({ length: 11 }, () => new EpollFile());
  t.deepEqual(
    above.map((epoll) => add(epoll, 3, top, EPOLLIN)),
    [...Array.from({ length: 10 }, () => 0), -Errno.EINVAL],
  );
  t.is(above[10]?.size, 0);
  t.is(top.ctl(EPOLL_CTL_DEL, 3, ladder[2] as EpollFile, 0, 0, 0), 0);
  t.is(add(above[10] as EpollFile, 3, top, EPOLLIN), 0);
});

test('of several that wait, the one that came last is told first', (t) => {
  const epoll = new EpollFile();
  const file = new Scripted();
  add(epoll, 3, file, EPOLLIN);
  const woken: string[] = [];
  const waiters = ['first', 'second', 'third'].map((name) => new Waiter(() => woken.push(name)));
  for (const waiter of waiters) epoll.waiters.add(waiter, EPOLLIN);
  waiters[1]?.leave();
  file.rise(EPOLLIN);
  t.deepEqual(woken, ['third', 'first']);
});
