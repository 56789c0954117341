import { setImmediate as nextIteration } from 'node:timers/promises';
import test from 'ava';
import { monotonic } from '../../src/host/clock.ts';
import { EPOLLIN, EventFd, TimerFd } from '../../src/host/epoll.ffi.ts';
import { Loop, type Stepped } from '../../src/runner/loop.ts';

const idle: Stepped = {
  begin: () => undefined,
  end: () => false,
  nextDeadline: () => undefined,
  failed: (error) => {
    throw error;
  },
};

test('a descriptor that is always ready holds Node’s loop up for some milliseconds only', async (t) => {
  for (const waits of [false, true]) {
    const loop = new Loop(idle, waits);
    const event = new EventFd();
    let served = 0;
    loop.add(event.fd, EPOLLIN, () => served++);
    event.signal();
    const began = monotonic();
    // Whatever the machine does meanwhile, Node's own work gets through again and again.
    for (let i = 0; i < 5; i++) await nextIteration();
    t.true(served > 0);
    t.true(monotonic() - began < 5_000_000);
    loop.remove(event.fd);
    loop.close();
    event.close();
  }
});

test('where the thread is the loop’s, an event that follows soon is served in the same turn, and a late one is not waited for', (t) => {
  const loop = new Loop(idle, true);
  const [first, soon, late] = [new EventFd(), new TimerFd(), new TimerFd()];
  const served: string[] = [];
  loop.add(first.fd, EPOLLIN, () => {
    first.drain();
    served.push('first');
    soon.set(monotonic() + 300);
  });
  loop.add(soon.fd, EPOLLIN, () => {
    soon.drain();
    served.push('soon');
    late.set(monotonic() + 10_000_000);
  });
  loop.add(late.fd, EPOLLIN, () => served.push('late'));
  first.signal();
  const began = monotonic();
  loop.turn();
  t.deepEqual(served, ['first', 'soon']);
  t.true(monotonic() - began < 9_000_000);
  loop.close();
  for (const source of [first, soon, late]) source.close();
});
