import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { micros } from '../../src/lib/clock.ts';
import type { Message } from '../../src/socket/message.ts';
import { FakeSocket, gives, takes } from './fake-socket.ts';
import { BASE, END, READ_ONLY, type World, world } from './world.ts';

const { Errno, MSG_DONTWAIT } = abi;
const AGAIN = -Errno.EAGAIN;
const A = BASE;
const B = BASE + 0x1000;
const C = BASE + 0x2000;
const D = BASE + 0x3000;
const KERNEL = 0xffff_8000_0000_0000n;

const datagram = (): FakeSocket => new FakeSocket(abi.AF_INET, abi.SOCK_DGRAM);
/** Takes a whole datagram, one unit. */
function sends(log: string[]): (message: Message) => number {
  return (message) => {
    const bytes = new Uint8Array(message.iov.total);
    message.iov.copyIn(bytes, 0, bytes.length);
    log.push(Buffer.from(bytes).toString('latin1'));
    return bytes.length;
  };
}
type Header = Partial<abi.Msghdr>;
const putHeader = (w: World, at: number, header: Header): number =>
  w.put(
    at,
    abi.msghdr.encode({
      name: 0,
      namelen: 0,
      iov: 0,
      iovlen: 0,
      control: 0,
      controllen: 0,
      flags: 0xeeeeeeee,
      ...header,
    }),
  );
const putVector = (w: World, at: number, ...parts: [number, number][]): number => {
  for (const [i, [base, len]] of parts.entries()) w.put(at + i * 16, abi.iovec.encode({ base, len }));
  return at;
};

test('sendto: buffer bounds, descriptor, address', (t) => {
  const w = world();
  const socket = datagram();
  const log: string[] = [];
  socket.onSend.says(sends(log));
  const fd = w.fd(socket);
  const epoll = w.call('epoll_create1', 0) as number;
  t.is(w.call('sendto', 99, KERNEL, 10, 0, 0, 0), -Errno.EFAULT);
  t.is(w.call('sendto', 99, 0, 10, 0, 0, 0), -Errno.EBADF);
  t.is(w.call('sendto', epoll, A, 1, 0, 0, 0), -Errno.ENOTSOCK);
  t.is(w.call('sendto', fd, A, 1, 0, B, -1), -Errno.EINVAL);
  t.is(w.call('sendto', fd, A, 1, 0, 8, 16), -Errno.EFAULT);
  t.is(w.call('sendto', fd, w.put(A, 'hi'), 2, 0, w.put(B, 'address'), 7), 2);
  t.is(w.call('sendto', fd, A, 2, 0, 0, 55), 2, 'without an address its length says nothing');
  t.deepEqual(log, ['hi', 'hi']);
  t.is(socket.log.at(-1), 'commit 2');
});

test('the socket sees flags, name and control as the guest gave them', (t) => {
  const w = world();
  const socket = new FakeSocket(abi.AF_INET, abi.SOCK_DGRAM, abi.O_NONBLOCK);
  let seen: unknown;
  socket.onSend.says((m) => {
    seen = [m.flags, m.nameLength, Buffer.from(m.name.subarray(0, 4)).toString(), m.controlLength, m.control[0]];
    return 0;
  });
  const fd = w.fd(socket);
  w.put(A, 'name');
  w.put(B, Uint8Array.of(77));
  putHeader(w, C, { name: A, namelen: 4, control: B, controllen: 24 });
  t.is(w.call('sendmsg', fd, C, abi.MSG_MORE), 0);
  t.deepEqual(seen, [abi.MSG_MORE | MSG_DONTWAIT, 4, 'name', 24, 77]);
  putHeader(w, C, { name: A, namelen: 1000 });
  w.call('sendmsg', fd, C, 0);
  t.is((seen as number[])[1], 128, 'a longer name is cut, not refused');
  putHeader(w, C, { namelen: 1000 });
  w.call('sendmsg', fd, C, 0);
  t.is((seen as number[])[1], -1, 'no pointer, no name');
});

