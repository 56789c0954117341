import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { seconds } from '../../src/lib/clock.ts';
import { FakeSocket } from './fake-socket.ts';
import { BASE, END, READ_ONLY, world } from './world.ts';

const { Errno } = abi;
const A = BASE;
const B = BASE + 0x1000;
const in4 = abi.sockaddrIn.encode({ family: abi.AF_INET, port: 80, addr: 0x01020304, zero: new Uint8Array(8) });
const int = (x: number): Uint8Array => Uint8Array.of(x, x >> 8, x >> 16, x >> 24);

const counted = (what: string, errno: string) => ({
  call: 'socket',
  what,
  errno,
  onLinuxToo: false,
  count: 1,
  first: undefined,
});
test('socket: order of checks', (t) => {
  const w = world();
  const socket = (domain: number, type: number): number | undefined => w.call('socket', domain, type, 0);
  t.is(socket(99, abi.SOCK_STREAM | 0x100), -Errno.EINVAL, 'flags before family');
  t.is(socket(99, 12), -Errno.EAFNOSUPPORT, 'family before type');
  t.is(socket(-1, abi.SOCK_STREAM), -Errno.EAFNOSUPPORT);
  t.is(socket(abi.AF_INET, abi.SOCK_MAX), -Errno.EINVAL);
  w.made.push(-Errno.EAFNOSUPPORT, -Errno.EPERM);
  t.is(socket(abi.AF_VSOCK, abi.SOCK_STREAM), -Errno.EAFNOSUPPORT);
  t.is(w.call('socket', abi.AF_INET, abi.SOCK_RAW, abi.IPPROTO_ICMP), -Errno.EPERM);
  t.deepEqual(w.emulator.dispatcher.refusals(), [
    counted('AF_VSOCK SOCK_STREAM 0', 'EAFNOSUPPORT'),
    counted('AF_INET SOCK_RAW IPPROTO_ICMP', 'EPERM'),
  ]);
  t.is(socket(abi.AF_INET, abi.SOCK_STREAM | abi.SOCK_CLOEXEC), 0);
  t.is(w.task.files.closeOnExec(0), true);
});

test('socket: EMFILE closes what was made', (t) => {
  const w = world();
  w.task.files.limit = 1;
  w.fd(new FakeSocket());
  const made = new FakeSocket();
  w.made.push(made);
  t.is(w.call('socket', abi.AF_INET, abi.SOCK_STREAM, 0), -Errno.EMFILE);
  t.true(made.wasReleased);
});

test('socketpair: the errors in the order of the kernel', (t) => {
  const w = world();
  const pair = (domain: number, type: number, at: number): number | undefined =>
    w.call('socketpair', domain, type, 0, at);
  t.is(pair(abi.AF_INET, 0x100, A), -Errno.EINVAL);
  t.is(pair(abi.AF_INET, abi.SOCK_STREAM, 0), -Errno.EFAULT);
  t.is(pair(abi.AF_INET, abi.SOCK_STREAM, READ_ONLY), -Errno.EFAULT);
  const made = new FakeSocket();
  w.made.push(made);
  t.is(pair(abi.AF_INET, abi.SOCK_STREAM, A), -Errno.EOPNOTSUPP);
  t.true(made.wasReleased);
  t.deepEqual([w.int(A), w.int(A + 4)], [0, 1], 'the numbers come before the sockets');
  w.made.push(-Errno.EAFNOSUPPORT);
  t.is(pair(abi.AF_UNIX, abi.SOCK_STREAM, A), -Errno.EAFNOSUPPORT);
  w.task.files.limit = 0;
  t.is(pair(abi.AF_INET, abi.SOCK_STREAM, 0), -Errno.EMFILE);
});

test('bind: descriptor, then address', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const epoll = w.call('epoll_create1', 0) as number;
  w.put(A, in4);
  let name: Uint8Array | undefined;
  socket.onBind.says((given) => {
    name = given;
    return 0;
  });
  t.is(w.call('bind', 99, 0, 16), -Errno.EBADF);
  t.is(w.call('bind', epoll, 0, 16), -Errno.ENOTSOCK);
  t.is(w.call('bind', fd, A, -1), -Errno.EINVAL);
  t.is(w.call('bind', fd, A, 129), -Errno.EINVAL);
  t.is(w.call('bind', fd, 0, 16), -Errno.EFAULT);
  t.is(w.call('bind', fd, END - 8, 16), -Errno.EFAULT);
  t.is(w.call('bind', fd, A, 16), 0);
  t.deepEqual(name, in4);
  t.is(w.call('bind', fd, 0, 0), 0);
  t.is(name?.length, 0);
});

