import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { micros, millis } from '../../src/lib/clock.ts';
import { FakeSocket, gives } from './fake-socket.ts';
import { BASE, END, READ_ONLY, type World, world } from './world.ts';

const { Errno, POLLIN, POLLOUT } = abi;
const A = BASE;
const B = BASE + 0x1000;
const EINTR = -Errno.EINTR;

test('close, dup, dup2, dup3, close_range', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  t.is(w.call('dup', fd), 1);
  t.is(w.call('dup2', fd, 7), 7);
  t.is(w.call('dup2', fd, fd), fd);
  t.is(w.call('dup3', fd, fd, 0), -Errno.EINVAL);
  t.is(w.call('dup3', fd, 8, 1), -Errno.EINVAL);
  t.is(w.call('dup3', fd, 8, abi.O_CLOEXEC), 8);
  t.is(w.task.files.closeOnExec(8), true);
  t.is(w.call('close', fd), 0);
  t.is(w.call('close', fd), -Errno.EBADF);
  t.is(w.call('close_range', 5, 4, 0), -Errno.EINVAL);
  t.is(w.call('close_range', 0, 9, 8), -Errno.EINVAL);
  t.is(w.call('close_range', 9, 9, 2), 0, 'a table of its own is no other after CLOSE_RANGE_UNSHARE');
  t.is(w.call('close_range', 0, 4294967295, 4), 0);
  t.is(w.task.files.closeOnExec(1), true);
  t.false(socket.wasReleased);
  t.is(w.call('close_range', 0, 4294967295, 0), 0);
  t.true(socket.wasReleased);
});

test('fcntl', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const fcntl = (command: number, argument = 0): number | undefined => w.call('fcntl', fd, command, argument);
  t.is(fcntl(abi.F_GETFL), abi.O_RDWR);
  t.is(fcntl(abi.F_SETFL, abi.O_NONBLOCK | abi.O_CREAT), 0);
  t.is(fcntl(abi.F_GETFL), abi.O_RDWR | abi.O_NONBLOCK);
  t.is(fcntl(abi.F_SETFL, abi.O_ASYNC), 0);
  t.is(fcntl(abi.F_GETFL), abi.O_RDWR | abi.O_ASYNC);
  t.is(fcntl(abi.F_SETFL, abi.O_DIRECT), -Errno.EINVAL);
  t.is(fcntl(abi.F_GETFD), 0);
  t.is(fcntl(abi.F_SETFD, abi.FD_CLOEXEC | 0x10), 0);
  t.is(fcntl(abi.F_GETFD), abi.FD_CLOEXEC);
  t.is(fcntl(abi.F_DUPFD, 5), 5);
  t.is(fcntl(abi.F_DUPFD_CLOEXEC, 5), 6);
  t.is(fcntl(abi.F_DUPFD, -1), -Errno.EINVAL);
  t.is(fcntl(abi.F_DUPFD_QUERY, 5), 1);
  t.is(fcntl(abi.F_DUPFD_QUERY, 99), -Errno.EBADF);
  t.is(w.call('fcntl', w.call('epoll_create1', 0) as number, abi.F_DUPFD_QUERY, 5), 0);
  t.is(fcntl(abi.F_GETOWN), 0);
  t.is(fcntl(abi.F_GETPIPE_SZ), -Errno.EBADF);
  t.is(fcntl(abi.F_SETOWN, 77), -Errno.ESRCH);
  t.is(fcntl(abi.F_SETLK, A), -Errno.EINVAL);
  t.is(w.call('fcntl', 99, abi.F_GETFD), -Errno.EBADF);
  t.deepEqual(
    w.emulator.dispatcher.refusals().map((u) => u.what),
    ['F_SETLK'],
  );
});

const putPoll = (w: World, at: number, ...items: [number, number][]): number => {
  for (const [i, [fd, events]] of items.entries())
    w.put(at + i * 8, abi.pollfd.encode({ fd, events, revents: 0x5555 }));
  return at;
};
const revents = (w: World, at: number, i: number): number => abi.pollfd.decode(w.at(at + i * 8, 8)).revents;

test('poll: what holds, bad and negative descriptors', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.events = POLLIN | abi.POLLHUP;
  putPoll(w, A, [fd, POLLIN | POLLOUT], [99, POLLIN], [-1, POLLIN], [fd, 0]);
  t.is(w.call('poll', A, 4, -1), 3);
  t.deepEqual(
    [0, 1, 2, 3].map((i) => revents(w, A, i)),
    [POLLIN | abi.POLLHUP, abi.POLLNVAL, 0, abi.POLLHUP],
  );
  socket.events = 0;
  t.is(w.call('poll', A, 1, 0), 0);
  t.is(revents(w, A, 0), 0);
  t.is(w.call('poll', A, 1025, 0), -Errno.EINVAL);
  t.is(w.call('poll', END - 4, 1, 0), -Errno.EFAULT);
  t.is(w.call('poll', READ_ONLY, 1, 0), -Errno.EFAULT);
  t.is(w.call('poll', 0, 0, 0), 0);
});