test('sendmsg: errors of the header', (t) => {
  const w = world();
  const socket = datagram();
  socket.onSend.says(0);
  const fd = w.fd(socket);
  const sendmsg = (header: Header, flags = 0): number | undefined =>
    w.call('sendmsg', fd, putHeader(w, C, header), flags);
  t.is(w.call('sendmsg', 99, 0, 0), -Errno.EBADF);
  t.is(w.call('sendmsg', fd, 0, 0), -Errno.EFAULT);
  t.is(w.call('sendmsg', 99, 0, abi.MSG_CMSG_COMPAT), -Errno.EINVAL);
  t.is(sendmsg({ name: A, namelen: -1 }), -Errno.EINVAL);
  t.is(sendmsg({ name: 8, namelen: 16 }), -Errno.EFAULT);
  t.is(sendmsg({ iov: A, iovlen: 1025 }), -Errno.EMSGSIZE);
  t.is(sendmsg({ iov: A, iovlen: 2 ** 60 }), -Errno.EMSGSIZE);
  t.is(sendmsg({ iov: 8, iovlen: 1 }), -Errno.EFAULT);
  t.is(sendmsg({ iov: 8, iovlen: 0 }), 0);
  t.is(sendmsg({ control: A, controllen: 131072 }), -Errno.ENOBUFS);
  t.is(sendmsg({ control: A, controllen: 2 ** 32 }), -Errno.ENOBUFS);
  t.is(sendmsg({ control: A, controllen: 2 ** 60 }), -Errno.ENOBUFS);
  t.is(sendmsg({ control: 0, controllen: 100 }), -Errno.EFAULT);
});

const raw = (base: bigint, len: bigint): Uint8Array => {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, base, true);
  view.setBigUint64(8, len, true);
  return bytes;
};

test('vectors: negative lengths, addresses outside user space, the sum', (t) => {
  const w = world();
  const socket = datagram();
  let total = -1;
  socket.onSend.says((m) => {
    total = m.iov.total;
    return 0;
  });
  const fd = w.fd(socket);
  const writev = (...parts: Uint8Array[]): number | undefined => {
    for (const [i, part] of parts.entries()) w.put(B + i * 16, part);
    return w.call('writev', fd, B, parts.length);
  };
  t.is(writev(raw(BigInt(A), 1n << 63n)), -Errno.EINVAL);
  t.is(writev(raw(KERNEL, 1n)), -Errno.EFAULT);
  t.is(writev(raw(KERNEL, 1n), raw(0n, 1n << 63n)), -Errno.EINVAL, 'lengths are looked at before addresses');
  t.is(writev(raw(BigInt(A), 0x7fff_ffff_ffff_ffffn)), 0, 'a single one is cut first');
  t.is(total, abi.MAX_RW_COUNT);
  t.is(writev(raw(BigInt(A), 1n << 46n), raw(BigInt(A), 5n)), 0);
  t.is(total, abi.MAX_RW_COUNT);
  t.is(writev(raw(BigInt(A), 0x7fff_ffff_ffff_ffffn), raw(0n, 0n)), -Errno.EFAULT, 'several are not');
  t.is(w.call('writev', fd, B, 1025), -Errno.EINVAL);
  t.is(w.call('writev', 99, B, 1025), -Errno.EBADF);
  t.is(w.call('writev', fd, B, 0), 0);
});

test('a send that is blocked reads the guest once', (t) => {
  const w = world();
  const socket = datagram();
  const log: string[] = [];
  socket.onSend.says(AGAIN, sends(log));
  const fd = w.fd(socket);
  w.put(A, 'first');
  putVector(w, B, [A, 5]);
  putHeader(w, C, { iov: B, iovlen: 1, name: D, namelen: 4 });
  w.put(D, 'name');
  t.is(w.call('sendmsg', fd, C, 0), undefined);
  putVector(w, B, [A, 1]);
  putHeader(w, C, { iov: 0, iovlen: 1025 });
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, 5);
  t.deepEqual(log, ['first'], 'a datagram begins anew, at its first octet');
  t.is(w.call('sendto', fd, A, 5, MSG_DONTWAIT, 0, 0), 5);
});

