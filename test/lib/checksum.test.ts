import test from 'ava';
import * as fc from 'fast-check';
import {
  addressSum,
  addSums,
  checksumOver,
  finishSum,
  foldSum,
  pseudoSum,
  replaceWord,
  ScalarChecksum,
  simdChecksum,
  swapSum,
} from '../../src/lib/checksum.ts';
import { CHECKSUM_WASM } from '../../src/lib/checksum-wasm.ts';

const memory = new WebAssembly.Memory({ initial: 3, maximum: 3 });
const bytes = new Uint8Array(memory.buffer);
const scalar = new ScalarChecksum(memory.buffer);

/** RFC 1071 read literally: pairs of octets, big endian. */
function naive(at: number, len: number): number {
  let total = 0;
  for (let i = 0; i < len; i++) total += (bytes[at + i] as number) << (i % 2 === 0 ? 8 : 0);
  return foldSum(total);
}
const same = (a: number, b: number): boolean => a % 0xffff === b % 0xffff;

test('the example of RFC 1071 section 3', (t) => {
  bytes.set([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7], 100);
  t.is(checksumOver(memory).sum(100, 8), 0xddf2);
  t.is(scalar.sum(100, 8), 0xddf2);
});

test('this engine has SIMD', (t) => t.not(simdChecksum(memory), undefined));

test('SIMD, scalar and the naive sum agree at any position and length', (t) => {
  const simd = simdChecksum(memory);
  fc.assert(
    fc.property(
      fc.nat({ max: 200 }),
      fc.nat({ max: 400 }),
      fc.uint8Array({ minLength: 1, maxLength: 64 }),
      (at, len, fill) => {
        for (let i = 0; i < len; i++) bytes[at + i] = fill[i % fill.length] as number;
        const want = naive(at, len);
        t.is(scalar.sum(at, len), want);
        t.is(simd?.sum(at, len), want);
      },
    ),
    { numRuns: 500 },
  );
});

test('nothing overflows at the largest length', (t) => {
  bytes.fill(0xff);
  for (const impl of [scalar, checksumOver(memory)]) {
    t.is(impl.sum(1, 131_072), 0xffff);
    t.is(impl.sum(0, 66_048), 0xffff);
    t.is(impl.sum(7, 0), 0);
  }
});

test('an engine that refuses the module gets the scalar sum', (t) => {
  const refused = CHECKSUM_WASM.map((octet) => (octet === 0xfd ? 0xff : octet));
  t.is(simdChecksum(memory, refused), undefined);
  t.true(checksumOver(memory, refused) instanceof ScalarChecksum);
});

test('sums of parts add up, swapped where the parts meet at an odd offset', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 2, maxLength: 99 }), fc.nat(), (data, cut) => {
      bytes.set(data, 300);
      const first = cut % data.length;
      const rest = scalar.sum(300 + first, data.length - first);
      const whole = addSums(scalar.sum(300, first), first % 2 === 0 ? rest : swapSum(rest));
      t.true(same(whole, naive(300, data.length)));
    }),
  );
});

test('replaceWord equals computing anew', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.nat({ max: 0xffff }), (data, value) => {
      bytes.set(data, 0);
      bytes[0] = 0x45;
      const before = finishSum(scalar.sum(0, 20));
      const was = ((bytes[4] as number) << 8) | (bytes[5] as number);
      bytes[4] = value >>> 8;
      bytes[5] = value;
      t.true(same(replaceWord(before, was, value), finishSum(scalar.sum(0, 20))));
    }),
  );
});

test('pseudo-headers of both families', (t) => {
  // 10.0.2.15 -> 10.0.2.3, UDP, 12 octets; once from the mapped words, once laid out as RFC 768 draws it.
  bytes.set([10, 0, 2, 15, 10, 0, 2, 3, 0, 17, 0, 12], 0);
  const local = addressSum(0, 0, 0xffff, 0x0a00020f);
  t.true(same(pseudoSum(local, addressSum(0, 0, 0xffff, 0x0a000203), 17, 12), naive(0, 12)));
  const octets = Array.from({ length: 32 }, (_, i) => (i * 37 + 200) & 255);
  bytes.set([...octets, 0, 1, 0, 4, 0, 0, 0, 58], 0);
  const view = new DataView(memory.buffer);
  const word = (i: number): number => view.getInt32(i * 4);
  const [src, dst] = [0, 4].map((i) => addressSum(word(i), word(i + 1), word(i + 2), word(i + 3))) as [number, number];
  t.true(same(pseudoSum(src, dst, 58, 0x10004), naive(0, 40)));
});
