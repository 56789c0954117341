import test from 'ava';
import { millis, TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { type Faults, FaultyLink } from '../../src/netstack/link/faults.ts';
import { LoopbackLink } from '../../src/netstack/link/loopback.ts';
import { LinkPair } from '../../src/netstack/link/pair.ts';
import { Csum, type Packet, PacketPool } from '../../src/netstack/packet.ts';
import { octetsOf } from '../support/stacks.ts';

const SIZES = { large: 4, small: 2000 };
function setup(faults?: Faults, seed = 1) {
  const pool = new PacketPool(SIZES);
  const clock = new TimerHeap();
  const pair = new LinkPair();
  const link = new FaultyLink(pair.a, faults ?? {}, { clock, random: new SeededRandom(seed) });
  const got: { at: number; first: number; len: number }[] = [];
  const closed: string[] = [];
  pair.b.attach({
    receive: (p) => {
      got.push({ at: clock.now(), first: p.bytes[p.at] as number, len: p.length });
      p.release();
    },
    linkClosed: (reason) => closed.push(reason),
  });
  const send = (n: number, len = 100): void => {
    const p = pool.alloc(len) as Packet;
    p.end = p.at + len;
    p.bytes.fill(n & 255, p.at, p.end);
    link.transmit(p);
  };
  const inUse = (): number => SIZES.large + SIZES.small - pool.available.large - pool.available.small;
  return { pool, clock, pair, link, got, closed, send, inUse };
}

test('the pair delivers when told, in order, and counts', (t) => {
  const { pair, got, send, inUse } = setup();
  for (const n of [1, 2, 3]) send(n);
  t.is(pair.a.queued, 3);
  t.is(pair.a.deliver(1), 1);
  t.deepEqual(
    got.map((g) => g.first),
    [1],
  );
  t.is(pair.pump(), 2);
  t.deepEqual(
    got.map((g) => g.first),
    [1, 2, 3],
  );
  t.deepEqual([pair.a.counters.txFrames, pair.b.counters.rxOctets], [3, 300]);
  t.is(inUse(), 0);
});
test('a bounded pair refuses what does not fit; a closed one everything, and tells the peer once', (t) => {
  const pool = new PacketPool(SIZES);
  const pair = new LinkPair({ queueLimit: 1 });
  const closed: string[] = [];
  pair.b.attach({ receive: (p) => p.release(), linkClosed: (r) => closed.push(r) });
  const transmit = (): boolean => pair.a.transmit(pool.alloc(10) as Packet);
  t.true(transmit());
  t.false(transmit());
  pair.a.close();
  pair.a.close();
  t.false(transmit());
  t.is(closed.length, 1);
  t.is(pair.a.counters.txDropped, 2);
  t.deepEqual(pool.available, SIZES);
});
test('frames cross pools by copying; without a buffer they are dropped', (t) => {
  const [mine, theirs] = [new PacketPool(SIZES), new PacketPool({ large: 0, small: 1 })];
  const pair = new LinkPair();
  const got: Packet[] = [];
  pair.b.attach({ receive: (p) => got.push(p), linkClosed: () => {} });
  pair.b.usePool(theirs);
  for (let i = 0; i < 2; i++) {
    const p = mine.alloc(4) as Packet;
    p.end = p.at + 4;
    p.bytes.set([9, 8, 7, i], p.at);
    p.csum = Csum.Partial;
    p.csumStart = p.at;
    p.csumField = p.at + 2;
    pair.a.transmit(p);
  }
  pair.pump();
  t.is(got.length, 1);
  t.is(got[0]?.pool, theirs);
  t.deepEqual([...octetsOf(got[0] as Packet)], [9, 8, 7, 0]);
  t.is((got[0]?.csumField ?? 0) - (got[0]?.at ?? 0), 2);
  t.is(pair.b.counters.rxDropped, 1);
  t.deepEqual(mine.available, SIZES);
});

test('loopback: a bounded queue, budgeted, delivered nothing from within transmit', (t) => {
  const pool = new PacketPool(SIZES);
  const link = new LoopbackLink();
  let received = 0;
  link.attach({
    receive: (p) => {
      received++;
      if (received === 1) link.transmit(p.retain());
      p.release();
    },
    linkClosed: () => {},
  });
  for (let i = 0; i < 1001; i++) link.transmit(pool.alloc(1) as Packet);
  t.deepEqual([received, link.queued, link.counters.txDropped], [0, 1000, 1]);
  t.is(link.drain(10), 10);
  t.is(received, 10);
  t.is(link.drain(5000), 991);
  t.is(link.queued, 0);
  link.transmit(pool.alloc(1) as Packet);
  link.close();
  t.deepEqual(pool.available, SIZES);
});

test('faults: loss and duplication at their rates, repeatable by seed', (t) => {
  const run = (seed: number): number[] => {
    const w = setup({ loss: 0.2, duplicate: 0.1 }, seed);
    for (let i = 0; i < 1000; i++) w.send(i);
    w.pair.pump();
    t.is(w.inUse(), 0);
    t.true(w.link.lost.loss > 150 && w.link.lost.loss < 250);
    t.true(w.got.length > 820 && w.got.length < 950);
    return w.got.map((g) => g.first);
  };
  t.deepEqual(run(5), run(5));
  t.notDeepEqual(run(5), run(6));
});
test('faults: delay keeps order, jitter too, reordering does not', (t) => {
  const delayed = setup({ delay: millis(10), jitter: millis(5) });
  for (let i = 0; i < 50; i++) delayed.send(i);
  t.is(delayed.link.queued, 50);
  delayed.clock.advance(millis(9));
  t.is(delayed.pair.pump(), 0);
  delayed.clock.advance(millis(6));
  delayed.pair.pump();
  t.deepEqual(
    delayed.got.map((g) => g.first),
    Array.from({ length: 50 }, (_, i) => i),
  );
  const mixed = setup({ reorder: 0.3 });
  for (let i = 0; i < 50; i++) mixed.send(i);
  mixed.clock.advance(millis(5));
  mixed.pair.pump();
  t.is(mixed.got.length, 50);
  t.notDeepEqual(
    mixed.got.map((g) => g.first),
    Array.from({ length: 50 }, (_, i) => i),
  );
});
test('faults: corruption inverts one bit', (t) => {
  const { pool, pair, link } = setup({ corrupt: 1 });
  const got: Uint8Array[] = [];
  pair.b.attach({
    receive: (p) => {
      got.push(octetsOf(p));
      p.release();
    },
    linkClosed: () => {},
  });
  const p = pool.alloc(50) as Packet;
  p.end = p.at + 50;
  p.bytes.fill(0, p.at, p.end);
  link.transmit(p);
  pair.pump();
  const bits = [...(got[0] ?? new Uint8Array())].reduce((n, x) => n + x.toString(2).replaceAll('0', '').length, 0);
  t.is(bits, 1);
});
test('faults: a rate spaces frames out, and its buffer drops the tail', (t) => {
  const { clock, pair, link, got, send, inUse } = setup({ rate: 100_000, buffer: 350 });
  for (let i = 0; i < 6; i++) send(i);
  t.is(link.lost.buffer, 3);
  for (let i = 0; i < 5; i++) {
    clock.advance(millis(1));
    pair.pump();
  }
  t.deepEqual(
    got.map((g) => g.at),
    [1000, 2000, 3000],
  );
  t.is(inUse(), 0);
});
test('faults: close drops what is held', (t) => {
  const { link, send, inUse, closed } = setup({ delay: millis(1) });
  send(1);
  link.close();
  t.is(inUse(), 0);
  t.is(closed.length, 1);
  t.deepEqual([link.mtu, link.capabilities, link.linkAddress?.length, link.counters.txFrames], [1500, 0, 6, 0]);
});
