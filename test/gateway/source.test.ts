/** Octets of host sockets on their way to the guest: what is read, kept, read again and discarded, and by how many calls. */
import test from 'ava';
import * as fc from 'fast-check';
import { Errno, type HostSockets, Sock } from '../../src/gateway/host.ts';
import { RingPool } from '../../src/gateway/tcp/ring-pool.ts';
import { QueueBudget, SocketSource } from '../../src/gateway/tcp/source.ts';
import type { ByteRing } from '../../src/lib/byte-ring.ts';
import { HEADROOM, PacketPool, SMALL_OCTETS } from '../../src/netstack/packet.ts';
import { RawTcp } from './raw-tcp.ts';
import { pattern, tcpServer } from './servers.ts';
import { withSource } from './sources.ts';
import { ALL_OFFLOADS, at, CountingSockets, GATEWAY4, tcpTo, textOf, World } from './support.ts';

const STREAM = pattern(1 << 21);
const RING_LIMIT = 100_000;
const pool = new PacketPool({ large: 2, small: 2 });

/** The receive queue of one socket, with SO_PEEK_OFF as socket(7) has it. Addresses are positions in the packets' slab. */
class ModelSocket implements Pick<HostSockets, 'receive' | 'setPeekOffset'> {
  head = 0;
  tail = 0;
  ended = false;
  offset = -1;
  /** Octets that reads may discard before one falls short. */
  discardable = Infinity;

  receive(_fd: number, address: number, len: number, flags: number): number {
    const from = this.head + ((flags & Sock.Peek) === 0 ? 0 : Math.max(this.offset, 0));
    const isDiscard = (flags & Sock.Trunc) !== 0;
    const n = Math.min(len, this.tail - from, isDiscard ? this.discardable : Infinity);
    if (isDiscard) this.discardable -= Math.max(n, 0);
    if (n <= 0) return this.ended ? 0 : -Errno.EAGAIN;
    if (!isDiscard) pool.bytes.set(STREAM.subarray(from, from + n), address);
    if ((flags & Sock.Peek) === 0) {
      this.head += n;
      if (this.offset >= 0) this.offset = Math.max(0, this.offset - n);
    } else if (this.offset >= 0) this.offset += n;
    return n;
  }
  setPeekOffset(_fd: number, offset: number): number {
    this.offset = offset;
    return 0;
  }
}

/** Knows what it gave. */
class KeptRings extends RingPool {
  readonly #taken = new Set<ByteRing>();

  override take(octets: number): ByteRing {
    const ring = super.take(octets);
    this.#taken.add(ring);
    return ring;
  }
  get storage(): number {
    let octets = 0;
    for (const { bytes } of this.#taken) octets += bytes.length;
    return octets;
  }
}

type Step =
  | { readonly kind: 'arrive' | 'read' | 'resist'; readonly len: number }
  | { readonly kind: 'acknowledge'; readonly share: number }
  | { readonly kind: 'rewind' };

const size = fc.oneof(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 10_000, max: 65_000 }));
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('arrive' as const), len: size }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('read' as const), len: size }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('acknowledge' as const), share: fc.nat(4) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('rewind' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resist' as const), len: fc.nat(5000) }) },
);

/** A guest that must be handed the stream: positions count from its beginning. */
class Reader {
  readonly socket = new ModelSocket();
  readonly budget: QueueBudget;
  readonly source: SocketSource;
  readonly peek: boolean;
  acknowledged = 0;
  handed = 0;
  /** The furthest that was ever handed out: what may be acknowledged. */
  most = 0;

