import test, { type ExecutionContext } from 'ava';
import * as fc from 'fast-check';
import { micros, millis, TimerHeap } from '../../../src/lib/clock.ts';
import { SeededRandom } from '../../../src/lib/random.ts';
import { IpAddress } from '../../../src/netstack/address.ts';
import { Shutdown } from '../../../src/netstack/endpoint.ts';
import { type Faults, FaultyLink } from '../../../src/netstack/link/faults.ts';
import { ALL_CAPABILITIES, LinkPair } from '../../../src/netstack/link/pair.ts';
import { PacketPool } from '../../../src/netstack/packet.ts';
import { Stack } from '../../../src/netstack/stack.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { TcpLayer } from '../../../src/netstack/tcp/tcp-layer.ts';

const A = [IpAddress.of('10.0.2.15'), IpAddress.of('fd00::15')] as const;
const B = [IpAddress.of('10.0.2.2'), IpAddress.of('fd00::2')] as const;
const PORT = 80;

interface Conditions {
  readonly seed: number;
  readonly family: 4 | 6;
  readonly mtu: number;
  readonly offload: boolean;
  readonly faults: Faults;
  /** Octets each way. */
  readonly there: number;
  readonly back: number;
  /** Octets per write and per read. */
  readonly piece: number;
  /** SO_RCVBUF of both, or 0. */
  readonly buffer: number;
}

/** Two stacks in one virtual time, each with its TCP, joined by a link that harms. */
class Net {
  readonly clock = new TimerHeap();
  readonly pool = new PacketPool({ large: 128, small: 4096 });
  readonly stacks: readonly [Stack, Stack];
  readonly layers: TcpLayer[] = [];
  readonly pair: LinkPair;

  constructor(c: Conditions) {
    this.pair = new LinkPair({ mtu: c.mtu, capabilities: c.offload ? ALL_CAPABILITIES : 0, addresses: null });
    const make = (side: 'a' | 'b', own: readonly IpAddress[], seed: number): Stack => {
      const random = new SeededRandom(c.seed * 2 + seed);
      const { clock, pool } = this;
      const stack = new Stack({ clock, random, pool, tcp: (env) => (this.layers[seed] = new TcpLayer(env)) });
      const link = new FaultyLink(this.pair[side], c.faults, { clock, random });
      stack.addLink(link, {
        name: 'eth0',
        addresses: own.map((address) => ({ address, prefix: address.isV4 ? 24 : 64 })),
      });
      return stack;
    };
    this.stacks = [make('a', A, 0), make('b', B, 1)];
  }
  turn(): void {
    for (let moved = 1; moved > 0; ) {
      for (const stack of this.stacks) stack.step(this.clock.now());
      moved = this.pair.pump();
    }
  }
  endpoint(side: 0 | 1, family: 4 | 6): TcpConnection {
    return this.stacks[side].createTcp(family) as TcpConnection;
  }
}

const octet = (i: number, salt: number): number => (i * 31 + (i >>> 7) * 17 + salt) & 0xff;

