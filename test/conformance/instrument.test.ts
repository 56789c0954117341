/** The instrument itself: what it must notice, and what it must not. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import type { Body, System } from '../../src/conformance/body.ts';
import { DEVIATIONS, type Deviation, EVERYWHERE, REASONS } from '../../src/conformance/deviations.ts';
import { EmulatorDriver } from '../../src/conformance/emulator/driver.ts';
import { agentExecutable, HANDLER_ADDRESS, RESTORER_ADDRESS } from '../../src/conformance/host/agent.ts';
import { kit } from '../../src/conformance/kit.ts';
import {
  DATA_BASE,
  EDGE_BASE,
  EDGE_USABLE,
  FIXED_BASE,
  isReadable,
  isWritable,
  NOWHERE,
} from '../../src/conformance/layout.ts';
import * as c from '../../src/conformance/linux.ts';
import { ListedComparison } from '../../src/conformance/listed-comparison.ts';
import { RunNames, showTimestamp } from '../../src/conformance/normalise.ts';
import { differences, kinds, summary, tables, verdict } from '../../src/conformance/report.ts';
import { compare, type Outcome, runBody } from '../../src/conformance/runner.ts';
import { showOctets } from '../../src/conformance/session.ts';
import { asControl, asSockaddr, asText, eventNames } from '../../src/conformance/show.ts';
import { conformanceMarkdown, FACTS_DOCUMENT, factsMarkdown } from './docs.ts';

/** The transcript of a body on the emulator. */
function onEmulator(run: (sys: System) => void): readonly string[] {
  const driver = new EmulatorDriver();
  try {
    return runBody({ name: 'a body', group: 'none', run } satisfies Body, undefined, driver).ours ?? [];
  } finally {
    driver.close();
  }
}

test('compare finds the first line that is not the same, and a transcript that ends early', (t) => {
  t.is(compare(['a', 'b'], ['a', 'b']), undefined);
  t.deepEqual(compare(['a', 'b'], ['a', 'c']), { line: 1, linux: 'b', ours: 'c' });
  t.deepEqual(compare(['a', 'b'], ['a']), { line: 1, linux: 'b', ours: '(ended)' });
  t.deepEqual(compare([], ['a']), { line: 0, linux: '(ended)', ours: 'a' });
});

const entry = (linux: readonly string[], ours: readonly string[], last?: true): Deviation => ({
  planes: ['direct'],
  reason: 'reset',
  body: 'a body',
  linux,
  ours,
  ...(last === undefined ? {} : { last }),
});
test('a listed difference is one of its body, its plane and its lines; what follows is compared again', (t) => {
  const listed = [entry(['b'], ['c', 'c']), entry(['x'], ['y'], true)];
  const direct = new ListedComparison('direct', true, listed);
  t.is(direct.compare('a body', ['a', 'b', 'd'], ['a', 'c', 'c', 'd']), undefined);
  t.deepEqual(direct.compare('a body', ['b', 'd'], ['c', 'c', 'e']), { line: 1, linux: 'd', ours: 'e' });
  t.deepEqual(direct.compare('another', ['b'], ['c', 'c']), { line: 0, linux: 'b', ours: 'c' });
  t.deepEqual(direct.unused(new Set(['another'])), []);
  t.deepEqual(direct.unused(new Set(['a body'])), [listed[1]]);
  t.is(direct.compare('a body', ['x', 'rest'], ['y']), undefined);
  t.deepEqual(direct.unused(new Set(['a body'])), []);
  const strict = new ListedComparison('strict', true, listed);
  t.deepEqual(strict.compare('a body', ['b'], ['c', 'c']), { line: 0, linux: 'b', ours: 'c' });
});

test('without root a process id that the kernel hides is no difference', (t) => {
  const [linux, ours] = [['cmsg pid pid#2 uid own gid own'], ['cmsg pid 0 uid own gid own']];
  t.is(new ListedComparison('strict', false, []).compare('a', linux, ours), undefined);
  t.not(new ListedComparison('strict', true, []).compare('a', linux, ours), undefined);
});