  constructor(peek: boolean, budget: number | QueueBudget, rings = new RingPool()) {
    this.peek = peek;
    this.budget = typeof budget === 'number' ? new QueueBudget(budget) : budget;
    this.source = new SocketSource(this.socket as unknown as HostSockets, 3, 0, {
      budget: this.budget,
      limit: RING_LIMIT,
      rings,
      peek,
    });
  }
  do(s: Step): void {
    if (s.kind === 'arrive') this.socket.tail = Math.min(this.socket.tail + s.len, STREAM.length);
    else if (s.kind === 'resist') this.socket.discardable = s.len;
    else if (s.kind === 'read') this.read(s.len);
    else if (s.kind === 'acknowledge') this.acknowledge(Math.floor(((this.most - this.acknowledged) * s.share) / 4));
    else {
      this.source.rewind();
      this.handed = this.acknowledged;
    }
  }
  read(len: number): number {
    const packet = pool.alloc(len);
    if (packet === undefined) throw new Error('a buffer leaked');
    const n = this.source.read(packet, len);
    const got = pool.bytes.slice(packet.at, packet.at + Math.max(n, 0));
    packet.release();
    if (n === -Errno.ENOBUFS && !this.peek && this.budget.used > 0) return n;
    const left = this.socket.tail - this.handed;
    if (left === 0 ? n !== -Errno.EAGAIN : n <= 0) throw new Error(`read gave ${n} where ${left} octets are left`);
    if (n < 0) return n;
    if (!STREAM.subarray(this.handed, this.handed + n).equals(got)) throw new Error(`wrong octets at ${this.handed}`);
    this.handed += n;
    this.most = Math.max(this.most, this.handed);
    if (this.source.drained && this.handed !== this.socket.tail) throw new Error('not drained');
    return n;
  }
  acknowledge(len: number): void {
    this.acknowledged += len;
    this.handed = Math.max(this.handed, this.acknowledged);
    this.source.acknowledge(len);
  }
}

for (const peek of [true, false]) {
  test(`${peek ? 'peek' : 'queue'}: every octet is handed out in order, whatever is acknowledged or read again`, (t) => {
    fc.assert(
      fc.property(
        fc.constantFrom(1 << 27, 40_000),
        fc.array(step, { minLength: 10, maxLength: 150 }),
        (budget, steps) => {
          const reader = new Reader(peek, budget);
          for (const s of steps) {
            reader.do(s);
            if (reader.budget.used > 2 * budget) return false;
          }
          reader.do({ kind: 'resist', len: Infinity });
          reader.do({ kind: 'rewind' });
          while (reader.handed < reader.socket.tail) {
            if (reader.read(65_000) === -Errno.ENOBUFS) reader.acknowledge(reader.handed - reader.acknowledged);
          }
          reader.acknowledge(reader.handed - reader.acknowledged);
          reader.read(1);
          return reader.budget.used === 0 && reader.socket.head === reader.socket.tail;
        },
      ),
      { seed: 11, numRuns: 300 },
    );
    t.pass();
  });
}

test('a source that is closed gives back what it had', (t) => {
  const reader = new Reader(true, 1 << 20);
  reader.do({ kind: 'arrive', len: 5000 });
  reader.read(8000);
  t.is(reader.budget.used, 8192);
  reader.source.close();
  t.is(reader.budget.used, 0);
});

for (const peek of [true, false]) {
  test.serial(
    `${peek ? 'peek' : 'queue'}: guests that keep one octet of many unacknowledged hold no more memory than the budget`,
    (t) => {
      const budget = new QueueBudget(1 << 20);
      const rings = new KeptRings();
      const readers = Array.from({ length: 100 }, () => {
        const reader = new Reader(peek, budget, rings);
        reader.do({ kind: 'arrive', len: 90_000 });
        while (reader.handed < 90_000 && reader.read(10_000) > 0);
        t.true(peek ? reader.handed === 90_000 : reader.handed >= 4096);
        reader.acknowledge(reader.handed - 1);
        return reader;
      });
      const most = budget.limit + (1 << 17) + readers.length * 4096;
      t.true(budget.used <= most, `${budget.used} octets`);
      t.true(rings.storage <= budget.used, `${rings.storage} octets of storage`);
      t.true(rings.storage > 1 << 19);
      for (const reader of readers) reader.source.close();
      t.is(budget.used, 0);
    },
  );
}

