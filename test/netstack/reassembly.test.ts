import test from 'ava';
import * as fc from 'fast-check';
import { millis, seconds } from '../../src/lib/clock.ts';
import type { TransportProtocol } from '../../src/netstack/ip/ip.ts';
import { frame, half, inject, octetsOf, packet4, packet6, sentByB, World, word } from '../support/stacks.ts';

const PROBE = 253;
function setup() {
  const w = new World();
  const got: Uint8Array[] = [];
  const probe: TransportProtocol = {
    receive: (p) => {
      got.push(octetsOf(p));
      p.release();
    },
    icmpError: () => {},
  };
  w.b.ip.register(PROBE, probe);
  return { w, got };
}
interface Piece {
  readonly offset: number;
  readonly octets: readonly number[];
  readonly more: boolean;
  readonly id?: number;
}
const families = {
  IPv4: (p: Piece): Uint8Array =>
    frame(
      0x0800,
      packet4({ protocol: PROBE, id: p.id ?? 7, fragment: (p.offset >> 3) | (p.more ? 0x2000 : 0) }, p.octets),
    ),
  IPv6: (p: Piece): Uint8Array =>
    frame(
      0x86dd,
      packet6({ next: 44 }, [PROBE, 0, ...half(p.offset | (p.more ? 1 : 0)), ...word(p.id ?? 7), ...p.octets]),
    ),
};
const octets = (len: number): number[] => Array.from({ length: len }, (_, i) => (i * 31 + (i >> 8)) & 255);

for (const [name, make] of Object.entries(families)) {
  const counters = (w: World) => (name === 'IPv4' ? w.b.stats.Ip : w.b.stats.Ip6);

  test(`${name}: pieces in any order, some twice, make the datagram`, (t) => {
    const { w, got } = setup();
    let id = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 3000 }),
        fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 40 }),
        fc.infiniteStream(fc.nat()),
        (len, cuts, random) => {
          id = (id + 1) & 0xffff;
          const data = octets(len);
          const pieces: Piece[] = [];
          for (let at = 0, i = 0; at < len; i++) {
            const size = (cuts[i % cuts.length] as number) * 8;
            pieces.push({ offset: at, octets: data.slice(at, at + size), more: at + size < len, id });
            at += size;
          }
          const order = [...pieces];
          for (let i = order.length - 1; i > 0; i--) {
            const j = (random.next().value as number) % (i + 1);
            [order[i], order[j]] = [order[j] as Piece, order[i] as Piece];
          }
          // Within the bound on ranges that do not touch.
          fc.pre(pieces.length < 60 && pieces.length > 1);
          // One piece twice, before the last one completes the datagram.
          order.splice(0, 0, order[0] as Piece);
          for (const p of order) inject(w, make(p));
          t.deepEqual([...(got.pop() ?? [])], data);
          t.is(got.length, 0);
          t.is(w.leaks(), 0);
        },
      ),
      { numRuns: 150 },
    );
    t.is(w.b.ip.input.reassembly4.size + w.b.ip.input.reassembly6.size, 0);
    t.is(w.b.ip.input.reassembly4.octets + w.b.ip.input.reassembly6.octets, 0);
  });

  const first: Piece = { offset: 0, octets: octets(64), more: true };
  const refused: ReadonlyArray<readonly [string, readonly Piece[]]> = [
    ['[RFC5722] other octets where some have come', [first, { offset: 56, octets: octets(32), more: false }]],
    ['the same place, other octets', [first, { offset: 0, octets: octets(65).slice(1), more: true }]],
    [
      'two ends',
      [
        { offset: 64, octets: [1], more: false },
        { offset: 64, octets: [1, 2], more: false },
      ],
    ],
    [
      'octets beyond the end',
      [
        { offset: 8, octets: [1], more: false },
        { offset: 64, octets: octets(8), more: true },
      ],
    ],
    [
      'an end before octets that have come',
      [
        { offset: 64, octets: octets(8), more: true },
        { offset: 8, octets: [1], more: false },
      ],
    ],
    ['a piece of nothing', [{ offset: 8, octets: [], more: true }]],
  ];
  for (const [what, pieces] of refused) {
    test(`${name} ends the datagram: ${what}`, (t) => {
      const { w, got } = setup();
      for (const p of pieces) inject(w, make(p));
      const { reassembly4, reassembly6 } = w.b.ip.input;
      t.is(reassembly4.size + reassembly6.size, 0);
      t.is(counters(w).ReasmFails, 1);
      t.deepEqual(got, []);
      t.is(w.leaks(), 0);
    });
  }

  test(`${name}: after its time a datagram is given up, and the sender told if the first piece came`, (t) => {
    const { w } = setup();
    const lifetime = name === 'IPv4' ? 30 : 60;
    inject(w, make({ ...first, id: 1 }));
    inject(w, make({ offset: 8, octets: [1], more: false, id: 2 }));
    w.run(seconds(lifetime - 1));
    const sent = sentByB(w);
    t.is(counters(w).ReasmTimeout, 0);
    w.run(millis(1001));
    t.is(counters(w).ReasmTimeout, 2);
    const told = sent.filter((f) =>
      name === 'IPv4' ? f[34] === 11 && f[35] === 1 : f[20] === 58 && f[54] === 3 && f[55] === 1,
    );
    t.is(told.length, 1);
    t.is(w.leaks(), 0);
  });

  test(`${name}: datagrams under way are bounded, the oldest makes room`, (t) => {
    const { w } = setup();
    for (let id = 0; id < 200; id++) inject(w, make({ ...first, id }));
    const r = w.b.ip.input[name === 'IPv4' ? 'reassembly4' : 'reassembly6'];
    t.is(r.size, 128);
    t.is(w.b.stats.Sandsock.ReassemblyEvictions, 72);
    w.run(seconds(61));
    t.is(w.leaks(), 0);
    t.is(r.octets, 0);
  });

  test(`${name}: the memory of datagrams under way is bounded`, (t) => {
    const { w } = setup();
    for (let id = 0; id < 128; id++) inject(w, make({ offset: 64_000, octets: octets(1000), more: true, id }));
    const r = w.b.ip.input[name === 'IPv4' ? 'reassembly4' : 'reassembly6'];
    t.true(r.octets <= 4 * 1024 * 1024);
    t.true(r.size >= 60);
  });

  test(`${name}: pieces that never touch are bounded`, (t) => {
    const { w } = setup();
    for (let i = 0; i < 65; i++) inject(w, make({ offset: i * 16, octets: octets(8), more: true }));
    t.is(counters(w).ReasmFails, 1);
    t.is(w.leaks(), 0);
  });
}

test('IPv4: a datagram that would be longer than 65,535 octets is dropped', (t) => {
  const { w, got } = setup();
  for (let offset = 0; offset < 65_528; offset += 1024) {
    inject(w, families.IPv4({ offset, octets: octets(Math.min(1024, 65_528 - offset)), more: offset + 1024 < 65_528 }));
  }
  t.deepEqual(got, []);
  t.is(w.leaks(), 0);
});
