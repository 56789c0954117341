/** docs/summary.md names the members of the summary, all of them, in their order. */
import { readFileSync } from 'node:fs';
import { needingInTurn } from '../support/needs.ts';
import { run, sandbox } from './sandbox.ts';

needingInTurn(sandbox)('the summary is as docs/summary.md describes it', async (t) => {
  const { stderr } = await run(['true'], { options: ['--no-gateway', '--json'] });
  const summary = JSON.parse(stderr) as Record<string, unknown>;
  const text = readFileSync(new URL('../../../docs/summary.md', import.meta.url), 'utf8');
  const described = [...text.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = '']) => name);
  t.deepEqual(described.toSorted(), Object.keys(summary).toSorted());
  t.deepEqual(summary['confined'], { supervisor: true, gateway: null });
});

needingInTurn(sandbox)('supervisor and gateway run under filters of their own', async (t) => {
  // The gateway has come up when its host refuses.
  const program = 'exec 3<>/dev/tcp/10.0.2.2/1';
  const { stderr } = await run(['bash', '-c', program], { options: ['--json'] });
  const summary = JSON.parse(stderr.split('\n').find((line) => line.startsWith('{')) ?? '{}') as Record<
    string,
    unknown
  >;
  t.deepEqual(summary['confined'], { supervisor: true, gateway: true });
});
