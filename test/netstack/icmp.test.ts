import test from 'ava';
import { millis } from '../../src/lib/clock.ts';
import { meaning4, meaning6 } from '../../src/netstack/icmp/errors.ts';
import type { IcmpError, TransportProtocol } from '../../src/netstack/ip/ip.ts';
import {
  checksum,
  frame,
  half,
  icmpMessage,
  inject,
  ip,
  packet4,
  packet6,
  sentByB,
  World,
  word,
} from '../support/stacks.ts';

const PROBE = 253;
const V6 = { src: 'fd00::1', dst: 'fd00::2' };
/** Host b knows host a's link address, so that its answers leave at once. */
function world(): World {
  const w = new World();
  for (const host of ['10.0.0.1', 'fd00::1', '10.0.0.9', 'fd00::9']) {
    w.b.ip.interfaces[1]?.neighbors?.learn(ip(host), Uint8Array.of(2, 0, 0, 0, 0, 0x0a), 0, true);
  }
  return w;
}
const echo4 = (...rest: number[]): number[] => icmpMessage([8, 0, 0, 0, 0x12, 0x34, 0, 7, ...rest]);
const echo6 = (...rest: number[]): number[] => icmpMessage([128, 0, 0, 0, 0x12, 0x34, 0, 7, ...rest], V6);

test('[RFC1122 3.2.2.6] echo: identifier, sequence and data come back, checksums right', (t) => {
  const w = world();
  const sent = sentByB(w);
  inject(w, frame(0x0800, packet4({ protocol: 1, ttl: 3 }, echo4(1, 2, 3))));
  const reply = [...(sent[0] ?? [])].slice(14);
  t.deepEqual(reply.slice(20), icmpMessage([0, 0, 0, 0, 0x12, 0x34, 0, 7, 1, 2, 3]));
  t.is(checksum(reply.slice(0, 20)), 0);
  t.deepEqual(reply.slice(8, 10), [64, 1]);
  t.deepEqual(reply.slice(12, 20), [10, 0, 0, 2, 10, 0, 0, 1]);
  t.deepEqual([w.b.stats.Icmp.InEchos, w.b.stats.Icmp.OutEchoReps, w.b.stats.Icmp.OutMsgs], [1, 1, 1]);
});
test('[RFC4443 4.2] echo for IPv6', (t) => {
  const w = world();
  const sent = sentByB(w);
  inject(w, frame(0x86dd, packet6({ next: 58 }, echo6(9))));
  const reply = [...(sent[0] ?? [])].slice(14);
  t.deepEqual(reply.slice(40), icmpMessage([129, 0, 0, 0, 0x12, 0x34, 0, 7, 9], { src: 'fd00::2', dst: 'fd00::1' }));
  w.settle();
  t.is(w.leaks(), 0);
});
test('echo to a broadcast is ignored, to an IPv6 group answered from one of our addresses', (t) => {
  const w = world();
  const sent = sentByB(w);
  inject(w, frame(0x0800, packet4({ protocol: 1, dst: '10.0.0.255' }, echo4()), [255, 255, 255, 255, 255, 255]));
  t.is(sent.length, 0);
  const toAll = icmpMessage([128, 0, 0, 0, 0, 1, 0, 1], { src: 'fd00::1', dst: 'ff02::1' });
  inject(w, frame(0x86dd, packet6({ next: 58, dst: 'ff02::1' }, toAll), [0x33, 0x33, 0, 0, 0, 1]));
  t.deepEqual([...(sent[0] ?? [])].slice(22, 38), [0xfd, ...Array<number>(14).fill(0), 2]);
});
test('malformed messages are dropped and counted', (t) => {
  const w = world();
  const sent = sentByB(w);
  inject(w, frame(0x0800, packet4({ protocol: 1 }, echo4().slice(0, 7))));
  inject(w, frame(0x0800, packet4({ protocol: 1 }, [...echo4(), 1])));
  inject(w, frame(0x86dd, packet6({ next: 58 }, echo6().slice(0, 7))));
  inject(w, frame(0x86dd, packet6({ next: 58 }, [...echo6(), 1])));
  for (const c of [w.b.stats.Icmp, w.b.stats.Icmp6]) t.deepEqual([c.InMsgs, c.InErrors, c.InCsumErrors], [2, 2, 1]);
  t.is(sent.length, 0);
  t.is(w.leaks(), 0);
});
test('replies, redirects and what nobody knows are counted and left', (t) => {
  const w = world();
  const sent = sentByB(w);
  for (const type of [0, 5, 13, 40]) {
    inject(w, frame(0x0800, packet4({ protocol: 1 }, icmpMessage([type, 0, 0, 0, 0, 0, 0, 0]))));
  }
  for (const type of [129, 133, 134, 137, 200]) {
    inject(w, frame(0x86dd, packet6({ next: 58, hops: 255 }, icmpMessage([type, 0, 0, 0, 0, 0, 0, 0], V6))));
  }
  const { Icmp, Icmp6 } = w.b.stats;
  t.deepEqual([Icmp.InEchoReps, Icmp.InRedirects, Icmp6.InEchoReps, Icmp6.InRedirects], [1, 1, 1, 1]);
  t.is(sent.length, 0);
  t.is(w.leaks(), 0);
});

