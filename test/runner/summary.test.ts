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
});
