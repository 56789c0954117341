/** The command line from its bundle and from its modules is the same program; a bundle or compiled code of another build is not taken. */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
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

const PROGRAM = `
import { writeFileSync } from 'node:fs';
import { bundled } from './src/host/bundle.js';
console.log(bundled('program')?.says ?? 'the modules');
const [, , successor] = process.argv;
if (successor !== undefined) writeFileSync(new URL('bundle/program.cjs', import.meta.url), successor);
`;
/** Alike in length, as two builds may be. */
const text = (name: string, says: string): string => `// ${name.repeat(32)}\nexports.says = '${says}';\n`;

/** A build folder of its own with a program in it. */
class Build {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sandsock-bundle-'));
  readonly info = join(this.#folder, '.tsbuildinfo');
  constructor(t: ExecutionContext) {
    t.teardown(() => rmSync(this.#folder, { recursive: true }));
    for (const name of ['bundle', 'src/host']) mkdirSync(join(this.#folder, name), { recursive: true });
    cpSync(`${build}src/host/bundle.js`, join(this.#folder, 'src/host/bundle.js'));
    writeFileSync(join(this.#folder, 'package.json'), '{ "type": "module" }');
    writeFileSync(join(this.#folder, 'program.js'), PROGRAM);
    writeFileSync(this.info, '');
    this.put(text('a', 'old'));
  }
  put(bundle: string): void {
    writeFileSync(join(this.#folder, 'bundle/program.cjs'), bundle);
  }
  /** What the program says. @param successor the bundle that is put in the place of its own before it ends */
  run(...successor: readonly string[]): string {
    const args = [join(this.#folder, 'program.js'), ...successor];
    return execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 }).trim();
  }
  get caches(): string[] {
    return readdirSync(join(this.#folder, 'bundle')).filter((name) => name.endsWith('.cache'));
  }
}

test('a bundle that is older than what the compiler made is left alone', (t) => {
  const made = new Build(t);
  t.is(made.run(), 'old');
  const later = Date.now() / 1000 + 60;
  utimesSync(made.info, later, later);
  t.is(made.run(), 'the modules');
});

test('a bundle that does not say which it is is left alone', (t) => {
  const made = new Build(t);
  made.put("exports.says = 'old';");
  t.is(made.run(), 'the modules');
  t.deepEqual(made.caches, []);
});

test('what one build compiled is not taken by the next, even if it is written after that was made', (t) => {
  const made = new Build(t);
  t.is(made.run(text('b', 'new')), 'old');
  t.is(made.caches.length, 1);
  t.is(made.run(), 'new');
  t.is(made.caches.length, 2);
  t.is(made.run(), 'new');
  t.is(made.caches.length, 2);
});
