import test from 'ava';
import type { TransportProtocol } from '../../src/netstack/ip/ip.ts';
import type { Stats } from '../../src/netstack/stats.ts';
import {
  frame,
  type Header4,
  type Header6,
  inject,
  octetsOf,
  packet4,
  packet6,
  sentByB,
  World,
} from '../support/stacks.ts';

const PROBE = 253;
const DATA = [1, 2, 3, 4];

function setup() {
  const w = new World();
  const got: number[][] = [];
  const probe: TransportProtocol = {
    receive: (p) => {
      got.push([...octetsOf(p)]);
      p.release();
    },
    icmpError: () => {},
  };
  w.b.ip.register(PROBE, probe);
  return { w, got };
}

type Counter = (s: Stats) => number;
const hdr4: Counter = (s) => s.Ip.InHdrErrors;
const addr4: Counter = (s) => s.Ip.InAddrErrors;
const bad4: ReadonlyArray<readonly [string, Header4 | number[], Counter]> = [
  ['shorter than a header', packet4({ protocol: PROBE }, []).slice(0, 19), (s) => s.Ip.InTruncatedPkts],
  ['version 5', { protocol: PROBE, version: 5 }, hdr4],
  ['header length beyond the total length', { protocol: PROBE, totalLen: 19 }, hdr4],
  ['total length beyond the frame', { protocol: PROBE, totalLen: 25 }, hdr4],
  ['a wrong checksum', { protocol: PROBE, checksum: 1 }, hdr4],
  ['not for us', { protocol: PROBE, dst: '10.0.0.3' }, addr4],
  ['to loopback', { protocol: PROBE, dst: '127.0.0.1' }, addr4],
  ['from loopback', { protocol: PROBE, src: '127.0.0.1' }, addr4],
  ['from a group', { protocol: PROBE, src: '224.0.0.5' }, addr4],
  ['from everyone', { protocol: PROBE, src: '255.255.255.255' }, addr4],
  ['from nobody, to one host', { protocol: PROBE, src: '0.0.0.0' }, addr4],
  ['from ourselves', { protocol: PROBE, src: '10.0.0.2' }, addr4],
  ['to a group that we are not in', { protocol: PROBE, dst: '224.0.0.251' }, (s) => s.Ip.InDiscards],
];
for (const [what, header, counter] of bad4) {
  test(`IPv4 dropped and counted: ${what}`, (t) => {
    const { w, got } = setup();
    inject(w, frame(0x0800, Array.isArray(header) ? header : packet4(header, DATA)));
    t.deepEqual(got, []);
    t.is(counter(w.b.stats), 1);
    t.is(w.b.stats.Ip.InReceives, 1);
    t.is(w.leaks(), 0);
  });
}

test('IPv4: padding is cut, options are skipped', (t) => {
  const { w, got } = setup();
  inject(w, frame(0x0800, [...packet4({ protocol: PROBE }, DATA), 0, 0, 0, 0, 0, 0]));
  inject(w, frame(0x0800, packet4({ protocol: PROBE, options: [131, 7, 4, 10, 0, 0, 9, 0] }, DATA)));
  t.deepEqual(got, [DATA, DATA]);
});

test('IPv4: limited and directed broadcast, all hosts, and a client that has no address yet', (t) => {
  const { w, got } = setup();
  const everyone = [255, 255, 255, 255, 255, 255];
  for (const dst of ['255.255.255.255', '10.0.0.255', '224.0.0.1']) {
    inject(w, frame(0x0800, packet4({ protocol: PROBE, dst }, DATA), everyone));
  }
  inject(w, frame(0x0800, packet4({ protocol: PROBE, src: '0.0.0.0', dst: '255.255.255.255' }, DATA), everyone));
  t.is(got.length, 4);
  t.deepEqual([w.b.stats.IpExt.InBcastPkts, w.b.stats.IpExt.InMcastPkts], [3, 1]);
});

test('frames: too short, for another station, of an unknown type', (t) => {
  const { w, got } = setup();
  inject(w, frame(0x0800, []).slice(0, 13));
  inject(w, frame(0x0800, packet4({ protocol: PROBE }, DATA), [2, 0, 0, 0, 0, 99]));
  inject(w, frame(0x88cc, DATA));
  const { Sandsock } = w.b.stats;
  t.deepEqual([Sandsock.LinkMalformed, Sandsock.LinkOtherHost, Sandsock.LinkUnknownType], [1, 1, 1]);
  t.deepEqual(got, []);
  t.is(w.leaks(), 0);
});

