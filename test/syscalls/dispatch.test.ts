import test from 'ava';
import {
  AF_INET,
  Errno,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  MSG_WAITALL,
  POLLIN,
  POLLOUT,
  SOCK_DGRAM,
  SOCK_STREAM,
} from '../../src/abi/index.ts';
import { micros } from '../../src/lib/clock.ts';
import { FakeSocket, gives, takes } from './fake-socket.ts';
import { BASE, END, world } from './world.ts';

const AGAIN = -Errno.EAGAIN;

test('a call that cannot go on is parked and tried again when its event rises', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN, gives('hello'));
  t.is(w.call('recvfrom', fd, BASE, 100, 0, 0, 0), undefined);
  t.false(w.task.idle);
  socket.rise(POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, undefined, 'an event it does not wait for');
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 5);
  t.is(w.text(BASE, 5), 'hello');
  t.deepEqual(socket.log, ['eventsAfter 5', 'commit 5']);
  t.true(socket.waiters.isEmpty);
  t.true(w.task.idle);
});

test('a parked call keeps its file, whatever becomes of the descriptor', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const other = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN, gives('x'));
  w.call('read', fd, BASE, 10);
  const thread = w.thread();
  t.is(w.emulator.call(thread, 'close', fd), 0);
  t.is(w.fd(other), fd);
  t.false(socket.wasReleased);
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 1);
  t.true(socket.wasReleased);
});

test('what the guest does not take is rolled back', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(gives('abc'));
  w.task.refuse = true;
  t.is(w.call('read', fd, BASE, 10), undefined);
  t.deepEqual(socket.log, ['eventsAfter 3', 'rollback 3']);
  t.true(w.task.idle);
  t.is(w.call('read', fd, BASE, 10), 3);
  t.is(w.emulator.dispatcher.statistics().find((s) => s.name === 'read')?.notTaken, 1);
});

test('SO_RCVTIMEO counts from the first try and makes signals EINTR', (t) => {
  const w = world();
  const socket = new FakeSocket();
  socket.receiveTimeoutUs = 1000;
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN);
  w.call('read', fd, BASE, 10);
  w.emulator.advance(micros(600));
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, undefined);
  w.emulator.advance(micros(399));
  t.is(w.task.result, undefined);
  w.emulator.advance(micros(1));
  t.is(w.task.result, AGAIN);
  w.call('read', fd, BASE, 10);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, -Errno.EINTR);
  socket.receiveTimeoutUs = -1;
  t.is(w.call('read', fd, BASE, 10), AGAIN, 'a negative timeout is over at once');
});

test('without a timeout a signal restarts the call if its handler says so', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN, AGAIN, AGAIN, gives('z'));
  w.call('read', fd, BASE, 10);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, undefined);
  t.false(w.task.idle);
  w.emulator.interrupt(w.task, false);
  t.is(w.task.result, -Errno.EINTR);
  w.emulator.interrupt(w.task, false);
  t.is(w.task.result, -Errno.EINTR, 'nothing happens to an idle task');
});

test('a send larger than the buffer is committed as it goes', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  w.put(BASE, 'abcdefghij');
  socket.onSend.says(takes(4), AGAIN, takes(3), AGAIN, takes(100));
  t.is(w.call('write', fd, BASE, 10), undefined);
  t.deepEqual(socket.log, ['eventsAfter 4', 'commit 4']);
  socket.rise(POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, undefined);
  socket.rise(POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, 10);
  t.deepEqual(
    socket.log.filter((line) => line.startsWith('commit')),
    ['commit 4', 'commit 3', 'commit 3'],
  );
});