test('docs/conformance.md says what deviations.ts lists', (t) => {
  t.is(readFileSync('docs/conformance.md', 'utf8'), conformanceMarkdown(), 'npm run docs');
  t.is(readFileSync(FACTS_DOCUMENT, 'utf8'), factsMarkdown(), 'npm run docs');
});
test('every reason has an entry', (t) => {
  const used = new Set([...DEVIATIONS, ...EVERYWHERE].map(({ reason }) => reason));
  t.deepEqual([...used].toSorted(), Object.keys(REASONS).toSorted());
});

test('POLLWRBAND beside POLLWRNORM is a difference everywhere, and nothing else in its line', (t) => {
  const strict = new ListedComparison('strict', true, []);
  t.is(strict.compare('a', ['{3 all -> OUT|WRNORM}'], ['{3 all -> OUT|WRNORM|WRBAND}']), undefined);
  t.not(strict.compare('a', ['{3 all -> OUT|WRNORM}'], ['{3 all -> IN|OUT|WRNORM|WRBAND}']), undefined);
  t.not(strict.compare('a', ['{3 all -> OUT|WRNORM|WRBAND}'], ['{3 all -> OUT|WRNORM}']), undefined);
});

test('ephemeral ports are named in the order of their appearance, others stay', (t) => {
  const names = new RunNames();
  t.deepEqual(
    [40_000, 80, 50_000, 40_000, 32_767, 32_768, 60_999, 61_000].map((port) => names.port(port)),
    ['port#1', '80', 'port#2', 'port#1', '32767', 'port#3', 'port#4', '61000'],
  );
  t.is(showTimestamp(1, 999_999), 'timestamp');
  t.is(showTimestamp(1, 1_000_000), 'bad timestamp 1.1000000');
  t.is(showTimestamp(0, 0), 'bad timestamp 0.0');
});

