/** The rounds and what is shown of them, with stages that only say what was asked of them. */
import test from 'ava';
import { asJson, asMarkdown, asTables, type Report } from '../../bench/report.ts';
import { type Plan, type RowResult, run, type Watcher } from '../../bench/run.ts';
import type { Section, Stage } from '../../bench/section.ts';
import { native, type Target } from '../../bench/target.ts';
import { World } from '../../bench/world.ts';

const target = (name: string, changes: Partial<Target> = {}): Target => ({ ...native, name, title: name, ...changes });
const plan: Plan = { rounds: 3, ms: 8, warmUp: true, verify: false };
const silent: Watcher = { sampling: () => undefined, measured: () => undefined, trouble: () => undefined };

/** Keeps a log of all that happens; values are 10 natively and 5 elsewhere. */
function stageOf(log: string[], faults: Readonly<Record<string, string>> = {}): Stage {
  return {
    enter: ({ name }) => {
      log.push(`${name} enters`);
      if (faults[name] === 'enter') return Promise.reject(new Error('does not start'));
      return Promise.resolve({
        roots: [],
        measure: ([word = ''], { ms }) => {
          log.push(`${name} ${word} ${ms}`);
          if (faults[name] === word) return Promise.reject(new Error(`${word} breaks`));
          return Promise.resolve({ value: name === 'native' ? 10 : 5, operations: 100 });
        },
        end: () => {
          log.push(`${name} ends`);
          return Promise.resolve();
        },
      });
    },
    close: () => {
      log.push('closed');
      return Promise.resolve();
    },
  };
}
const sectionOf = (stage: Stage, changes: Partial<Section> = {}): Section => ({
  name: 's',
  title: 'A section',
  open: () => Promise.resolve(stage),
  rows: ['a', 'b'].map((word) => ({ name: word, title: `row ${word}`, unit: '1/s', words: [word], cpu: true })),
  ...changes,
});
const measure = (section: Section, targets: readonly Target[], only = /(?:)/): Promise<RowResult[]> =>
  run([section], only, [native, ...targets], { world: new World('', false), plan, watcher: silent });

test('each round measures every target once, native first, after a warm-up', async (t) => {
  const log: string[] = [];
  const [result] = await measure(sectionOf(stageOf(log)), [target('x')], /^s\/a$/);
  t.is(
    log.join(', '),
    'native enters, x enters, native a 2, x a 2, native a 8, x a 8, native a 8, x a 8, native a 8, x a 8, native ends, x ends, closed',
  );
  const cell = [...(result?.cells.values() ?? [])][1];
  t.true(cell !== undefined && 'summary' in cell && cell.summary.ratio.median === 0.5 && cell.summary.runs === 3);
});

test('a target that fails is left out of the rest of its row, starts anew for the next, and holds nobody up', async (t) => {
  const log: string[] = [];
  const x = target('x');
  const results = await measure(sectionOf(stageOf(log, { x: 'a' })), [x, target('y')]);
  t.deepEqual(results[0]?.cells.get(x), { why: 'a breaks', failed: true });
  t.true('summary' in (results[1]?.cells.get(x) ?? {}));
  t.is(log.filter((line) => line === 'x a 8').length, 0);
  t.is(log.filter((line) => line === 'x enters').length, 2);
  t.is(log.filter((line) => line.startsWith('y b 8')).length, 3);
});

test('a target that does not start is tried once, and one that is not installed never', async (t) => {
  const log: string[] = [];
  const [x, y] = [target('x'), target('y', { lacking: 'y not installed' })];
  const results = await measure(sectionOf(stageOf(log, { x: 'enter' })), [x, y]);
  t.is(log.filter((line) => line === 'x enters').length, 1);
  t.false(log.includes('y enters'));
  for (const { cells } of results) {
    t.deepEqual(cells.get(x), { why: 'does not start', failed: true });
    t.deepEqual(cells.get(y), { why: 'y not installed', failed: false });
  }
});

test('without a native sample there is no ratio', async (t) => {
  const x = target('x');
  const [result] = await measure(sectionOf(stageOf([], { native: 'a' })), [x], /a/);
  t.deepEqual(result?.cells.get(x), { why: 'native was not measured', failed: false });
  t.deepEqual(result?.cells.get(native), { why: 'a breaks', failed: true });
});

test('a section whose programs are missing says so in every row', async (t) => {
  const log: string[] = [];
  const results = await measure(sectionOf(stageOf(log), { lacking: 'wrk not installed' }), [target('x')]);
  t.deepEqual(log, []);
  t.is(results.length, 2);
  for (const { cells } of results)
    for (const cell of cells.values()) t.deepEqual(cell, { why: 'wrk not installed', failed: false });
});

test('a section whose stage does not open fails in every row', async (t) => {
  const results = await measure(sectionOf(stageOf([]), { open: () => Promise.reject(new Error('no server')) }), []);
  t.deepEqual(
    results.map(({ cells }) => cells.get(native)),
    [
      { why: 'no server', failed: true },
      { why: 'no server', failed: true },
    ],
  );
});

test('tables, Markdown and JSON show what was measured, what failed and what is missing', async (t) => {
  const targets = [native, target('x'), target('y', { lacking: 'y not installed' }), target('z')];
  const results = await measure(sectionOf(stageOf([], { z: 'enter' })), targets.slice(1));
  const machine = {
    cpus: 2,
    model: 'CPU',
    kernel: '6.18',
    node: 'v20',
    congestionControl: 'bbr',
    load: 0.25,
    alone: true,
  };
  const report: Report = { machine, rounds: 3, ms: 8, targets, versions: ['y 1.2'], results };
  const lines = asMarkdown(report).split('\n');
  t.true(lines.includes('|  | native | x | y | z |'));
  t.true(lines.includes('| row a | 10 1/s | 0.5 (0.5-0.5) | y not installed | failed |'));
  t.regex(
    lines.at(-1) ?? '',
    /^2 CPUs \(CPU\), Linux 6.18, Node v20, .*load average 0.25 at the start, y 1.2; medians of 3 /,
  );
  t.regex(asTables(report), /A section\n[^]*row a[^]*native[^]*x [^]*0\.5 to 0\.5[^]*y not installed/);
  const { results: plain } = JSON.parse(asJson(report)) as {
    readonly results: readonly { readonly name: string; readonly targets: Readonly<Record<string, object>> }[];
  };
  t.deepEqual(
    plain.map(({ name }) => name),
    ['s/a', 's/b'],
  );
  t.like(plain[0]?.targets['x'], { samples: { length: 3 }, summary: { runs: 3, value: 5 } });
  t.deepEqual(plain[0]?.targets['z'], { why: 'does not start', failed: true });
});