test('sendmmsg sends what it can', (t) => {
  const w = world();
  const socket = datagram();
  const log: string[] = [];
  const fd = w.fd(socket);
  w.put(A, 'onetwothree');
  putVector(w, B, [A, 3], [A + 3, 3], [A + 6, 5]);
  for (let i = 0; i < 3; i++) putHeader(w, C + i * 64, { iov: B + i * 16, iovlen: 1 });
  socket.onSend.says(sends(log));
  t.is(w.call('sendmmsg', fd, C, 3, 0), 3);
  t.deepEqual(log, ['one', 'two', 'three']);
  t.deepEqual([w.int(C + 56), w.int(C + 64 + 56), w.int(C + 128 + 56)], [3, 3, 5]);
  t.deepEqual(socket.log, ['eventsAfter 11', 'commit 11'], 'one commit for all');
  t.is(w.call('sendmmsg', fd, 0, 0, 0), 0);
  t.is(w.call('sendmmsg', fd, 0, 1, 0), -Errno.EFAULT);
  t.is(w.call('sendmmsg', 99, 0, 0, 0), -Errno.EBADF);
  t.is(w.call('sendmmsg', fd, C, 1, abi.MSG_CMSG_COMPAT), -Errno.EINVAL);
});

test('sendmmsg: an error counts only for the first message', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  putVector(w, B, [A, 3]);
  for (let i = 0; i < 2; i++) putHeader(w, C + i * 64, { iov: B, iovlen: 1 });
  w.put(C + 64 + 56, 'xxxx');
  socket.onSend.says(takes(3), -Errno.EMSGSIZE);
  t.is(w.call('sendmmsg', fd, C, 2, 0), 1);
  t.is(w.text(C + 64 + 56, 4), 'xxxx');
  t.is(w.call('sendmmsg', fd, C, 2, 0), -Errno.EMSGSIZE);
  const few = END - 64;
  putHeader(w, few, { iov: B, iovlen: 1 });
  socket.onSend.says(takes(3));
  t.is(w.call('sendmmsg', fd, few, 2, 0), -Errno.EMSGSIZE);
  t.is(w.call('sendmmsg', fd, few, 2, 0), 1, 'the second header is not mapped');
  w.memory.map(0x90000, new Uint8Array(4096), 1);
  t.is(w.call('sendmmsg', fd, READ_ONLY, 1, 0), -Errno.EFAULT, 'msg_len cannot be written');
});

test('sendmmsg waits in the middle, keeping what was sent', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  putVector(w, B, [A, 3]);
  for (let i = 0; i < 3; i++) putHeader(w, C + i * 64, { iov: B, iovlen: 1 });
  socket.onSend.says(takes(3), AGAIN, takes(3), AGAIN);
  t.is(w.call('sendmmsg', fd, C, 3, 0), undefined);
  t.is(socket.log.at(-1), 'commit 3');
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, undefined);
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, 2);
});

test('sendmmsg of a stream: a message partly sent is the last', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  putVector(w, B, [A, 8]);
  for (let i = 0; i < 2; i++) putHeader(w, C + i * 64, { iov: B, iovlen: 1 });
  socket.onSend.says(takes(8), takes(3), AGAIN);
  t.is(w.call('sendmmsg', fd, C, 2, MSG_DONTWAIT), 2);
  t.is(w.int(C + 64 + 56), 3);
  const blocking = new FakeSocket();
  const fd2 = w.fd(blocking);
  blocking.onSend.says(takes(3), AGAIN);
  t.is(w.call('sendmmsg', fd2, C, 2, 0), undefined);
  w.emulator.interrupt(w.task, false);
  t.is(w.task.result, 1);
  t.is(w.int(C + 56), 3);
});

/** Gives a datagram, with a name, flags and control data. */
const datagramWith =
  (text: string, name: string, outFlags: number, ...control: [number, number, number][]) =>
  (m: Message): number => {
    const bytes = Buffer.from(text);
    const moved = m.iov.copyOut(bytes, 0, bytes.length);
    m.name.set(Buffer.from(name));
    m.nameLength = name.length;
    const writer = new abi.CmsgWriter().begin(m.control, m.controlCapacity);
    for (const [level, type, value] of control) writer.putInt(level, type, value);
    m.controlLength = writer.length;
    m.outFlags = outFlags | writer.flags;
    return moved;
  };

