import { readFileSync } from 'node:fs';
import test from 'ava';
import { parseStat, treeOf } from '../../bench/cpu.ts';
import { parseWrk } from '../../bench/nginx.ts';
import { parseRate } from '../../bench/redis.ts';
import { figure, withBlock } from '../../bench/report.ts';

test('/proc/PID/stat is read behind a name that holds anything', (t) => {
  const rest = 'S 7 1 1 0 -1 4194304 100 0 0 0 11 22 33 44 20 0 1 0 5 0 0';
  t.deepEqual(parseStat(`12 (a) R 9 (b)) ${rest}`), { parent: 7, own: 33, reaped: 77, start: 5 });
  t.is(parseStat(''), undefined);
});

test('a tree holds all below its roots, each once', (t) => {
  const parents = new Map([1, 2, 3, 4, 5].map((pid) => [pid, { parent: [0, 0, 1, 2, 3, 0][pid] ?? 0 }]));
  t.deepEqual(treeOf([2], parents), [2, 3, 4]);
  t.deepEqual(treeOf([1, 2], parents), [1, 2, 3, 4]);
  t.deepEqual(treeOf([5, 99], parents), [5]);
});

test('of redis-benchmark the rate is taken, and only from the line of its test', (t) => {
  const csv = '"test","rps","avg_latency_ms"\n"GET","98765.43","0.271"\n';
  t.is(parseRate(csv, 'GET'), 98765.43);
  t.throws(() => parseRate(csv, 'SET'));
  t.throws(() => parseRate('Could not connect to Redis', 'GET'));
});

test('of wrk requests and time are taken, and refused where some failed', (t) => {
  const text = '  Thread Stats   Avg\n  27310 requests in 598.11ms, 33.7MB read\nRequests/sec:  45660.1\n';
  t.deepEqual(parseWrk(text), { requests: 27310, seconds: 0.59811 });
  t.is(parseWrk(text.replace('598.11ms', '1.10s')).seconds, 1.1);
  t.throws(() => parseWrk(`${text}  Socket errors: connect 0, read 3, write 0, timeout 0\n`), { message: /read 3/ });
  t.throws(() => parseWrk(`${text}  Non-2xx or 3xx responses: 5\n`));
  t.throws(() => parseWrk('unable to connect'));
});

test('figures have no exponent, and no digits that say nothing', (t) => {
  t.deepEqual(
    [123456.7, 12.345, 0.012345, 999.6].map((value) => figure(value, 3)),
    ['123457', '12.3', '0.0123', '1000'],
  );
});

test('the block of README.md is replaced between its markers', (t) => {
  const text = 'a\n<!-- bench: written by npm run bench -- --update-readme -->\nold\n<!-- /bench -->\nb\n';
  t.is(withBlock(text, 'new'), text.replace('old', 'new'));
  t.is(withBlock(withBlock(text, 'x'), 'new'), withBlock(text, 'new'));
  t.notThrows(() => withBlock(readFileSync('README.md', 'utf8'), 'new'));
  t.throws(() => withBlock('a\n', 'new'), { message: /no block/ });
});
