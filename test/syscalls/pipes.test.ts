import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { millis } from '../../src/lib/clock.ts';
import { BASE, END, type World, world } from './world.ts';

const { Errno } = abi;
const A = BASE;
const B = BASE + 0x1000;
const NONBLOCK = abi.SPLICE_F_NONBLOCK;

function pipe(w: World, flags = 0): readonly [reader: number, writer: number] {
  w.call('pipe2', A, flags);
  return [w.int(A), w.int(A + 4)];
}
function write(w: World, fd: number, text: string): number | undefined {
  return w.call('write', fd, w.put(B, text), text.length);
}
function read(w: World, fd: number, len = 64): string {
  const got = w.call('read', fd, B, len) ?? -1;
  return got < 0 ? `${got}` : w.text(B, got);
}
function iov(w: World, ...pieces: readonly (readonly [number, number])[]): number {
  const bytes = new Uint8Array(16 * pieces.length);
  pieces.forEach(([base, len], i) => abi.iovec.put(bytes, 16 * i, { base, len }));
  return w.put(A + 0x100, bytes);
}

test('packet mode: a read takes one packet, and the rest of it goes', (t) => {
  const w = world();
  const [reader, writer] = pipe(w, abi.O_DIRECT);
  for (const text of ['one', 'two', 'three']) write(w, writer, text);
  t.is(read(w, reader, 2), 'on');
  t.is(read(w, reader), 'two');
  t.is(read(w, reader), 'three');
  t.is(w.call('fcntl', writer, abi.F_GETFL, 0), abi.O_WRONLY | abi.O_DIRECT);
  t.is(w.call('fcntl', reader, abi.F_GETFL, 0), abi.O_RDONLY);
});

test('F_SETPIPE_SZ wakes a writer by the room it makes', (t) => {
  const w = world();
  const [reader, writer] = pipe(w);
  t.is(w.call('fcntl', writer, abi.F_SETPIPE_SZ, 1), 4096);
  t.is(w.call('write', writer, B, 4096), 4096);
  const other = w.thread();
  t.is(w.emulator.call(other, 'write', writer, B, 10), undefined);
  t.is(w.call('fcntl', reader, abi.F_SETPIPE_SZ, 5000), 8192);
  w.emulator.settle();
  t.is(other.result, 10);
  t.is(w.call('fcntl', reader, abi.F_SETPIPE_SZ, 4096), -Errno.EBUSY);
  t.is(w.call('fcntl', reader, abi.F_SETPIPE_SZ, 0x9000_0000), -Errno.EINVAL);
  t.is(w.call('fcntl', reader, abi.F_GETPIPE_SZ, 0), 8192);
});

test('splice and tee between pipes', (t) => {
  const w = world();
  const [in1, out1] = pipe(w);
  const [in2, out2] = pipe(w);
  write(w, out1, 'abcdef');
  t.is(w.call('tee', in1, out2, 3, 0), 3);
  t.is(w.call('splice', in1, 0, out2, 0, 4, 0), 4);
  t.is(w.call('splice', in1, 0, out2, 0, 4, 0), 2);
  t.is(read(w, in2), 'abcabcdef');
  t.is(w.call('tee', in1, out2, 3, NONBLOCK), -Errno.EAGAIN);
  t.is(w.call('tee', in1, out1, 3, 0), -Errno.EINVAL);
  t.is(w.call('splice', in1, 0, out1, 0, 3, 0), -Errno.EINVAL);
  const other = w.thread();
  t.is(w.emulator.call(other, 'tee', in1, out2, 3, 0), undefined);
  write(w, out1, 'xyz');
  w.emulator.settle();
  t.is(other.result, 3);
  w.call('close', in2);
  t.is(w.call('splice', in1, 0, out2, 0, 4, 0), -Errno.EPIPE);
  t.is(w.task.sigpipes, 1);
  w.call('close', out1);
  t.is(read(w, in1), 'xyz');
  const [, out3] = pipe(w);
  t.is(w.call('splice', in1, 0, out3, 0, 4, 0), 0);
});