test('recvfrom: data, then the address', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  socket.onReceive.says(datagramWith('hello', 'name', 0));
  w.put(B, Uint8Array.of(3, 0, 0, 0));
  t.is(w.call('recvfrom', fd, A, 10, 0, C, B), 5);
  t.is(w.text(A, 5), 'hello');
  t.is(w.text(C, 4), 'nam\xee');
  t.is(w.int(B), 4);
  t.is(w.call('recvfrom', fd, A, 10, 0, 8, B), -Errno.EFAULT);
  t.is(socket.log.at(-1), 'commit 5', 'it is gone nevertheless');
  t.is(w.call('recvfrom', fd, A, 10, 0, C, 0), -Errno.EFAULT);
  t.is(w.call('recvfrom', 99, KERNEL, 10, 0, 0, 0), -Errno.EFAULT);
  t.is(w.call('recvfrom', 99, 0, 10, 0, 0, 0), -Errno.EBADF);
  const stream = new FakeSocket();
  stream.onReceive.says(gives('x'));
  w.put(B, Uint8Array.of(9, 0, 0, 0));
  t.is(w.call('recvfrom', w.fd(stream), A, 10, 0, C, B), 1);
  t.is(w.int(B), 0, 'a stream has no address to give');
});

test('recvfrom of a datagram does not wait with MSG_DONTWAIT and MSG_ERRQUEUE', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN);
  for (const flags of [MSG_DONTWAIT, abi.MSG_ERRQUEUE]) {
    t.is(w.call('recvfrom', fd, A, 1, flags, 0, 0), AGAIN);
  }
});

test('recvmsg writes back name length, control length and flags', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  socket.onReceive.says(
    datagramWith('hello', 'name', abi.MSG_TRUNC, [abi.SOL_IP, abi.IP_TTL, 64], [abi.SOL_IP, abi.IP_TOS, 1]),
  );
  putVector(w, B, [A, 3], [A + 100, 10]);
  putHeader(w, C, { name: D, namelen: 100, iov: B, iovlen: 2, control: D + 512, controllen: 100 });
  t.is(w.call('recvmsg', fd, C, abi.MSG_CMSG_CLOEXEC), 5);
  t.is(w.text(A, 4) + w.text(A + 100, 3), 'hel\xeelo\xee');
  const header = abi.msghdr.decode(w.at(C, 56));
  t.deepEqual([header.namelen, header.controllen, header.flags], [4, 48, abi.MSG_TRUNC | abi.MSG_CMSG_CLOEXEC]);
  t.is(w.text(D, 5), 'name\xee');
  t.deepEqual(w.at(D + 512 + 16, 8), Uint8Array.of(64, 0, 0, 0, 0xee, 0xee, 0xee, 0xee), 'padding is left alone');
  t.is(w.int(D + 512 + 40), 1);
});

test('recvmsg: no name asked, no room for control, control that faults', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  socket.onReceive.says(datagramWith('x', 'name', 0, [abi.SOL_IP, abi.IP_TTL, 64]));
  putVector(w, B, [A, 3]);
  const recvmsg = (header: Header): [number | undefined, number, number, number] => {
    const result = w.call('recvmsg', fd, putHeader(w, C, { iov: B, iovlen: 1, ...header }), 0);
    const { namelen, controllen, flags } = abi.msghdr.decode(w.at(C, 56));
    return [result, namelen, controllen, flags];
  };
  t.deepEqual(recvmsg({ namelen: 77 }), [1, 77, 0, abi.MSG_CTRUNC]);
  t.deepEqual(recvmsg({ name: D, namelen: 0, controllen: 100 }), [1, 4, 0, abi.MSG_CTRUNC]);
  t.deepEqual(recvmsg({ control: 8, controllen: 100 }), [1, 0, 0, 0]);
  t.deepEqual(recvmsg({ name: D, namelen: 300, control: D, controllen: 2 ** 60 }), [1, 4, 24, 0]);
  t.deepEqual(recvmsg({ name: 8, namelen: 16 }).slice(0, 2), [-Errno.EFAULT, 4]);
  t.is(socket.log.at(-1), 'commit 1');
  t.deepEqual(recvmsg({ name: D, namelen: -1 })[0], -Errno.EINVAL);
  t.is(w.call('recvmsg', fd, READ_ONLY, 0), -Errno.EFAULT, 'flags cannot be written');
  t.is(w.call('recvmsg', fd, 0, 0), -Errno.EFAULT);
  t.is(w.call('recvmsg', fd, C, abi.MSG_CMSG_COMPAT), -Errno.EINVAL);
  t.is(w.call('recvmsg', 99, 0, 0), -Errno.EBADF);
});

