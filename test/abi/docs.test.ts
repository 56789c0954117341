/** The code of docs/abi.md is run, and prints what its comments say. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const text = readFileSync(`${root}docs/abi.md`, 'utf8');
const sections = [...text.matchAll(/^## (.*)\n[^#]*?```js\n([^]*?)```/gm)];

test('there is code to run', (t) => {
  t.true(sections.length >= 6);
  t.is(sections.length, text.split('```js').length - 1, 'each in a section of its own');
});

for (const [, title = '', code = ''] of sections) {
  test(`docs/abi.md, ${title}`, (t) => {
    const expected = [...code.matchAll(/\/\/ prints: (.*)/g)].map(([, line = '']) => line);
    t.true(expected.length > 0);
    // From the root of the package, so that it finds itself by its name.
    const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd: root,
      encoding: 'utf8',
      timeout: 30_000,
    });
    t.is(stderr, '');
    t.deepEqual(stdout.trimEnd().split('\n'), expected);
  });
}
