/** What hot paths use leaves nothing to collect: octets of the heap for each operation, once compiled. bench/abi.ts measures it over ten million. */
import { spawnSync } from 'node:child_process';
import test from 'ava';

const PROGRAM = `
import * as abi from ${JSON.stringify(new URL('../../src/abi/index.js', import.meta.url).href)};
const ROUND = 20_000;
const octets = abi.mmsghdr.encode({ hdr: { ...abi.msghdr.blank(), name: 0x7f0012345678, iov: 2 ** 40, iovlen: 2, control: 2 ** 33 }, len: 9 });
const control = new Uint8Array(64);
const walker = new abi.CmsgWalker();
const writer = new abi.CmsgWriter();
const [header, message, name, time] = [abi.msghdr, abi.mmsghdr, abi.sockaddrIn6, abi.timespec].map((of) => of.blank());
const operations = {
  'msghdr.decodeInto': () => abi.msghdr.decodeInto(header, octets).iovlen,
  'msghdr.put': () => (abi.msghdr.put(octets, 0, header), 0),
  'mmsghdr.decodeInto': () => abi.mmsghdr.decodeInto(message, octets).len,
  'sockaddrIn6.decodeInto': () => abi.sockaddrIn6.decodeInto(name, octets).port,
  'timespec.decodeInto': () => abi.timespec.decodeInto(time, octets).nsec,
  'CmsgWriter.putInt': () => (writer.begin(control, 64).putInt(0, 2, 64), 0),
  'CmsgWalker.next': () => walker.begin(control, 24).next() ? walker.type : 0,
};
// One loop for each, or none of them is compiled for what it does.
const loops = Object.entries(operations).map(([title, one]) => [title, new Function('one', 'count', 'let sum = 0; for (let i = 0; i < count; i++) sum += one(); return sum;'), one]);
const found = {};
for (const [title, loop, one] of loops) {
  for (let i = 0; i < 100; i++) loop(one, ROUND);
  found[title] = Infinity;
  // The least of some: when V8 compiles is its own affair, and what it allocates for that is not the operation's.
  for (let i = 0; i < 10; i++) {
    globalThis.gc();
    const before = process.memoryUsage().heapUsed;
    loop(one, ROUND);
    found[title] = Math.min(found[title], (process.memoryUsage().heapUsed - before) / ROUND);
  }
}
console.log(JSON.stringify(found));
`;

// Who counts calls for coverage keeps them from being compiled. Named, or Node hands it down all the same.
const unmeasured = { ...process.env, NODE_V8_COVERAGE: undefined };

test('decodeInto, put and control messages leave no garbage', (t) => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--expose-gc', '--no-concurrent-recompilation', '--input-type=module', '-e', PROGRAM],
    { encoding: 'utf8', timeout: 60_000, env: unmeasured },
  );
  t.is(stderr, '');
  const found = Object.entries(JSON.parse(stdout) as Readonly<Record<string, number>>);
  t.is(found.length, 7);
  // One number in a box is 16.
  for (const [title, octets] of found) t.true(octets < 8, `${title}: ${octets} octets`);
});
