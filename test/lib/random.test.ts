import test from 'ava';
import { SeededRandom } from '../../src/lib/random.ts';

const draw = (seed: number): number[] => {
  const random = new SeededRandom(seed);
  return Array.from({ length: 8 }, () => random.u32());
};

test('the same seed gives the same run, another seed another', (t) => {
  t.deepEqual(draw(1), draw(1));
  t.notDeepEqual(draw(1), draw(2));
});

test('draws fill the whole range evenly', (t) => {
  const random = new SeededRandom(42);
  const buckets = new Uint32Array(16);
  for (let i = 0; i < 16_000; i++) {
    const bucket = random.u32() >>> 28;
    buckets[bucket] = (buckets[bucket] as number) + 1;
  }
  t.true(
    buckets.every((n) => n > 850 && n < 1150),
    buckets.join(' '),
  );
});
