import test from 'ava';
import * as fc from 'fast-check';
import { FramedLink, type FrameIo, FrameStatus } from '../../src/netstack/link/framed.ts';
import { Csum, Gso, type Packet, PacketPool } from '../../src/netstack/packet.ts';
import * as virtio from '../../src/netstack/wire/virtio.ts';
import { octetsOf } from '../support/stacks.ts';

const SIZES = { large: 8, small: 40 };
const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);

/** A descriptor of which the test decides what it takes and gives. */
class FakeIo implements FrameIo {
  readonly pool: PacketPool;
  readonly sent: Uint8Array[] = [];
  readonly incoming: (Uint8Array | number)[] = [];
  /** Frames it takes before it would block. */
  room = Number.POSITIVE_INFINITY;
  failure = 0;
  constructor(pool: PacketPool) {
    this.pool = pool;
  }
  send(at: number, len: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.room-- <= 0) {
      this.room = 0;
      return FrameStatus.WouldBlock;
    }
    this.sent.push(this.pool.bytes.slice(at, at + len));
    return len;
  }
  recv(at: number, capacity: number): number {
    const next = this.incoming.shift();
    if (next === undefined) return FrameStatus.WouldBlock;
    if (typeof next === 'number') return next;
    this.pool.bytes.set(next.subarray(0, capacity), at);
    return next.length;
  }
}

function setup(options: { queueCount?: number; queueOctets?: number } = {}) {
  const pool = new PacketPool(SIZES);
  const io = new FakeIo(pool);
  const link = new FramedLink({ io, pool, linkAddress: MAC, mtu: 1500, ...options });
  const got: Packet[] = [];
  const closed: string[] = [];
  link.attach({ receive: (p) => got.push(p), linkClosed: (reason) => closed.push(reason) });
  const inUse = (): number => SIZES.large + SIZES.small - pool.available.large - pool.available.small;
  const packet = (len: number, fill = 7): Packet => {
    const p = pool.alloc(len) as Packet;
    p.end = p.at + len;
    p.bytes.fill(fill, p.at, p.end);
    return p;
  };
  return { pool, io, link, got, closed, inUse, packet };
}
const frame = (len: number, header: number[] = [], ethertype = 0x0800): Uint8Array => {
  const b = new Uint8Array(virtio.LEN + len);
  b.set(header);
  for (let i = 0; i < len; i++) b[virtio.LEN + i] = i;
  if (len >= 14) {
    b[virtio.LEN + 12] = ethertype >>> 8;
    b[virtio.LEN + 13] = ethertype & 255;
  }
  return b;
};

test('a frame leaves behind an empty virtio header and is counted', (t) => {
  const { link, io, inUse, packet } = setup();
  t.true(link.transmit(packet(60)));
  t.deepEqual(io.sent[0], Uint8Array.of(...new Uint8Array(10), ...new Uint8Array(60).fill(7)));
  t.deepEqual([link.counters.txFrames, link.counters.txOctets], [1, 60]);
  t.is(inUse(), 1);
});

test('checksum and segmentation offload as the kernel expects them', (t) => {
  const { link, io, packet } = setup();
  const p = packet(14 + 20 + 20 + 100);
  p.l3 = p.at + 14;
  p.l4 = p.at + 34;
  p.bytes[p.l4 + 12] = 5 << 4;
  p.csum = Csum.Partial;
  p.csumStart = p.l4;
  p.csumField = p.l4 + 16;
  p.gsoType = Gso.TcpV4;
  p.gsoSize = 1460;
  link.transmit(p);
  // flags 1, type 1, hdr_len 54, gso_size 1460, csum_start 34, csum_offset 16, little endian.
  t.deepEqual(
    [...(io.sent[0] ?? new Uint8Array()).subarray(0, 10)],
    [1, 1, 54, 0, 1460 & 255, 1460 >> 8, 34, 0, 16, 0],
  );
});

test('what would block waits in order, is bounded, and leaves with writable()', (t) => {
  const { link, io, inUse, packet } = setup({ queueCount: 3 });
  io.room = 1;
  t.deepEqual(
    [1, 2, 3, 4].map((n) => link.transmit(packet(20, n))),
    [true, true, true, true],
  );
  t.false(link.transmit(packet(20, 5)));
  t.true(link.isBlocked);
  t.deepEqual([link.queued, link.counters.txDropped], [3, 1]);
  io.room = 2;
  link.writable();
  t.true(link.isBlocked);
  io.room = 9;
  link.writable();
  t.false(link.isBlocked);
  t.deepEqual(
    io.sent.map((f) => f[10]),
    [1, 2, 3, 4],
  );
  t.is(inUse(), 1);
});

test('the queue is bounded by octets too, but one frame always fits', (t) => {
  const { link, io, packet } = setup({ queueOctets: 100 });
  io.room = 0;
  t.true(link.transmit(packet(500)));
  t.false(link.transmit(packet(20)));
});