const hdr6: Counter = (s) => s.Ip6.InHdrErrors;
const addr6: Counter = (s) => s.Ip6.InAddrErrors;
/** A header of 8 octets: next, length 0, then six octets. */
const ext = (next: number, ...rest: number[]): number[] => [
  next,
  0,
  ...rest,
  ...Array<number>(6 - rest.length).fill(0),
];
const bad6: ReadonlyArray<readonly [string, Header6 | number[], number[], Counter]> = [
  ['shorter than a header', packet6({ next: PROBE }, []).slice(0, 39), [], (s) => s.Ip6.InTruncatedPkts],
  ['version 4', [0x40, ...packet6({ next: PROBE }, DATA).slice(1)], [], hdr6],
  ['payload beyond the frame', { next: PROBE, payloadLen: 5 }, DATA, hdr6],
  ['not for us', { next: PROBE, dst: 'fd00::3' }, DATA, addr6],
  ['to ::1', { next: PROBE, dst: '::1' }, DATA, addr6],
  ['from ::1', { next: PROBE, src: '::1' }, DATA, addr6],
  ['from a group', { next: PROBE, src: 'ff02::1' }, DATA, addr6],
  ['from an IPv4-mapped address', { next: PROBE, src: '::ffff:10.0.0.1' }, DATA, addr6],
  ['to an IPv4-mapped address', { next: PROBE, dst: '::ffff:10.0.0.2' }, DATA, addr6],
  ['from ourselves', { next: PROBE, src: 'fd00::2' }, DATA, addr6],
  ['to a group that we are not in', { next: PROBE, dst: 'ff02::fb' }, DATA, (s) => s.Ip6.InDiscards],
  ['an extension header cut short', { next: 60 }, [PROBE, 0, 0], hdr6],
  ['an extension header longer than the packet', { next: 60 }, [PROBE, 1, 1, 4, 0, 0, 0, 0], hdr6],
  ['an option longer than its header', { next: 60 }, ext(PROBE, 1, 9), hdr6],
  ['an unknown option that asks to be dropped', { next: 60 }, ext(PROBE, 0x40, 0), hdr6],
  ['more extension headers than anyone sends', { next: 60 }, Array.from({ length: 9 }, () => ext(60)).flat(), hdr6],
  ['a fragment header cut short', { next: 44 }, [PROBE, 0, 0, 0], hdr6],
];
for (const [what, header, payload, counter] of bad6) {
  test(`IPv6 dropped and counted: ${what}`, (t) => {
    const { w, got } = setup();
    const sent = sentByB(w);
    inject(w, frame(0x86dd, Array.isArray(header) ? header : packet6(header, payload)));
    t.deepEqual(got, []);
    t.is(counter(w.b.stats), 1);
    t.deepEqual(sent, []);
    t.is(w.leaks(), 0);
  });
}

const reported: ReadonlyArray<readonly [string, Header6, number[], code: number, pointer: number]> = [
  ['an unknown protocol', { next: 200 }, DATA, 1, 6],
  ['an unknown option that asks for a report', { next: 60 }, ext(PROBE, 0x80, 0), 2, 42],
  ['segments left in a routing header', { next: 43 }, ext(PROBE, 4, 1), 0, 42],
  ['hop-by-hop options that come second', { next: 60 }, [...ext(0), ...ext(PROBE)], 1, 40],
  ['a fragment whose length is no multiple of 8', { next: 44 }, [PROBE, 0, 0, 1, 0, 0, 0, 1, 9], 0, 4],
  ['a fragment beyond 65,535 octets', { next: 44 }, [PROBE, 0, 0xff, 0xf8, 0, 0, 0, 1, ...DATA, ...DATA], 0, 42],
];
for (const [what, header, payload, code, pointer] of reported) {
  test(`IPv6 parameter problem: ${what}`, (t) => {
    const { w, got } = setup();
    inject(w, frame(0x86dd, packet6(header, payload)));
    // The answer waits for the neighbour; host a gives its address.
    const answers: number[][] = [];
    w.pair.b.tap = (p) => answers.push([...octetsOf(p)]) > 0;
    w.settle();
    const answer = answers.find((f) => f[20] === 58 && f[54] === 4) ?? [];
    t.deepEqual(got, []);
    t.deepEqual(answer.slice(54, 56), [4, code]);
    t.deepEqual(answer.slice(58, 62), [0, 0, 0, pointer]);
    t.is(w.b.stats.Icmp6.OutParmProbs, 1);
    w.a.ip.interfaces[1]?.neighbors?.clear();
    w.b.ip.interfaces[1]?.neighbors?.clear();
    t.is(w.leaks(), 0);
  });
}

test('IPv6: options to skip, padding, a finished routing header, an atomic fragment; "no next header" ends quietly', (t) => {
  const { w, got } = setup();
  inject(
    w,
    frame(0x86dd, packet6({ next: 0 }, [...ext(43, 0, 1, 2), ...ext(60, 0, 0), ...ext(PROBE, 0x1e, 2), ...DATA])),
  );
  inject(w, frame(0x86dd, packet6({ next: 44 }, [PROBE, 0, 0, 0, 0, 0, 0, 1, ...DATA])));
  inject(w, frame(0x86dd, packet6({ next: 59 }, DATA)));
  t.deepEqual(got, [DATA, DATA]);
  t.is(w.b.stats.Ip6.InUnknownProtos, 0);
});

test('ICMP of the other family is an unknown protocol', (t) => {
  const { w } = setup();
  inject(w, frame(0x86dd, packet6({ next: 1 }, [8, 0, 0, 0, 0, 0, 0, 0])));
  inject(w, frame(0x0800, packet4({ protocol: 58 }, [128, 0, 0, 0, 0, 0, 0, 0])));
  t.is(w.b.stats.Ip6.InUnknownProtos, 1);
  t.is(w.b.stats.Ip.InUnknownProtos, 1);
});
