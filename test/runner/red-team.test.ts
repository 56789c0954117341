/**
 * A guest that tries to get out by every way that is known here (red-team/attempts.ts), with the host's side listening. SANDSOCK_TEST_RACE_MS: how long each race lasts; with it every user tries every plane.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { architecture, command, type Need, needing, needingInTurn, root } from '../support/needs.ts';
import { ATTEMPTS, type Attempt, document, TRACED } from './red-team/attempts.ts';
import { cli, namespaces, PLANES, type PlaneName, sandbox } from './sandbox.ts';

const RACE_MS = process.env['SANDSOCK_TEST_RACE_MS'] ?? '60';
const LIMIT_MS = 60_000 + 40 * Number(RACE_MS);
const NOBODY = 65_534;

const sources = fileURLToPath(new URL('../../../test/runner/red-team', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'sandsock-red-team-'));
chmodSync(directory, 0o755);
test.after.always(() => rmSync(directory, { recursive: true }));

/** Somebody without any rights can read what is run here. */
const readable: Need = {
  what: 'a checkout that every user can read',
  // Asked by root, who becomes another user.
  present: !root.present || isReadable(),
};
function isReadable(): boolean {
  try {
    execFileSync(process.execPath, [cli, '--version'], { uid: NOBODY, gid: NOBODY, stdio: 'ignore', timeout: 20_000 });
    return true;
  } catch {
    return false;
  }
}

const compiled = needing(sandbox, namespaces, command('gcc'));
const asNobody = needing(sandbox, namespaces, command('gcc'), root, readable);

needingInTurn(
  sandbox,
  namespaces,
  command('gcc'),
)('the programs compile', (t) => {
  const flags = ['-O2', '-pthread', '-Wall', '-Wextra', '-Werror', '-Wno-missing-field-initializers', '-o'];
  const files = readdirSync(sources).filter((name) => name.endsWith('.c') && name !== 'host.c');
  execFileSync('gcc', [...flags, 'guest', ...files.map((name) => join(sources, name))], { cwd: directory });
  execFileSync('gcc', [...flags, 'host', join(sources, 'host.c')], { cwd: directory });
  t.pass();
});

interface Result {
  readonly name: string;
  readonly word: string;
  readonly detail: string;
}
interface Outcome {
  readonly results: readonly Result[];
  /** What the host's side has to tell. */
  readonly host: readonly string[];
  readonly stderr: string;
}

const addresses = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .map(({ address }) => address)
  .join(' ');

/** Runs `argv` beside the host's side. */
async function beside(argv: readonly string[], uid?: number, raceMs = RACE_MS): Promise<Outcome> {
  const folder = mkdtempSync(join(directory, 'host-'));
  chmodSync(folder, 0o777);
  const as = uid === undefined ? {} : { uid, gid: uid };
  const args = [folder, `red-team-${randomUUID()}`, addresses, ...argv];
  const env = { ...process.env, RED_TEAM_RACE_MS: raceMs };
  const child = spawn(join(directory, 'host'), args, { stdio: ['ignore', 'pipe', 'pipe'], env, ...as });
  const limit = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const texts = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (texts.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (texts.stderr += text));
  await once(child, 'close');
  clearTimeout(limit);
  const lines = texts.stdout.trim().split('\n');
  const results = lines
    .filter((line) => line.includes('\t'))
    .map((line) => line.split('\t'))
    .map(([name = '', word = '', detail = '']) => ({ name, word, detail }));
  return { results, host: lines.filter((line) => !line.includes('\t')), stderr: texts.stderr };
}

/** What of `results` is not as the table says. */
function surprises(results: readonly Result[], besides: readonly Attempt[] = []): string[] {
  const known = new Map([...ATTEMPTS, ...besides].map((attempt) => [attempt.name, attempt]));
  return results.flatMap(({ name, word, detail }) => {
    const allowed = known.get(name)?.answers ?? [];
    const seen = /^(E[A-Z0-9]+ ?)+$/.test(detail) ? detail.split(' ') : [detail];
    if (word === 'stopped' && seen.every((answer) => allowed.includes(answer))) return [];
    return [`${name}: ${word}: ${detail}`];
  });
}
const sandboxed = (plane: PlaneName, ...names: string[]): string[] => [
  process.execPath,
  cli,
  'run',
  '--plane',
  plane,
  '--',
  join(directory, 'guest'),
  ...names,
];

