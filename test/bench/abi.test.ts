import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

test('the benchmark of the ABI package runs and names each of its operations', (t) => {
  const script = fileURLToPath(new URL('../../bench/abi.js', import.meta.url));
  const { stdout, stderr } = spawnSync(process.execPath, [script, '--smoke', '--json'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  t.is(stderr, '');
  const results = JSON.parse(stdout) as readonly { readonly what: string; readonly how: string; readonly ns: number }[];
  t.true(results.length > 10);
  for (const { what, how, ns } of results) t.true(ns >= 0 && ns < 1e6, `${what} ${how}: ${ns}`);
});
