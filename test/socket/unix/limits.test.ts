import test from 'ava';
import * as abi from '../../../src/abi/index.ts';
import type { UnixSocket } from '../../../src/socket/unix/unix-socket.ts';
import { world } from './world.ts';

const { Errno } = abi;

test('sockets are bounded, those that wait to be accepted among them', (t) => {
  const guest = world(t).process();
  const listener = guest.listening(abi.SOCK_STREAM, '\0name');
  const { census } = (guest.task.files.get(listener) as UnixSocket).world;
  t.is(census.sockets, 1);
  const client = guest.socket(abi.SOCK_STREAM);
  t.is(guest.connect(client, '\0name'), 0);
  t.is(census.sockets, 3);
  guest.call('close', client);
  t.is(census.sockets, 2);
  const late = guest.socket(abi.SOCK_STREAM);
  census.sockets = 65_535;
  t.is(guest.call('socketpair', abi.AF_UNIX, abi.SOCK_STREAM, 0, guest.data), -Errno.ENFILE, 'room for one only');
  t.is(census.sockets, 65_535);
  const last = guest.socket(abi.SOCK_DGRAM);
  t.is(guest.socket(abi.SOCK_DGRAM), -Errno.ENFILE);
  t.is(guest.connect(late, '\0name'), -Errno.ENFILE);
  guest.call('close', last);
  t.is(guest.connect(late, '\0name'), 0);
});

for (const type of [abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET]) {
  test(`memory of all queues together is bounded, type ${type}`, (t) => {
    const guest = world(t).process();
    const [one, other] = guest.pair(type);
    const { census } = (guest.task.files.get(one) as UnixSocket).world;
    guest.send(one, 'x');
    guest.send(one, 'y');
    t.is(census.charged, 2 * 768);
    census.charged = 256 * 1024 * 1024;
    t.is(guest.send(one, 'z'), -Errno.ENOBUFS);
    guest.receive(other, 1);
    t.is(guest.send(one, 'z'), 1);
    guest.call('close', other);
    t.is(census.charged, 256 * 1024 * 1024 - 2 * 768, 'all that was charged is given back');
  });
}
