/**
 * A guest whose processes and threads duplicate, pass on, inherit and drop sockets at random: every descriptor leads to the socket that it should, and every socket ends with its last reference, not before and
 * soon after. At the end the supervisor has the descriptors and the sockets that it had at the start. SANDSOCK_TEST_REFERENCES: for how many seconds, on each plane; SANDSOCK_TEST_SEED.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { command, needingInTurn } from '../support/needs.ts';
import { guestFile, PLANES, Running, sandbox } from './sandbox.ts';

const SECONDS = Number(process.env['SANDSOCK_TEST_REFERENCES'] ?? 1);
const SEED = process.env['SANDSOCK_TEST_SEED'] ?? '1';
const [PROCESSES, THREADS] = ['8', '4'];
/** After which an end is late: the registry itself waits for its turn, as everybody does on a busy machine. */
const LATE_MS = 15_000;
const LIMIT_MS = SECONDS * 1000 + 90_000;
const SETTLED_MS = 10_000;
/** Looks, 50 ms apart. */
const STILL = 20;

const directory = mkdtempSync(join(tmpdir(), 'sandsock-references-'));
const program = join(directory, 'references');
const compiled = needingInTurn(sandbox, command('cc'));
test.after.always(() => rmSync(directory, { recursive: true }));

interface Held {
  readonly descriptors: number;
  /** Guest's ends that are watched for their last close: one for each socket of the guest's. */
  readonly sockets: number;
}
function heldBy(pid: number): Held {
  const fds = readdirSync(`/proc/${pid}/fd`);
  let sockets = 0;
  for (const fd of fds) {
    try {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== 'anon_inode:inotify') continue;
      sockets += readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8').match(/^inotify wd:/gm)?.length ?? 0;
    } catch {
      // closed since
    }
  }
  return { descriptors: fds.length, sockets };
}
/** The watchdog's thread is there by then. */
async function started(pid: number): Promise<Held> {
  let held = heldBy(pid);
  for (let same = 0; same < STILL; ) {
    await delay(50);
    const now = heldBy(pid);
    same = now.descriptors === held.descriptors ? same + 1 : 0;
    held = now;
  }
  return held;
}
async function settled(pid: number, first: Held): Promise<Held> {
  const end = performance.now() + SETTLED_MS;
  for (;;) {
    const held = heldBy(pid);
    const isBack = held.descriptors <= first.descriptors && held.sockets === first.sockets;
    if (isBack || performance.now() > end) return held;
    await delay(50);
  }
}

compiled('the guest compiles', (t) => {
  execFileSync('cc', ['-O2', '-pthread', '-o', program, guestFile('references.c')]);
  t.pass();
});

for (const plane of PLANES)
  compiled(`${SECONDS} s of random references: none is lost, none too many (${plane})`, async (t) => {
    t.timeout(LIMIT_MS);
    const argv = [program, String(SECONDS), PROCESSES, THREADS, SEED, String(LATE_MS)];
    const running = new Running(argv, { options: ['--no-gateway', '--plane', plane], limitMs: LIMIT_MS });
    await running.says('begin\n');
    const pid = running.child.pid as number;
    const first = await started(pid);
    running.child.stdin?.write('\n');
    await running.says('end\n');
    const last = await settled(pid, first);
    running.child.stdin?.end('\n');
    const { status, stdout, stderr } = await running.end();
    t.log(stdout);
    t.log(`the supervisor at the start ${JSON.stringify(first)}, at the end ${JSON.stringify(last)}`);
    t.deepEqual({ status, stderr }, { status: 0, stderr: '' }, stdout);
    t.is(last.sockets, first.sockets);
    t.true(last.descriptors <= first.descriptors, `${first.descriptors} descriptors, then ${last.descriptors}`);
  });