test('connect: the address is read before the descriptor is found to be no socket', (t) => {
  const w = world();
  const epoll = w.call('epoll_create1', 0) as number;
  t.is(w.call('connect', 99, 0, 16), -Errno.EBADF);
  t.is(w.call('connect', epoll, 8, 16), -Errno.EFAULT);
  t.is(w.call('connect', epoll, A, -1), -Errno.EINVAL);
  t.is(w.call('connect', epoll, A, 16), -Errno.ENOTSOCK);
});

test('connect blocks until the outcome', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onConnect.says(-Errno.EINPROGRESS);
  socket.onConnectResult.says(-Errno.EINPROGRESS, -Errno.EINPROGRESS, -Errno.ECONNREFUSED);
  t.is(w.call('connect', fd, A, 16), undefined);
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, undefined);
  socket.rise(abi.POLLERR);
  w.emulator.settle();
  t.is(w.task.result, -Errno.ECONNREFUSED);
});

test('connect: non-blocking, and with SO_SNDTIMEO', (t) => {
  const w = world();
  const socket = new FakeSocket(abi.AF_INET, abi.SOCK_STREAM, abi.O_NONBLOCK);
  const slow = new FakeSocket();
  const fd = w.fd(socket);
  const fd2 = w.fd(slow);
  socket.onConnect.says(-Errno.EINPROGRESS, -Errno.EALREADY, -Errno.EISCONN);
  t.is(w.call('connect', fd, A, 16), -Errno.EINPROGRESS);
  t.is(w.call('connect', fd, A, 16), -Errno.EALREADY);
  t.is(w.call('connect', fd, A, 16), -Errno.EISCONN);
  slow.sendTimeoutUs = 2e6;
  slow.onConnect.says(-Errno.EINPROGRESS, -Errno.EALREADY);
  slow.onConnectResult.says(-Errno.EINPROGRESS);
  w.call('connect', fd2, A, 16);
  w.emulator.advance(seconds(2));
  t.is(w.task.result, -Errno.EINPROGRESS);
  w.call('connect', fd2, A, 16);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, -Errno.EINTR, 'a limit makes signals EINTR');
  w.call('connect', fd2, A, 16);
  w.emulator.advance(seconds(2));
  t.is(w.task.result, -Errno.EALREADY, 'who came second');
});

test('a blocking connect on a socket that connects already waits for it', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onConnect.says(-Errno.EALREADY);
  socket.onConnectResult.says(-Errno.EINPROGRESS, 0);
  t.is(w.call('connect', fd, A, 16), undefined);
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, 0);
});

test('listen and shutdown', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onListen.says((backlog) => backlog);
  socket.onShutdown.says((how) => how);
  t.is(w.call('listen', fd, -1), -1);
  t.is(w.call('listen', 99, 1), -Errno.EBADF);
  t.is(w.call('shutdown', fd, 2), 2);
  t.is(w.call('shutdown', fd, 3), -Errno.EINVAL);
  t.is(w.call('shutdown', fd, -1), -Errno.EINVAL);
  t.is(w.call('shutdown', 99, 9), -Errno.EBADF);
});

test('getsockname, getpeername: cut to the room there is, the full length told', (t) => {
  const w = world();
  const socket = new FakeSocket();
  socket.name = in4;
  const fd = w.fd(socket);
  w.put(B, int(100));
  t.is(w.call('getsockname', fd, A, B), 0);
  t.is(w.int(B), 16);
  t.deepEqual(w.at(A, 17), Uint8Array.of(...in4, 0xee));
  w.put(A, new Uint8Array(16));
  w.put(B, int(4));
  t.is(w.call('getsockname', fd, A, B), 0);
  t.is(w.int(B), 16);
  t.deepEqual(w.at(A, 6), Uint8Array.of(...in4.subarray(0, 4), 0, 0));
  w.put(B, int(0));
  t.is(w.call('getsockname', fd, 0, B), 0);
  t.is(w.int(B), 16);
  w.put(B, int(-1));
  t.is(w.call('getsockname', fd, A, B), -Errno.EINVAL);
  t.is(w.int(B), -1);
  w.put(B, int(100));
  t.is(w.call('getsockname', fd, 8, B), -Errno.EFAULT);
  t.is(w.int(B), 16, 'the length is written first');
  t.is(w.call('getsockname', fd, A, 0), -Errno.EFAULT);
  t.is(w.call('getsockname', fd, A, READ_ONLY), -Errno.EFAULT);
  t.is(w.call('getpeername', fd, A, B), -Errno.ENOTCONN);
  t.is(w.call('getpeername', 99, A, B), -Errno.EBADF);
});