test('poll waits for events, time, or a signal', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  putPoll(w, A, [fd, POLLIN]);
  t.is(w.call('poll', A, 1, -1), undefined);
  socket.rise(POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, undefined);
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 1);
  t.is(revents(w, A, 0), POLLIN);
  socket.events = 0;
  w.call('poll', A, 1, 10);
  w.emulator.advance(millis(9));
  t.is(w.task.result, undefined);
  w.emulator.advance(millis(1));
  t.is(w.task.result, 0);
  t.is(revents(w, A, 0), 0);
  w.call('poll', A, 1, -1);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, EINTR, 'SA_RESTART or not');
  t.true(socket.waiters.isEmpty);
  t.is(socket.references, 1, 'what was held is let go');
});

test('ppoll and pselect6: time and mask are checked, the rest of the time is written back', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  putPoll(w, A, [fd, POLLIN]);
  const time = (sec: number, nsec: number): number => w.put(B, abi.timespec.encode({ sec, nsec }));
  t.is(w.call('ppoll', A, 1, 8, 0, 8), -Errno.EFAULT);
  t.is(w.call('ppoll', A, 1, time(0, 1e9), 0, 8), -Errno.EINVAL);
  t.is(w.call('ppoll', A, 1, time(-1, 0), 0, 8), -Errno.EINVAL);
  t.is(w.call('ppoll', A, 1, time(0, 0), A, 9), -Errno.EINVAL);
  t.is(w.call('ppoll', A, 1, time(0, 0), 8, 8), -Errno.EFAULT);
  t.is(w.call('ppoll', A, 1, time(0, 0), A, 8), 0);
  t.is(w.call('ppoll', A, 1, time(1, 0), 0, 8), undefined);
  w.emulator.advance(micros(400_000));
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 1);
  t.deepEqual(abi.timespec.decode(w.at(B, 16)), { sec: 0, nsec: 600_000_000 });
  t.is(w.call('pselect6', 0, 0, 0, 0, time(0, 5000), 8), -Errno.EFAULT);
  t.is(w.call('pselect6', 0, 0, 0, 0, 8, 0), -Errno.EFAULT);
  w.put(A + 512, new Uint8Array(16));
  t.is(w.call('pselect6', 0, 0, 0, 0, time(0, 5000), A + 512), undefined);
  w.emulator.advance(micros(5));
  t.is(w.task.result, 0);
  t.deepEqual(abi.timespec.decode(w.at(B, 16)), { sec: 0, nsec: 0 });
});

const bits = (...fds: number[]): Uint8Array => {
  const set = new Uint8Array(128);
  for (const fd of fds) set[fd >> 3] = (set[fd >> 3] as number) | (1 << (fd & 7));
  return set;
};

test('select: three sets', (t) => {
  const w = world();
  const [a, b] = [new FakeSocket(), new FakeSocket()];
  const [fa, fb] = [w.fd(a), w.fd(b)];
  a.events = POLLIN | POLLOUT | abi.POLLWRNORM;
  const C = A + 512;
  w.put(A, bits(fa, fb));
  w.put(B, bits(fa));
  w.put(C, bits(fa, fb));
  t.is(w.call('select', 2, A, B, C, 0), 2);
  t.deepEqual(
    [w.at(A, 8), w.at(B, 8), w.at(C, 8)],
    [bits(fa), bits(fa), bits()].map((set) => set.slice(0, 8)),
  );
  t.is(w.call('select', -1, 0, 0, 0, 0), -Errno.EINVAL);
  t.is(w.call('select', 64, 8, 0, 0, 0), -Errno.EFAULT);
  w.put(A, bits(40));
  t.is(w.call('select', 64, A, 0, 0, 0), -Errno.EBADF);
  w.put(A, bits(fa));
  a.events = 0;
  const timeout = w.put(B, abi.timeval.encode({ sec: 0, usec: 1_500_000 }));
  t.is(w.call('select', 1, A, 0, 0, timeout), undefined, 'microseconds may exceed a second');
  w.emulator.advance(micros(500_000));
  a.rise(POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 1);
  t.deepEqual(abi.timeval.decode(w.at(B, 16)), { sec: 1, usec: 0 });
  a.events = 0;
  w.call('select', 1, A, 0, 0, timeout);
  w.emulator.advance(millis(1000));
  t.is(w.task.result, 0);
  t.is(w.at(A, 1)[0], 0, 'nothing is ready: the set is empty');
  w.put(A, bits(fa));
  w.call('select', 1, A, 0, 0, 0);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, EINTR);
  t.is(w.at(A, 1)[0], 1, 'after a signal the sets are as they were');
  a.events = POLLIN;
  w.put(B, abi.timeval.encode({ sec: -1, usec: 0 }));
  t.is(w.call('select', 1, A, 0, 0, B), -Errno.EINVAL);
  t.is(w.call('select', 1, A, 0, 0, 8), -Errno.EFAULT);
});

