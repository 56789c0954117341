/** Many changed frames against one stack after the other: it still works, holds nothing, and stays as fast. SANDSOCK_TEST_FRAMES: how many; SANDSOCK_TEST_SEED: which. */
import test from 'ava';
import { millis, seconds } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { Csum, type Packet } from '../../src/netstack/packet.ts';
import { inject } from '../support/stacks.ts';
import { change, corpus, stillWorks, target } from './hostile-frames.ts';

const FRAMES = Number(process.env['SANDSOCK_TEST_FRAMES'] ?? 20_000);
const SEED = Number(process.env['SANDSOCK_TEST_SEED'] ?? 1);
/** Of one stack. */
const ROUND = 200_000;
/** Between two looks at what waits. */
const BURST = 16;

const CORPUS = corpus();
const vouch = (packet: Packet): void => {
  packet.csum = Csum.Valid;
};

function flood(random: SeededRandom, count: number): boolean {
  const below = (n: number): number => random.u32() % n;
  const w = target();
  for (let i = 0; i < count; i++) {
    const seed = CORPUS[below(CORPUS.length)] as Uint8Array;
    const changes = Array.from({ length: below(5) }, () => ({ at: below(120), to: below(256) }));
    const octets = change(seed, changes, below(8) === 0 ? below(200) : null, below(2) === 0);
    inject(w, octets, below(2) === 0 ? vouch : undefined);
    if (i % BURST !== 0) continue;
    w.settle();
    if (below(64) === 0) w.run(below(4) === 0 ? seconds(1) : millis(10));
  }
  w.settle();
  return stillWorks(w);
}

const rounds = Math.ceil(FRAMES / ROUND);
for (let round = 0; round < rounds; round++) {
  const count = Math.min(ROUND, FRAMES - round * ROUND);
  test.serial(`${count} changed frames, round ${round + 1} of ${rounds}`, (t) => {
    t.timeout(600_000);
    t.true(flood(new SeededRandom(SEED + round), count));
  });
}
