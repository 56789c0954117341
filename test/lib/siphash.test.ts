import test from 'ava';
import { SeededRandom } from '../../src/lib/random.ts';
import { HalfSipHash13, SipHash24 } from '../../src/lib/siphash.ts';

const KEY = Uint8Array.from({ length: 16 }, (_, i) => i);
const MESSAGE = Uint8Array.from({ length: 64 }, (_, i) => i);

/** The first 16 of the published vectors (key 00..0f, message 00, 01, ...), as octets of the output. */
const VECTORS = [
  '310e0edd47db6f72',
  'fd67dc93c539f874',
  '5a4fa9d909806c0d',
  '2d7efbd796666785',
  'b7877127e09427cf',
  '8da699cd64557618',
  'cee3fe586e46c9cb',
  '37d1018bf50002ab',
  '6224939a79f5f593',
  'b0e4a90bdf82009e',
  'f3b9dd94c5bb5d7a',
  'a7ad6b22462fb3f4',
  'fbe50e86bc8f1e75',
  '903d84c02756ea14',
  'eef27a8e90ca23f7',
  'e545be4961ca29a1',
];

const hex = (low: number, high: number): string => {
  const out = Buffer.alloc(8);
  out.writeInt32LE(low, 0);
  out.writeInt32LE(high, 4);
  return out.toString('hex');
};

test('SipHash-2-4 agrees with the published vectors', (t) => {
  const sip = new SipHash24(KEY);
  for (const [len, expected] of VECTORS.entries()) {
    const low = sip.hash(MESSAGE, 0, len);
    t.is(low, sip.low);
    t.is(hex(sip.low, sip.high), expected, `length ${len}`);
  }
});

test('SipHash-2-4 hashes a slice as it hashes the copy', (t) => {
  const sip = SipHash24.random(new SeededRandom(1));
  sip.hash(MESSAGE, 5, 21);
  const { low, high } = sip;
  sip.hash(MESSAGE.slice(5, 26), 0, 21);
  t.deepEqual([sip.low, sip.high], [low, high]);
  const other = SipHash24.random(new SeededRandom(2));
  other.hash(MESSAGE, 5, 21);
  t.notDeepEqual([other.low, other.high], [low, high]);
});

/** Vectors of the Linux kernel's self-test (lib/tests/siphash_kunit.c, 32-bit hsiphash) for whole words: lengths 0, 4, 8, 12, 16. */
test('HalfSipHash-1-3 agrees with the kernel vectors', (t) => {
  const half = new HalfSipHash13(0x03020100, 0x07060504);
  const at = [0x5814c896, 0x7e059ea6, 0x577999b1, 0x6b28096c, 0x8b31d501];
  for (const [words, expected] of at.entries()) {
    half.begin();
    for (let i = 0; i < words; i++) half.add(0x03020100 + i * 0x04040404);
    t.is(half.finish() >>> 0, expected >>> 0, `${words} words`);
  }
});
