import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { FakeSocket } from './fake-socket.ts';
import { BASE, END, READ_ONLY, world } from './world.ts';

const { Errno, SOL_SOCKET, SOL_TCP, SOL_IP } = abi;
const A = BASE;
const B = BASE + 0x1000;
const int = (x: number): Uint8Array => Uint8Array.of(x, x >> 8, x >> 16, x >> 24);

test('setsockopt hands over what could be read', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  let value: Uint8Array | undefined;
  socket.onSetOption.says((_level, _option, given) => {
    value = given.slice();
    return 0;
  });
  const set = (level: number, at: number, len: number): number | undefined =>
    w.call('setsockopt', fd, level, 2, at, len);
  t.is(set(SOL_SOCKET, w.put(A, int(7)), 4), 0);
  t.deepEqual(value, int(7));
  t.is(set(SOL_SOCKET, A, -1), -Errno.EINVAL);
  t.is(set(SOL_SOCKET, 0, 4), -Errno.EFAULT);
  t.is(set(SOL_SOCKET, 0, 0), -Errno.EINVAL);
  t.is(set(SOL_SOCKET, 0, 3), -Errno.EINVAL, 'the length before the pointer');
  t.is(set(SOL_IP, 0, 0), 0);
  t.is(value?.length, 0);
  t.is(set(SOL_SOCKET, END - 6, 0x7fffffff), 0, 'a length beyond the mapping: the int is there');
  t.is(value?.length, 6);
  t.is(set(SOL_SOCKET, END - 3, 4), -Errno.EFAULT);
  t.is(w.call('setsockopt', 99, 0, 0, 0, -1), -Errno.EBADF);
});

test('values of ordinary options pass through one buffer, longer ones are cut', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const given: Uint8Array[] = [];
  socket.onSetOption.says((_level, _option, value) => {
    given.push(value);
    return 0;
  });
  w.put(A, new Uint8Array(0x1000).fill(7));
  for (const len of [4, 4, 8, 0x1000]) w.call('setsockopt', fd, SOL_SOCKET, 2, A, len);
  t.is(given[0], given[1]);
  t.is(given[0]?.buffer, given[2]?.buffer);
  t.is(given[3]?.length, 512);
  w.call('setsockopt', fd, SOL_IP, abi.MCAST_MSFILTER, A, 0x1000);
  t.is(given[4]?.length, 0x1000);
  socket.onGetOption.says((_level, _option, out) => {
    given.push(out.slice());
    return out.length;
  });
  w.put(B, int(8));
  t.is(w.call('getsockopt', fd, SOL_SOCKET, 2, A, B), 0);
  t.deepEqual(given[5], new Uint8Array(8), 'nothing of what was set before');
});

test('setsockopt: an option that is not known comes before a bad pointer, except where the kernel reads first', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onSetOption.says(-Errno.ENOPROTOOPT);
  t.is(w.call('setsockopt', fd, 77, 1, 0, 4), -Errno.ENOPROTOOPT);
  t.is(w.call('setsockopt', fd, SOL_IP, 9999, 0, 4), -Errno.ENOPROTOOPT);
  t.is(w.call('setsockopt', fd, SOL_TCP, 9999, 0, 4), -Errno.EFAULT);
  t.is(w.call('setsockopt', fd, abi.SOL_IPV6, 9999, 0, 4), -Errno.EFAULT);
  t.is(w.call('setsockopt', fd, abi.SOL_IPV6, 9999, 0, 3), -Errno.ENOPROTOOPT);
  t.is(w.call('setsockopt', fd, SOL_SOCKET, 9999, 0, 4), -Errno.EFAULT);
});

test('what a socket does not have is counted by name', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onSetOption.says(-Errno.ENOPROTOOPT, -Errno.ENOPROTOOPT, -Errno.EINVAL);
  socket.onGetOption.says(-Errno.EOPNOTSUPP);
  w.call('setsockopt', fd, SOL_TCP, abi.TCP_MD5SIG, A, 4);
  w.call('setsockopt', fd, 77, 3, A, 4);
  w.call('setsockopt', fd, SOL_TCP, abi.TCP_NODELAY, A, 4);
  w.put(B, int(4));
  w.call('getsockopt', fd, abi.SOL_IPV6, abi.IPV6_MTU, A, B);
  t.deepEqual(
    w.emulator.dispatcher.refusals().map((u) => `${u.call} ${u.what} ${u.errno}`),
    [
      'setsockopt SOL_TCP/TCP_MD5SIG ENOPROTOOPT',
      'setsockopt 0x4d/0x3 ENOPROTOOPT',
      'getsockopt SOL_IPV6/IPV6_MTU EOPNOTSUPP',
    ],
  );
});

