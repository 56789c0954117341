import test from 'ava';
import { Csum, Gso, HEADROOM, LARGE_OCTETS, PacketPool, SMALL_OCTETS } from '../../src/netstack/packet.ts';

test('a pool hands out every buffer once, then counts what it could not give', (t) => {
  const pool = new PacketPool({ large: 2, small: 2 });
  const taken = [pool.alloc(100), pool.alloc(SMALL_OCTETS - HEADROOM), pool.alloc(60_000), pool.alloc(10)];
  t.true(taken.every((p) => p !== undefined));
  t.is(new Set(taken.map((p) => p?.base)).size, 4);
  t.is(pool.alloc(1), undefined);
  t.is(pool.exhausted, 1);
  for (const packet of taken) packet?.release();
  t.deepEqual(pool.available, { large: 2, small: 2 });
});

test('a payload larger than any buffer is refused and nothing is lost', (t) => {
  const pool = new PacketPool({ large: 1, small: 1 });
  t.is(pool.alloc(LARGE_OCTETS), undefined);
  t.deepEqual(pool.available, { large: 1, small: 1 });
});

test('buffers do not overlap and never touch position 0', (t) => {
  const pool = new PacketPool({ large: 3, small: 5 });
  const packets = Array.from({ length: 8 }, () => pool.alloc(1));
  const ranges = packets.map((p) => [p?.base ?? 0, p?.limit ?? 0] as const).toSorted(([a], [b]) => a - b);
  t.true((ranges[0]?.[0] ?? 0) > 0);
  for (let i = 1; i < ranges.length; i++) t.true((ranges[i]?.[0] ?? 0) >= (ranges[i - 1]?.[1] ?? Infinity));
  t.true((ranges.at(-1)?.[1] ?? Infinity) <= pool.bytes.length);
});

test('the last release returns the buffer, and it comes back clean', (t) => {
  const pool = new PacketPool({ large: 0, small: 1 });
  const packet = pool.alloc(10);
  if (packet === undefined) throw new Error('the pool was empty');
  packet.retain();
  packet.gsoType = Gso.TcpV4;
  packet.csum = Csum.Partial;
  packet.socketId = 7;
  packet.end = packet.at + 10;
  t.is(packet.push(20), packet.base + HEADROOM - 20);
  t.is(packet.length, 30);
  t.is(packet.pull(20), packet.base + HEADROOM);
  packet.release();
  t.is(pool.available.small, 0);
  packet.release();
  t.is(pool.available.small, 1);
  const again = pool.alloc(10);
  t.like(again, { length: 0, gsoType: Gso.None, csum: Csum.Full, socketId: 0, at: packet.base + HEADROOM });
});