test('vmsplice both ways, with pieces, faults and waiting', (t) => {
  const w = world();
  const [reader, writer] = pipe(w);
  w.put(B, 'abcdef');
  t.is(w.call('vmsplice', writer, iov(w, [B, 3], [B + 3, 3]), 2, 0), 6);
  t.is(w.call('vmsplice', reader, iov(w, [B + 100, 2], [B + 200, 2]), 2, 0), 4);
  t.is(w.text(B + 100, 2) + w.text(B + 200, 2), 'abcd');
  t.is(w.call('vmsplice', reader, iov(w, [END, 2]), 1, 0), -Errno.EFAULT);
  t.is(read(w, reader), 'ef');
  t.is(w.call('vmsplice', writer, iov(w, [END, 2]), 1, 0), -Errno.EFAULT);
  w.put(END - 4, 'tail');
  t.is(w.call('vmsplice', writer, iov(w, [END - 4, 4], [END, 2]), 2, 0), 4);
  t.is(read(w, reader), 'tail');
  t.is(w.call('vmsplice', reader, iov(w, [B, 2]), 1, NONBLOCK), -Errno.EAGAIN);
  const other = w.thread();
  t.is(w.emulator.call(other, 'vmsplice', reader, iov(w, [B + 300, 9]), 1, 0), undefined);
  write(w, writer, 'late');
  w.emulator.settle();
  t.is(other.result, 4);
  w.call('close', writer);
  t.is(w.call('vmsplice', reader, iov(w, [B, 2]), 1, 0), 0);
});

test('between anonymous files and pipes, at positions and offsets', (t) => {
  const w = world();
  const made = (name: string): number => w.call('memfd_create', w.put(A, `${name}\0`), 0) as number;
  const [file, copy] = [made('one'), made('two')];
  write(w, file, '0123456789');
  const [reader, writer] = pipe(w, abi.O_NONBLOCK);
  const offset = (value: number): number => {
    const bytes = new Uint8Array(8);
    abi.u64.put(bytes, 0, value);
    return w.put(A + 0x80, bytes);
  };
  t.is(w.call('splice', file, offset(2), writer, 0, 3, 0), 3);
  t.is(w.int(A + 0x80), 5);
  t.is(read(w, reader), '234');
  t.is(w.call('sendfile', writer, file, offset(8), 9), 2);
  t.is(w.call('splice', reader, 0, copy, offset(1), 9, 0), 2);
  t.is(w.call('sendfile', copy, file, offset(0), 1), 1);
  w.call('lseek', copy, 0, 0);
  t.is(read(w, copy), '089');
  t.is(w.call('sendfile', copy, reader, 0, 1), -Errno.EINVAL);
  t.is(w.call('splice', file, offset(2 ** 40), copy, 0, 1, 0), -Errno.EINVAL);
  t.is(w.call('splice', file, 0, writer, 0, 1, 0), 0, 'the end of the file');
});

test('O_ASYNC tells the owner, and nobody once it is cleared', (t) => {
  const w = world();
  const [reader, writer] = pipe(w);
  const told: (readonly [number, number])[] = [];
  w.emulator.onSignal = (task, signal) => told.push([task.tid, signal]);
  const { tid } = w.task;
  t.is(w.call('fcntl', reader, abi.F_SETOWN_EX, w.put(A, Uint8Array.of(0, 0, 0, 0, tid, 0, 0, 0))), 0);
  write(w, writer, 'x');
  t.deepEqual(told, []);
  t.is(w.call('fcntl', reader, abi.F_SETFL, abi.O_ASYNC), 0);
  write(w, writer, 'y');
  t.is(w.call('fcntl', reader, abi.F_SETSIG, 40), 0);
  write(w, writer, 'z');
  t.is(w.call('fcntl', reader, abi.F_SETOWN, 0), 0);
  write(w, writer, 'nobody');
  t.deepEqual(told, [
    [tid, abi.SIGIO],
    [tid, 40],
  ]);
  t.is(w.task.received.get(40), 1);
});

test('an epoll wait whose thread ends leaves the event to the next', (t) => {
  const w = world();
  const epoll = w.call('epoll_create1', 0) as number;
  const [reader, writer] = pipe(w);
  const event = new Uint8Array(12);
  event[0] = abi.EPOLLIN;
  w.call('epoll_ctl', epoll, abi.EPOLL_CTL_ADD, reader, w.put(A, event));
  const [first, second] = [w.thread(), w.thread()];
  t.is(w.emulator.call(first, 'epoll_wait', epoll, B, 1, 1000), undefined);
  t.is(w.emulator.call(second, 'epoll_wait', epoll, B + 64, 1, 1000), undefined);
  w.emulator.exit(second);
  write(w, writer, 'x');
  t.is(first.result, 1);
  t.is(w.emulator.call(first, 'epoll_wait', epoll, B, 1, 0), 1, 'it is there as long as it holds');
  w.emulator.advance(millis(1));
});
