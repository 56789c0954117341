/**
 * Every installed package, production or development, has a licence that Apache-2.0 software may be built with and shipped beside. The list of packages is the
 * lock file's; the licence is read from the installed package.json, because the lock file only repeats what the registry said.
 */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { read, record, root } from './repository.ts';

/** Permissive licences; an addition needs a look at its terms. BlueOak-1.0.0 is a permissive licence with a patent grant. */
const allowed = new Set([
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'ISC',
  'MIT',
  'Python-2.0',
  'Unlicense',
]);

/** SPDX expressions of the kinds in use: one licence, or a choice of which one suffices, or several that all apply. */
function isAllowed(expression: string): boolean {
  const plain = expression.replace(/^\((.*)\)$/, '$1');
  if (plain.includes(' AND ')) return plain.split(' AND ').every(isAllowed);
  return plain.split(' OR ').some((licence) => allowed.has(licence.trim()));
}

function licenceOf(path: string): string {
  const { license } = record(JSON.parse(readFileSync(join(root, path, 'package.json'), 'utf8')));
  return typeof license === 'string' ? license : `none stated (${JSON.stringify(license)})`;
}

const lock = record(record(JSON.parse(read('package-lock.json')))['packages']);
/** Packages for other platforms are in the lock file but not installed. */
const installed = Object.keys(lock).filter((path) => path !== '' && existsSync(join(root, path, 'package.json')));

test('every dependency has an allowed licence', (t) => {
  t.true(installed.length > 50, 'run npm ci first');
  t.deepEqual(
    installed
      .map((path) => `${path}: ${licenceOf(path)}`)
      .filter((line) => !isAllowed(line.slice(line.indexOf(': ') + 2))),
    [],
  );
});

test('packages for other platforms state an allowed licence in the lock file', (t) => {
  const missing = Object.entries(lock).filter(([path]) => path !== '' && !installed.includes(path));
  for (const [path, entry] of missing) {
    const { license, optional } = record(entry);
    t.true(optional, `${path} is not installed: run npm ci`);
    t.true(typeof license === 'string' && isAllowed(license), `${path}: ${String(license)}`);
  }
});

test('licence expressions are read as SPDX means them', (t) => {
  t.true(isAllowed('(MIT OR GPL-3.0)'));
  t.false(isAllowed('MIT AND GPL-3.0'));
  t.false(isAllowed('GPL-3.0-only'));
  t.false(isAllowed('none stated (undefined)'));
});

test('LICENSE is the text of the Apache Licence 2.0, octet for octet', (t) => {
  const digest = createHash('sha256')
    .update(readFileSync(join(root, 'LICENSE')))
    .digest('hex');
  t.is(digest, 'cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30');
  t.is(record(JSON.parse(read('package.json')))['license'], 'Apache-2.0');
});
