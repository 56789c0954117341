/**
 * Sockets over the life of processes: as 0, 1 and 2 of servers, with orphans and zombies, over exec and from process to process, in sessions and on terminals, stopped, stormed by signals, by the thousand. Each case is run
 * on this kernel first, and must say the same in the sandbox. SANDSOCK_TEST_SCALE: which percentage of 10,000 descriptors, 2,000 threads and 1,000 processes.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { command, needingInTurn } from '../support/needs.ts';
import { guestFile, on, PLANES, python3, run, sandbox } from './sandbox.ts';

const SCALE = process.env['SANDSOCK_TEST_SCALE'] ?? '3';
const LIMIT_MS = 50_000 + Number(SCALE) * 10_000;

let native: Promise<string[]> | undefined;
async function natively(): Promise<string[]> {
  const argv = [guestFile('process-life.py'), SCALE];
  const { stdout } = await promisify(execFile)('python3', argv, { timeout: LIMIT_MS });
  return stdout.split('\n');
}

for (const plane of PLANES)
  needingInTurn(
    sandbox,
    python3,
    command('socat'),
  )(`the life of processes, ${plane} plane`, async (t) => {
    t.timeout(2 * LIMIT_MS);
    native ??= natively();
    const expected = await native;
    const settings = { ...on(plane), limitMs: LIMIT_MS };
    const { status, stdout, stderr } = await run(['python3', guestFile('process-life.py'), SCALE], settings);
    t.deepEqual({ status, stderr, stdout: stdout.split('\n') }, { status: 0, stderr: '', stdout: expected });
    t.true(expected.length > 15);
  });
