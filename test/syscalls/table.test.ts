import { readFileSync } from 'node:fs';
import test from 'ava';
import { Errno, NR_AMD64, NR_ARM64 } from '../../src/abi/index.ts';
import { ArenaMemory, PAGE, Protection } from '../../src/syscalls/arena-memory.ts';
import { Fd, Int, Long, Ptr, Size, Uint } from '../../src/syscalls/args.ts';
import { absent, full } from '../../src/syscalls/syscall.ts';
import { SOCKET_CALLS, systemCalls } from '../../src/syscalls/table.ts';
import { syscallsMarkdown } from './docs.ts';
import { FakeSocket } from './fake-socket.ts';
import { optionsMarkdown } from './option-docs.ts';
import { world } from './world.ts';

const namesOf = (table: ReadonlyMap<number, { readonly name: string }>): string[] =>
  [...table.values()].map((call) => call.name).toSorted((a, b) => (a < b ? -1 : 1));

test('arguments', (t) => {
  t.is(Int.decode(0xffffffff, 0), -1);
  t.is(Int.decode(5, 0xffffffff), 5, 'the high word of an int is not looked at');
  t.is(Uint.decode(0xffffffff, 7), 0xffffffff);
  t.is(Fd.decode(0x80000000, 0), -0x80000000);
  t.is(Ptr.decode(1, 1), 0x1_0000_0001);
  t.is(Size.decode(0xffffffff, 0x1fffff), Number.MAX_SAFE_INTEGER);
  t.is(Size.decode(0, 0x200000), Infinity);
  t.is(Long.decode(0xffffffff, 0xffffffff), -1);
  t.is(Long.decode(0, 0x80000000), -Infinity);
  t.is(Long.decode(7, 1), 0x1_0000_0007);
});

test('a line of the table whose handler takes other arguments than it declares does not pass', (t) => {
  t.throws(() => full('x', { fd: Fd }, (_ctx, _a, _b) => 0), {
    message: /x declares 1 arguments, its handler takes 2/,
  });
  t.is(absent('y', 'ENOSYS', '').support.level, 'absent');
});

test('numbers by architecture; arm64 lacks the legacy calls', (t) => {
  const sockets = { create: () => new FakeSocket() };
  const amd64 = systemCalls({ architecture: 'x86_64', sockets, descriptors: true });
  const arm64 = systemCalls({ architecture: 'arm64', sockets, descriptors: true });
  t.is(amd64.get(NR_AMD64.socket)?.name, 'socket');
  t.is(arm64.get(NR_ARM64.socket)?.name, 'socket');
  const here = new Set(namesOf(arm64));
  const legacy = namesOf(amd64).filter((name) => !here.has(name));
  t.deepEqual(legacy, [
    'dup2',
    'epoll_create',
    'epoll_ctl_old',
    'epoll_wait',
    'epoll_wait_old',
    'pipe',
    'poll',
    'select',
    'unlink',
  ]);
  const strict = systemCalls({ architecture: 'x86_64', sockets, descriptors: false });
  t.deepEqual(
    namesOf(strict),
    SOCKET_CALLS.toSorted((a, b) => (a < b ? -1 : 1)),
  );
  t.false(SOCKET_CALLS.includes('close'));
  for (const call of amd64.values()) {
    const takesNone = call.support.level === 'absent' || call.name === 'getpid' || call.name === 'gettid';
    t.is(call.argList.length === 0, takesNone, call.name);
  }
});

test('every absent call answers what its line says, and is counted', (t) => {
  const w = world();
  for (const [nr, call] of systemCalls({ architecture: 'x86_64', sockets: { create: () => 0 }, descriptors: true })) {
    if (call.support.level !== 'absent') continue;
    t.is(w.emulator.call(w.task, nr), -Errno[call.support.errno], call.name);
  }
  t.true(w.emulator.dispatcher.refusals().length >= 5);
});

test('statistics name what was called', (t) => {
  const w = world();
  w.call('close', 5);
  w.call('close', 6);
  t.deepEqual(w.emulator.dispatcher.statistics(), [{ name: 'close', calls: 2, errors: 2, blocked: 0, notTaken: 0 }]);
  t.throws(() => w.call('nonsense'), { message: /nonsense is no call/ });
});

test('arena memory faults where a process would', (t) => {
  const memory = new ArenaMemory();
  const bytes = new Uint8Array(3 * PAGE);
  memory.map(0x10000, bytes);
  memory.map(0x10000 + 3 * PAGE, new Uint8Array(PAGE).fill(7), Protection.Read);
  memory.protect(0x10000 + PAGE, 1, Protection.None);
  const out = new Uint8Array(3 * PAGE);
  t.is(memory.read(0x10000, out, 0, 2 * PAGE), PAGE, 'short at the page that may not be read');
  t.is(memory.write(0x10000 + PAGE - 3, Uint8Array.of(1, 2, 3, 4, 5), 0, 5), 3);
  t.is(bytes[PAGE - 1], 3);
  t.is(memory.read(0x10000 + 3 * PAGE - 2, out, 0, 4), 4, 'across two mappings');
  t.deepEqual(out.slice(0, 4), Uint8Array.of(0, 0, 7, 7));
  t.is(memory.write(0x10000 + 3 * PAGE - 2, out, 0, 4), 2);
  for (const addr of [0, 8, Infinity, -1, 2 ** 52]) t.is(memory.read(addr, out, 0, 4), 0);
  t.throws(() => memory.map(0x10001, new Uint8Array(PAGE)), { message: /whole pages/ });
  t.throws(() => memory.map(0x10000 + PAGE, new Uint8Array(PAGE)), { message: /mapped at 0x11000 already/ });
  t.throws(() => memory.protect(0, PAGE, Protection.Read), { message: /no such page/ });
});

test('docs/syscalls.md says what the table says', (t) => {
  t.is(readFileSync('docs/syscalls.md', 'utf8'), syscallsMarkdown(), 'npm run docs writes it');
});

test('docs/socket-options.md says what the tables say', (t) => {
  t.is(readFileSync('docs/socket-options.md', 'utf8'), optionsMarkdown(), 'npm run docs writes it');
});
