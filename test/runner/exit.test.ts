/** How runs begin and end, on the default plane: nothing here uses a socket, which is all that planes differ in. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { needingInTurn } from '../support/needs.ts';
import { namespaces, Running, run, sandbox } from './sandbox.ts';

const sandboxed = needingInTurn(sandbox);

sandboxed('the exit status is the guest’s', async (t) => {
  t.is((await run(['sh', '-c', 'exit 7'])).status, 7);
  t.is((await run(['true'])).status, 0);
});

sandboxed('what a guest writes to a stdout that is not read yet waits, and none of it is lost', async (t) => {
  const flags = 'import fcntl; print([fcntl.fcntl(fd, fcntl.F_GETFL) & 0o4000 for fd in (0, 1, 2)])';
  t.is((await run(['python3', '-c', flags])).stdout, '[0, 0, 0]\n');
});

sandboxed('a guest ended by signal n gives 128 + n, and nobody says so on stderr', async (t) => {
  for (const [name, status] of [
    ['TERM', 143],
    ['KILL', 137],
    ['ABRT', 134],
    ['INT', 130],
  ] as const) {
    const { status: got, stderr } = await run(['sh', '-c', `kill -${name} $$`]);
    t.is(got, status, name);
    t.is(stderr, '', name);
  }
});

sandboxed('a status of 128 and more says no more in the summary than it proves', async (t) => {
  for (const [text, how] of [
    ['exit 137', ['status 137']],
    ['kill -KILL $$', ['status 137']],
    ['exit 3', []],
    ['exit 250', []],
  ] as const) {
    const { stderr } = await run(['sh', '-c', text], { options: ['--no-gateway', '--json'] });
    const { deaths } = JSON.parse(stderr) as { readonly deaths: readonly { readonly how: string }[] };
    t.deepEqual(
      deaths.map((death) => death.how),
      how,
      text,
    );
  }
});

sandboxed(
  'a program that does not exist is 127, one that cannot be executed 126, each with one sentence and a remedy',
  async (t) => {
    const absent = await run(['no-such-program-anywhere']);
    t.is(absent.status, 127);
    t.regex(absent.stderr, /^sandsock: there is no program "no-such-program-anywhere" in PATH: .*install it.*\n$/);
    const data = await run(['/etc/passwd']);
    t.is(data.status, 126);
    t.regex(data.stderr, /^sandsock: "\/etc\/passwd" cannot be executed: .*\n$/);
    t.is((await run(['/no/such/file'])).status, 127);
    t.is((await run(['/etc'])).status, 126);
  },
);

sandboxed('wrong options are 125 and named', async (t) => {
  const port = await run(['true'], { options: ['--host-port', '70000'] });
  t.is(port.status, 125);
  t.regex(port.stderr, /--host-port "70000" is not a port, a number of 1 to 65535/);
  t.is((await run(['true'], { options: ['--plane', 'astral'] })).status, 125);
  t.is((await run(['true'], { options: ['--no-such-option'] })).status, 125);
});

sandboxed('stdin, stdout, stderr, environment, directory and argv[0] are the caller’s', async (t) => {
  const { stdout, stderr } = await run(['sh', '-c', 'cat; echo err >&2; pwd; echo $COLOUR; echo $0', 'zero'], {
    input: 'in\n',
    cwd: '/usr',
    env: { COLOUR: 'green' },
  });
  t.is(stdout, 'in\n/usr\ngreen\nzero\n');
  t.is(stderr, 'err\n');
});

sandboxed('a shell’s builtin of the same name does not stand for the program', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  writeFileSync(join(directory, 'echo'), '#!/bin/sh\nprintf "the file: %s" "$*"\n', { mode: 0o755 });
  const { stdout } = await run(['echo', 'x'], { env: { PATH: `${directory}:${process.env['PATH']}` } });
  t.is(stdout, 'the file: x');
  rmSync(directory, { recursive: true });
});

sandboxed('the guest has no descriptor but 0, 1 and 2', async (t) => {
  const { stdout } = await run(['sh', '-c', 'echo /proc/self/fd/*']);
  t.false(
    stdout.split(/\s+/).some((path) => /\/fd\/([4-9]|\d\d)/.test(path)),
    stdout,
  );
});

sandboxed('SIGTERM and SIGHUP sent to sandsock reach the guest', async (t) => {
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    const running = new Running(
      ['sh', '-c', `trap 'echo got; exit 5' TERM HUP; echo ready; while :; do sleep 0.05; done`],
      {
        options: ['--no-gateway'],
      },
    );
    await running.says('ready');
    running.child.kill(signal);
    const { status, stdout } = await running.end();
    t.is(status, 5, signal);
    t.regex(stdout, /got/);
  }
});

sandboxed('SIGTERM ends a guest that does nothing about it', async (t) => {
  const running = new Running(['sh', '-c', 'echo ready; exec sleep 60'], { options: ['--no-gateway'] });
  await running.says('ready');
  running.child.kill('SIGTERM');
  t.is((await running.end()).status, 143);
});

needingInTurn(sandbox, namespaces)('orphans are reaped', async (t) => {
  const { stdout } = await run(['sh', '-c', '(sleep 0.05 &) ; sleep 0.3; ls -d /proc/[0-9]* | wc -l']);
  // keeper, sh, ls and wc.
  t.true(Number(stdout) <= 4, stdout);
});

test('tests that need a sandbox say what is missing', (t) => {
  t.is(typeof sandbox.present, 'boolean');
});