test('recvmsg that is blocked reads its header once, but for the length of the name, which it reads when it writes that', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  socket.onReceive.says(AGAIN, datagramWith('abc', 'name', 0));
  putVector(w, B, [A, 3]);
  putHeader(w, C, { iov: B, iovlen: 1, name: D, namelen: 10 });
  w.call('recvmsg', fd, C, 0);
  putHeader(w, C, { iov: 0, iovlen: 99, name: 8, namelen: 1 });
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 3);
  t.is(w.text(A, 3), 'abc');
  t.is(w.text(D, 2), 'n\u00ee');
});

/** `count` mmsghdrs at C, each with a buffer of 8 octets. */
function batch(count: number, socket: FakeSocket): { readonly w: World; readonly fd: number } {
  const w = world();
  for (let i = 0; i < count; i++) {
    putVector(w, B + i * 16, [A + i * 8, 8]);
    w.put(
      C + i * 64,
      abi.mmsghdr.encode({
        hdr: { name: 0, namelen: 0, iov: B + i * 16, iovlen: 1, control: 0, controllen: 0, flags: 0 },
        len: 0xeeee,
      }),
    );
  }
  socket.onGetOption.says(4);
  return { w, fd: w.fd(socket) };
}
const length = (w: World, i: number): number => w.int(C + i * 64 + 56);

test('recvmmsg: as many as there are', (t) => {
  const socket = datagram();
  const { w, fd } = batch(3, socket);
  socket.onReceive.says(gives('one'), gives('three'), AGAIN);
  t.is(w.call('recvmmsg', fd, C, 3, MSG_DONTWAIT, 0), 2);
  t.deepEqual([length(w, 0), length(w, 1), length(w, 2)], [3, 5, 0xeeee]);
  t.is(socket.log.at(-1), 'commit 8');
  t.is(w.call('recvmmsg', fd, C, 3, MSG_DONTWAIT, 0), AGAIN);
  t.is(socket.pendingError, 0);
  t.is(w.call('recvmmsg', fd, C, 0, MSG_DONTWAIT, 0), 0);
  t.is(w.call('recvmmsg', fd, C, 1, abi.MSG_CMSG_COMPAT, 0), -Errno.EINVAL);
});

test('recvmmsg: later receives know what the earlier ones hold', (t) => {
  const socket = datagram();
  const { w, fd } = batch(3, socket);
  const taken: number[] = [];
  socket.onReceive.says((m, count) => {
    taken.push(count);
    return m.iov.copyOut(Uint8Array.of(1, 2), 0, 2);
  });
  t.is(w.call('recvmmsg', fd, C, 3, 0, 0), 3);
  t.deepEqual(taken, [0, 2, 4]);
  taken.length = 0;
  t.is(w.call('recvmmsg', fd, C, 3, abi.MSG_PEEK, 0), 3);
  t.deepEqual(taken, [0, 0, 0], 'MSG_PEEK finds the same one again');
});

test('recvmmsg: MSG_WAITFORONE waits for the first only', (t) => {
  const socket = datagram();
  const { w, fd } = batch(3, socket);
  socket.onReceive.says(AGAIN, gives('a'), gives('b'), AGAIN);
  t.is(w.call('recvmmsg', fd, C, 3, abi.MSG_WAITFORONE, 0), undefined);
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 2);
});

test('recvmmsg without it waits for all, and a signal gives what has come', (t) => {
  const socket = datagram();
  const { w, fd } = batch(3, socket);
  socket.onReceive.says(gives('a'), AGAIN);
  t.is(w.call('recvmmsg', fd, C, 3, 0, 0), undefined);
  t.is(socket.log.at(-1), 'commit 1');
  w.emulator.interrupt(w.task, true);
  t.is(w.task.result, 1);
});

test('recvmmsg: SO_RCVTIMEO is for each message', (t) => {
  const socket = datagram();
  socket.receiveTimeoutUs = 100;
  const { w, fd } = batch(3, socket);
  socket.onReceive.says(AGAIN, gives('a'), AGAIN);
  w.call('recvmmsg', fd, C, 3, 0, 0);
  w.emulator.advance(micros(90));
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  w.emulator.advance(micros(90));
  t.is(w.task.result, undefined);
  w.emulator.advance(micros(10));
  t.is(w.task.result, 1);
});

