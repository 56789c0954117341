/** The filters of the supervisor and the gateway: what they pass, and that a process under one is held to it. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { Errno, NR_AMD64, NR_ARM64 } from '../../src/abi/index.ts';
import { GATEWAY_CONFINEMENT } from '../../src/gateway/own-calls.ts';
import { interpret, Verdict } from '../../src/host/bpf.ts';
import { type Confinement, confinementProgram } from '../../src/host/confinement.ts';
import { supervisorConfinement } from '../../src/runner/own-calls.ts';

const ARCHITECTURES = {
  x64: { audit: 0xc000_003e, numbers: NR_AMD64 as Readonly<Record<string, number>> },
  arm64: { audit: 0xc000_00b7, numbers: NR_ARM64 as Readonly<Record<string, number>> },
} as const;

const PID = 4711;

function verdictOf(confinement: Confinement, architecture: keyof typeof ARCHITECTURES) {
  const program = confinementProgram(confinement, PID, architecture);
  const { audit, numbers } = ARCHITECTURES[architecture];
  return (name: string, ...given: readonly number[]): number => {
    const data = new DataView(new ArrayBuffer(64));
    data.setUint32(0, numbers[name] ?? 0xffff, true);
    data.setUint32(4, audit, true);
    for (const [i, argument] of given.entries()) data.setUint32(16 + i * 8, argument, true);
    return interpret(program, new Uint8Array(data.buffer));
  };
}

const NEVER = [
  'execve',
  'execveat',
  'ptrace',
  'mount',
  'umount2',
  'setns',
  'unshare',
  'pivot_root',
  'chroot',
  'bpf',
  'keyctl',
  'userfaultfd',
  'perf_event_open',
  'init_module',
  'reboot',
  'seccomp',
  'no_such_call',
] as const;

for (const architecture of ['x64', 'arm64'] as const) {
  for (const [name, confinement] of [
    ['the supervisor', supervisorConfinement({ gateway: false, tracing: false })],
    ['the gateway', GATEWAY_CONFINEMENT],
  ] as const) {
    test(`${name} starts no program and makes threads alone (${architecture})`, (t) => {
      const verdict = verdictOf(confinement, architecture);
      for (const call of NEVER) t.is(verdict(call), Verdict.errno(Errno.EPERM), call);
      for (const call of ['clone3', 'io_uring_setup', 'io_uring_enter'])
        t.is(verdict(call), Verdict.errno(Errno.ENOSYS), call);
      t.is(verdict('clone', 0x11), Verdict.errno(Errno.EPERM));
      t.is(verdict('clone', 0x3d_0f00), Verdict.Allow);
      for (const call of ['read', 'mmap', 'mprotect', 'futex', 'openat', 'recvmsg', 'exit_group'])
        t.is(verdict(call), Verdict.Allow, call);
    });
  }
  test(`each has its own sockets, and the supervisor alone the guest's memory (${architecture})`, (t) => {
    const supervisor = verdictOf(supervisorConfinement({ gateway: false, tracing: false }), architecture);
    const both = verdictOf(supervisorConfinement({ gateway: true, tracing: true }), architecture);
    const gateway = verdictOf(GATEWAY_CONFINEMENT, architecture);
    for (const call of ['socket', 'socketpair']) {
      t.deepEqual(
        [1, 2, 10, 16, 17, 40].map((family) => supervisor(call, family) === Verdict.Allow),
        [true, false, false, false, false, false],
      );
      t.deepEqual(
        [1, 2, 10, 16, 17, 40].map((family) => both(call, family) === Verdict.Allow),
        [true, true, true, true, false, false],
      );
      t.deepEqual(
        [1, 2, 10, 16, 17, 40].map((family) => gateway(call, family) === Verdict.Allow),
        [false, true, true, true, false, false],
      );
    }
    for (const call of ['process_vm_readv', 'process_vm_writev', 'pidfd_open', 'pidfd_getfd', 'kill', 'setresuid']) {
      t.is(supervisor(call), Verdict.Allow, call);
      t.is(gateway(call), Verdict.errno(Errno.EPERM), call);
    }
  });
}

const [O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_CLOEXEC] = [0o1, 0o2, 0o100, 0o1000, 0o2000000];

for (const architecture of ['x64', 'arm64'] as const) {
  test(`the gateway reads files, and reaches no other process (${architecture})`, (t) => {
    const verdict = verdictOf(GATEWAY_CONFINEMENT, architecture);
    const [refused, denied] = [Verdict.errno(Errno.EPERM), Verdict.errno(Errno.EACCES)];
    t.is(verdict('openat', 0, 0, O_CLOEXEC), Verdict.Allow);
    for (const flags of [O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_RDWR | O_CLOEXEC]) {
      t.is(verdict('openat', 0, 0, flags), denied);
      if (architecture === 'x64') t.is(verdict('open', 0, flags), denied);
    }
    for (const call of ['rename', 'renameat2', 'unlinkat', 'ftruncate', 'creat', 'openat2'])
      t.is(verdict(call), refused);
    for (const call of ['tgkill', 'prlimit64']) {
      t.is(verdict(call, PID), Verdict.Allow);
      t.is(verdict(call, PID + 1), refused);
    }
    t.is(verdict('fcntl', 0, 3), Verdict.Allow);
    for (const command of [8, 10, 15]) t.is(verdict('fcntl', 0, command), refused);
    t.is(verdict('ioctl', 0, 0x5421), Verdict.Allow);
    for (const request of [0x8901, 0x8902, 0x5412, 0x541c]) t.is(verdict('ioctl', 0, request), refused);
  });
}

const GATEWAY_SCRIPT = `
const [, confinement, calls, libc, victim, file] = process.argv;
const { confine } = await import(confinement);
const { GATEWAY_CONFINEMENT } = await import(calls);
const { native, errno } = await import(libc);
const { openSync, readFileSync, writeFileSync } = await import('node:fs');
const number = process.arch === 'x64' ? { tgkill: 234, prlimit64: 302, kill: 62, vm: 311 } : { tgkill: 131, prlimit64: 261, kill: 129, vm: 271 };
const call = native('intptr_t syscall(intptr_t nr, intptr_t a, intptr_t b, intptr_t c, intptr_t d)');
const fcntl = native('int fcntl(int fd, int command, int argument)');
const errnoOf = (result) => (result < 0 ? errno() : 0);
const code = (what) => { try { what(); return 'done'; } catch (error) { return error.code; } };
const pid = Number(victim);
const attempts = () => [
  code(() => openSync('/proc/' + victim + '/mem', 'r+')),
  code(() => writeFileSync(file, 'overwritten')),
  code(() => writeFileSync(file + '.new', 'made')),
  errnoOf(call(number.tgkill, pid, pid, 0, 0)),
  errnoOf(call(number.kill, pid, 0, 0, 0)),
  errnoOf(call(number.prlimit64, pid, 7, 0, 0)),
  errnoOf(call(number.vm, pid, 0, 0, 0)),
  errnoOf(fcntl(0, 8, pid)),
  errnoOf(call(number.tgkill, process.pid, process.pid, 0, 0)),
  readFileSync(file, 'utf8'),
];
const free = attempts();
writeFileSync(file, 'as it was');
console.log(JSON.stringify([free, confine(GATEWAY_CONFINEMENT), attempts()]));
`;

const SCRIPT = `
const { confine } = await import(process.argv[1]);
const { supervisorConfinement } = await import(process.argv[2]);
const { spawn } = await import('node:child_process');
const { createServer } = await import('node:net');
const { readFileSync } = await import('node:fs');
const { Worker } = await import('node:worker_threads');
const told = [confine(supervisorConfinement({ gateway: false, tracing: false }))];
const status = readFileSync('/proc/self/status', 'utf8');
told.push(/^Seccomp:\\t2$/m.test(status), /^NoNewPrivs:\\t1$/m.test(status));
const code = (what) => new Promise((resolve) => what.once('error', (error) => resolve(error.code)));
try { spawn('/bin/true'); told.push('spawned'); } catch (error) { told.push(error.code); }
told.push(await code(createServer().listen(0, '127.0.0.1')));
const worker = new Worker("const { parentPort } = await import('node:worker_threads'); parentPort.postMessage('a thread')", { eval: true });
told.push(await new Promise((resolve) => worker.once('message', resolve)));
console.log(JSON.stringify(told));
`;
const module = (path: string): string => fileURLToPath(new URL(`../../src/${path}.js`, import.meta.url));

test('a Node under the filter has threads and files, and no programs and networks', (t) => {
  const args = ['--input-type=module', '-e', SCRIPT, module('host/confinement'), module('runner/own-calls')];
  const told = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
  t.deepEqual(JSON.parse(told), [true, true, true, 'EPERM', 'EAFNOSUPPORT', 'a thread']);
});

test('a Node under the filter of the gateway neither writes to another process, nor signals it, nor writes files', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'sandsock-confinement-'));
  const file = join(folder, 'file');
  writeFileSync(file, 'as it was');
  const victim = spawn('sleep', ['60'], { stdio: 'ignore' });
  const ended = new Promise((resolve) => void victim.once('exit', (_code, signal) => resolve(signal)));
  t.teardown(() => {
    victim.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  });
  const modules = ['host/confinement', 'gateway/own-calls', 'host/libc.ffi'].map(module);
  const args = ['--input-type=module', '-e', GATEWAY_SCRIPT, ...modules, `${victim.pid}`, file];
  const told = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 });
  const { EPERM } = Errno;
  t.deepEqual(JSON.parse(told), [
    // What the same process may before: each of these attempts is one that a filter has to stop.
    ['done', 'done', 'done', 0, 0, 0, 0, 0, 0, 'overwritten'],
    true,
    ['EACCES', 'EACCES', 'EACCES', EPERM, EPERM, EPERM, EPERM, EPERM, 0, 'as it was'],
  ]);
  t.is(readFileSync(file, 'utf8'), 'as it was');
  victim.kill('SIGTERM');
  t.is(await ended, 'SIGTERM');
});