test('octets, names, control messages and events as text', (t) => {
  t.is(showOctets(new Uint8Array([1, 2])), '0102');
  t.regex(showOctets(new Uint8Array(65)), /^00{31}\.\. 65 octets, sum [0-9a-f]+$/);
  t.not(showOctets(new Uint8Array(65)), showOctets(new Uint8Array(65).fill(1, 64)));
  t.is(asText(new Uint8Array([0x61, 0xee, 0xee]), new RunNames()), '"a" and 2 untouched');
  t.is(eventNames(0), 'none');
  t.is(eventNames(c.POLLIN | c.POLLRDHUP | 0x4000), 'IN|RDHUP|0x4000');
  const name = new Uint8Array([2, 0, 0x9c, 0x40, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  t.is(asSockaddr(name, new RunNames()), 'AF_INET 127.0.0.1:port#1 zero 0000000000000000 rest ');
  t.is(asSockaddr(name.subarray(0, 5), new RunNames()), 'cut: family 2 port port#1 7f');
  const control = new Uint8Array(24);
  c.cmsghdr.put(control, 0, { len: 20, level: c.SOL_IP, type: c.IP_TTL });
  control[16] = 64;
  t.is(asControl(control, new RunNames()), '{20 0 2 40000000}');
});

test('the transcript has calls, results, changed octets, SIGPIPE and who was woken', (t) => {
  const transcript = onEmulator((sys) => {
    const a = kit(sys);
    const b = kit(sys, 'b');
    const { fd, port } = a.udpBound();
    b.startRecv(fd, 4);
    a.sendTo(fd, 'hello', '127.0.0.1', port);
    a.send(a.tcp(), 'x');
    sys.record('a label', true);
  });
  t.deepEqual(transcript.slice(-8), [
    'b: recvfrom(3, in, 4, 0, 0, 0) blocks',
    'a: sendto(3, out, 5, 0, addr~2, 16) = 5',
    'b: recvfrom(3, in, 4, 0, 0, 0) = 4',
    '  in "hell"',
    'a: socket(2, 1, 0) = 4',
    'a: sendto(4, out~2, 1, 0, 0, 0) = -32 EPIPE',
    '  SIGPIPE 1',
    'a label: true',
  ]);
});

test('a call that blocks unexpectedly, never returns, or is left behind is said so', (t) => {
  const blocks = onEmulator((sys) => {
    const a = kit(sys);
    a.recv(a.udpBound().fd);
    sys.record('never', 'reached');
  });
  t.is(blocks.at(-1), 'a: recvfrom(3, in, 100, 0, 0, 0) blocks, which the body did not expect');
  const never = onEmulator((sys) => {
    const a = kit(sys);
    a.startRecv(a.udpBound().fd);
    a.task.finish();
  });
  t.is(never.at(-1), 'a: recvfrom(3, in, 100, 0, 0, 0) never returns');
  const left = onEmulator((sys) => {
    const a = kit(sys);
    a.startRecv(a.udpBound().fd);
  });
  t.is(left.at(-1), 'at the end a is still in a: recvfrom(3, in, 100, 0, 0, 0)');
});

test('time passes only when a body waits, and then in no time', (t) => {
  onEmulator((sys) => {
    const a = kit(sys);
    const { fd } = a.udpBound();
    t.is(sys.now(), 0);
    a.setTimeout(fd, c.SO_RCVTIMEO, 600, 0);
    a.startRecv(fd);
    t.is(sys.now(), 0);
    a.task.finish();
    t.is(sys.now(), 600_000);
    sys.sleep(50);
    t.is(sys.now(), 600_050);
  });
});

test('the address space: heap, edges that fault half way, read-only pages, nothing elsewhere', (t) => {
  t.true(isReadable(DATA_BASE) && isWritable(DATA_BASE));
  t.false(isReadable(DATA_BASE - 1));
  t.true(isWritable(EDGE_BASE + EDGE_USABLE - 1));
  t.false(isReadable(EDGE_BASE + EDGE_USABLE));
  t.true(isReadable(FIXED_BASE));
  t.false(isWritable(FIXED_BASE));
  t.false(isReadable(NOWHERE));
  const transcript = onEmulator((sys) => {
    const a = kit(sys);
    const { client, server } = a.pair();
    a.send(client, 'abcdef');
    a.task.call('read', server, sys.edge(3, 'edge'), 6);
    a.task.call('read', server, sys.fixed(new Uint8Array(8), 'fixed'), 6);
  });
  t.true(transcript.includes('a: read(5, edge, 6) = -14 EFAULT'));
  t.true(transcript.includes('a: read(5, fixed, 6) = -14 EFAULT'));
});

test('the agent is a small executable with its handler and restorer inside', (t) => {
  const image = agentExecutable();
  t.deepEqual([...image.subarray(0, 4)], [0x7f, 0x45, 0x4c, 0x46]);
  t.true(image.length < 512);
  const base = 0x40_0000;
  t.is(image[HANDLER_ADDRESS - base], 0xf0);
  t.deepEqual([...image.subarray(RESTORER_ADDRESS - base)], [0xb8, 15, 0, 0, 0, 0x0f, 0x05]);
});

const outcome = (linux: string[] | undefined, ours: string[] | undefined): Outcome => ({
  name: 'a body',
  group: 'poll',
  linux,
  ours,
  difference: linux === undefined || ours === undefined ? undefined : compare(linux, ours),
});
test('the report names what differs', (t) => {
  const outcomes = [outcome(['x'], ['x']), outcome(['x'], ['y']), outcome(['x'], undefined)];
  t.deepEqual(outcomes.map(verdict), ['equal', 'different', 'ran']);
  t.is(summary(outcomes), '1 of 2 bodies are equal on linux and sandsock\n3 bodies: 0 block, 0 have several tasks');
  t.is(
    summary(outcomes.slice(2)),
    '1 bodies ran on one side, nothing was compared\n1 bodies: 0 block, 0 have several tasks',
  );
  const transcripts = [
    ['a: socket(2, 2, 0) = 3', 'b: recvfrom(3) blocks', 'at the end b is still in b: recvfrom(3)'],
    ['a: close(3) = 0', 'waited: true'],
  ];
  t.deepEqual(kinds(transcripts), { blocking: 1, several: 1 });
  t.regex(tables(outcomes), /poll/);
  t.regex(differences(outcomes), /line 1\n {2}linux {4}x\n {2}sandsock y/);
});
