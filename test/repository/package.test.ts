/** package.json and the lock file: what they point at exists, and `npm ci` will take them. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { read, record, root } from './repository.ts';

const manifest = record(JSON.parse(read('package.json')));
const lock = record(record(JSON.parse(read('package-lock.json')))['packages']);

/** Where Node would find `name` from the package at `from`: its own node_modules, or one further out. */
function locked(name: string, from: string): boolean {
  for (let path = from; ; path = path.slice(0, Math.max(0, path.lastIndexOf('node_modules/') - 1))) {
    if (Object.hasOwn(lock, join(path, 'node_modules', name))) return true;
    if (path === '') return false;
  }
}

test('the lock file lists the optional packages of every platform, without which npm ci refuses it', (t) => {
  for (const [path, entry] of Object.entries(lock))
    for (const name of Object.keys(record(record(entry)['optionalDependencies'] ?? {})))
      t.true(
        locked(name, path),
        `${path} names ${name}: npm install on this platform left it out of package-lock.json`,
      );
});

test('every dependency has an exact version', (t) => {
  const all = { ...record(manifest['dependencies']), ...record(manifest['devDependencies']) };
  for (const [name, version] of Object.entries(all)) t.regex(String(version), /^\d+\.\d+\.\d+$/, name);
});

const targets = (value: unknown): string[] =>
  typeof value === 'string' ? [value] : Object.values(record(value)).flatMap(targets);

test('commands and exports of the package exist once it is built', (t) => {
  for (const path of [...targets(manifest['bin']), ...targets(manifest['exports'])])
    t.true(existsSync(join(root, path)), path);
});

test('the scripts of the package start files that exist', (t) => {
  for (const [name, script] of Object.entries(record(manifest['scripts'])))
    for (const [, path = ''] of String(script).matchAll(/(?:^|\s)((?:build|test|\.ci)\/[\w./-]+\.(?:js|sh))/g))
      t.true(existsSync(join(root, path)), `${name}: ${path}`);
});

test('its declarations are enough for a strict project of Node that checks them', (t) => {
  const folder = mkdtempSync(join(root, 'build', 'user-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const imports = Object.keys(record(manifest['exports'])).map(
    (name, i) => `import * as part${i} from 'sandsock${name.slice(1)}'; export const of${i}: object = part${i};\n`,
  );
  writeFileSync(join(folder, 'user.mts'), imports.join(''));
  const options = '--noEmit --strict --module nodenext --target es2023 --lib es2023,esnext.disposable --types node';
  const tsc = join(root, 'node_modules', '.bin', 'tsc');
  const { status, stdout } = spawnSync(tsc, [...options.split(' '), '--ignoreConfig', join(folder, 'user.mts')], {
    cwd: folder,
    encoding: 'utf8',
  });
  t.is(status, 0, stdout);
});
