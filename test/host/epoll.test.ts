import test from 'ava';
import { monotonic } from '../../src/host/clock.ts';
import { EPOLLET, EPOLLIN, EPOLLOUT, Epoll, EventFd, TimerFd } from '../../src/host/epoll.ffi.ts';
import { EventPoller } from '../../src/host/event-poller.ts';
import { BundleSocketIo, seqpacketPair } from '../../src/host/fd-frame-io.ffi.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { SMALL_POOL } from '../support/stacks.ts';

test('events come back with their key and generation', (t) => {
  const epoll = new Epoll(8);
  const event = new EventFd();
  epoll.add(event.fd, (EPOLLIN | EPOLLET) >>> 0, 7, 0xffff_fffe);
  t.is(epoll.wait(0), 0);
  event.signal();
  t.is(epoll.wait(1000), 1);
  t.deepEqual([epoll.eventsOf(0), epoll.keyOf(0), epoll.generationOf(0)], [EPOLLIN, 7, 0xffff_fffe]);
  t.is(epoll.wait(0), 0, 'edge triggered: reported once');
  event.drain();
  event.signal();
  t.is(epoll.wait(1000), 1);
  epoll.remove(event.fd);
  event.close();
  epoll.close();
});

test('a timer wakes the epoll at its time, not before, and can be disarmed', (t) => {
  const epoll = new Epoll(8);
  const timer = new TimerFd();
  epoll.add(timer.fd, EPOLLIN, 1);
  const due = monotonic() + 20_000;
  timer.set(due);
  t.is(epoll.wait(5000), 1);
  t.true(monotonic() >= due);
  timer.drain();
  timer.set(monotonic() + 5000);
  timer.set(undefined);
  t.is(epoll.wait(20), 0);
  timer.close();
  epoll.close();
});

test('a descriptor that cannot be watched is a HostError with the call and the errno', (t) => {
  const epoll = new Epoll(8);
  t.throws(() => epoll.add(-1, EPOLLIN, 1), { name: 'HostError', code: 'EBADF', message: /epoll_ctl .*EBADF/ });
  epoll.close();
});

test('a message that its peer takes wakes a writer only while it waits for room', (t) => {
  const pool = new PacketPool(SMALL_POOL);
  const pair = seqpacketPair();
  const [a, b] = pair.fds.map((fd) => new BundleSocketIo(fd, pool)) as [BundleSocketIo, BundleSocketIo];
  const poller = new EventPoller();
  const seen: number[] = [];
  const owner = { watchKey: -1, hostEvent: (events: number) => seen.push(events) };
  t.is(poller.watch(pair.fds[0], owner, false), 0);
  const exchange = (): number => {
    t.is(a.send(70_000, 100), 100);
    t.is(b.recv(80_000, 200), 100);
    return poller.wait(0);
  };
  t.is(exchange(), 0);
  poller.setWriting(pair.fds[0], owner, true);
  t.is(exchange(), 1);
  poller.dispatch(1);
  t.deepEqual(seen, [EPOLLOUT]);
  poller.setWriting(pair.fds[0], owner, false);
  t.is(exchange(), 0);
  t.is(b.send(70_000, 1), 1);
  t.is(poller.wait(1000), 1);
  poller.dispatch(1);
  t.deepEqual(seen, [EPOLLOUT, EPOLLIN]);
  poller.close();
  pair.close();
});