test('what is acknowledged after a rewind and cannot be discarded is not handed out again', (t) => {
  const reader = new Reader(true, 1 << 20);
  reader.do({ kind: 'arrive', len: 200_000 });
  for (let i = 0; i < 3; i++) reader.read(65_000);
  reader.acknowledge(65_000);
  t.is(reader.socket.head, 65_000, 'the ring held these; two reads stand in the socket');
  reader.do({ kind: 'rewind' });
  reader.do({ kind: 'resist', len: 10_000 });
  reader.acknowledge(100_000);
  t.is(reader.socket.head, 75_000);
  t.is(reader.read(20_000), 20_000, 'checked to be the octets from 165,000 on');
  reader.do({ kind: 'resist', len: Infinity });
  t.is(reader.read(20_000), 15_000);
  t.is(reader.socket.head, 165_000);
});

test('spare rings are kept apart: who holds little gets little storage', (t) => {
  const rings = new RingPool();
  const [large, small] = [rings.take(1 << 20), rings.take(100)];
  large.reserve(1 << 20);
  small.reserve(100);
  rings.give(small);
  rings.give(large);
  t.is(rings.take(1), small);
  t.is(rings.take(1).bytes.length, 0);
  t.is(rings.take(70_000), large);
  t.is(rings.take(70_000).bytes.length, 0);
});

test('large reads stay in the socket, small ones do not', (t) => {
  const reader = new Reader(true, 1 << 20);
  reader.do({ kind: 'arrive', len: 300 });
  reader.read(65_000);
  t.is(reader.socket.head, 300, 'taken at once');
  reader.do({ kind: 'arrive', len: 200_000 });
  reader.read(65_000);
  t.is(reader.socket.head, 65_300, 'the first is not known to be one of many');
  reader.read(65_000);
  reader.read(65_000);
  t.is(reader.socket.head, 65_300);
  t.is(reader.budget.used, 65_536);
  reader.acknowledge(65_300);
  t.is(reader.budget.used, 0);
  t.is(reader.socket.head, 65_300);
  reader.acknowledge(130_000);
  t.is(reader.socket.head, 195_300);
});

test('after short octets a small buffer does, and what it does not hold follows in a large one', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const sizes: (readonly [len: number, isSmall: boolean])[] = [];
  for (const len of [200, 300, 5000, 400, 100]) {
    world.skip();
    server.sockets[0]?.write(pattern(len));
    const wanted = tcp.received.length + len;
    const from = world.link.frames.length;
    await tcp.run('octets', () => tcp.received.length === wanted);
    for (const frame of world.link.frames.slice(from)) {
      const octets = tcpTo(tcp.local.port)(frame)?.payload.length ?? 0;
      if (octets > 0) sizes.push([octets, frame.capacity < 2048]);
    }
  }
  const small = SMALL_OCTETS - HEADROOM;
  t.deepEqual(sizes, [
    [200, false],
    [300, true],
    [small, true],
    [5000 - small, false],
    [400, false],
    [100, true],
  ]);
});

for (const source of ['peek', 'queue'] as const) {
  withSource(source)(`${source}: a small exchange is one receive and one send on the host's socket`, async (t) => {
    const server = await tcpServer((socket) => socket.on('data', (octets) => socket.write(octets)));
    const counting = new CountingSockets();
    const world = new World({ hostPorts: [server.port], source }, ALL_OFFLOADS, { sockets: counting.sockets });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    for (let i = 1; i <= 5; i++) {
      counting.take();
      tcp.send(Buffer.from(`request ${i}`));
      await tcp.run('the answer', () => tcp.received.length === 9 * i);
      for (let turns = 0; turns < 5; turns++) world.turn();
      t.deepEqual(counting.take(), { sends: 1, receives: 1, discards: 0 });
    }
    t.is(textOf(Uint8Array.from(tcp.received.slice(-9))), 'request 5');
    server.sockets[0]?.end('last');
    await tcp.run('the end', () => tcp.finSeen);
    t.is(tcp.received.length, 49);
    t.deepEqual(world.pool.available, { large: 64, small: 256 });
  });
}
