import test from 'ava';
import * as fc from 'fast-check';
import { type BundleIo, FramedLink, FrameStatus, MOST_PIECES } from '../../src/netstack/link/framed.ts';
import { type Packet, PacketPool } from '../../src/netstack/packet.ts';
import { octetsOf } from '../support/stacks.ts';

const SIZES = { large: 8, small: 200 };
const HEADERS = 14;

/** Two ends share the messages: what one sends the other receives. */
class FakeBundles implements BundleIo {
  readonly messages: Uint8Array[] = [];
  room = Number.POSITIVE_INFINITY;
  peerIsGone = false;
  readonly #bytes: Uint8Array;
  readonly #pieces: Uint8Array[] = [];

  constructor(pool: PacketPool) {
    this.#bytes = pool.bytes;
  }
  put(index: number, at: number, len: number): void {
    this.#pieces[index] = this.#bytes.subarray(at, at + len);
  }
  sendPieces(count: number): number {
    if (this.peerIsGone) return FrameStatus.Closed;
    if (this.room <= 0) return FrameStatus.WouldBlock;
    this.room--;
    const message = Buffer.concat(this.#pieces.slice(0, count));
    this.messages.push(message);
    return message.length;
  }
  send(): number {
    throw new Error('a frame must not leave without its length');
  }
  recv(at: number, capacity: number): number {
    const message = this.messages.shift();
    if (message === undefined) return FrameStatus.WouldBlock;
    this.#bytes.set(message.subarray(0, capacity), at);
    return message.length;
  }
}

function setup(options: { queueCount?: number } = {}) {
  const pool = new PacketPool(SIZES);
  const io = new FakeBundles(pool);
  const link = new FramedLink({ io, pool, linkAddress: Uint8Array.of(2, 0, 0, 0, 0, 1), mtu: 65_520, ...options });
  const got: Uint8Array[] = [];
  const closed: string[] = [];
  link.attach({
    receive: (packet) => {
      got.push(octetsOf(packet).slice());
      packet.release();
    },
    linkClosed: (reason) => closed.push(reason),
  });
  const inUse = (): number => SIZES.large + SIZES.small - pool.available.large - pool.available.small;
  const packet = (len: number, fill = 7): Packet => {
    const p = pool.alloc(len) as Packet;
    p.end = p.at + len;
    p.bytes.fill(fill, p.at, p.end);
    return p;
  };
  return { pool, io, link, got, closed, inUse, packet };
}

test('the frames of a turn leave in one message, each behind its length, and arrive as they were', (t) => {
  const { link, io, got, inUse, packet } = setup();
  for (const len of [60, 1500, 61]) t.true(link.transmit(packet(len, len & 0xff)));
  t.is(io.messages.length, 0);
  link.flush();
  t.is(io.messages.length, 1);
  t.deepEqual([...(io.messages[0] as Uint8Array).subarray(0, 5)], [0, 0, 0, 70, 0]);
  t.deepEqual([link.counters.txFrames, link.counters.txOctets], [3, 1621]);
  t.is(link.poll(), 1);
  t.deepEqual(
    got.map((frame) => [frame.length, frame[0]]),
    [
      [60, 60],
      [1500, 1500 & 0xff],
      [61, 61],
    ],
  );
  t.is(link.counters.rxFrames, 3);
  link.flush();
  t.is(io.messages.length, 0);
  t.is(inUse(), 1);
});

test('a message that is full leaves at once: by count, and by octets', (t) => {
  const { link, io, packet } = setup();
  for (let i = 0; i < MOST_PIECES; i++) link.transmit(packet(20));
  t.is(io.messages.length, 1);
  link.transmit(packet(20));
  t.is(io.messages.length, 1);
  link.transmit(packet(60_000));
  link.flush();
  t.deepEqual(
    io.messages.slice(1).map((message) => message.length),
    [60_048],
  );
  t.true((io.messages[1] as Uint8Array).length <= 65_553);
});

test('a long frame alone takes its buffer along, beside others it is copied; the order stays', (t) => {
  const { link, io, got, inUse, packet } = setup();
  link.transmit(packet(20, 1));
  link.transmit(packet(65_534, 2));
  link.transmit(packet(20, 3));
  link.transmit(packet(30_000, 4));
  link.transmit(packet(20, 5));
  link.flush();
  t.true(io.messages.every((message) => message.length <= 65_553));
  link.poll();
  t.deepEqual(
    got.map((frame) => [frame.length, frame[0]]),
    [
      [20, 1],
      [65_534, 2],
      [20, 3],
      [30_000, 4],
      [20, 5],
    ],
  );
  t.is(inUse(), 1);
});

test('what would block waits, is bounded, and leaves in order with writable()', (t) => {
  const { link, io, got, closed, inUse, packet } = setup({ queueCount: 3 });
  io.room = 0;
  t.true(link.transmit(packet(20, 1)));
  t.is(link.queued, 0);
  link.flush();
  t.deepEqual([link.isBlocked, link.queued], [true, 1]);
  t.true(link.transmit(packet(20, 2)));
  t.true(link.transmit(packet(20, 3)));
  t.false(link.transmit(packet(20, 4)));
  t.deepEqual([link.queued, link.counters.txDropped], [3, 1]);
  io.room = 1;
  link.writable();
  t.deepEqual([link.isBlocked, link.queued, io.messages.length], [false, 0, 1]);
  link.poll();
  t.deepEqual(
    got.map((frame) => frame[0]),
    [1, 2, 3],
  );
  t.deepEqual(closed, []);
  t.is(inUse(), 1);
});

test('a full queue is sent before a frame is refused', (t) => {
  const { link, io, packet } = setup({ queueCount: 2 });
  for (let i = 0; i < 5; i++) t.true(link.transmit(packet(20)));
  t.is(link.counters.txDropped, 0);
  t.is(io.messages.length, 2);
});

test('close() sends what has gathered and tells nobody; a peer that is gone ends the link, told once', (t) => {
  const one = setup();
  one.link.transmit(one.packet(20));
  one.link.close();
  t.is(one.io.messages.length, 1);
  t.deepEqual([one.closed.length, one.inUse()], [0, 0]);
  const two = setup();
  two.link.transmit(two.packet(20));
  two.link.transmit(two.packet(20));
  two.io.peerIsGone = true;
  two.link.flush();
  t.deepEqual([two.closed.length, two.link.counters.txDropped, two.inUse()], [1, 2, 0]);
  const three = setup();
  three.link.transmit(three.packet(20));
  three.io.peerIsGone = true;
  three.link.close();
  t.deepEqual([three.closed.length, three.inUse()], [0, 0]);
});

for (const [what, message, frames] of [
  ['a length beyond the message', [0, 0, 0, 99, ...new Uint8Array(40)], 0],
  ['a length of 0', new Uint8Array(40), 0],
  ['a length that is cut short', [0, 0, 0], 0],
  ['a length with its high bit set', [0xff, 0xff, 0xff, 0xff, ...new Uint8Array(40)], 0],
  ['a frame without headers', [0, 0, 0, 4, ...new Uint8Array(4)], 0],
  ['octets behind a sound frame', [0, 0, 0, 24, ...new Uint8Array(24), 1], 1],
] as const) {
  test(`counted, and no more: ${what}`, (t) => {
    const { link, io, got, inUse } = setup();
    io.messages.push(Uint8Array.from(message));
    link.poll();
    t.deepEqual([got.length, link.counters.rxErrors, inUse()], [frames, 1, 1]);
  });
}

test('a frame that finds the link full and its other side gone is dropped', (t) => {
  const { link, io, packet, inUse } = setup({ queueCount: 2 });
  link.transmit(packet(20));
  link.transmit(packet(20));
  io.peerIsGone = true;
  t.false(link.transmit(packet(20)));
  t.deepEqual([link.isClosed, link.counters.txDropped, inUse()], [true, 3, 0]);
});

test('whoever ends the link while a bundle is read gets no more of it', (t) => {
  const { link, io, packet, inUse } = setup();
  let frames = 0;
  link.attach({
    receive: (received) => {
      frames++;
      received.release();
      link.close();
    },
    linkClosed: () => undefined,
  });
  for (let i = 0; i < 3; i++) link.transmit(packet(20));
  link.flush();
  link.poll();
  t.is(frames, 1);
  t.is(io.messages.length, 0);
  t.is(inUse(), 0);
});

test('random messages never throw and leak nothing; sound frames in them arrive', (t) => {
  const { link, io, got, inUse } = setup();
  const sound = fc.integer({ min: HEADERS, max: 100 }).map((len) => [0, 0, 0, len + 10, ...new Uint8Array(len + 10)]);
  const noise = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 60 });
  fc.assert(
    fc.property(fc.array(sound, { maxLength: 6 }), noise, (frames, tail) => {
      const message = Uint8Array.from([...frames.flat(), ...tail]);
      if (message.length === 0) return;
      io.messages.push(message);
      link.poll();
      t.true(got.length >= frames.length);
      got.length = 0;
      t.is(inUse(), 1);
    }),
    { numRuns: 300 },
  );
});
