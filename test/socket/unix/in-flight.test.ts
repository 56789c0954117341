import test from 'ava';
import * as abi from '../../../src/abi/index.ts';
import { type Guest, world } from './world.ts';

/** A socket whose closing can be seen: the other end of it. */
function canary(guest: Guest): { readonly inside: number; readonly isGone: () => boolean } {
  const [inside, watcher] = guest.pair();
  return { inside, isGone: () => (guest.poll(watcher) & abi.POLLHUP) !== 0 };
}
const close = (guest: Guest, ...fds: readonly number[]): void => {
  for (const fd of fds) guest.call('close', fd);
};

for (const type of [abi.SOCK_STREAM, abi.SOCK_DGRAM, abi.SOCK_SEQPACKET]) {
  test(`type ${type}: a pair in flight within itself goes when nobody holds it`, (t) => {
    const guest = world(t).process();
    const { inside, isGone } = canary(guest);
    const [one, other] = guest.pair(type);
    guest.pass(one, 'x', [other, inside]);
    guest.pass(other, 'x', [one]);
    close(guest, inside, one);
    t.false(isGone());
    close(guest, other);
    t.true(isGone());
  });
}

test('a ring of three, and one way in from outside', (t) => {
  const guest = world(t).process();
  const { inside, isGone } = canary(guest);
  const pairs = [guest.pair(), guest.pair(), guest.pair()] as const;
  const [entry, way] = guest.pair();
  // Each is in the queue of the next.
  pairs.forEach(([from], i) => {
    guest.pass(from, 'x', [(pairs[(i + 1) % 3] as [number, number])[1]]);
    if (i === 0) guest.pass(from, 'y', [inside]);
  });
  guest.pass(entry, 'in', [pairs[1][1]]);
  close(guest, inside, ...pairs.flat());
  t.false(isGone(), 'it can still be received');
  const [second] = guest.get(way).fds as [number];
  const [third] = guest.get(second).fds as [number];
  const [first] = guest.get(third).fds as [number];
  t.is(guest.get(first).fds.length, 1);
  t.deepEqual(guest.get(first).text, 'y');
  t.false(isGone());
  close(guest, third, second);
  t.is(guest.receive(first), '', 'its other end is closed, its queue was not emptied before');
});

test('a ring of three goes with the last way in', (t) => {
  const guest = world(t).process();
  const { inside, isGone } = canary(guest);
  const pairs = [guest.pair(), guest.pair(), guest.pair()] as const;
  const [entry, way] = guest.pair();
  pairs.forEach(([from], i) => guest.pass(from, 'x', [(pairs[(i + 1) % 3] as [number, number])[1], inside]));
  guest.pass(entry, 'in', [pairs[0][1]]);
  close(guest, inside, ...pairs.flat());
  t.false(isGone());
  close(guest, way);
  t.true(isGone());
});

test('a listener in flight to itself goes with the connections that wait', (t) => {
  const guest = world(t).process();
  const { inside, isGone } = canary(guest);
  const listener = guest.listening(abi.SOCK_STREAM, '\0name');
  const client = guest.socket(abi.SOCK_STREAM);
  guest.connect(client, '\0name');
  guest.pass(client, 'x', [listener, inside]);
  close(guest, inside);
  t.false(isGone());
  close(guest, listener);
  t.true(isGone());
  t.is(guest.receive(client), -abi.Errno.ECONNRESET);
  t.is(guest.bind(guest.socket(abi.SOCK_STREAM), '\0name'), 0, 'the name is free');
});

test('what is in flight to a socket that is held stays', (t) => {
  const guest = world(t).process();
  const { inside, isGone } = canary(guest);
  const [one, other] = guest.pair();
  guest.pass(one, 'x', [one, inside]);
  close(guest, inside, one);
  t.false(isGone());
  const [back] = guest.get(other).fds as [number];
  t.false(isGone());
  t.is(guest.send(back, 'y'), 1);
});

test('files that are no sockets go with the message that nobody received', (t) => {
  const guest = world(t).process();
  guest.call('pipe', guest.data);
  const [reader, writer] = [guest.int(guest.data), guest.int(guest.data + 4)];
  const [one, other] = guest.pair();
  guest.pass(one, 'x', [writer]);
  close(guest, writer);
  t.is(guest.poll(reader) & abi.POLLHUP, 0);
  close(guest, other);
  t.is(guest.poll(reader) & abi.POLLHUP, abi.POLLHUP);
});

test('a chain of thousands is released without a deep stack', (t) => {
  const guest = world(t).process();
  guest.task.files.limit = 20_000;
  const { inside, isGone } = canary(guest);
  let [one, last] = guest.pair();
  const first = last;
  const LENGTH = 4000;
  guest.pass(one, 'x', [inside]);
  close(guest, inside, one);
  let held = first;
  for (let i = 0; i < LENGTH; i++) {
    [one, last] = guest.pair();
    if (guest.pass(one, 'x', [held]) !== 1) t.fail(`number ${i} was not sent`);
    close(guest, held, one);
    held = last;
  }
  t.false(isGone());
  close(guest, held);
  t.true(isGone());
});
