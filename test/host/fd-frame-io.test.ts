import test, { type ExecutionContext } from 'ava';
import { BundleSocketIo, SocketFrameIo, seqpacketPair } from '../../src/host/fd-frame-io.ffi.ts';
import { close } from '../../src/host/libc.ffi.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { FramedLink, FrameStatus } from '../../src/netstack/link/framed.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { ip, octetsOf, SMALL_POOL } from '../support/stacks.ts';

test('frames keep their boundaries; full is would-block; the end is told after the last frame', (t) => {
  const pool = new PacketPool(SMALL_POOL);
  const pair = seqpacketPair();
  t.true(pair.sendBuffer >= 212_992);
  const [a, b] = pair.fds.map((fd) => new SocketFrameIo(fd, pool)) as [SocketFrameIo, SocketFrameIo];
  const [from, to] = [70_000, 200_000];
  t.is(b.recv(to, 70_000), FrameStatus.WouldBlock);
  pool.bytes.set([1, 2, 3], from);
  t.is(a.send(from, 3), 3);
  t.is(a.send(from, 65_559), 65_559);
  t.is(b.recv(to, 70_000), 3);
  t.deepEqual([...pool.bytes.subarray(to, to + 3)], [1, 2, 3]);
  // Cut short, and seen as such.
  t.is(b.recv(to, 1000), 65_559);
  let queued = 0;
  while (a.send(from, 65_559) >= 0) queued++;
  t.true(queued >= 3);
  t.is(a.send(from, 65_559), FrameStatus.WouldBlock);
  close(pair.fds[0]);
  for (let i = 0; i < queued; i++) t.is(b.recv(to, 70_000), 65_559);
  t.is(b.recv(to, 70_000), FrameStatus.Closed);
  t.is(b.send(from, 10), FrameStatus.Closed);
  close(pair.fds[1]);
});

test('pieces from several places are one message', (t) => {
  const pool = new PacketPool(SMALL_POOL);
  const pair = seqpacketPair();
  const [a, b] = pair.fds.map((fd) => new BundleSocketIo(fd, pool)) as [BundleSocketIo, BundleSocketIo];
  pool.bytes.set([1, 2, 3], 70_000);
  pool.bytes.set([4], 80_000);
  pool.bytes.set([5, 6], 75_000);
  a.put(0, 70_000, 3);
  a.put(1, 80_000, 1);
  a.put(2, 75_000, 2);
  t.is(a.sendPieces(3), 6);
  t.is(a.sendPieces(1), 3);
  t.is(b.recv(90_000, 100), 6);
  t.deepEqual([...pool.bytes.subarray(90_000, 90_006)], [1, 2, 3, 4, 5, 6]);
  t.is(b.recv(90_000, 100), 3);
  close(pair.fds[1]);
  t.is(a.sendPieces(2), FrameStatus.Closed);
  close(pair.fds[0]);
});

for (const [what, Io] of [
  ['a frame a message', SocketFrameIo],
  ['bundles', BundleSocketIo],
] as const) {
  test(`two stacks over a socketpair, ${what}: a 60,000-octet datagram each way`, (t) => twoStacks(t, Io));
}
function twoStacks(t: ExecutionContext, Io: typeof SocketFrameIo): void {
  const pair = seqpacketPair();
  const clock = new TimerHeap();
  const host = (n: 0 | 1) => {
    const pool = new PacketPool(SMALL_POOL);
    const stack = new Stack({ clock, random: new SeededRandom(n + 1), pool });
    const link = new FramedLink({
      io: new Io(pair.fds[n], pool),
      pool,
      linkAddress: Uint8Array.of(2, 0, 0, 0, 0, n + 1),
      mtu: 65_520,
    });
    stack.addLink(link, { name: 'eth0', addresses: [{ address: ip(`10.0.0.${n + 1}`), prefix: 24 }] });
    const socket = stack.createUdp(4);
    socket.bind(ip('0.0.0.0'), 5000);
    return { stack, link, socket };
  };
  const [a, b] = [host(0), host(1)];
  const data = Uint8Array.from({ length: 60_000 }, (_, i) => i & 255);
  for (const [from, to, address] of [
    [a, b, '10.0.0.2'],
    [b, a, '10.0.0.1'],
  ] as const) {
    const packet = from.socket.prepare(ip(address), 5000, data.length, undefined);
    if (typeof packet === 'string') throw new Error(packet);
    packet.bytes.set(data, packet.at);
    from.socket.transmit(packet, 0);
    for (let turn = 0; turn < 10; turn++) {
      for (const { link } of [a, b]) {
        link.flush();
        link.poll();
      }
    }
    const d = to.socket.peek(0);
    t.true(d !== undefined && Buffer.compare(octetsOf(d.packet), data) === 0);
    to.socket.consume(1);
  }
  t.is(a.link.counters.txFrames, b.link.counters.rxFrames);
  a.link.close();
  close(pair.fds[0]);
  b.link.poll();
  t.true(b.link.isClosed);
  t.false(b.stack.interfaces[1]?.isUp);
  close(pair.fds[1]);
}