test('frames that fail alone are dropped; a closed peer ends the link, told once', (t) => {
  const { link, io, closed, inUse, packet } = setup();
  io.failure = FrameStatus.Failed;
  t.false(link.transmit(packet(20)));
  t.deepEqual(closed, []);
  io.failure = FrameStatus.Closed;
  t.false(link.transmit(packet(20)));
  t.false(link.transmit(packet(20)));
  io.incoming.push(FrameStatus.Closed);
  t.is(link.poll(), 0);
  t.is(closed.length, 1);
  t.is(link.counters.txDropped, 3);
  t.is(inUse(), 0);
});

test('the end seen by poll and by writable', (t) => {
  const one = setup();
  one.io.incoming.push(frame(20), FrameStatus.Failed, frame(21), FrameStatus.Closed, frame(22));
  one.link.poll();
  t.deepEqual(
    one.got.map((p) => p.length),
    [20, 21],
  );
  t.is(one.closed.length, 1);
  const two = setup();
  two.io.room = 0;
  two.link.transmit(two.packet(20));
  two.io.failure = FrameStatus.Closed;
  two.link.writable();
  t.is(two.closed.length, 1);
  t.is(two.inUse(), 0);
});

test('close() releases everything and tells nobody', (t) => {
  const { link, io, closed, inUse, packet } = setup();
  io.room = 0;
  link.transmit(packet(20));
  link.close();
  link.close();
  t.is(inUse(), 0);
  t.deepEqual(closed, []);
});

test('poll reads until it would block, within its budget', (t) => {
  const { link, io, got, inUse } = setup();
  for (let i = 0; i < 10; i++) io.incoming.push(frame(64));
  t.is(link.poll(4), 4);
  t.is(link.poll(), 6);
  t.is(got.length, 10);
  t.true(got.every((p) => p.limit - p.base < 4096));
  t.deepEqual(octetsOf(got[0] as Packet), frame(64).subarray(10));
  for (const p of got) p.release();
  t.is(inUse(), 1);
});

test('a long frame takes its buffer along; without another buffer it is dropped and counted', (t) => {
  const { link, io, got, pool, inUse } = setup();
  io.incoming.push(frame(60_000));
  link.poll();
  t.is(got[0]?.length, 60_000);
  got.pop()?.release();
  const hoard: Packet[] = [];
  while (pool.available.large > 0) hoard.push(pool.alloc(60_000) as Packet);
  io.incoming.push(frame(60_000), frame(100));
  link.poll();
  t.is(link.counters.rxDropped, 1);
  t.is(got[0]?.length, 100);
  got.pop()?.release();
  for (const p of hoard) p.release();
  t.is(inUse(), 1);
});

const NEEDS = (start: number, offset: number, type = 0, size = 0): number[] => [
  1,
  type,
  0,
  0,
  size & 255,
  size >> 8,
  start,
  start >> 8,
  offset,
  0,
];
for (const [what, octets] of [
  ['shorter than the headers', frame(13)],
  ['only a virtio header', frame(0)],
  ['cut short by the buffer', frame(66_100)],
  ['an unknown flag', frame(60, [4])],
  ['a checksum beyond the frame', frame(60, NEEDS(34, 25))],
  ['a checksum inside the Ethernet header', frame(60, NEEDS(0, 16))],
  ['a checksum start beyond the frame', frame(60, NEEDS(0xff, 0))],
  ['segmentation without checksum', frame(60, [0, 1, 0, 0, 100])],
  ['segments of size 0', frame(60, NEEDS(34, 16, 1, 0))],
  ['a segmentation never agreed on (UDP)', frame(60, NEEDS(34, 16, 3, 100))],
  ['TCPv6 segmentation of IPv4', frame(60, NEEDS(34, 16, 4, 100))],
  ['ECN without segmentation', frame(60, [0, 0x80])],
] as const) {
  test(`dropped and counted: ${what}`, (t) => {
    const { link, io, got, inUse } = setup();
    io.incoming.push(octets);
    link.poll();
    t.is(link.counters.rxErrors, 1);
    t.is(got.length, 0);
    t.is(inUse(), 1);
  });
}

test('offload state of a received frame', (t) => {
  const { link, io, got } = setup();
  io.incoming.push(frame(80, NEEDS(34, 16, 0x81, 1460)), frame(80, [2]), frame(80));
  link.poll();
  const [gso, valid, plain] = got as [Packet, Packet, Packet];
  t.deepEqual([gso.csum, gso.gsoType, gso.gsoSize], [Csum.Partial, Gso.TcpV4, 1460]);
  t.deepEqual([gso.csumStart - gso.at, gso.csumField - gso.at], [34, 50]);
  t.deepEqual([valid.csum, plain.csum], [Csum.Valid, Csum.Full]);
});

test('random frames never throw and leak nothing', (t) => {
  const { link, io, got, inUse } = setup();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 120 }), { maxLength: 20 }), (frames) => {
      io.incoming.push(...frames.filter((f) => f.length > 0));
      link.poll();
      for (const p of got.splice(0)) {
        t.true(p.at + 14 <= p.end && p.csumField <= p.end);
        p.release();
      }
      t.is(inUse(), 1);
    }),
    { numRuns: 300 },
  );
});

test('an impossible MTU is refused', (t) => {
  const pool = new PacketPool(SIZES);
  t.throws(() => new FramedLink({ io: new FakeIo(pool), pool, linkAddress: MAC, mtu: 65_536 }), {
    message: /68 to 65535/,
  });
});