for (const architecture of ['x86_64', 'arm64'] as const) {
  const event = architecture === 'x86_64' ? abi.epollEventAmd64 : abi.epollEventArm64;
  const data = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

  test(`epoll on ${architecture}`, (t) => {
    const w = world(architecture);
    const socket = new FakeSocket();
    const fd = w.fd(socket);
    const ep = w.call('epoll_create1', abi.EPOLL_CLOEXEC) as number;
    t.is(w.task.files.closeOnExec(ep), true);
    t.is(w.call('epoll_create1', 1), -Errno.EINVAL);
    w.put(A, event.encode({ events: abi.EPOLLIN, data }));
    const ctl = (op: number, of: number, at = A): number | undefined => w.call('epoll_ctl', ep, op, of, at);
    t.is(w.call('epoll_ctl', 98, abi.EPOLL_CTL_ADD, 99, 8), -Errno.EFAULT, 'the event first');
    t.is(w.call('epoll_ctl', 98, abi.EPOLL_CTL_ADD, fd, A), -Errno.EBADF);
    t.is(ctl(abi.EPOLL_CTL_ADD, 99), -Errno.EBADF);
    t.is(w.call('epoll_ctl', fd, abi.EPOLL_CTL_ADD, fd, A), -Errno.EINVAL);
    t.is(ctl(abi.EPOLL_CTL_ADD, fd), 0);
    t.is(ctl(abi.EPOLL_CTL_ADD, fd), -Errno.EEXIST);
    const wait = (max: number, ms: number, at = B): number | undefined => w.call('epoll_pwait', ep, at, max, ms, 0, 8);
    t.is(wait(4, 0), 0);
    t.is(wait(4, -1), undefined);
    socket.rise(POLLIN);
    w.emulator.settle();
    t.is(w.task.result, 1);
    t.deepEqual(event.decode(w.at(B, event.size)), { events: abi.EPOLLIN, data });
    t.is(wait(0, 0), -Errno.EINVAL);
    t.is(wait(1, 0, 8), -Errno.EFAULT);
    t.is(w.call('epoll_pwait', fd, B, 1, 0, 0, 8), -Errno.EINVAL);
    t.is(w.call('epoll_pwait', 99, B, 0, 0, 0, 8), -Errno.EBADF);
    t.is(w.call('epoll_pwait', ep, B, 1, 0, A, 4), -Errno.EINVAL);
    t.is(ctl(abi.EPOLL_CTL_DEL, fd, 0), 0);
    t.is(ctl(abi.EPOLL_CTL_DEL, fd, 0), -Errno.ENOENT);
  });
}

test('epoll_wait: time, signals, EPOLLET, and a fault in the middle', (t) => {
  const w = world();
  const [a, b] = [new FakeSocket(), new FakeSocket()];
  const ep = w.call('epoll_create', 1) as number;
  t.is(w.call('epoll_create', 0), -Errno.EINVAL);
  for (const [socket, flags] of [
    [a, abi.EPOLLET],
    [b, 0],
  ] as const) {
    w.put(A, abi.epollEventAmd64.encode({ events: abi.EPOLLIN | flags, data: new Uint8Array(8) }));
    w.call('epoll_ctl', ep, abi.EPOLL_CTL_ADD, w.fd(socket), A);
  }
  w.call('epoll_wait', ep, B, 4, 10);
  w.emulator.advance(millis(10));
  t.is(w.task.result, 0);
  w.call('epoll_wait', ep, B, 4, -1);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, EINTR);
  a.rise(POLLIN);
  b.rise(POLLIN);
  t.is(w.call('epoll_wait', ep, END - 12, 4, 0), 1, 'the second does not fit into memory');
  t.is(w.call('epoll_wait', ep, B, 4, 0), 1, 'the edge was told, the level is');
  w.put(B, abi.timespec.encode({ sec: 0, nsec: 1e6 }));
  b.events = 0;
  w.call('epoll_pwait2', ep, A, 4, B, 0, 8);
  w.emulator.advance(millis(1));
  t.is(w.task.result, 0);
  t.is(w.call('epoll_pwait2', ep, A, 4, 8, 0, 8), -Errno.EFAULT);
  t.is(w.call('epoll_pwait2', ep, A, 4, 0, A, 3), -Errno.EINVAL);
  w.task.files.limit = 3;
  t.is(w.call('epoll_create', 1), -Errno.EMFILE);
});

test('descriptor calls need the emulated table', (t) => {
  const w = world();
  const emulated = w.task.files;
  w.task.files = { get: () => undefined, hasRoom: () => true } as unknown as typeof emulated;
  t.is(w.call('close', 0), -Errno.ENOSYS);
  t.regex(String(w.emulator.crashes[0]?.error), /emulated descriptor table/);
});

test('data and signals among threads that share a table', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const thread = w.thread();
  socket.onReceive.says(-Errno.EAGAIN, gives('x'));
  w.emulator.call(thread, 'read', fd, A, 1);
  w.emulator.exit(w.task);
  t.false(socket.wasReleased, 'the table has an owner still');
  socket.rise(POLLIN);
  w.emulator.settle();
  t.is(thread.result, 1);
  w.emulator.exit(thread);
  t.true(socket.wasReleased);
});