test('accept hands over the oldest connection, with its address', (t) => {
  const w = world();
  const listener = new FakeSocket();
  const [first, second] = [new FakeSocket(), new FakeSocket(abi.AF_INET, abi.SOCK_STREAM, abi.O_NONBLOCK)];
  first.peerName = in4;
  const fd = w.fd(listener);
  w.put(B, int(16));
  t.is(w.call('accept4', fd, A, B, abi.SOCK_CLOEXEC | abi.SOCK_NONBLOCK), undefined);
  listener.incoming(first);
  w.emulator.settle();
  t.is(w.task.result, fd + 1);
  t.is(w.task.files.get(fd + 1), first);
  t.is(w.task.files.closeOnExec(fd + 1), true);
  t.is(first.statusFlags, abi.O_RDWR | abi.O_NONBLOCK);
  t.deepEqual(w.at(A, 16), in4);
  t.deepEqual(listener.log, ['accept commit 1']);
  t.is(first.references, 1);
  listener.incoming(second);
  t.is(w.call('accept', fd, 0, 0), fd + 2);
  t.is(second.statusFlags, abi.O_RDWR, 'O_NONBLOCK is not inherited');
});

test('accept: order of checks', (t) => {
  const w = world();
  const listener = new FakeSocket();
  const fd = w.fd(listener);
  const epoll = w.call('epoll_create1', 0) as number;
  t.is(w.call('accept4', 99, 0, 0, 1), -Errno.EBADF);
  t.is(w.call('accept4', epoll, 0, 0, 1), -Errno.EINVAL);
  t.is(w.call('accept', epoll, 0, 0), -Errno.ENOTSOCK);
  listener.acceptError = -Errno.EINVAL;
  t.is(w.call('accept', fd, 0, 0), -Errno.EINVAL);
  w.task.files.limit = 2;
  t.is(w.call('accept', fd, 0, 0), -Errno.EMFILE);
});

test('accept: an address that cannot be written loses the connection', (t) => {
  const w = world();
  const listener = new FakeSocket();
  const connection = new FakeSocket();
  connection.peerName = in4;
  const fd = w.fd(listener);
  listener.incoming(connection);
  w.put(B, int(16));
  t.is(w.call('accept', fd, 8, B), -Errno.EFAULT);
  t.true(connection.wasReleased);
  const gone = new FakeSocket();
  listener.incoming(gone);
  t.is(w.call('accept', fd, A, B), -Errno.ECONNABORTED);
  t.true(gone.wasReleased);
  const kept = new FakeSocket();
  listener.incoming(kept);
  w.task.refuse = true;
  w.call('accept', fd, 8, B);
  t.false(kept.wasReleased);
  t.is(listener.log.at(-1), 'accept rollback 1');
});

test('accept: a connection that the guest does not take stays in the queue', (t) => {
  const w = world();
  const listener = new FakeSocket();
  const connection = new FakeSocket();
  const fd = w.fd(listener);
  listener.incoming(connection);
  w.task.refuse = true;
  w.call('accept', fd, 0, 0);
  t.deepEqual(listener.log, ['accept rollback 1']);
  t.false(connection.wasReleased);
  t.is(w.call('accept', fd, 0, 0), fd + 1);
});

test('accept: non-blocking, and SO_RCVTIMEO', (t) => {
  const w = world();
  const listener = new FakeSocket();
  const fd = w.fd(listener);
  listener.receiveTimeoutUs = 1e6;
  w.call('accept', fd, 0, 0);
  w.emulator.advance(seconds(1));
  t.is(w.task.result, -Errno.EAGAIN);
  listener.statusFlags |= abi.O_NONBLOCK;
  t.is(w.call('accept', fd, 0, 0), -Errno.EAGAIN);
});
