/** The parts that need no guest: memory of another process, who is found in PATH, the launch chain, signal actions, options. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import { Errno } from '../../src/abi/errno.ts';
import { parseRunOptions } from '../../src/cli/config.ts';
import { arena } from '../../src/host/libc.ffi.ts';
import { readProcess, writeProcess } from '../../src/host/process.ffi.ts';
import type { CallTrap } from '../../src/runner/call-trap.ts';
import { Chains } from '../../src/runner/chains.ts';
import { findCommand } from '../../src/runner/command.ts';
import { RunError } from '../../src/runner/errors.ts';
import { ProcessMemory, readString } from '../../src/runner/guest-memory.ts';
import { nameserversOf } from '../../src/runner/host-resolvers.ts';
import { launchChain, weakness } from '../../src/runner/namespaces.ts';
import { SignalActions, type SignalState } from '../../src/runner/signals.ts';
import { WaitingSignals } from '../../src/runner/waiting-signals.ts';
import type { GuestMemory } from '../../src/socket/guest-memory.ts';
import { IoVector } from '../../src/socket/io-vector.ts';
import { ArenaMemory, Protection } from '../../src/syscalls/arena-memory.ts';

/** Memory of `size` octets at `base`; nothing else is mapped. */
class Mapped implements GuestMemory {
  readonly base: number;
  readonly bytes: Uint8Array;
  constructor(base: number, bytes: Uint8Array) {
    this.base = base;
    this.bytes = bytes;
  }
  read(addr: number, dst: Uint8Array, at: number, len: number): number {
    const from = addr - this.base;
    if (from < 0 || from >= this.bytes.length) return 0;
    const n = Math.min(len, this.bytes.length - from);
    dst.set(this.bytes.subarray(from, from + n), at);
    return n;
  }
  write(): number {
    return 0;
  }
}

test('memory of a process: whole, partial at the page where it ends, none', (t) => {
  const { address, bytes } = arena(8192);
  bytes.fill(7);
  const dst = new Uint8Array(16_384);
  const memory = new ProcessMemory(process.pid, () => true);
  t.is(memory.read(address, dst, 10, 8192), 8192);
  t.deepEqual([dst[9], dst[10], dst[8201], dst[8202]], [0, 7, 7, 0]);
  t.is(memory.read(8, dst, 0, 4), 0);
  t.is(memory.write(8, dst, 0, 4), 0);
  for (const wild of [Infinity, 2 ** 52, 2 ** 47, -1]) {
    t.is(memory.read(wild, dst, 0, 4), 0, `${wild}`);
    t.is(memory.write(wild, dst, 0, 4), 0, `${wild}`);
  }
  t.is(memory.read(8, dst, 0, 0), 0);
  t.is(memory.write(address + 4096, new Uint8Array(4096).fill(9), 0, 4096), 4096);
  t.deepEqual([bytes[4095], bytes[4096]], [7, 9]);
});

test('a program that cannot be given its descriptors does not start, and that is said', (t) => {
  const told: string[] = [];
  let result = -Errno.EMFILE;
  const chains = new Chains({
    head: 7,
    stdio: [0, 'ignore', 2],
    onGuest: () => undefined,
    onUnfit: (why) => told.push(why.what),
  });
  const trap = { tid: 7, idLow: 1, idHigh: 0, replaceFd: () => result } as unknown as CallTrap;
  const exec = (): boolean | undefined => chains.exec(trap, () => '/usr/bin/setpriv');
  t.false(exec());
  t.deepEqual(told, ['the program cannot be given its descriptor 1 (EMFILE)']);
  // A signal took the call away, and it comes again.
  result = -Errno.ENOENT;
  t.true(exec());
  result = -Errno.EBADF;
  t.false(exec());
  result = 1;
  t.true(exec());
  // It has them.
  result = -Errno.EBADF;
  t.true(exec());
  t.is(told.length, 2);
});

test('signals that wait are given once each, as they came last; SIGKILL alone', (t) => {
  const waiting = new WaitingSignals();
  for (const signal of [19, 15, 18, 15, 19]) waiting.add(signal);
  t.deepEqual(waiting.take(), [18, 15, 19]);
  t.deepEqual(waiting.take(), []);
  for (const signal of [9, 18]) waiting.add(signal);
  t.deepEqual(waiting.take(), [9]);
});