/** Where races are short each user tries one plane; where they are long, both. */
const planesOf = (quick: PlaneName): readonly PlaneName[] =>
  process.env['SANDSOCK_TEST_RACE_MS'] === undefined ? [quick] : PLANES;

for (const [who, declare, uid, quick] of [
  ['', compiled, undefined, 'strict'],
  [' for a plain user', asNobody, NOBODY, 'direct'],
] as const) {
  for (const plane of planesOf(quick)) {
    declare(`there is no way out${who}: ${plane} plane`, async (t) => {
      t.timeout(LIMIT_MS);
      const { results, host, stderr } = await beside(sandboxed(plane), uid);
      t.deepEqual(surprises(results), []);
      t.deepEqual(
        results.map(({ name }) => name),
        ATTEMPTS.map(({ name }) => name),
        stderr,
      );
      t.deepEqual(host, ['bystander lives']);
      t.is(stderr, '');
    });
  }
}

needing(
  sandbox,
  namespaces,
  command('gcc'),
  architecture('x64'),
)('there is no way out where the guest is traced', async (t) => {
  t.timeout(LIMIT_MS);
  const left = new Set(TRACED.filter(({ answers }) => answers.length === 0).map(({ name }) => name));
  const names = ATTEMPTS.map(({ name }) => name).filter((name) => !left.has(name));
  const [program = '', main = '', verb = '', ...rest] = sandboxed('strict', ...names);
  const { results, host, stderr } = await beside([program, main, verb, '--platform', 'ptrace', ...rest]);
  t.deepEqual(surprises(results, TRACED), []);
  t.deepEqual(
    results.map(({ name }) => name),
    names,
    stderr,
  );
  t.deepEqual(host, ['bystander lives']);
  t.is(stderr, '');
});

/** Ways that are open outside of a sandbox and harm nobody there. */
const OPEN = [
  'abstract names: connect',
  'abstract names: send',
  'path names: connect',
  'path names: links, /proc/self/root, O_PATH',
  'path names: send',
  'path names: a name of one’s own replaced',
  'a unix socket of the host as its input',
  'race: path in connect',
  'race: symbolic links exchanged',
  'TCP to the host’s own addresses',
  'UDP to the host’s own addresses',
  'processes that are visible',
  'numbers 3 to 65535',
  '/proc/PID/fd of every process',
];

compiled('outside of a sandbox the same attempts get out, and the host’s side sees them', async (t) => {
  const { results, host } = await beside([join(directory, 'guest'), ...OPEN], undefined, '10000');
  // A race that is won ends there.
  t.deepEqual(
    results.filter(({ word }) => word !== 'OUT').map(({ name }) => name),
    [],
  );
  for (const name of ['the abstract name', 'the abstract name of datagrams', 'docker.sock', 'log', 'TCP', 'UDP']) {
    t.true(host.includes(`reached ${name}`), name);
  }
});

compiled('what was refused is counted in the report', async (t) => {
  const file = join(directory, 'report.json');
  const names = ['io_uring', 'keys', 'mounts', 'int 0x80: socketcall', 'TIOCSTI and TIOCLINUX', 'bpf', 'AF_VSOCK'];
  const [program = '', main = '', verb = '', ...rest] = sandboxed('direct', ...names);
  await beside([program, main, verb, '--report', file, ...rest]);
  const { refusals } = JSON.parse(readFileSync(file, 'utf8')) as {
    refusals: { call: string; what: string; errno: string; count: number }[];
  };
  const counted = (call: string, what: string | RegExp, errno: string): void => {
    const found = refusals.find(
      (one) =>
        one.call === call &&
        one.errno === errno &&
        (what === one.what || (what instanceof RegExp && what.test(one.what))),
    );
    t.true((found?.count ?? 0) > 0, `${call} ${String(what)}`);
  };
  counted('io_uring_setup', '', 'ENOSYS');
  counted('keyctl', '', 'ENOSYS');
  counted('request_key', '', 'ENOSYS');
  counted('bpf', '', 'ENOSYS');
  counted('mount', '', 'EPERM');
  counted('mount_setattr', '', 'EPERM');
  counted('syscall', 'foreign architecture 0x40000003', 'ENOSYS');
  counted('syscall', 'number 467', 'ENOSYS');
  counted('ioctl', 'TIOCSTI', 'EIO');
  counted('socket', /^AF_VSOCK/, 'EAFNOSUPPORT');
});

test('docs/red-team.md says what the table says', (t) => {
  t.is(readFileSync('docs/red-team.md', 'utf8'), document(), 'npm run docs writes it');
});
