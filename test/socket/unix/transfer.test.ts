import test from 'ava';
import * as fc from 'fast-check';
import * as abi from '../../../src/abi/index.ts';
import type { Socket } from '../../../src/socket/socket.ts';
import { messageCharge, streamCharge } from '../../../src/socket/unix/parcel.ts';
import { world } from './world.ts';

const { Errno } = abi;
const READABLE = abi.POLLIN | abi.POLLRDNORM;

/** Measured on Linux 6.18.44 with SIOCOUTQ. */
const CHARGES: readonly (readonly [octets: number, stream: number, message: number])[] = [
  [1, 768, 768],
  [192, 768, 768],
  [193, 1280, 1280],
  [3776, 4352, 4352],
  [3777, 4864, 8448],
  [4289, 5376, 8448],
  [16_064, 16_640, 16_640],
  [16_065, 17_152, 20_736],
  [36_544, 37_120, 37_120],
];
test('what a parcel is charged', (t) => {
  for (const [octets, stream, message] of CHARGES) {
    t.is(streamCharge(octets), stream, `${octets} of a stream`);
    t.is(messageCharge(octets), message, `a message of ${octets}`);
  }
  for (const [octets, message] of [
    [85_696, 86_272],
    [100_000, 102_656],
    [106_000, 135_424],
    [212_959, 332_032],
  ] as const) {
    t.is(messageCharge(octets), message);
  }
});

interface Send {
  readonly octets: number;
  readonly isSend: boolean;
}
const steps = fc.array(fc.record({ octets: fc.integer({ min: 1, max: 60_000 }), isSend: fc.boolean() }), {
  maxLength: 40,
});
const pattern = (from: number, len: number): string => {
  let text = '';
  for (let i = 0; i < len; i++) text += String.fromCharCode(((from + i) * 7 + ((from + i) >> 8)) & 255);
  return text;
};

test('a stream gives every octet once and in order, whatever the pieces', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(steps, fc.constantFrom(0, 5000, 100_000), (sequence: Send[], buffer) => {
        const guest = world(t).process();
        const [one, other] = guest.pair(abi.SOCK_STREAM, abi.SOCK_NONBLOCK);
        if (buffer > 0) guest.setInt(one, abi.SO_SNDBUF, buffer);
        let sent = 0;
        let got = 0;
        for (const { octets, isSend } of sequence) {
          if (isSend) sent += Math.max(0, guest.send(one, pattern(sent, octets)));
          else {
            const text = guest.receive(other, octets);
            if (typeof text === 'number') t.is(sent, got);
            else if (text !== pattern(got, text.length)) return false;
            else got += text.length;
          }
          if (guest.count(other, abi.SIOCINQ) !== sent - got) return false;
        }
        while (got < sent) got += (guest.receive(other, 60_000) as string).length;
        return guest.count(one, abi.SIOCOUTQ) === 0;
      }),
      { seed: 1, numRuns: 30 },
    ),
  );
});

test('messages keep their order and lengths, whatever they are', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(steps, fc.constantFrom(abi.SOCK_DGRAM, abi.SOCK_SEQPACKET), (sequence: Send[], type) => {
        const guest = world(t).process();
        const [one, other] = guest.pair(type, abi.SOCK_NONBLOCK);
        const queue: number[] = [];
        for (const { octets, isSend } of sequence) {
          if (isSend) {
            if (guest.send(one, 'm'.repeat(octets)) === octets) queue.push(octets);
          } else {
            const length = queue.shift();
            const got = guest.call('recvfrom', other, guest.data, 5, abi.MSG_TRUNC, 0, 0);
            if (got !== (length ?? -Errno.EAGAIN)) return false;
          }
        }
        while (queue.length > 0)
          if (guest.call('recvfrom', other, 0, 0, abi.MSG_TRUNC, 0, 0) !== queue.shift()) return false;
        return guest.count(one, abi.SIOCOUTQ) === 0;
      }),
      { seed: 1, numRuns: 30 },
    ),
  );
});