/** Counts calls; `whole` takes segments together, else one by one. */
function counting(memory: GuestMemory, whole: boolean) {
  const calls = { count: 0 };
  const counted =
    <A extends unknown[]>(f: (...args: A) => number) =>
    (...args: A): number => {
      calls.count++;
      return f(...args);
    };
  const view: GuestMemory = {
    read: counted(memory.read.bind(memory)),
    write: counted(memory.write.bind(memory)),
    ...(whole && memory.readv !== undefined ? { readv: counted(memory.readv.bind(memory)) } : {}),
    ...(whole && memory.writev !== undefined ? { writev: counted(memory.writev.bind(memory)) } : {}),
  };
  return { view, calls };
}

const hash = (octets: Uint8Array): string => createHash('sha1').update(octets).digest('hex');
const OCTETS = 16_384;
const place = arena(OCTETS);
const ourselves = { memory: new ProcessMemory(process.pid, () => true), base: place.address, bytes: place.bytes };
const arenaBytes = new Uint8Array(OCTETS);
const mapped = new ArenaMemory();
mapped.map(0x10_0000, arenaBytes);
mapped.protect(0x10_0000 + 8192, 4096, Protection.None);
const emulated = { memory: mapped, base: 0x10_0000, bytes: arenaBytes };

for (const [what, { memory, base, bytes }] of [
  ['another process', ourselves],
  ['an arena', emulated],
] as const) {
  test(`segments of ${what} moved together: the same octets, places and faults as one by one`, (t) => {
    const segment = fc.record({ at: fc.integer({ min: 0, max: 12_000 }), len: fc.nat(3000), bad: fc.nat(15) });
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 20 }), fc.nat(9000), fc.nat(20_000), (segments, skip, len) => {
        const outcome = (whole: boolean, fromGuest: boolean): unknown => {
          for (let i = 0; i < OCTETS; i++) bytes[i] = i * 31;
          const io = new IoVector(counting(memory, whole).view);
          for (const { at, len: octets, bad } of segments)
            io.push(bad === 0 ? 8 : bad === 1 ? Infinity : base + at, octets);
          io.skip(skip);
          const ours = new Uint8Array(20_100).map((_, i) => i * 17);
          const moved = fromGuest ? io.copyIn(ours, 50, len) : io.copyOut(ours, 50, len);
          return [moved, io.position, io.remaining, hash(ours), hash(bytes)];
        };
        for (const fromGuest of [true, false]) t.deepEqual(outcome(true, fromGuest), outcome(false, fromGuest));
      }),
      { seed: 20_261_120, numRuns: 300 },
    );
  });
  test(`as many segments of ${what} as a call may have are one transfer`, (t) => {
    const { view, calls } = counting(memory, true);
    const io = new IoVector(view);
    for (let i = 0; i < 1024; i++) io.push(base + i * 5, 3);
    bytes.fill(0).set([1, 2, 3, 4, 5, 6, 7, 8]);
    const ours = new Uint8Array(4096);
    t.is(io.copyIn(ours, 0, 4096), 3072);
    t.deepEqual([...ours.subarray(0, 6)], [1, 2, 3, 6, 7, 8]);
    io.seek(0);
    t.is(io.copyOut(new Uint8Array(4096).fill(9), 0, 4096), 3072);
    t.deepEqual([...bytes.subarray(0, 6), bytes[1023 * 5 + 2], bytes[1023 * 5 + 3]], [9, 9, 9, 4, 5, 9, 9, 0]);
    t.is(calls.count, 2);
  });
}

