/** What is left of a call that a signal took away after a part of it was done (docs/decisions/0011). */
import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { micros } from '../../src/lib/clock.ts';
import { FakeSocket, gives, takes } from './fake-socket.ts';
import { BASE, type World, world } from './world.ts';

const AGAIN = -abi.Errno.EAGAIN;

/** A signal took the notification away: the platform learns of it by the thread's next call, or not at all. */
const gone = (w: World): void => w.emulator.dispatcher.orphan(w.task);

test('a part that was sent is the answer of the same call, even when handlers make calls before', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const other = new FakeSocket();
  const fd = w.fd(socket);
  const otherFd = w.fd(other);
  socket.onSend.says(takes(4), AGAIN);
  other.onSend.says(takes(100));
  t.is(w.call('write', fd, BASE, 10), undefined);
  gone(w);
  t.is(w.call('write', otherFd, BASE, 2), 2, 'the handler’s');
  t.is(w.call('write', fd, BASE, 10), 4);
  t.deepEqual(
    socket.log.filter((line) => line.startsWith('commit')),
    ['commit 4'],
  );
});

test('an answer that is not taken keeps what was sent before it, and all of it', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onSend.says(takes(4), AGAIN, takes(6));
  t.is(w.call('write', fd, BASE, 10), undefined);
  w.task.refuse = true;
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, undefined);
  t.true(w.task.idle);
  w.task.refuse = true;
  t.is(w.call('write', fd, BASE, 10), undefined, 'nor the second time');
  t.is(w.call('write', fd, BASE, 10), 10);
  t.deepEqual(
    socket.log.filter((line) => line.startsWith('commit') || line.startsWith('rollback')),
    ['commit 4', 'commit 6'],
  );
});

test('a part belongs to its file, its instruction and its registers', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onSend.says(takes(4), AGAIN, takes(100));
  w.call('write', fd, BASE, 10);
  gone(w);
  t.is(w.call('write', fd, BASE, 9), 9);
  w.task.ipLow = 1;
  t.is(w.call('write', fd, BASE, 10), 10, 'made elsewhere');
  w.task.ipLow = 0;
  w.call('close', fd);
  const next = new FakeSocket();
  next.onSend.says(takes(100));
  t.is(w.fd(next), fd);
  t.is(w.call('write', fd, BASE, 10), 10, 'of another file');
});

test('where a handler lacks SA_RESTART a send does not wait with a part done', (t) => {
  const w = world();
  w.task.restarts = false;
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const whole: boolean[] = [];
  socket.onSend.says(AGAIN, takes(4), (message) => {
    whole.push(message.isWhole);
    return AGAIN;
  });
  t.is(w.call('write', fd, BASE, 10), undefined);
  w.emulator.interrupt(w.task, false);
  t.is(w.task.result, -abi.Errno.EINTR);
  t.deepEqual(socket.log, []);
  t.is(w.call('write', fd, BASE, 10), 4, 'short');
  t.deepEqual(whole, [false, true], 'after the rest was offered beyond the limit');
});

test('where a handler lacks SA_RESTART MSG_WAITALL takes nothing before all is there', (t) => {
  const w = world();
  w.task.restarts = false;
  const socket = new FakeSocket();
  let holds = true;
  socket.holdsUnread = () => holds;
  const fd = w.fd(socket);
  socket.onReceive.says(gives('ab'), AGAIN, gives('ab'), gives('cde'));
  t.is(w.call('recvfrom', fd, BASE, 5, abi.MSG_WAITALL, 0, 0), undefined);
  t.deepEqual(socket.log, ['rollback 2']);
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 5);
  t.is(w.text(BASE, 5), 'abcde');
  t.is(socket.log.at(-1), 'commit 5');

  const again = new FakeSocket();
  again.holdsUnread = () => true;
  const againFd = w.fd(again);
  again.onReceive.says(gives('ab'), AGAIN, gives('ab'), AGAIN);
  t.is(w.call('recvfrom', againFd, BASE, 5, abi.MSG_WAITALL, 0, 0), undefined);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, 2, 'the same call again gets what there is');

  const second = new FakeSocket();
  second.holdsUnread = () => holds;
  const fd2 = w.fd(second);
  second.receiveTimeoutUs = 1000;
  second.onReceive.says(gives('ab'), AGAIN, gives('ab'), AGAIN);
  w.call('recvfrom', fd2, BASE, 5, abi.MSG_WAITALL, 0, 0);
  w.emulator.advance(micros(1000));
  t.is(w.task.result, 2, 'what there is at the deadline');
  holds = false;
  const third = new FakeSocket();
  third.holdsUnread = () => holds;
  const fd3 = w.fd(third);
  third.onReceive.says(gives('ab'), AGAIN);
  t.is(w.call('recvfrom', fd3, BASE, 5, abi.MSG_WAITALL, 0, 0), 2, 'more than the buffer holds is short');
});

test('a send whose answers come too late again and again takes less', (t) => {
  const w = world();
  w.task.restarts = false;
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const limits: number[] = [];
  socket.onSend.says((message) => {
    limits.push(message.limit);
    return takes(4)(message);
  });
  for (let i = 0; i < 12; i++) {
    w.task.refuse = true;
    w.call('write', fd, BASE, 4);
  }
  t.is(w.call('write', fd, BASE, 4), 4);
  t.is(w.call('write', fd, BASE, 4), 4);
  t.deepEqual(limits.slice(0, 3), [Number.POSITIVE_INFINITY, 65_536, 32_768]);
  t.deepEqual(limits.slice(-2), [4096, Number.POSITIVE_INFINITY]);
});
