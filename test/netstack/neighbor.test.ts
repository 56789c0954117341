import test from 'ava';
import { seconds } from '../../src/lib/clock.ts';
import type { Neighbor } from '../../src/netstack/ip/neighbor.ts';
import { address6, frame, half, icmpMessage, inject, ip, sentByB, World, word } from '../support/stacks.ts';

const MAC_A = [2, 0, 0, 0, 0, 0x0a];
const OTHER = [2, 0, 0, 0, 0, 0x77];
const arp = (
  operation: number,
  sender: readonly number[],
  from: string,
  target: readonly number[],
  to: string,
): number[] => [
  ...half(1),
  ...half(0x0800),
  6,
  4,
  ...half(operation),
  ...sender,
  ...word(ip(from).w3),
  ...target,
  ...word(ip(to).w3),
];
const NOBODY = [0, 0, 0, 0, 0, 0];
const EVERYONE = [255, 255, 255, 255, 255, 255];
const cacheOf = (w: World) => {
  const cache = w.b.ip.interfaces[1]?.neighbors;
  if (cache === undefined) throw new Error('no neighbour cache');
  return cache;
};
const macOf = (n: Neighbor | undefined): number[] => [...(n?.linkAddress ?? [])];
/** Host b sends something to `to`. */
function poke(w: World, to: string): void {
  const e = w.b.createUdp(to.includes(':') ? 6 : 4);
  const packet = e.prepare(ip(to), 9, 0, undefined);
  if (typeof packet === 'string') throw new Error(packet);
  e.transmit(packet, 0);
}

test('[RFC826] a request for our address is answered and teaches the sender', (t) => {
  const w = new World();
  const sent = sentByB(w);
  inject(w, frame(0x0806, arp(1, MAC_A, '10.0.0.1', NOBODY, '10.0.0.2'), EVERYONE));
  t.deepEqual(
    [...(sent[0] ?? [])],
    [...frame(0x0806, arp(2, [2, 0, 0, 0, 0, 0x0b], '10.0.0.2', MAC_A, '10.0.0.1'), MAC_A)].map((x, i) =>
      i >= 6 && i < 12 ? [2, 0, 0, 0, 0, 0x0b][i - 6] : x,
    ) as number[],
  );
  const known = cacheOf(w).find(ip('10.0.0.1'));
  t.is(known?.state, 'STALE');
  t.deepEqual(macOf(known), MAC_A);
});

test('ARP: what is not for us teaches nothing new, but corrects what is known; probes are answered', (t) => {
  const w = new World();
  const sent = sentByB(w);
  inject(w, frame(0x0806, arp(1, MAC_A, '10.0.0.1', NOBODY, '10.0.0.9'), EVERYONE));
  inject(w, frame(0x0806, arp(2, MAC_A, '10.0.0.1', NOBODY, '10.0.0.2')));
  t.is(cacheOf(w).size, 0);
  inject(w, frame(0x0806, arp(1, MAC_A, '0.0.0.0', NOBODY, '10.0.0.2'), EVERYONE));
  t.is(sent.length, 1);
  t.is(cacheOf(w).size, 0);
  inject(w, frame(0x0806, arp(1, MAC_A, '10.0.0.1', NOBODY, '10.0.0.2'), EVERYONE));
  inject(w, frame(0x0806, arp(1, OTHER, '10.0.0.1', NOBODY, '10.0.0.1'), EVERYONE));
  t.deepEqual(macOf(cacheOf(w).find(ip('10.0.0.1'))), OTHER);
  // Someone who claims our address changes nothing here.
  inject(w, frame(0x0806, arp(1, OTHER, '10.0.0.2', NOBODY, '10.0.0.2'), EVERYONE));
  t.is(cacheOf(w).find(ip('10.0.0.2')), undefined);
});

const malformed = (change: (a: number[]) => void): number[] => {
  const a = arp(1, MAC_A, '10.0.0.1', NOBODY, '10.0.0.2');
  change(a);
  return a;
};
for (const [what, octets] of [
  ['cut short', malformed((a) => a.pop())],
  ['another hardware', malformed((a) => a.splice(1, 1, 6))],
  ['another protocol', malformed((a) => a.splice(2, 1, 0x86))],
  ['lengths that do not fit', malformed((a) => a.splice(4, 1, 8))],
  ['a group as the sender', malformed((a) => a.splice(8, 1, 3))],
] as const) {
  test(`ARP dropped and counted: ${what}`, (t) => {
    const w = new World();
    const sent = sentByB(w);
    inject(w, frame(0x0806, octets, EVERYONE));
    t.is(w.b.stats.Sandsock.ArpInvalid, 1);
    t.deepEqual(sent, []);
    t.is(w.leaks(), 0);
  });
}