test('[RFC1122 3.2.2] a quote is the header and as much as 576 octets hold; IPv6 1280', (t) => {
  const w = world();
  const sent = sentByB(w);
  const data = Array.from({ length: 1400 }, (_, i) => i & 255);
  const asked4 = packet4({ protocol: PROBE }, data);
  inject(w, frame(0x0800, asked4));
  const answer4 = [...(sent.pop() ?? [])].slice(14);
  t.is(answer4.length, 576);
  t.deepEqual(answer4.slice(20, 22), [3, 2]);
  t.deepEqual(answer4.slice(28), asked4.slice(0, 548));
  t.is(checksum(answer4.slice(20)), 0);
  t.is(answer4[1], 0xc0);
  const asked6 = packet6({ next: 17 }, [...half(1), ...half(2), ...half(1408), 0, 0, ...data]);
  inject(w, frame(0x86dd, asked6), (p) => {
    p.csum = 2;
    // A checksum of zero is malformed on IPv6.
    p.bytes[p.end - 1400 - 1] = 1;
  });
  const answer6 = [...(sent.pop() ?? [])].slice(14);
  t.is(answer6.length, 1280);
  t.deepEqual(answer6.slice(40, 42), [1, 4]);
});

const error4 = icmpMessage([
  3,
  1,
  0,
  0,
  0,
  0,
  0,
  0,
  ...packet4({ protocol: PROBE, src: '10.0.0.2', dst: '10.0.0.1' }, word(0)),
]);
const silent: ReadonlyArray<readonly [string, Uint8Array]> = [
  ['a broadcast', frame(0x0800, packet4({ protocol: PROBE, dst: '10.0.0.255' }, [1]), [255, 255, 255, 255, 255, 255])],
  ['a link broadcast to one host', frame(0x0800, packet4({ protocol: PROBE }, [1]), [255, 255, 255, 255, 255, 255])],
  ['an ICMP error that makes no sense', frame(0x0800, packet4({ protocol: 1 }, error4))],
  ['from a broadcast address', frame(0x0800, packet4({ protocol: PROBE, src: '10.0.0.255' }, [1]))],
  ['a group', frame(0x86dd, packet6({ next: PROBE, dst: 'ff02::1' }, [1]), [0x33, 0x33, 0, 0, 0, 1])],
];
for (const [what, octets] of silent) {
  test(`[RFC1122 3.2.2, RFC4443 2.4 e] no error is sent about ${what}`, (t) => {
    const w = world();
    const sent = sentByB(w);
    inject(w, octets);
    t.deepEqual(sent, []);
    t.is(w.leaks(), 0);
  });
}

test('[RFC1812 4.3.2.8] errors are limited to a burst of 50 and 1000 a second', (t) => {
  const w = world();
  const sent = sentByB(w);
  const ask = (): void => inject(w, frame(0x0800, packet4({ protocol: PROBE }, [1])));
  for (let i = 0; i < 200; i++) ask();
  t.is(sent.length, 50);
  t.is(w.b.stats.Sandsock.IcmpRateLimited, 150);
  w.pair.b.deliver();
  w.clock.advance(millis(10));
  for (let i = 0; i < 200; i++) ask();
  t.is(sent.length, 60);
});

function listening() {
  const w = world();
  const got: { error: IcmpError; quoted: string }[] = [];
  const probe: TransportProtocol = {
    receive: (p) => p.release(),
    icmpError: (p, error) => got.push({ error, quoted: p.bytes.subarray(p.l4, p.l4 + 4).join('.') }),
  };
  w.b.ip.register(PROBE, probe);
  return { w, got };
}
const QUOTED = [11, 12, 13, 14, 15, 16, 17, 18];
const quote4 = packet4({ protocol: PROBE, src: '10.0.0.2', dst: '192.0.2.9' }, QUOTED);
const quote6 = packet6({ next: PROBE, src: 'fd00::2', dst: 'fd00::9' }, QUOTED);
const report4 = (type: number, code: number, rest: number, quote: number[]): Uint8Array =>
  frame(0x0800, packet4({ protocol: 1, src: '10.0.0.9' }, icmpMessage([type, code, 0, 0, ...word(rest), ...quote])));
const report6 = (type: number, code: number, rest: number, quote: number[]): Uint8Array =>
  frame(
    0x86dd,
    packet6(
      { next: 58, src: 'fd00::9' },
      icmpMessage([type, code, 0, 0, ...word(rest), ...quote], { src: 'fd00::9', dst: 'fd00::2' }),
    ),
  );

