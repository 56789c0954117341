import test from 'ava';
import { median, summarize } from '../../bench/measure.ts';
import { checkPattern, fillPattern, PATTERN_OCTETS, readRequest, writeRequest } from '../../bench/protocol.ts';

test('median of an odd and of an even count, without touching its input', (t) => {
  const values = [5, 1, 3];
  t.is(median(values), 3);
  t.deepEqual(values, [5, 1, 3]);
  t.is(median([4, 1, 3, 2]), 2.5);
});

test('ratios are taken within a pair, so that a slow minute of the machine cancels', (t) => {
  const { ratio, least, greatest, native, runs } = summarize([
    { native: 10, sandbox: 5 },
    { native: 2, sandbox: 1 },
    { native: 10, sandbox: 4 },
  ]);
  t.deepEqual({ ratio, least, greatest, native, runs }, { ratio: 0.5, least: 0.4, greatest: 0.5, native: 10, runs: 3 });
});

test('the pattern continues from one buffer to the next, and a misplaced octet is found', (t) => {
  const bytes = new Uint8Array(PATTERN_OCTETS);
  fillPattern(bytes);
  t.notThrows(() => checkPattern(bytes, bytes.length, 3 * PATTERN_OCTETS));
  t.notThrows(() => checkPattern(bytes.subarray(7), 1000, 7));
  t.throws(() => checkPattern(bytes, 1000, 1));
});

test('a request is read as it was written', (t) => {
  const view = new DataView(new ArrayBuffer(12));
  writeRequest(view, 2, 1 << 30, true);
  t.deepEqual(readRequest(view), { mode: 2, verify: true, amount: 1 << 30 });
});
