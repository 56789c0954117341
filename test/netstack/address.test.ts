import test from 'ava';
import * as fc from 'fast-check';
import { formatEndpoint, IpAddress } from '../../src/netstack/address.ts';

const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff });
const address = fc.tuple(word, word, word, word).map(([a, b, c, d]) => new IpAddress(a, b, c, d));

test('parse inverts toString', (t) => {
  fc.assert(fc.property(address, (a) => t.true(IpAddress.parse(a.toString())?.equals(a), a.toString())));
  fc.assert(fc.property(word, (w) => t.true(IpAddress.parse(IpAddress.v4(w).toString())?.equals(IpAddress.v4(w)))));
});

const TEXTS: ReadonlyArray<readonly [text: string, want: string | undefined]> = [
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
  ['::', '::'],
  ['::1', '::1'],
  ['1::', '1::'],
  ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['127.0.0.1', '127.0.0.1'],
  ['127.0.0.01', undefined],
  ['1.2.3', undefined],
  ['1.2.3.256', undefined],
  [':::', undefined],
  ['1::2::3', undefined],
  ['1:2:3:4:5:6:7', undefined],
  ['1:2:3:4:5:6:7:8:9', undefined],
  ['1:2:3:4:5:6:7::8', undefined],
  ['::1.2.3.4:5', undefined],
  ['12345::', undefined],
  ['g::', undefined],
  ['', undefined],
];
for (const [text, want] of TEXTS) {
  test(`[RFC4291 2.2, RFC5952] ${JSON.stringify(text)}`, (t) => t.is(IpAddress.parse(text)?.toString(), want));
}

test('octets and words agree in both families', (t) => {
  fc.assert(
    fc.property(address, (a) => {
      const bytes = new Uint8Array(20);
      a.write6(bytes, 3);
      t.true(IpAddress.read6(bytes, 3).equals(a));
      a.write4(bytes, 0);
      t.is(IpAddress.read4(bytes, 0).w3, a.w3);
    }),
  );
});

const kinds = (text: string): string => {
  const a = IpAddress.of(text);
  const names = ['isUnspecified', 'isLoopback', 'isMulticast', 'isLimitedBroadcast', 'isLinkLocal'] as const;
  return [a.family, ...names.filter((name) => a[name])].join(' ');
};

test('kinds of address', (t) => {
  t.is(kinds('0.0.0.0'), '4 isUnspecified');
  t.is(kinds('::'), '6 isUnspecified');
  t.is(kinds('127.255.0.1'), '4 isLoopback');
  t.is(kinds('::1'), '6 isLoopback');
  t.is(kinds('224.0.0.1'), '4 isMulticast');
  t.is(kinds('ff02::1'), '6 isMulticast');
  t.is(kinds('255.255.255.255'), '4 isLimitedBroadcast');
  t.is(kinds('169.254.169.254'), '4 isLinkLocal');
  t.is(kinds('fe80::1'), '6 isLinkLocal');
  t.is(kinds('febf::1'), '6 isLinkLocal');
  t.is(kinds('fec0::1'), '6');
  t.is(kinds('128.0.0.1'), '4');
});

test('matches compares a prefix across the words', (t) => {
  fc.assert(
    fc.property(address, fc.integer({ min: 0, max: 128 }), fc.integer({ min: 0, max: 127 }), (a, prefix, flip) => {
      const words = [a.w0, a.w1, a.w2, a.w3];
      words[flip >> 5] = (words[flip >> 5] as number) ^ (1 << (31 - (flip & 31)));
      const b = new IpAddress(words[0] as number, words[1] as number, words[2] as number, words[3] as number);
      t.true(a.matches(a, prefix));
      t.is(a.matches(b, prefix), flip >= prefix);
    }),
  );
});

test('of names the text it refuses; endpoints bracket IPv6', (t) => {
  t.throws(() => IpAddress.of('nonsense'), { instanceOf: RangeError, message: /"nonsense"/ });
  t.is(formatEndpoint(IpAddress.of('10.0.2.15'), 80), '10.0.2.15:80');
  t.is(formatEndpoint(IpAddress.of('fd00::2'), 80), '[fd00::2]:80');
});