test('a transfer stops at the first page that is not there, as copy_from_user does', async (t) => {
  const child = spawn('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
  await new Promise((resolve) => child.once('spawn', resolve));
  const pid = child.pid as number;
  const last = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .map((line) => /^[0-9a-f]+-([0-9a-f]+) rw-p .*\[stack\]$/.exec(line)?.[1])
    .find((end) => end !== undefined);
  const end = Number.parseInt(last ?? '', 16);
  const dst = new Uint8Array(65_536);
  t.is(readProcess(pid, end - 100, dst, 0, 100), 100);
  t.is(readProcess(pid, end - 100, dst, 0, 200), 100);
  t.is(readProcess(pid, end - 5000, dst, 0, 65_536), 5000);
  t.is(readProcess(pid, end, dst, 0, 1), -14);
  t.is(writeProcess(pid, end, dst, 0, 1), -14);
  child.stdin.end();
});

test('a call that waited is asked about before its memory is touched', (t) => {
  const { address } = arena(4096);
  let asked = 0;
  let there = true;
  const memory = new ProcessMemory(process.pid, () => {
    asked++;
    return there;
  });
  const dst = new Uint8Array(8);
  t.is(memory.read(address, dst, 0, 8), 8);
  t.is(asked, 0);
  memory.doubt();
  t.is(memory.read(address, dst, 0, 8), 8);
  t.is(memory.read(address, dst, 0, 8), 8);
  t.is(asked, 1);
  there = false;
  memory.doubt();
  t.is(memory.read(address, dst, 0, 8), 0);
  t.is(memory.write(address, dst, 0, 8), 0);
  memory.trust();
  t.is(memory.read(address, dst, 0, 8), 8);
});

test('strings are read to their end and no page further', (t) => {
  const text = new TextEncoder().encode('abc\0def');
  const atEnd = new Mapped(0x1fff_f000 + 4096 - text.length, text);
  t.is(readString(atEnd, atEnd.base, 100), 'abc');
  t.is(readString(atEnd, atEnd.base + 4, 100), undefined);
  t.is(readString(atEnd, 0, 100), undefined);
  fc.assert(
    fc.property(fc.string({ maxLength: 300 }), fc.nat(8192), (word, offset) => {
      const clean = word.replaceAll('\0', '');
      const bytes = new TextEncoder().encode(`${clean}\0`);
      const memory = new Mapped(0x10_0000 + offset, bytes);
      return readString(memory, memory.base, 4096) === new TextDecoder().decode(bytes.subarray(0, -1));
    }),
  );
});

test('programs are found as execvp does, and the first that may not be executed is named', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const [a, b] = [join(directory, 'a'), join(directory, 'b')];
  mkdirSync(a);
  mkdirSync(b);
  writeFileSync(join(a, 'tool'), '');
  writeFileSync(join(b, 'tool'), '');
  chmodSync(join(b, 'tool'), 0o755);
  t.is(findCommand('tool', `${a}:${b}`, '/'), join(b, 'tool'));
  t.is(findCommand('./tool', undefined, b), join(b, 'tool'));
  t.is(findCommand('sh', undefined, '/').endsWith('/sh'), true);
  const failure = (command: string, path: string): RunError =>
    t.throws<RunError>(() => findCommand(command, path, '/'), { instanceOf: RunError });
  t.is(failure('tool', a).exitStatus, 126);
  t.is(failure('', a).exitStatus, 127);
  t.is(failure('nothing', `${a}:${b}`).exitStatus, 127);
  t.is(failure(`${a}/tool/x`, '').exitStatus, 127);
  t.is(failure(a, '').exitStatus, 126);
  rmSync(directory, { recursive: true });
});

test('the launch chain enters what there is, drops what it must, and ends in the command', (t) => {
  const command = ['prog', '-x', '--', 'y z'];
  const full = launchChain({ network: true, processes: true, user: true }, command, {
    dropCapabilities: false,
    softFiles: 1024,
  });
  t.deepEqual(full.slice(-4), command);
  t.true(full.includes('--map-current-user') && full.includes('--kill-child') && full.includes('--mount-proc'));
  t.false(full.some((word) => word.startsWith('--bounding-set')));
  t.true(full.some((word) => word.startsWith('ulimit -S -n 1024')));
  const root = launchChain({ network: true, processes: true, user: false }, command, {
    dropCapabilities: true,
    softFiles: undefined,
  });
  t.false(root.includes('--user'));
  t.regex(root.find((word) => word.startsWith('--bounding-set')) ?? '', /=-all,\+chown.*\+net_raw/);
  const none = launchChain({ network: false, processes: false, user: false }, command, {
    dropCapabilities: false,
    softFiles: undefined,
  });
  t.false(none.some((word) => word.endsWith('/unshare')));
  t.true(none.includes('exec "$@"'));
  t.is(weakness({ network: true, processes: true, user: true }), undefined);
  t.regex(weakness({ network: true, processes: false, user: true }) ?? '', /^weaker isolation: no PID namespace/);
  t.regex(weakness({ network: false, processes: false, user: false }) ?? '', /abstract unix names are refused/);
});