test('a signal, a timeout and an error in a blocking send give the part that was taken', (t) => {
  for (const end of ['signal', 'timeout', 'error'] as const) {
    const w = world();
    const socket = new FakeSocket();
    socket.sendTimeoutUs = 50;
    const fd = w.fd(socket);
    socket.onSend.says(takes(4), AGAIN, -Errno.ECONNRESET);
    w.call('sendto', fd, BASE, 10, 0, 0, 0);
    if (end === 'signal') w.emulator.interrupt(w.task, true);
    if (end === 'timeout') w.emulator.advance(micros(50));
    if (end === 'error') {
      socket.rise(POLLOUT);
      w.emulator.settle();
    }
    t.is(w.task.result, 4, end);
    t.is(socket.pendingError, end === 'error' ? Errno.ECONNRESET : 0);
  }
});

test('a non-blocking send takes what fits', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onSend.says(takes(4), AGAIN);
  t.is(w.call('sendto', fd, BASE, 10, MSG_DONTWAIT, 0, 0), 4);
  t.is(w.call('sendto', fd, BASE, 10, MSG_DONTWAIT, 0, 0), AGAIN);
});

test('SIGPIPE comes with EPIPE on streams, unless MSG_NOSIGNAL', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const datagram = new FakeSocket(AF_INET, SOCK_DGRAM);
  const fd = w.fd(socket);
  const fd2 = w.fd(datagram);
  socket.onSend.says(-Errno.EPIPE);
  datagram.onSend.says(-Errno.EPIPE);
  t.is(w.call('write', fd, BASE, 1), -Errno.EPIPE);
  t.is(w.task.sigpipes, 1);
  t.is(w.call('sendto', fd, BASE, 1, MSG_NOSIGNAL, 0, 0), -Errno.EPIPE);
  t.is(w.call('write', fd2, BASE, 1), -Errno.EPIPE);
  t.is(w.task.sigpipes, 1);
});

test('MSG_WAITALL fills the buffer, committing before each wait', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(gives('ab'), AGAIN, gives('cd'), gives('e'));
  t.is(w.call('recvfrom', fd, BASE, 5, MSG_WAITALL, 0, 0), undefined);
  t.deepEqual(socket.log, ['eventsAfter 2', 'commit 2']);
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 5);
  t.is(w.text(BASE, 5), 'abcde');
  t.is(socket.log.at(-1), 'commit 3');
});

test('an interrupted MSG_WAITALL gives what has come', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(gives('ab'), AGAIN);
  w.call('recvfrom', fd, BASE, 5, MSG_WAITALL, 0, 0);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, 2);
});

test('the end of the stream, or an error, ends MSG_WAITALL', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(gives('ab'), 0, gives('c'), -Errno.ECONNRESET);
  t.is(w.call('recvfrom', fd, BASE, 5, MSG_WAITALL, 0, 0), 2);
  t.is(w.call('recvfrom', fd, BASE, 5, MSG_WAITALL, 0, 0), 1);
  t.is(socket.pendingError, Errno.ECONNRESET);
});

test('a blocked guest that goes away leaves nothing behind', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.receiveTimeoutUs = 1000;
  socket.onReceive.says(AGAIN);
  w.call('read', fd, BASE, 10);
  w.emulator.exit(w.task);
  t.true(socket.waiters.isEmpty);
  t.true(socket.wasReleased);
  t.is(w.clock.next(), undefined);
});

test('a handler that throws costs its guest the call and nobody else anything', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(gives('abc'), () => {
    throw new Error('a bug');
  });
  t.is(w.call('recvfrom', fd, BASE, 5, MSG_WAITALL, 0, 0), -Errno.ENOSYS);
  t.is(socket.log.at(-1), 'rollback 3');
  t.true(w.task.idle);
  const [report] = w.emulator.crashes;
  t.is(report?.call, 'recvfrom');
  t.regex(String(report?.error), /a bug/);
  t.is(w.emulator.dispatcher.crashes, 1);
});

test('a socket that throws while a result is committed is our bug too', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(gives('abc'));
  socket.commit = () => {
    throw new Error('late');
  };
  t.is(w.call('read', fd, BASE, 5), 3);
  t.is(w.emulator.crashes.length, 1);
  t.true(w.task.idle);
});