test('recvmmsg: its own timeout is looked at between messages, and the rest written back', (t) => {
  const socket = datagram();
  const { w, fd } = batch(3, socket);
  const timeout = (sec: number, nsec: number): number => w.put(D, abi.timespec.encode({ sec, nsec }));
  t.is(w.call('recvmmsg', 99, C, 3, 0, 8), -Errno.EFAULT);
  t.is(w.call('recvmmsg', 99, C, 3, 0, timeout(0, 1e9)), -Errno.EINVAL);
  t.is(w.call('recvmmsg', 99, C, 3, 0, timeout(-1, 0)), -Errno.EINVAL);
  t.is(w.call('recvmmsg', 99, C, 3, 0, timeout(0, 0)), -Errno.EBADF);
  socket.onReceive.says(AGAIN, gives('a'), AGAIN, gives('b'));
  t.is(w.call('recvmmsg', fd, C, 3, 0, timeout(0, 500_000)), undefined);
  w.emulator.advance(micros(200));
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  t.is(w.task.result, undefined, 'one is there, the time is not over');
  w.emulator.advance(micros(1000));
  t.is(w.task.result, undefined, 'it is over, but nobody looks');
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 2);
  t.deepEqual(abi.timespec.decode(w.at(D, 16)), { sec: 0, nsec: 0 });
  socket.onReceive.says(gives('c'), AGAIN);
  t.is(w.call('recvmmsg', fd, C, 2, MSG_DONTWAIT, timeout(5, 0)), 2);
  t.is(w.call('recvmmsg', fd, C, 2, MSG_DONTWAIT, timeout(5, 0)), AGAIN);
  t.deepEqual(abi.timespec.decode(w.at(D, 16)), { sec: 5, nsec: 0 });
  t.is(w.call('recvmmsg', fd, C, 1, MSG_DONTWAIT, 0), AGAIN);
});

test('recvmmsg: a pending error comes first, a later one is kept', (t) => {
  const socket = datagram();
  const { w, fd } = batch(3, socket);
  socket.onGetOption.says((_l, _o, out) => {
    out[0] = Errno.ECONNREFUSED;
    return 4;
  });
  socket.onReceive.says(gives('a'), -Errno.ECONNREFUSED);
  t.is(w.call('recvmmsg', fd, C, 3, abi.MSG_ERRQUEUE, 0), 1);
  t.is(socket.pendingError, Errno.ECONNREFUSED);
  t.is(w.call('recvmmsg', fd, C, 3, MSG_DONTWAIT, 0), -Errno.ECONNREFUSED);
  t.is(w.call('recvmmsg', fd, C, 3, MSG_DONTWAIT, 0), -Errno.ECONNREFUSED);
});

test('recvmmsg: a header that faults after the first message', (t) => {
  const socket = datagram();
  const { w, fd } = batch(1, socket);
  const few = END - 64;
  w.put(few, w.at(C, 64));
  socket.onReceive.says(gives('a'));
  t.is(w.call('recvmmsg', fd, few, 2, 0, 0), 1);
  t.is(socket.pendingError, Errno.EFAULT);
  t.is(w.call('recvmmsg', fd, 0, 1, 0, 0), -Errno.EFAULT);
});

test('an empty datagram is a message, and is consumed', (t) => {
  const w = world();
  const socket = datagram();
  const fd = w.fd(socket);
  socket.onReceive.says(() => 0);
  const receive = socket.receive.bind(socket);
  socket.receive = (m, taken) => {
    const result = receive(m, taken);
    socket.units = 1;
    return result;
  };
  t.is(w.call('recvfrom', fd, A, 10, 0, 0, 0), 0);
  t.is(socket.log.at(-1), 'commit 1');
});

