/** `sandsock conformance` as a person meets it: what it prints, its JSON, its exit status, and what it says where it cannot run. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import type { ConformanceRecord } from '../../src/conformance/report.ts';
import { select } from '../../src/conformance/selection.ts';
import { bodies } from '../../src/conformance/suite.ts';
import { architecture, command, needingInTurn } from '../support/needs.ts';

const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const broken = new URL('broken-emulator.js', import.meta.url).href;

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
const said = (program: string, ...argv: readonly string[]): Said =>
  spawnSync(program, argv, { encoding: 'utf8', timeout: 30_000 });
const conformance = (...argv: readonly string[]): Said => said(process.execPath, cli, 'conformance', ...argv);
const records = (json: string): ConformanceRecord[] => JSON.parse(json) as ConformanceRecord[];
const inGroup = (group: string): string[] => bodies.filter((one) => one.group === group).map(({ name }) => name);

const x64 = architecture('x64');

needingInTurn(x64)('a group as a table, the kernel that it was compared with, and the count', (t) => {
  const { status, stdout, stderr } = conformance('--group', 'dup');
  t.is(status, 0, stderr);
  for (const name of inGroup('dup')) t.true(stdout.includes(name), name);
  t.true(stdout.includes(`kernel, ${release()} on x86_64`));
  const count = inGroup('dup').length;
  t.true(stdout.includes(`\n${count} of ${count} bodies are equal on linux and sandsock\n`));
  t.false(stdout.includes('\u001b'), 'no colours but on a terminal');
  t.is(stderr, '', 'no progress but on a terminal');
});

needingInTurn(x64)('the same as JSON: names, groups, both transcripts, and whether they are equal', (t) => {
  const { status, stdout, stderr } = conformance('--group', 'dup', '--json');
  t.is(status, 0, stderr);
  const all = records(stdout);
  t.deepEqual(
    all.map(({ name }) => name),
    inGroup('dup'),
  );
  for (const one of all) {
    t.deepEqual(Object.keys(one), ['name', 'group', 'linux', 'sandsock', 'equal']);
    t.true(one.linux.length > 0, one.name);
    t.deepEqual(one.linux, one.sandsock);
    t.true(one.equal);
  }
  t.regex(stderr, /bodies are equal on linux and sandsock\n/);
});

needingInTurn(x64)('a difference is shown, and exit status 1', (t) => {
  const { status, stdout } = said(process.execPath, '--import', broken, cli, 'conformance', '--group', 'dup');
  t.is(status, 1);
  t.regex(stdout, /line \d+\n {2}linux {4}a: dup\(.*\n {2}sandsock a: dup\(.* = -24 EMFILE/);
  t.regex(stdout, /\n\d+ of \d+ bodies are equal/);
  const json = said(process.execPath, '--import', broken, cli, 'conformance', '--group', 'dup', '--json');
  t.is(json.status, 1);
  t.true(records(json.stdout).some(({ equal, linux, sandsock }) => !equal && linux.join() !== sandsock.join()));
});

test('a group that there is not: those that there are', (t) => {
  const { status, stdout, stderr } = conformance('--group', 'nope');
  t.is(status, 125);
  t.is(stdout, '');
  t.regex(stderr, /^sandsock: no body is of a group named "nope": there are "accept", .*"dup".*\n$/);
});

test('a driver that there is not, and the help', (t) => {
  const { status, stderr } = conformance('--driver', 'qemu');
  t.is(status, 125);
  t.regex(stderr, /Allowed choices are emulator, strict, direct/);
  const help = conformance('--help');
  t.is(help.status, 0);
  for (const word of ['--group <name>', '--quick', '--json', 'Examples:', 'Exit status: 0']) {
    t.true(help.stdout.includes(word), word);
  }
  t.notRegex(help.stdout, /--here|--names/);
});

needingInTurn(
  x64,
  command('unshare'),
  command('setpriv'),
)('a host that refuses namespaces: what, why, what to do', (t) => {
  const confined =
    'echo 0 >/proc/sys/user/max_user_namespaces && exec setpriv --bounding-set=-all --inh-caps=-all "$@"';
  const argv = ['--user', '--map-root-user', 'sh', '-c', confined, 'sh', process.execPath, cli, 'conformance'];
  const scratch = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  t.teardown(() => rmSync(scratch, { recursive: true }));
  const { status, stderr } = said('env', `TMPDIR=${scratch}`, 'unshare', ...argv, '--group', 'dup');
  t.is(status, 125);
  t.regex(stderr, /^sandsock: this host refuses network and user namespaces \(.*\): run as root, or set sysctl .*\n$/);
  t.deepEqual(readdirSync(scratch), [], 'nothing stays behind');
});

test('a quick run has bodies of nearly every group, and none in which time passes', (t) => {
  const quick = select(bodies, { quick: true });
  const groups = new Set(bodies.map(({ group }) => group));
  // Of some groups every body waits.
  t.true(new Set(quick.map(({ group }) => group)).size >= groups.size - 3);
  for (const group of groups) t.true(quick.filter((one) => one.group === group).length <= 6, group);
  t.false(quick.some(({ name }) => name === 'poll waits its timeout out'));
});