for (const [a, isV4] of [
  ['10.0.0.1', true],
  ['fd00::1', false],
] as const) {
  test(`[RFC4861 7.3] states of a neighbour: ${a}`, (t) => {
    const w = new World();
    const state = (): string | undefined => cacheOf(w).find(ip(a))?.state;
    const sent = sentByB(w);
    const solicitations = (): number =>
      sent.filter((f) => (isV4 ? f[13] === 6 && f[21] === 1 : f[20] === 58 && f[54] === 135)).length;
    poke(w, a);
    t.is(state(), 'INCOMPLETE');
    w.settle();
    t.is(state(), 'REACHABLE');
    t.is(solicitations(), 1);
    w.run(seconds(46));
    t.is(state(), 'STALE');
    poke(w, a);
    t.is(state(), 'DELAY');
    w.run(seconds(4));
    t.is(state(), 'DELAY');
    const before = solicitations();
    w.run(seconds(1));
    // Five seconds without a sign: one probe, which host a answers.
    t.is(solicitations(), before + 1);
    t.is(state(), 'REACHABLE');
    w.run(seconds(46));
    w.pair.a.tap = () => false;
    poke(w, a);
    w.run(seconds(7));
    t.is(state(), 'PROBE');
    w.run(seconds(2));
    t.is(state(), undefined);
    t.is(w.b.stats.Sandsock.NeighborFailures, 1);
    t.is(w.leaks(), 0);
  });
}

const MAC_B = [2, 0, 0, 0, 0, 0x0b];
const option = (type: number, mac: readonly number[]): number[] => [type, 1, ...mac];
const nd = (
  type: number,
  flags: number,
  target: string,
  options: number[],
  header: { src: string; dst: string; hops?: number; code?: number },
): Uint8Array => {
  const message = icmpMessage([type, header.code ?? 0, 0, 0, ...word(flags), ...address6(target), ...options], header);
  const packet = [
    ...word(0x6000_0000),
    ...half(message.length),
    58,
    header.hops ?? 255,
    ...address6(header.src),
    ...address6(header.dst),
    ...message,
  ];
  const group = header.dst.startsWith('ff');
  return frame(0x86dd, packet, group ? [0x33, 0x33, 0xff, 0, 0, 2] : MAC_B);
};
const SOLICITED_NODE = 'ff02::1:ff00:2';

for (const a of ['10.0.0.1', 'fd00::1']) {
  test(`a permanent neighbour (${a}) is never asked for, holds nothing back and learns nothing`, (t) => {
    const w = new World({ b: { neighbors: [{ address: ip(a), linkAddress: Uint8Array.from(OTHER) }] } });
    const sent = sentByB(w);
    for (let i = 0; i < 100; i++) poke(w, a);
    t.is(sent.length, 100);
    t.true(sent.every((f) => f.subarray(0, 6).every((octet, i) => octet === OTHER[i])));
    t.is(w.b.stats.Sandsock.NeighborQueueDrops, 0);
    inject(w, frame(0x0806, arp(1, MAC_A, '10.0.0.1', NOBODY, '10.0.0.2'), EVERYONE));
    inject(w, nd(136, 3 << 29, 'fd00::1', option(2, MAC_A), { src: 'fd00::1', dst: 'fd00::2' }));
    inject(w, nd(136, 1 << 30, 'fd00::1', [], { src: 'fd00::1', dst: 'fd00::2' }));
    w.run(seconds(100));
    const cache = cacheOf(w);
    for (let i = 0; i < 600; i++) cache.obtain(ip(`10.9.${i >> 8}.${i & 255}`));
    t.is(cache.find(ip(a))?.state, 'PERMANENT');
    t.deepEqual(macOf(cache.find(ip(a))), OTHER);
    t.is(w.leaks(), 0);
  });
}

