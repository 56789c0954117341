/** A bug of ours outside of any call: the guest ends, and whoever waits for it is told what was thrown. Nothing goes on silently. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Sentry } from '../../src/runner/sentry.ts';
import { needingInTurn } from '../support/needs.ts';
import { cli, sandbox } from './sandbox.ts';

for (const plane of ['strict', 'direct'] as const)
  needingInTurn(sandbox)(`what is thrown in a turn ends the guest and rejects its end (${plane})`, async (t) => {
    const sentry = await Sentry.start('sh', ['-c', 'sleep 0.2; sleep 100'], {
      plane,
      stdio: ['ignore', 'ignore', 'ignore'],
    });
    sentry.stack.step = () => {
      throw new RangeError('planted');
    };
    await t.throwsAsync(sentry.exited, { instanceOf: RangeError, message: 'planted' });
  });

/** Descriptors of seccomp listeners that are open here. */
const listeners = (): string[] =>
  readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).includes('seccomp');
    } catch {
      return false; // the one that the directory was read by
    }
  });
const children = (): string[] =>
  readFileSync(`/proc/self/task/${process.pid}/children`, 'latin1').split(' ').filter(Boolean);

for (const plane of ['strict', 'direct'] as const)
  needingInTurn(sandbox)(
    `what is thrown before there is a loop leaves neither guest nor listener (${plane})`,
    async (t) => {
      const before = { listeners: listeners(), children: children() };
      const start = Sentry.start('sleep', ['100'], {
        plane,
        stdio: ['ignore', 'ignore', 'ignore'],
        get syncWakeUp(): boolean {
          throw new RangeError('planted');
        },
      });
      await t.throwsAsync(start, { instanceOf: RangeError, message: 'planted' });
      t.deepEqual({ listeners: listeners(), children: children() }, before);
    },
  );

const runIn = (TMPDIR: string) =>
  spawnSync(process.execPath, [cli, 'run', '--no-gateway', '--', 'true'], {
    encoding: 'utf8',
    timeout: 20_000,
    env: { ...process.env, TMPDIR },
  });
needingInTurn(sandbox)('TMPDIR may be long, and is named where nothing can be made in it', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const long = join(directory, 'd'.repeat(120));
  mkdirSync(long);
  t.like(runIn(long), { status: 0, stderr: '' });
  t.deepEqual(readdirSync(long), []);
  const missing = runIn(join(directory, 'missing'));
  t.is(missing.status, 125);
  t.regex(
    missing.stderr,
    /^sandsock: no directory can be made in \S+\/missing \(ENOENT\): set TMPDIR to a directory that exists and that this user may write\n$/,
  );
  rmSync(directory, { recursive: true });
});

const LIBC = new URL('../../src/host/', import.meta.url).href;

test('what is thrown when a watched descriptor is ready reaches the process, and the next call of it comes', (t) => {
  const { stdout, status } = spawnSync(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { EventFd } from '${LIBC}epoll.ffi.js';
       import { NodePoll } from '${LIBC}node-poll.ffi.js';
       const event = new EventFd(); event.signal();
       let calls = 0;
       const poll = new NodePoll(event.fd, () => { if (++calls === 3) poll.close(); throw new Error('call ' + calls); });
       const seen = [];
       process.on('uncaughtException', (error) => seen.push(error.message));
       process.on('exit', () => console.log(seen.join()));`,
    ],
    { encoding: 'utf8', timeout: 10_000 },
  );
  t.is(stdout.trim(), 'call 1,call 2,call 3');
  t.is(status, 0);
});
