/** The command line from its bundle and from its modules is the same program. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, utimesSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { bundled } from '../../src/host/bundle.ts';

const build = fileURLToPath(new URL('../../', import.meta.url));
const cli = `${build}src/cli/main.js`;
const out = (options: readonly string[], ...args: readonly string[]): string =>
  spawnSync(process.execPath, [...options, cli, ...args], { encoding: 'utf8', timeout: 30_000 }).stdout;

test('there is none of a program that was not bundled', (t) => {
  t.is(bundled('nothing'), undefined);
});

test('the bundle says what the modules say', (t) => {
  // Whoever gives Node options of its own gets the modules.
  for (const word of ['--help', '--version']) t.is(out([], word), out(['--no-warnings'], word));
});

test('a bundle that is older than what the compiler made is left alone, and compiled code older than its bundle', (t) => {
  const [folder, info] = [`${build}bundle`, `${build}.tsbuildinfo`];
  const caches = (): string[] =>
    existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.cache')) : [];
  const before = caches();
  const now = Date.now() / 1000;
  t.teardown(() => utimesSync(info, now - 3600, now - 3600));
  utimesSync(info, now + 60, now + 60);
  t.is(bundled('command-line'), undefined);
  t.deepEqual(caches(), before);
});
