/** The filters of the supervisor and the gateway: what they pass, and that a process under one is held to it. */
import { execFileSync } from 'node:child_process';
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

function verdictOf(confinement: Confinement, architecture: keyof typeof ARCHITECTURES) {
  const program = confinementProgram(confinement, architecture);
  const { audit, numbers } = ARCHITECTURES[architecture];
  return (name: string, argument = 0): number => {
    const data = new DataView(new ArrayBuffer(64));
    data.setUint32(0, numbers[name] ?? 0xffff, true);
    data.setUint32(4, audit, true);
    data.setUint32(16, argument, true);
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