test('read, write and their kin', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  const epoll = w.call('epoll_create1', 0) as number;
  socket.onReceive.says(gives('abcdef'));
  socket.onSend.says(takes(100));
  putVector(w, B, [A, 2], [A + 4, 9]);
  t.is(w.call('read', fd, 0, 0), 0, 'nothing asked for');
  t.is(w.call('read', fd, A, -1), -Errno.EFAULT);
  t.is(w.call('write', fd, A, -1), -Errno.EFAULT);
  t.is(w.call('read', fd, KERNEL, 1), -Errno.EFAULT);
  t.is(w.call('read', epoll, A, 1), -Errno.EINVAL);
  t.is(w.call('write', epoll, A, 1), -Errno.EINVAL);
  t.is(w.call('readv', epoll, B, 1), -Errno.EINVAL);
  t.is(w.call('read', 99, A, 1), -Errno.EBADF);
  t.is(w.call('write', 99, A, 1), -Errno.EBADF);
  t.is(w.call('readv', fd, B, 2), 6);
  t.is(w.text(A, 2) + w.text(A + 4, 4), 'abcdef');
  t.is(w.call('writev', fd, B, 2), 11);
  t.is(w.call('pread64', fd, A, 1, -1), -Errno.EINVAL);
  t.is(w.call('pread64', fd, A, 1, 0), -Errno.ESPIPE);
  t.is(w.call('pwrite64', 99, A, 1, 0), -Errno.EBADF);
  t.is(w.call('preadv', fd, B, 1, -1, 0), -Errno.EINVAL);
  t.is(w.call('pwritev', fd, B, 1, 5, 0), -Errno.ESPIPE);
  t.is(w.call('preadv2', fd, B, 2, -1, -1, 0), 6);
  t.is(w.call('pwritev2', fd, B, 2, -1, -1, 0x100), 11);
  t.is(w.call('preadv2', fd, B, 2, 0, 0, 0), -Errno.ESPIPE);
  t.is(w.call('preadv2', 99, B, 2, -1, -1, 0x40), -Errno.EBADF);
  t.is(w.call('preadv2', fd, B, 2, -1, -1, 0x40), -Errno.EOPNOTSUPP);
  t.is(w.call('preadv2', fd, B, 2, -1, -1, 0x30), -Errno.EINVAL);
  t.is(w.call('lseek', fd, 0, 0), -Errno.ESPIPE);
  t.is(w.call('lseek', fd, 0, 9), -Errno.EINVAL);
  t.is(w.call('lseek', epoll, 0, 0), 0);
  t.is(w.call('lseek', 99, 0, 9), -Errno.EBADF);
  socket.onReceive.says(AGAIN);
  w.call('read', fd, A, 1);
  t.is(w.call('preadv2', fd, B, 2, -1, -1, 8), AGAIN, 'RWF_NOWAIT');
});

test('readv and writev that are blocked go on', (t) => {
  const w = world();
  const socket = new FakeSocket();
  const fd = w.fd(socket);
  putVector(w, B, [A, 4], [A + 8, 4]);
  socket.onReceive.says(AGAIN, gives('abcdef'));
  t.is(w.call('readv', fd, B, 2), undefined);
  socket.rise(abi.POLLIN);
  w.emulator.settle();
  t.is(w.task.result, 6);
  socket.onSend.says(takes(3), AGAIN, takes(9));
  t.is(w.call('writev', fd, B, 2), undefined);
  socket.rise(abi.POLLOUT);
  w.emulator.settle();
  t.is(w.task.result, 8);
});

test('write on SOCK_SEQPACKET is a record', (t) => {
  const w = world();
  const socket = new FakeSocket(abi.AF_UNIX, abi.SOCK_SEQPACKET);
  let flags = 0;
  socket.onSend.says((m) => {
    flags = m.flags;
    return 1;
  });
  w.call('write', w.fd(socket), A, 1);
  t.is(flags, abi.MSG_EOR);
});

test('a send of nothing asks the socket nevertheless', (t) => {
  const w = world();
  const socket = new FakeSocket();
  socket.onSend.says(-Errno.EPIPE);
  t.is(w.call('write', w.fd(socket), A, 0), -Errno.EPIPE);
});

test('arm64 has user addresses that x86_64 has not', (t) => {
  const high = 0xffff_ffff_0000;
  for (const [architecture, result] of [
    ['arm64', 1],
    ['x86_64', -Errno.EFAULT],
  ] as const) {
    const w = world(architecture);
    w.memory.map(high, new Uint8Array(4096));
    const socket = new FakeSocket();
    socket.onReceive.says(gives('x'));
    t.is(w.call('read', w.fd(socket), high, 1), result);
  }
});
