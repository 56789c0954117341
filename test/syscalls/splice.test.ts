import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import type { Message } from '../../src/socket/message.ts';
import { MemoryFile, makePipe } from '../../src/socket/pipe.ts';
import { FakeSocket } from './fake-socket.ts';
import { BASE, type World, world } from './world.ts';

const { Errno } = abi;
const AGAIN = -Errno.EAGAIN;
const A = BASE;
const B = BASE + 0x1000;

/** Takes at most `limit` octets and keeps them. */
function takes(limit: number, log: string[]): (message: Message) => number {
  return (message) => {
    const bytes = new Uint8Array(Math.min(limit, message.iov.remaining));
    message.iov.copyIn(bytes, 0, bytes.length);
    log.push(Buffer.from(bytes).toString());
    return bytes.length;
  };
}
interface Ends {
  readonly reader: number;
  readonly writer: number;
}
function pipe(w: World): Ends {
  const { reader, writer } = makePipe(0);
  return { reader: w.fd(reader), writer: w.fd(writer) };
}
function file(w: World, content: string): { readonly fd: number; readonly memory: MemoryFile } {
  const memory = new MemoryFile();
  memory.writeAt(0, Buffer.from(content), 0, content.length);
  return { fd: w.fd(memory), memory };
}

test('sendfile that is not taken leaves the position and sends nothing', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const log: string[] = [];
  socket.onSend.says(takes(100, log));
  const fd = w.fd(socket);
  const { fd: from, memory } = file(w, 'content');
  w.task.refuse = true;
  t.is(w.call('sendfile', fd, from, 0, 4), undefined);
  t.is(memory.position(), 0);
  t.is(socket.log.at(-1), 'rollback 4');
  t.is(w.call('sendfile', fd, from, 0, 100), 7);
  t.is(memory.position(), 7);
  t.is(socket.log.at(-1), 'commit 7');
  t.deepEqual(log, ['cont', 'content']);
});

test('sendfile that waits has its position and the guest’s offset right when a signal ends it', (t) => {
  const w = world();
  const socket = new FakeSocket();
  socket.onSend.says(takes(3, []), AGAIN, takes(2, []), AGAIN);
  const fd = w.fd(socket);
  const { fd: from, memory } = file(w, 'content');
  w.put(A, new Uint8Array(8));
  t.is(w.call('sendfile', fd, from, A, 100), undefined);
  t.is(w.int(A), 3);
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.int(A), 5);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, 5);
  t.is(memory.position(), 0, 'the offset was the guest’s');
});

test('an offset that cannot be written back is EFAULT, and what was sent is sent', (t) => {
  const w = world();
  const socket = new FakeSocket();
  socket.onSend.says(takes(100, []));
  const fd = w.fd(socket);
  const { fd: from } = file(w, 'content');
  t.is(w.call('sendfile', fd, from, 0x80000, 100), -Errno.EFAULT);
  t.is(socket.log.at(-1), 'commit 7');
});

test('what left a pipe is told when the call is made again, and forgotten by any other call', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const log: string[] = [];
  socket.onSend.says(takes(4, log), AGAIN);
  const fd = w.fd(socket);
  const { reader, writer } = pipe(w);
  w.call('write', writer, w.put(A, 'abcdefgh'), 4);
  w.task.refuse = true;
  t.is(w.call('splice', reader, 0, fd, 0, 4, 0), undefined);
  t.is(w.call('splice', reader, 0, fd, 0, 4, 0), 4, 'no octet moves a second time');
  t.deepEqual(log, ['abcd']);
  w.task.refuse = true;
  w.call('write', writer, A + 4, 4);
  t.is(w.call('read', reader, B, 100), 4, 'the write was done, though its answer was lost');
  t.is(w.text(B, 4), 'efgh');
});

test('a splice to a socket takes from the pipe what the socket took', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const log: string[] = [];
  socket.onSend.says(takes(3, log), takes(2, log), AGAIN);
  const fd = w.fd(socket);
  const { reader, writer } = pipe(w);
  w.call('write', writer, w.put(A, 'abcdefgh'), 8);
  t.is(w.call('splice', reader, 0, fd, 0, 100, 0), undefined);
  t.deepEqual(log, ['abc', 'de']);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, 5);
  t.is(w.call('read', reader, B, 100), 3);
  t.is(w.text(B, 3), 'fgh');
});

test('pipes: atomic small writes, partial large ones, the ends of both sides', (t) => {
  const w = world();
  const { reader, writer } = pipe(w);
  const other = w.thread();
  for (let i = 0; i < 16; i++) t.is(w.call('write', writer, A, 4096), 4096);
  t.is(w.emulator.call(other, 'write', writer, A, 10), undefined);
  t.is(w.call('read', reader, B, 4), 4);
  w.emulator.settle();
  t.is(other.result, undefined, 'a pipe is full until a page of it is free');
  t.is(w.call('read', reader, B, 4092), 4092);
  w.emulator.settle();
  t.is(other.result, 10);
  t.is(w.call('write', reader, A, 1), -Errno.EBADF);
  t.is(w.call('read', writer, A, 1), -Errno.EBADF);
  t.is(w.emulator.call(other, 'write', writer, A, 4096), undefined);
  w.call('close', reader);
  w.emulator.settle();
  t.is(other.result, -Errno.EPIPE);
  t.is(other.sigpipes, 1);
  const next = pipe(w);
  t.is(w.emulator.call(other, 'read', next.reader, A, 1), undefined);
  w.call('close', next.writer);
  w.emulator.settle();
  t.is(other.result, 0);
});

test('pipe2 and memfd_create: flags, descriptors, memory', (t) => {
  const w = world();
  t.is(w.call('pipe2', A, 0x100), -Errno.EINVAL);
  t.is(w.call('pipe2', A, abi.O_CLOEXEC | abi.O_NONBLOCK), 0);
  t.is(w.call('fcntl', w.int(A), abi.F_GETFD, 0), 1);
  t.is(w.call('fcntl', w.int(A + 4), abi.F_GETFL, 0), abi.O_WRONLY | abi.O_NONBLOCK);
  t.is(w.call('read', w.int(A), B, 1), AGAIN);
  t.is(w.call('pipe', 0x80000), -Errno.EFAULT);
  const used = [...w.task.files].length;
  t.is(used, 2, 'nothing is left of a pipe whose numbers could not be told');
  w.put(A, 'name\0');
  t.is(w.call('memfd_create', A, 2), -Errno.EINVAL);
  t.is(w.call('memfd_create', 8, 0), -Errno.EFAULT);
  t.is(w.call('memfd_create', w.put(B, 'x'.repeat(300)), 0), -Errno.EINVAL);
  const fd = w.call('memfd_create', A, 0) as number;
  t.is(w.call('write', fd, A, 4), 4);
  t.is(w.call('lseek', fd, -2, 2), 2);
  t.is(w.call('read', fd, B, 10), 2);
  t.is(w.text(B, 2), 'me');
  t.is(w.call('lseek', fd, -1, 0), -Errno.EINVAL);
  t.is(w.call('lseek', fd, 16 << 20, 0), 16 << 20);
  t.is(w.call('write', fd, A, 1), -Errno.EFBIG);
});