test('a receive and a message whose answer is not taken can be had again', (t) => {
  for (const type of [abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET]) {
    const guest = world(t).process();
    const [one, other] = guest.pair(type);
    guest.send(one, 'abc');
    guest.task.refuse = true;
    t.true(Number.isNaN(guest.call('recvfrom', other, guest.data, 2, 0, 0, 0)));
    t.is(guest.receive(other), 'abc');
    guest.task.refuse = true;
    t.true(Number.isNaN(guest.send(one, 'def')));
    t.is(guest.receive(other), -Errno.EAGAIN);
    guest.send(one, 'ghi');
    t.is(guest.receive(other), 'ghi');
  }
});

test('an accept whose answer is not taken leaves the connection in the queue', (t) => {
  const guest = world(t).process();
  const listener = guest.listening(abi.SOCK_STREAM, '\0name');
  const client = guest.socket(abi.SOCK_STREAM);
  guest.connect(client, '\0name');
  guest.send(client, 'early');
  guest.task.refuse = true;
  t.true(Number.isNaN(guest.call('accept', listener, 0, 0)));
  t.is(guest.poll(listener) & READABLE, READABLE);
  const server = guest.call('accept', listener, 0, 0);
  t.is(guest.receive(server), 'early');
  t.is(guest.poll(listener) & READABLE, 0);
});

test('what will be ready after a commit is known before it', (t) => {
  for (const type of [abi.SOCK_STREAM, abi.SOCK_SEQPACKET]) {
    const guest = world(t).process();
    const [one, other] = guest.pair(type);
    const socket = guest.task.files.get(other) as Socket;
    guest.send(one, 'abc');
    const { message } = guest.task;
    message.clear();
    message.iov.push(guest.data, 100);
    t.is(socket.receive(message, 0), 3);
    const units = type === abi.SOCK_STREAM ? 3 : 1;
    t.is(socket.units, units);
    t.is(socket.leaving(units), units);
    t.is(socket.eventsAfter(units) & READABLE, 0);
    socket.rollback(units);
    t.is(socket.leaving(units), 0);
    t.is(socket.eventsAfter(0) & READABLE, READABLE);
    const listener = guest.task.files.get(guest.listening(type, '\0name')) as Socket;
    guest.connect(guest.socket(type), '\0name');
    t.is(listener.acceptCommittable.eventsAfter(0) & READABLE, READABLE);
    t.is(listener.acceptCommittable.eventsAfter(1) & READABLE, 0);
    listener.acceptCommittable.rollback(1);
    listener.acceptCommittable.commit(0);
    t.is(listener.connectResult(), 0);
  }
});

test('a blocked send goes on when three quarters of the buffer are free', (t) => {
  const w = world(t);
  const a = w.process();
  const b = w.thread(a);
  const [one, other] = a.pair();
  a.setInt(one, abi.SO_SNDBUF, 10_000);
  for (let i = 0; i < 2; i++) a.send(one, 'x'.repeat(9000), abi.MSG_DONTWAIT);
  b.send(one, 'y'.repeat(3000));
  t.true(b.blocked);
  a.receive(other, 9000);
  t.true(b.blocked, 'a little room is not enough');
  a.receive(other, 9000);
  t.is(b.task.result, 3000);
});

test('with a handler that does not restart, a send takes what there is room for', (t) => {
  const guest = world(t).process();
  guest.task.restarts = false;
  const [one] = guest.pair();
  guest.setInt(one, abi.SO_SNDBUF, 10_000);
  const sent = guest.send(one, 'x'.repeat(50_000));
  t.true(sent > 0 && sent < 50_000);
  guest.send(one, 'y');
  t.true(guest.blocked);
  guest.emulator.interrupt(guest.task, false);
  t.is(guest.task.result, -Errno.EINTR);
});

test('a pipe that others read as well may give less than a send took', (t) => {
  const guest = world(t).process();
  const [one, other] = guest.pair();
  const socket = guest.task.files.get(one) as Socket;
  const { message } = guest.task;
  message.clear();
  guest.put(guest.data, Buffer.from('abcdef'));
  message.iov.push(guest.data, 6);
  t.is(socket.send(message, 1), 6);
  socket.commit(4);
  t.is(guest.receive(other), 'abcd');
  t.is(guest.count(one, abi.SIOCOUTQ), 0);
});

