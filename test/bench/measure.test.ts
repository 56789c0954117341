import test from 'ava';
import { median, type Sample, spread, summarize } from '../../bench/measure.ts';

const sample = (value: number, cpu = 0, own = 0): Sample => ({
  value,
  operations: 1000,
  cpu: { total: cpu, roles: { supervisor: own / 2, gateway: own / 2 } },
});

test('median of an odd and of an even count, without touching its input', (t) => {
  const values = [5, 1, 3];
  t.is(median(values), 3);
  t.deepEqual(values, [5, 1, 3]);
  t.is(median([4, 1, 3, 2]), 2.5);
  t.deepEqual(spread([4, 1, 3]), { median: 3, least: 1, greatest: 4 });
});

test('ratios are taken within a round, so that a slow minute of the machine cancels', (t) => {
  const { ratio, value, runs } = summarize([sample(5), sample(1), sample(4)], [sample(10), sample(2), sample(10)]);
  t.deepEqual({ ratio, value, runs }, { ratio: { median: 0.5, least: 0.4, greatest: 0.5 }, value: 4, runs: 3 });
});

test('a round without its native sample is a fault', (t) => {
  t.throws(() => summarize([sample(5), sample(1)], [sample(10)]));
  t.throws(() => summarize([], []));
});

test('CPU time is that of an operation, over all rounds, and what the sandbox took is told apart', (t) => {
  const { cpu } = summarize([sample(1, 0.3, 0.2), sample(1, 0.1, 0)], [sample(1, 0.05), sample(1, 0.15)]);
  t.is(cpu?.us, 200);
  t.is(cpu?.ratio, 2);
  t.is(cpu?.own, 1);
});

test('CPU time below what the kernel counts in is not shown', (t) => {
  t.is(summarize([sample(1, 0.3)], [sample(1, 0.05)]).cpu, undefined);
});
