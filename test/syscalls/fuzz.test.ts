/** The dispatcher under random calls on a whole emulated system. SANDSOCK_TEST_FUZZ: how many; SANDSOCK_TEST_SEED: where they start. A failure names the seed of its batch: `fuzz(seed, BATCH)` repeats it. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import test from 'ava';
import { fuzz } from './fuzz.ts';

const CALLS = Number(process.env['SANDSOCK_TEST_FUZZ'] ?? 20_000);
const SEED = Number(process.env['SANDSOCK_TEST_SEED'] ?? 1);
const BATCH = 1000;
/** Until the heap has its size. */
const WARM = 10;
const MOST_GROWTH = 16 << 20;
const PROGRESS = 1000;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
function octetsInUse(): number {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

test(`${CALLS} random calls, from seed ${SEED}: every one ends, nothing throws, nothing is left`, (t) => {
  t.timeout(60_000 + CALLS);
  const batches = Math.ceil(CALLS / BATCH);
  const began = performance.now();
  let before = 0;
  for (let i = 0; i < batches; i++) {
    const seed = (SEED * 1_000_003 + i) >>> 0;
    if (i === WARM) before = octetsInUse();
    try {
      fuzz(seed, BATCH);
    } catch (error) {
      t.log(`the batch of seed ${seed}`);
      throw error;
    }
    if (i % PROGRESS === PROGRESS - 1) process.stderr.write(`${(i + 1) * BATCH} calls\n`);
  }
  const seconds = (performance.now() - began) / 1000;
  const growth = before === 0 ? 0 : octetsInUse() - before;
  t.log(`${Math.round((batches * BATCH) / seconds)} calls a second, heap ${growth} octets larger at the end`);
  t.true(growth < MOST_GROWTH, `${growth} octets`);
});