test('options, requests and errors of a family with one level', (t) => {
  const w = world(t);
  const guest = w.process({ ...w.process().task.credentials, netAdmin: false });
  const fd = guest.socket(abi.SOCK_STREAM);
  t.is(guest.setInt(fd, abi.SO_SNDBUFFORCE, 1), -Errno.EPERM);
  t.is(guest.setInt(fd, abi.SO_RCVBUFFORCE, 1), -Errno.EPERM);
  t.is(guest.setInt(fd, abi.SO_PASSPIDFD, 1), -Errno.EOPNOTSUPP);
  t.is(guest.getInt(fd, abi.SO_PASSPIDFD), -Errno.EOPNOTSUPP);
  t.is(guest.setInt(fd, abi.SO_RCVBUF, 5000), 0);
  t.is(guest.getInt(fd, abi.SO_RCVBUF), 10_000);
  t.is(guest.call('setsockopt', fd, abi.SOL_TCP, 1, guest.data, 4), -Errno.EOPNOTSUPP);
  t.is(guest.count(fd, abi.SIOCATMARK), -Errno.ENOTTY);
  t.is(guest.send(fd, 'x', abi.MSG_OOB), -Errno.EOPNOTSUPP);
  const [one, other] = guest.pair(abi.SOCK_DGRAM);
  (guest.task.files.get(other) as Socket).setError(Errno.ECONNRESET);
  t.is(guest.poll(other) & abi.POLLERR, abi.POLLERR);
  t.is(guest.receive(other), -Errno.ECONNRESET);
  t.is(guest.send(one, 'x', abi.MSG_OOB), -Errno.EOPNOTSUPP);
  t.is(guest.receive(other, 1, abi.MSG_OOB), -Errno.EOPNOTSUPP);
  const root = w.process();
  t.is(root.setInt(root.socket(abi.SOCK_DGRAM), abi.SO_SNDBUFFORCE, 300_000), 0);
});

test('interfaces can be asked for through an AF_UNIX socket', (t) => {
  const guest = world(t).process();
  const fd = guest.socket(abi.SOCK_DGRAM);
  guest.put(guest.data, Buffer.from('eth0\0'));
  t.is(guest.call('ioctl', fd, abi.SIOCGIFINDEX, guest.data), 0);
  t.is(guest.int(guest.data + 16), 2);
});

test('timeouts of connect and of a datagram to a full receiver, in virtual time', (t) => {
  const w = world(t);
  const guest = w.process();
  guest.listening(abi.SOCK_SEQPACKET, '\0name', 0);
  guest.connect(guest.socket(abi.SOCK_SEQPACKET), '\0name');
  const late = guest.socket(abi.SOCK_SEQPACKET);
  guest.put(guest.data, abi.timeval.encode({ sec: 3600, usec: 0 }));
  guest.call('setsockopt', late, abi.SOL_SOCKET, abi.SO_SNDTIMEO, guest.data, 16);
  guest.connect(late, '\0name');
  t.true(guest.blocked);
  w.emulator.advance(3_599_000_000 as never);
  t.true(guest.blocked);
  w.emulator.advance(1_000_000 as never);
  t.is(guest.task.result, -Errno.EAGAIN);
});

test('a datagram socket that changes its peer stops waiting for the old one', (t) => {
  const guest = world(t).process();
  const [full, free] = [guest.socket(abi.SOCK_DGRAM), guest.socket(abi.SOCK_DGRAM)];
  guest.bind(full, '\0full');
  guest.bind(free, '\0free');
  const sender = guest.socket(abi.SOCK_DGRAM, abi.SOCK_NONBLOCK);
  guest.connect(sender, '\0full');
  for (let i = 0; i < 11; i++) t.is(guest.send(sender, 'x'), 1);
  t.is(guest.send(sender, 'x'), -Errno.EAGAIN);
  t.is(guest.poll(sender) & abi.POLLOUT, 0);
  guest.connect(sender, '\0free');
  t.is(guest.poll(sender) & abi.POLLOUT, abi.POLLOUT);
  t.is(guest.send(sender, 'y'), 1);
  t.is(guest.receive(free), 'y');
  guest.connect(sender, '\0full');
  t.is(guest.poll(sender) & abi.POLLOUT, 0);
  guest.receive(full);
  t.is(guest.poll(sender) & abi.POLLOUT, abi.POLLOUT);
});
