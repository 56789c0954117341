/**
 * Random deaths: whoever of a busy run is killed, and whenever, the survivors tell within a second, and nothing is left behind. SANDSOCK_TEST_KILLS and SANDSOCK_TEST_SEED say how
 * many and which; each is a test of its own, so that a long run shows where it is.
 */
import { needingInTurn } from '../support/needs.ts';
import { namespaces, python3, sandbox } from './sandbox.ts';
import { describe, distribution, type Found, kills, strike } from './storm.ts';

const COUNT = Number(process.env['SANDSOCK_TEST_KILLS'] ?? 12);
const SEED = Number(process.env['SANDSOCK_TEST_SEED'] ?? 1);

const isolated = needingInTurn(sandbox, namespaces, python3);
const busy: Found[] = [];

for (const [i, kill] of kills(SEED, COUNT).entries()) {
  isolated(`${i + 1}: ${describe(kill)}`, async (t) => {
    const found = await strike(kill);
    const { toldMs, cutMs, goneMs, faults } = found;
    t.log(
      `told after ${toldMs.toFixed(0)} ms, connections cut ${cutMs.toFixed(0)} ms, nothing left ${goneMs.toFixed(0)} ms`,
    );
    if (!kill.isStarting) busy.push(found);
    t.deepEqual(faults, []);
  });
}
isolated('how long it took', (t) => {
  t.log(`told: ${distribution(busy.map(({ toldMs }) => toldMs))}`);
  t.log(`connections of the host cut: ${distribution(busy.map(({ cutMs }) => cutMs))}`);
  t.log(`nothing left: ${distribution(busy.map(({ goneMs }) => goneMs))}`);
  t.true(busy.length > 0);
});