/** Writes until all is written, then closes its half; reads and checks. */
class Party {
  written = 0;
  read = 0;
  #finished = false;
  readonly endpoint: TcpConnection;
  readonly #send: number;
  readonly #salt: number;
  readonly #piece: number;
  constructor(endpoint: TcpConnection, send: number, salt: number, piece: number) {
    this.endpoint = endpoint;
    this.#send = send;
    this.#salt = salt;
    this.#piece = piece;
  }
  /** True if anything was done. */
  work(t: ExecutionContext): boolean {
    const { endpoint } = this;
    if (endpoint.state === 'SYN-SENT' || endpoint.state === 'SYN-RECEIVED') return false;
    const before = this.written + this.read;
    const space = Math.min(this.#piece, this.#send - this.written, endpoint.sendSpace(this.#piece));
    if (space > 0) {
      const ring = endpoint.sendRing;
      for (let i = 0; i < space; i++) ring.bytes[ring.index(ring.length + i)] = octet(this.written + i, this.#salt);
      this.written += space;
      endpoint.commitSend(space, 1, false, false);
    }
    if (this.written === this.#send && !this.#finished) {
      this.#finished = true;
      endpoint.shutdown(Shutdown.Write);
      return true;
    }
    const ready = Math.min(endpoint.receivable, this.#piece);
    const ring = endpoint.receiveRing;
    for (let i = 0; i < ready; i++) {
      if (ring.bytes[ring.index(i)] !== octet(this.read + i, 1 - this.#salt)) {
        t.fail(`octet ${this.read + i} is wrong`);
        throw new Error('wrong octet');
      }
    }
    this.read += ready;
    endpoint.consume(ready);
    return this.written + this.read !== before;
  }
  get done(): boolean {
    return this.#finished && this.endpoint.receivable === 0 && this.endpoint.receiveEnded;
  }
}

/** Listener, client, and once accepted the server's party. */
class Transfer {
  readonly net: Net;
  readonly parties: Party[];
  readonly #t: ExecutionContext;
  readonly #c: Conditions;
  readonly #client: TcpConnection;
  readonly #listener: TcpConnection;

  constructor(t: ExecutionContext, c: Conditions) {
    this.#t = t;
    this.#c = c;
    this.net = new Net(c);
    this.#listener = this.net.endpoint(1, c.family);
    this.#client = this.net.endpoint(0, c.family);
    for (const endpoint of [this.#listener, this.#client]) {
      if (c.buffer === 0) continue;
      endpoint.settings.receiveBuffer = c.buffer;
      endpoint.settings.receiveBufferLocked = true;
    }
    this.#listener.bind(c.family === 4 ? IpAddress.ANY4 : IpAddress.ANY6, PORT);
    this.#listener.listen(5);
    this.#client.connect(B[c.family === 4 ? 0 : 1], PORT);
    this.parties = [new Party(this.#client, c.there, 0, c.piece)];
  }
  get #isDone(): boolean {
    return this.parties.length === 2 && this.parties.every((p) => p.done);
  }
  /** Virtual time it took, microseconds. */
  run(): number {
    const { net } = this;
    const start = net.clock.now();
    for (let turns = 0; !this.#isDone; turns++) {
      net.turn();
      if (this.#client.error !== undefined || turns > 300_000) {
        this.#t.fail(`${this.#client.error ?? 'no end'} after ${turns} turns: ${this.#client.state}`);
        break;
      }
      this.#accept();
      if (!this.#work() && net.pair.a.queued + net.pair.b.queued === 0 && !this.#wait()) break;
    }
    this.#t.is(this.parties[0]?.read, this.#c.back);
    this.#t.is(this.parties[1]?.read, this.#c.there);
    return net.clock.now() - start;
  }
  #accept(): void {
    const child = this.parties.length === 1 ? this.#listener.acceptPeek() : undefined;
    if (child === undefined) return;
    this.#listener.acceptCommit();
    this.parties.push(new Party(child as TcpConnection, this.#c.back, 1, this.#c.piece));
  }
  #work(): boolean {
    let busy = false;
    for (const party of this.parties) if (party.work(this.#t)) busy = true;
    return busy;
  }
  #wait(): boolean {
    const { clock } = this.net;
    const next = clock.next();
    if (next === undefined) {
      this.#t.fail('nothing moves, and no alarm is set');
      return false;
    }
    clock.advance(micros(Math.max(0, next - clock.now())));
    return true;
  }
  /** Closes all, and looks for what stayed behind. */
  end(): void {
    const { net } = this;
    for (const party of this.parties) party.endpoint.close();
    this.#listener.close();
    for (let i = 0; i < 600; i++) {
      net.turn();
      net.clock.advance(millis(500));
    }
    for (const layer of net.layers) {
      this.#t.is(layer.flows.size, 0, 'connections are gone');
      this.#t.is(layer.ports.count, 0, 'ports are free');
      this.#t.is(layer.rings.used, 0, 'rings are gone');
    }
    this.#t.is(net.clock.next(), undefined, 'no alarm is left');
    for (const stack of net.stacks) {
      this.#t.is(stack.stats.Ip.FragFails + stack.stats.Ip6.FragFails, 0, 'no segment is too long for the link');
    }
    const { large, small } = net.pool.available;
    this.#t.deepEqual([large, small], [128, 4096], 'every buffer is back');
  }
}

function transfer(t: ExecutionContext, c: Conditions): { us: number; net: Net } {
  const run = new Transfer(t, c);
  const us = run.run();
  run.end();
  return { us, net: run.net };
}

const base: Conditions = {
  seed: 1,
  family: 4,
  mtu: 1500,
  offload: false,
  faults: {},
  there: 300_000,
  back: 100_000,
  piece: 10_000,
  buffer: 0,
};

const rate = (max: number): fc.Arbitrary<number> => fc.double({ min: 0, max, noNaN: true });

test('all octets arrive once and in order: a clean link, with and without offload, both families', (t) => {
  for (const family of [4, 6] as const) {
    for (const offload of [true, false]) transfer(t, { ...base, family, offload });
  }
});

test('all octets arrive once and in order: whatever the link does', (t) => {
  let resent = 0;
  let broken = 0;
  const faults = fc.record({
    loss: rate(0.1),
    duplicate: rate(0.1),
    corrupt: rate(0.05),
    reorder: rate(0.2),
    reorderBy: fc.integer({ min: 100, max: 60_000 }).map(micros),
    delay: fc.integer({ min: 0, max: 30_000 }).map(micros),
    jitter: fc.integer({ min: 0, max: 20_000 }).map(micros),
  });
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1e6 }),
        family: fc.constantFrom(4, 6),
        mtu: fc.constantFrom(1280, 1500, 9000, 65_520),
        faults,
        there: fc.integer({ min: 0, max: 120_000 }),
        back: fc.integer({ min: 0, max: 120_000 }),
        piece: fc.constantFrom(1000, 7777, 50_000),
        buffer: fc.constantFrom(0, 0, 4096, 20_000),
      }),
      (c) => {
        const { net } = transfer(t, { ...c, offload: false });
        for (const layer of net.layers) {
          resent += layer.tcp.RetransSegs;
          broken += layer.tcp.InCsumErrors;
        }
      },
    ),
    { numRuns: 60, seed: 20_260_101 },
  );
  t.log(`${resent} segments sent again, ${broken} arrived broken`);
  t.true(resent > 300 && broken > 50);
});

test('all octets arrive once and in order: segmentation offload over a link that loses and reorders', (t) => {
  fc.assert(
    fc.property(
      fc.record({
        seed: fc.integer({ min: 1, max: 1e6 }),
        mtu: fc.constantFrom(1500, 65_520),
        loss: fc.double({ min: 0, max: 0.1, noNaN: true }),
        reorder: fc.double({ min: 0, max: 0.2, noNaN: true }),
      }),
      ({ seed, mtu, loss, reorder }) => {
        transfer(t, {
          ...base,
          seed,
          mtu,
          offload: true,
          there: 2_000_000,
          piece: 200_000,
          faults: { loss, reorder, delay: micros(1000), reorderBy: micros(3000) },
        });
      },
    ),
    { numRuns: 15, seed: 7 },
  );
});

test('throughput under loss and delay is within reach of what the path allows', (t) => {
  // 100 Mbit/s, 20 ms round trip, a buffer of one bandwidth-delay product: without loss the wire should be busy most of the time.
  const wire: Faults = { rate: 12_500_000, delay: millis(10), buffer: 250_000 };
  const clean = transfer(t, { ...base, faults: wire, there: 20_000_000, back: 0, piece: 200_000 });
  const octetsPerSecond = 20_000_000 / (clean.us / 1e6);
  t.log(`clean: ${(octetsPerSecond / 12_500_000).toFixed(2)} of the wire`);
  t.true(octetsPerSecond > 0.7 * 12_500_000);
  const lossy = transfer(t, { ...base, faults: { ...wire, loss: 0.001 }, there: 20_000_000, back: 0, piece: 200_000 });
  const lossyRate = 20_000_000 / (lossy.us / 1e6);
  t.log(`0.1 % loss: ${(lossyRate / 12_500_000).toFixed(2)} of the wire`);
  // Mathis: 1460 / 0.02 * 1.22 / sqrt(0.001) = 2.8 MB/s.
  t.true(lossyRate > 1_500_000);
});