/** The kernel's `struct sigaction` at address 64. */
const action = (handler: number, flags: number): GuestMemory =>
  new Mapped(64, new Uint8Array(Uint32Array.of(handler, 0, flags, 0).buffer));

const state = (pid: number, interruptions = 0n, parent = 0): SignalState => ({ pid, parent, interruptions });

test('a call restarts unless every handler is known not to', (t) => {
  const actions = new SignalActions();
  t.true(actions.mayRestart(1));
  actions.record(state(1), action(4096, 0), 14, 64);
  t.false(actions.mayRestart(1));
  actions.record(state(1), action(4096, 0x1000_0000), 10, 64);
  t.true(actions.mayRestart(1));
  actions.record(state(1), action(1, 0), 10, 64);
  t.false(actions.mayRestart(1));
  actions.record(state(1), action(0, 0), 14, 64);
  t.true(actions.mayRestart(1));
  actions.record(state(1), action(4096, 0), 14, 8);
  actions.record(state(1), action(4096, 0), 99, 64);
  actions.record(state(1), action(4096, 0), 14, 0);
  t.true(actions.mayRestart(1));
  actions.record(state(2), action(4096, 0), 14, 64);
  actions.forget(2);
  t.true(actions.mayRestart(2));
});

test('options are checked, and faults are named', (t) => {
  t.deepEqual(parseRunOptions({ hostPort: ['80', '8080'] }).hostPort, [80, 8080]);
  t.is(parseRunOptions({}).plane, undefined);
  const failure = (value: unknown): string => t.throws(() => parseRunOptions(value), { instanceOf: RunError }).message;
  t.regex(failure({ hostPort: ['x'] }), /--host-port "x" is not a port/);
  t.regex(failure({ hostPort: ['1.5'] }), /--host-port "1.5" is not a port/);
  t.regex(failure({ plane: 'direct', strace: '-' }), /--strace lists every call, .* leave --plane out/);
  t.regex(failure({ plane: 'astral' }), /--plane "astral" is not a plane; there are direct and strict/);
  t.regex(failure({ strace: '' }), /--strace needs a file name/);
});

test('name servers are the first three that are addresses, without zone', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const file = join(directory, 'resolv.conf');
  writeFileSync(
    file,
    '# x\nsearch a\nnameserver 127.0.0.53\n nameserver fe80::1%eth0\nnameserver nonsense\nnameserver ::1\nnameserver 9.9.9.9\n',
  );
  t.deepEqual(nameserversOf(file), ['127.0.0.53', 'fe80::1', '::1']);
  t.deepEqual(nameserversOf(join(directory, 'absent')), []);
  rmSync(directory, { recursive: true });
});

test('a call may be left half done where each handler that may run is known to restart it', (t) => {
  const actions = new SignalActions();
  const ALARM = 1n << 13n;
  const INT = 1n << 1n;
  t.true(actions.allRestart(state(1)), 'nothing interrupts');
  t.false(actions.allRestart(state(1, ALARM)), 'a handler that nobody saw');
  t.false(actions.record(state(1), action(4096, 0x1000_0000), 14, 64));
  t.true(actions.allRestart(state(1, ALARM)));
  t.true(actions.record(state(1), action(4096, 0), 2, 64));
  t.true(actions.allRestart(state(1, ALARM)), 'the other is blocked');
  t.false(actions.allRestart(state(1, ALARM | INT)));
  t.true(actions.allRestart(state(2, ALARM, 1)), 'a child has its parent’s');
  t.false(actions.allRestart(state(2, INT, 1)));
  for (let pid = 10; pid < 4200; pid++) actions.record(state(pid), action(4096, 0), 14, 64);
  t.false(actions.allRestart(state(1, ALARM)), 'forgotten for others: unknown');
});
