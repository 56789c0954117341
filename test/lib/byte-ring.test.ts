import test from 'ava';
import * as fc from 'fast-check';
import { ByteRing } from '../../src/lib/byte-ring.ts';

type Step = { readonly op: 'append' | 'consume'; readonly len: number };
const step: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom('append' as const, 'consume' as const),
  len: fc.nat({ max: 9000 }),
});

test('a ring behaves as a queue of octets through growth and wrap', (t) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const ring = new ByteRing();
      let model: number[] = [];
      let next = 0;
      for (const { op, len } of steps) {
        if (op === 'append') {
          const octets = Uint8Array.from({ length: len }, () => next++ & 255);
          ring.reserve(ring.length + len);
          ring.write(ring.length, octets, 0, len);
          ring.append(len);
          model.push(...octets);
        } else {
          const n = Math.min(len, ring.length);
          const out = new Uint8Array(n);
          ring.read(0, out, 0, n);
          t.deepEqual([...out], model.slice(0, n));
          ring.consume(n);
          model = model.slice(n);
        }
        t.is(ring.length, model.length);
      }
    }),
    { numRuns: 60 },
  );
});

test('octets written beyond the tail survive growth and join the stream by append', (t) => {
  const ring = new ByteRing();
  ring.reserve(4096);
  ring.append(4000);
  ring.consume(4000);
  ring.write(100, Uint8Array.of(7, 8, 9), 0, 3);
  ring.reserve(60_000);
  ring.write(0, new Uint8Array(100).fill(1), 0, 100);
  ring.append(103);
  const out = new Uint8Array(3);
  ring.read(100, out, 0, 3);
  t.deepEqual([...out], [7, 8, 9]);
});

test('run tells how much lies in one piece', (t) => {
  const ring = new ByteRing();
  ring.reserve(4096);
  ring.append(4090);
  ring.consume(4090);
  t.is(ring.index(0), 4090);
  t.is(ring.run(0, 100), 6);
  t.is(ring.run(6, 100), 100);
});

test('shrink gives the storage back', (t) => {
  const ring = new ByteRing();
  ring.reserve(10);
  t.is(ring.bytes.length, 4096);
  ring.shrink();
  t.is(ring.bytes.length, 0);
  ring.reserve(5000);
  t.is(ring.bytes.length, 8192);
});
