/**
 * After a receive that took all there was, nothing that polls sees an event: not poll, select or epoll, level or edge. A stale one makes a program wait for ever in its next receive.
 * SANDSOCK_TEST_READINESS says how many receives.
 */
import { needingInTurn } from '../support/needs.ts';
import { guestFile, on, PLANES, python3, run, sandbox } from './sandbox.ts';

const COUNT = Number(process.env['SANDSOCK_TEST_READINESS'] ?? 2000);
/** Of the slower plane under load. */
const MS_EACH = 10;

for (const plane of PLANES)
  needingInTurn(sandbox, python3)(`${COUNT} receives leave no stale event (${plane})`, async (t) => {
    const limitMs = 30_000 + COUNT * MS_EACH;
    t.timeout(limitMs);
    const argv = ['python3', guestFile('readiness.py'), `${COUNT}`];
    const { stdout, stderr } = await run(argv, { ...on(plane), limitMs });
    t.is(stdout, 'none is stale\n', stderr);
  });