test('[RFC4861 7.2.4] a solicitation is answered: solicited, override, with our link address', (t) => {
  const w = new World();
  const sent = sentByB(w);
  inject(w, nd(135, 0, 'fd00::2', option(1, MAC_A), { src: 'fd00::1', dst: SOLICITED_NODE }));
  const answer = [...(sent[0] ?? [])];
  t.deepEqual(answer.slice(0, 6), MAC_A);
  t.is(answer[21], 255);
  t.deepEqual(
    answer.slice(54),
    icmpMessage([136, 0, 0, 0, 0x60, 0, 0, 0, ...address6('fd00::2'), ...option(2, MAC_B)], {
      src: 'fd00::2',
      dst: 'fd00::1',
    }),
  );
  // Learnt STALE, and used at once.
  t.is(cacheOf(w).find(ip('fd00::1'))?.state, 'DELAY');
});
test('[RFC4862 5.4.3] a probe for duplicates is answered to all nodes', (t) => {
  const w = new World();
  const sent = sentByB(w);
  inject(w, nd(135, 0, 'fd00::2', [], { src: '::', dst: SOLICITED_NODE }));
  t.deepEqual([...(sent[0] ?? [])].slice(38, 54), address6('ff02::1'));
  t.deepEqual([...(sent[0] ?? [])].slice(58, 62), [0x20, 0, 0, 0]);
});
for (const [what, octets] of [
  ['a hop limit below 255', nd(135, 0, 'fd00::2', [], { src: 'fd00::1', dst: SOLICITED_NODE, hops: 254 })],
  ['a code', nd(135, 0, 'fd00::2', [], { src: 'fd00::1', dst: SOLICITED_NODE, code: 1 })],
  ['an option of length 0', nd(135, 0, 'fd00::2', [1, 0, 0, 0, 0, 0, 0, 0], { src: 'fd00::1', dst: SOLICITED_NODE })],
  ['an option cut short', nd(135, 0, 'fd00::2', [1, 2, 0, 0, 0, 0, 0, 0], { src: 'fd00::1', dst: SOLICITED_NODE })],
  ['half an option', nd(135, 0, 'fd00::2', [1], { src: 'fd00::1', dst: SOLICITED_NODE })],
  ['a link address of nobody', nd(135, 0, 'fd00::2', option(1, MAC_A), { src: '::', dst: SOLICITED_NODE })],
  ['an advertisement about a group', nd(136, 0, 'ff02::1', [], { src: 'fd00::1', dst: 'fd00::2' })],
  ['a solicited advertisement to everyone', nd(136, 1 << 30, 'fd00::1', [], { src: 'fd00::1', dst: 'ff02::1' })],
] as const) {
  test(`[RFC4861 7.1] Neighbor Discovery drops ${what}`, (t) => {
    const w = new World();
    const sent = sentByB(w);
    inject(w, octets);
    t.is(w.b.stats.Sandsock.NdInvalid, 1);
    t.is(w.b.stats.Sandsock.NdIn, 1);
    t.deepEqual(sent, []);
    t.is(cacheOf(w).size, 0);
    t.is(w.leaks(), 0);
  });
}
test('[RFC4861 7.2.5] advertisements: no entry is made; override, doubt, confirmation', (t) => {
  const w = new World();
  const from = { src: 'fd00::1', dst: 'fd00::2' };
  const [SOLICITED, OVERRIDE] = [1 << 30, 1 << 29];
  inject(w, nd(136, SOLICITED | OVERRIDE, 'fd00::1', option(2, MAC_A), from));
  t.is(cacheOf(w).size, 0);
  poke(w, 'fd00::1');
  w.settle();
  const n = cacheOf(w).find(ip('fd00::1'));
  t.is(n?.state, 'REACHABLE');
  inject(w, nd(136, SOLICITED, 'fd00::1', option(2, OTHER), from));
  t.deepEqual([n?.state, ...macOf(n)], ['STALE', ...MAC_A]);
  inject(w, nd(136, SOLICITED, 'fd00::1', [], from));
  t.is(n?.state, 'REACHABLE');
  inject(w, nd(136, OVERRIDE, 'fd00::1', option(2, OTHER), from));
  t.deepEqual([n?.state, ...macOf(n)], ['STALE', ...OTHER]);
  inject(w, nd(136, SOLICITED | OVERRIDE, 'fd00::1', option(2, MAC_A), from));
  t.deepEqual([n?.state, ...macOf(n)], ['REACHABLE', ...MAC_A]);
  // Nothing that is not asked for and says nothing new changes the state.
  inject(w, nd(136, 0, 'fd00::1', [], from));
  t.is(n?.state, 'REACHABLE');
});

test('the cache is bounded: what is not in use makes room, and is counted', (t) => {
  const w = new World();
  const cache = cacheOf(w);
  poke(w, '10.0.0.1');
  w.settle();
  w.pair.b.tap = () => false;
  for (let i = 0; i < 600; i++) poke(w, `fd00::1:${i.toString(16)}`);
  t.is(cache.size, 512);
  t.is(w.b.stats.Sandsock.NeighborEvictions, 600 - 511);
  t.is(cache.find(ip('10.0.0.1'))?.state, 'REACHABLE');
  // Of the waiting packets no more than 256 are kept over all.
  t.is(w.leaks(), 256);
  w.run(seconds(5));
  t.is(cache.size, 1);
  t.is(w.leaks(), 0);
});

test('a route remembers its neighbour, and looks again once that is gone', (t) => {
  const w = new World();
  const e = w.b.createUdp(4);
  const server = w.a.createUdp(4);
  server.bind(ip('0.0.0.0'), 9);
  const send = (): void => {
    const packet = e.prepare(ip('10.0.0.1'), 9, 0, undefined);
    if (typeof packet !== 'string') e.transmit(packet, 0);
    w.settle();
  };
  send();
  cacheOf(w).clear();
  send();
  t.is(server.queued, 2);
  t.is(w.b.stats.Sandsock.ArpOut, 2);
});