test('what is refused as on Linux is told apart, and so is a wall that no right opens', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  socket.onSetOption.says(-Errno.EPERM, -Errno.EPERM, -Errno.ENOPROTOOPT, -Errno.ENOENT, -Errno.ENOENT);
  w.call('setsockopt', fd, SOL_TCP, abi.TCP_REPAIR, A, 4);
  w.call('setsockopt', fd, SOL_SOCKET, abi.SO_MARK, A, 4);
  w.call('setsockopt', fd, SOL_TCP, 9999, A, 4);
  w.put(A, 'bbr\0');
  w.call('setsockopt', fd, SOL_TCP, abi.TCP_CONGESTION, A, 4);
  w.put(A, '\x1b[m\0');
  w.call('setsockopt', fd, SOL_TCP, abi.TCP_ULP, A, 4);
  t.deepEqual(
    w.emulator.dispatcher.refusals().map((u) => `${u.what} ${u.errno} ${u.onLinuxToo}`),
    [
      'SOL_TCP/TCP_REPAIR EPERM false',
      'SOL_TCP/TCP_CONGESTION bbr ENOENT false',
      'SOL_TCP/0x270f ENOPROTOOPT true',
      'SOL_TCP/TCP_ULP ?[m ENOENT true',
    ],
  );
});

test('getsockopt: room, value, length', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  let room = -1;
  socket.onGetOption.says((_level, _option, out) => {
    room = out.length;
    const len = Math.min(out.length, 4);
    out.set(int(5).subarray(0, len));
    return len;
  });
  const get = (level: number, at: number, lengthAt: number): number | undefined =>
    w.call('getsockopt', fd, level, 3, at, lengthAt);
  t.is(get(SOL_SOCKET, A, w.put(B, int(100))), 0);
  t.is(room, 100);
  t.is(w.int(A), 5);
  t.is(w.int(B), 4);
  t.is(get(SOL_SOCKET, A, w.put(B, int(1))), 0);
  t.is(w.int(B), 1);
  t.is(get(SOL_SOCKET, 0, w.put(B, int(0))), 0);
  t.is(get(SOL_SOCKET, A, w.put(B, int(0x7fffffff))), 0);
  t.is(room, 512);
  t.is(get(SOL_SOCKET, A, w.put(B, int(-1))), -Errno.EINVAL);
  t.is(get(SOL_SOCKET, A, 0), -Errno.EFAULT);
  t.is(get(SOL_SOCKET, READ_ONLY, w.put(B, int(100))), -Errno.EFAULT);
  t.is(w.int(B), 100, 'value before length');
  t.is(get(SOL_TCP, READ_ONLY, w.put(B, int(100))), -Errno.EFAULT);
  t.is(w.int(B), 4, 'length before value');
  t.is(w.call('getsockopt', 99, 0, 0, 0, 0), -Errno.EBADF);
  socket.onGetOption.says(-Errno.EOPNOTSUPP);
  t.is(w.call('getsockopt', fd, 77, 0, A, 0), -Errno.EFAULT);
  t.is(w.call('getsockopt', fd, 77, 0, A, 0), -Errno.EOPNOTSUPP);
});

test('ioctl', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const epoll = w.call('epoll_create1', 0) as number;
  w.put(A, int(1));
  t.is(w.call('ioctl', fd, abi.FIONBIO, A), 0);
  t.is(socket.statusFlags, abi.O_RDWR | abi.O_NONBLOCK);
  w.put(A, int(0));
  t.is(w.call('ioctl', fd, abi.FIONBIO, A), 0);
  t.is(socket.statusFlags, abi.O_RDWR);
  t.is(w.call('ioctl', fd, abi.FIONBIO, 0), -Errno.EFAULT);
  t.is(w.call('ioctl', fd, abi.FIOCLEX, 0), 0);
  t.is(w.task.files.closeOnExec(fd), true);
  t.is(w.call('ioctl', fd, abi.FIONCLEX, 0), 0);
  t.is(w.task.files.closeOnExec(fd), false);
  socket.onIoctl.says(42, 42, -Errno.EINVAL, -Errno.ENOTTY);
  t.is(w.call('ioctl', fd, abi.FIONREAD, A), 0);
  t.is(w.int(A), 42);
  t.is(w.call('ioctl', fd, abi.FIONREAD, 0), -Errno.EFAULT);
  t.is(w.call('ioctl', fd, abi.FIONREAD, A), -Errno.EINVAL);
  t.is(w.call('ioctl', fd, abi.SIOCGIFCONF, A), -Errno.ENOTTY);
  t.is(w.call('ioctl', fd, abi.TCGETS, A), -Errno.ENOTTY);
  t.is(w.call('ioctl', fd, abi.FIOASYNC, A), 0);
  t.is(socket.statusFlags, abi.O_RDWR | abi.O_ASYNC);
  t.is(w.call('ioctl', epoll, abi.FIOASYNC, A), -Errno.ENOTTY);
  t.is(w.call('ioctl', epoll, abi.TCGETS, A), -Errno.EINVAL);
  t.is(w.call('ioctl', 99, abi.FIONBIO, A), -Errno.EBADF);
  t.deepEqual(
    w.emulator.dispatcher.refusals().map((u) => u.what),
    ['SIOCGIFCONF'],
  );
});
