import test from 'ava';
import { POLLHUP, POLLIN, POLLOUT } from '../../src/abi/poll.ts';
import { Standing, Waiter, WaitQueue } from '../../src/socket/wait-queue.ts';

/** Waiters that write down when they are told; `takes` says which of them take an event. */
function crowd(log: string[], takes: ReadonlySet<string> = new Set()): (name: string) => Waiter {
  return (name) =>
    new Waiter(() => {
      log.push(name);
      return takes.has(name);
    });
}

test('who watches is told first, the newest before the older; who waits for a turn in order', (t) => {
  const log: string[] = [];
  const queue = new WaitQueue();
  const waiter = crowd(log);
  queue.add(waiter('turn 1'), POLLIN);
  queue.add(waiter('watch 1'), POLLIN, Standing.Watch);
  queue.add(waiter('turn 2'), POLLIN);
  queue.add(waiter('watch 2'), POLLIN, Standing.Watch);
  queue.add(waiter('writer'), POLLOUT);
  t.false(queue.wake(POLLIN));
  t.deepEqual(log, ['watch 2', 'watch 1', 'turn 1', 'turn 2']);
});

test('of those that stand as one the first that takes the event is the last that is told', (t) => {
  const log: string[] = [];
  const queue = new WaitQueue();
  const waiter = crowd(log, new Set(['second', 'third']));
  for (const name of ['first', 'second', 'third']) queue.add(waiter(name), POLLIN, Standing.One);
  queue.add(waiter('turn'), POLLIN);
  t.true(queue.wake(POLLIN));
  t.deepEqual(log, ['first', 'second', 'turn']);
  log.length = 0;
  queue.wakeOne(POLLIN);
  t.deepEqual(log, ['first', 'second']);
  log.length = 0;
  queue.wakeOne(POLLOUT);
  t.deepEqual(log, []);
});

test('a change of state is for everybody', (t) => {
  const log: string[] = [];
  const queue = new WaitQueue(true);
  const waiter = crowd(log, new Set(['a', 'b']));
  queue.add(waiter('a'), POLLIN, Standing.One);
  queue.add(waiter('b'), POLLIN, Standing.One);
  queue.wake(POLLIN);
  t.deepEqual(log, ['b'], 'the newest of a queue that says so');
  log.length = 0;
  queue.wake(POLLHUP);
  t.deepEqual(log, ['b', 'a']);
});

test('a waiter that leaves while others are told is not told', (t) => {
  const log: string[] = [];
  const queue = new WaitQueue();
  const last = new Waiter(() => log.push('last'));
  queue.add(new Waiter((_events, self) => self.leave()), POLLIN);
  queue.add(last, POLLIN);
  queue.wake(POLLIN);
  t.deepEqual(log, ['last']);
  last.leave();
  last.leave();
  t.true(queue.isEmpty);
});
