import test from 'ava';
import { monotonic } from '../../src/host/clock.ts';
import { EPOLLET, EPOLLIN, Epoll, EventFd, TimerFd } from '../../src/host/epoll.ffi.ts';

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