test('an error reaches the transport that it quotes', (t) => {
  const { w, got } = listening();
  inject(w, report4(3, 4, 1400, quote4));
  inject(w, report6(2, 0, 1300, quote6));
  inject(w, report4(11, 0, 0, packet4({ protocol: PROBE, src: '10.0.0.2', options: [1, 1, 1, 0] }, QUOTED)));
  inject(
    w,
    report6(1, 3, 0, packet6({ next: 60, src: 'fd00::2', dst: 'fd00::9' }, [PROBE, 0, 0, 0, 0, 0, 0, 0, ...QUOTED])),
  );
  t.deepEqual(
    got.map(({ error: { kind, isHard, type, code, mtu, offender }, quoted }) => [
      kind,
      isHard,
      type,
      code,
      mtu,
      offender.toString(),
      quoted,
    ]),
    [
      ['message-size', true, 3, 4, 1400, '10.0.0.9', '11.12.13.14'],
      ['message-size', true, 2, 0, 1300, 'fd00::9', '11.12.13.14'],
      ['host-unreachable', false, 11, 0, 0, '10.0.0.9', '11.12.13.14'],
      ['host-unreachable', false, 1, 3, 0, 'fd00::9', '11.12.13.14'],
    ],
  );
  const { Icmp, Icmp6 } = w.b.stats;
  t.deepEqual([Icmp.InDestUnreachs, Icmp.InTimeExcds, Icmp6.InPktTooBigs, Icmp6.InDestUnreachs], [1, 1, 1, 1]);
  t.is(w.leaks(), 0);
});

const nonsense: ReadonlyArray<readonly [string, Uint8Array]> = [
  ['less than a header', report4(3, 3, 0, quote4.slice(0, 19))],
  ['less than 8 octets of transport', report4(3, 3, 0, quote4.slice(0, 27))],
  ['the wrong version', report4(3, 3, 0, [0x65, ...quote4.slice(1)])],
  ['a later fragment', report4(3, 3, 0, packet4({ protocol: PROBE, src: '10.0.0.2', fragment: 5 }, QUOTED))],
  ['a packet that we did not send', report4(3, 3, 0, packet4({ protocol: PROBE, src: '10.0.0.7' }, QUOTED))],
  ['less than an IPv6 header', report6(1, 4, 0, quote6.slice(0, 39))],
  ['less than 8 octets behind it', report6(1, 4, 0, quote6.slice(0, 47))],
  [
    'a later IPv6 fragment',
    report6(1, 4, 0, packet6({ next: 44, src: 'fd00::2' }, [PROBE, 0, 0, 8, 0, 0, 0, 1, ...QUOTED])),
  ],
  ['an IPv4-mapped source', report6(1, 4, 0, packet6({ next: PROBE, src: '::ffff:10.0.0.2' }, QUOTED))],
  [
    'extension headers without end',
    report6(
      1,
      4,
      0,
      packet6({ next: 60, src: 'fd00::2' }, Array.from({ length: 20 }, () => [60, 0, 0, 0, 0, 0, 0, 0]).flat()),
    ),
  ],
];
for (const [what, octets] of nonsense) {
  test(`an error is not believed that quotes ${what}`, (t) => {
    const { w, got } = listening();
    inject(w, octets);
    t.deepEqual(got, []);
    t.is(w.b.stats.Sandsock.IcmpBadQuote, 1);
    t.is(w.leaks(), 0);
  });
}

test('an atomic fragment in a quote is looked through', (t) => {
  const { w, got } = listening();
  inject(
    w,
    report6(1, 4, 0, packet6({ next: 44, src: 'fd00::2', dst: 'fd00::9' }, [PROBE, 0, 0, 1, 0, 0, 0, 1, ...QUOTED])),
  );
  t.is(got[0]?.quoted, '11.12.13.14');
});

const kinds = (f: typeof meaning4, type: number, codes: number): string[] =>
  Array.from({ length: codes }, (_, code) => {
    const m = f(type, code);
    return m === undefined ? '-' : `${m.kind}${m.isHard ? '!' : ''}`;
  });
test('meanings as Linux has them', (t) => {
  t.deepEqual(kinds(meaning4, 3, 5), [
    'network-unreachable',
    'host-unreachable',
    'no-protocol-option!',
    'connection-refused!',
    'message-size!',
  ]);
  t.deepEqual(kinds(meaning6, 1, 5), [
    'network-unreachable',
    'permission!',
    'host-unreachable',
    'host-unreachable',
    'connection-refused!',
  ]);
  t.deepEqual(
    [meaning4(12, 0)?.kind, meaning6(4, 1)?.kind, meaning6(3, 0)?.kind],
    ['protocol', 'protocol', 'host-unreachable'],
  );
  t.deepEqual([meaning4(5, 0), meaning4(3, 99), meaning6(100, 0)], [undefined, undefined, undefined]);
});
