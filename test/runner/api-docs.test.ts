/** The code of docs/api.md is run, and prints what its comments say; so is the example. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { transform } from 'esbuild';
import { needingInTurn } from '../support/needs.ts';
import { namespaces, python3, sandbox } from './sandbox.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const text = readFileSync(`${root}docs/api.md`, 'utf8');
const sections = [...text.matchAll(/^## (.*)\n[^#]*?```ts\n([^]*?)```/gm)];

test('there is code to run', (t) => {
  t.true(sections.length >= 6);
  t.is(sections.length, text.split('```ts').length - 1, 'each in a section of its own');
});

for (const [, title = '', code = ''] of sections) {
  needingInTurn(
    sandbox,
    namespaces,
    python3,
  )(`docs/api.md, ${title}`, async (t) => {
    const expected = [...code.matchAll(/\/\/ prints: (.*)/g)].map(([, line = '']) => line);
    t.true(expected.length > 0);
    const compiled = await transform(code, { loader: 'ts', target: 'node20', format: 'esm' });
    // From the root of the package, so that it finds itself by its name.
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', compiled.code], {
      cwd: root,
      encoding: 'utf8',
      timeout: 30_000,
    });
    t.deepEqual({ status, stderr }, { status: 0, stderr: '' });
    t.deepEqual(stdout.trimEnd().split('\n'), expected);
  });
}

needingInTurn(sandbox, namespaces)('examples/sandbox.ts does what it says', (t) => {
  const example = fileURLToPath(new URL('../../examples/sandbox.js', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [example], { encoding: 'utf8', timeout: 30_000 });
  t.is(stderr, '');
  t.is(stdout, 'the client ended with 0 and had read: hello, client\nthe server ended with 143\n');
});
