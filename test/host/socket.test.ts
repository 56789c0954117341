import test from 'ava';
import { EventPoller } from '../../src/host/event-poller.ts';
import { seqpacketPair } from '../../src/host/fd-frame-io.ffi.ts';
import { arena, close } from '../../src/host/libc.ffi.ts';
import * as sockets from '../../src/host/socket.ffi.ts';
import { IpAddress } from '../../src/netstack/address.ts';

const EAGAIN = 11;

test('events go to their owner, never to one who forgot, nor to a successor of the same key', (t) => {
  const poller = new EventPoller();
  const [a, b] = seqpacketPair().fds;
  const [c, d] = seqpacketPair().fds;
  const memory = arena(4096);
  const seen: string[] = [];
  const owner = (name: string) => ({
    watchKey: -1,
    hostEvent: (events: number) => void seen.push(`${name}${events & 1}`),
  });
  const [first, second, third] = [owner('first'), owner('second'), owner('third')];
  poller.watch(a, first);
  poller.watch(c, second);
  poller.dispatch(poller.wait(0));
  t.deepEqual(seen.splice(0), ['first0', 'second0']);
  sockets.send(b, memory.address, 1);
  sockets.send(d, memory.address, 1);
  const count = poller.wait(1000);
  t.is(count, 2);
  poller.forget(second);
  poller.watch(b, third);
  t.is(third.watchKey, 1);
  poller.dispatch(count);
  t.deepEqual(seen.splice(0), ['first1']);
  t.is(poller.wait(0), 1, 'edge triggered: only the new one');
  for (const fd of [a, b, c, d]) close(fd);
  poller.close();
});

test('what cannot be watched is said with its errno, and leaves no owner behind', (t) => {
  const poller = new EventPoller();
  t.teardown(() => poller.close());
  const [a, b] = seqpacketPair().fds;
  const owner = { watchKey: -1, hostEvent: () => t.fail('never watched') };
  close(b);
  t.is(poller.watch(b, owner), -9);
  t.is(owner.watchKey, -1);
  const next = { watchKey: -1, hostEvent: () => undefined };
  t.is(poller.watch(a, next), 0);
  t.is(next.watchKey, 0);
  t.true(poller.watch(a, owner) < 0, 'watched already');
  close(a);
});

test('calls answer octets or -errno', (t) => {
  const fd = sockets.openSocket(sockets.AF_INET, sockets.SOCK_DGRAM);
  const memory = arena(4096);
  t.true(fd > 0);
  t.is(sockets.receive(fd, memory.address, 100, 0), -EAGAIN);
  t.is(sockets.connect(fd, IpAddress.LOOPBACK4, 9), 0);
  t.is(sockets.takeError(fd), 0);
  t.true(sockets.openSocket(12_345, sockets.SOCK_STREAM) < 0);
  sockets.closeSocket(fd);
  t.is(sockets.send(fd, memory.address, 1), -9);
});