test('an unknown number is ENOSYS and counted', (t) => {
  const w = world();
  t.is(w.emulator.call(w.task, 9999), -Errno.ENOSYS);
  t.is(w.emulator.dispatcher.unknownCalls, 1);
  t.is(w.call('io_uring_setup', 1, 0), -Errno.ENOSYS);
  t.deepEqual(
    w.emulator.dispatcher.refusals().map((u) => u.call),
    ['syscall 9999', 'io_uring_setup'],
  );
});

test('the report of what is unsupported is bounded', (t) => {
  const { dispatcher } = world().emulator;
  for (let i = 0; i < 3000; i++) dispatcher.unsupported('setsockopt', `${i}`, 'ENOPROTOOPT');
  dispatcher.unsupported('setsockopt', '1', 'ENOPROTOOPT');
  t.is(dispatcher.refusals().length, 1024);
  t.is(dispatcher.refusals()[1]?.count, 2);
  t.is(dispatcher.refusalsDropped, 3000 - 1024);
});

test('one call at a time per task', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN);
  w.call('read', fd, BASE, 1);
  t.throws(() => w.call('read', fd, BASE, 1), { message: /already in read/ });
});

/** Two tasks that wait on one socket, the first of them `task`; what it says to those that try again. */
function twoWait(type: number, ...answers: Parameters<FakeSocket['onReceive']['says']>) {
  const w = world();
  const socket = new FakeSocket(AF_INET, type);
  const fd = w.fd(socket);
  const thread = w.thread();
  socket.onReceive.says(AGAIN, AGAIN, ...answers);
  w.call('recvfrom', fd, BASE, 1, 0, 0, 0);
  w.emulator.begin(thread, 'recvfrom', fd, BASE + 8, 1, 0, 0, 0);
  const rise = (): void => {
    socket.rise(POLLIN);
    w.emulator.settle();
  };
  return { task: w.task, emulator: w.emulator, socket, thread, rise };
}
test('two tasks that wait on one stream are both woken, the newest first, and who comes too late waits again', (t) => {
  const w = twoWait(SOCK_STREAM, gives('1'), AGAIN, gives('2'));
  w.rise();
  t.deepEqual([w.task.result, w.thread.result], [undefined, 1]);
  w.rise();
  t.is(w.task.result, 1);
});
test('of two tasks that wait for datagrams each arrival wakes one, the oldest first', (t) => {
  // The first may peek: the other is not asked.
  const w = twoWait(SOCK_DGRAM, gives('1'), gives('2'));
  w.rise();
  t.deepEqual([w.task.result, w.thread.result], [1, undefined]);
  w.rise();
  t.is(w.thread.result, 1);
});
test('an arrival that woke a task which a signal took away, or that did not take its answer, is for another', (t) => {
  const gone = twoWait(SOCK_DGRAM, gives('1'));
  gone.socket.rise(POLLIN);
  gone.emulator.interrupt(gone.task, false);
  gone.emulator.settle();
  t.deepEqual([gone.task.result, gone.thread.result], [-Errno.EINTR, 1]);

  const refused = twoWait(SOCK_DGRAM, gives('1'));
  refused.task.refuse = true;
  refused.rise();
  t.is(refused.thread.result, 1);
});

test('the observer sees the answer before and after', (t) => {
  const w = world();
  const seen: string[] = [];
  w.emulator.dispatcher.observer = {
    answering: (task, result) => seen.push(`answering ${task.call?.name} ${result} ${task.result}`),
    answered: (task, result, taken) => seen.push(`answered ${result} ${task.result} ${taken}`),
  };
  w.call('close', 99);
  t.deepEqual(seen, [`answering close -9 undefined`, 'answered -9 -9 true']);
  t.is(END - BASE, 0x10000);
});
