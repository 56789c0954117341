/** `sandsock doctor`: what this host allows, tried rather than looked up, and the remedy for what it lacks. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { errnoName } from '../abi/errno.ts';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import { assemble, DATA_NR, give, load, Verdict, whenEqual } from '../host/bpf.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOpen, pidfdThreads, readProcess } from '../host/process.ffi.ts';
import { seize } from '../host/ptrace.ffi.ts';
import { canConfine, hasKillableWaits, SeccompListener, seccompGap } from '../host/seccomp.ffi.ts';
import { AF_INET, openSocket, SOCK_DGRAM } from '../host/socket.ffi.ts';
import { CloseWatch } from '../host/unix-socket.ffi.ts';
import { findHelper } from '../runner/command.ts';
import { RunError } from '../runner/errors.ts';
import { Launcher } from '../runner/launch.ts';
import { strongestIsolation, weakness } from '../runner/namespaces.ts';
import { ptraceGap } from '../runner/platforms.ts';
import { PTRACE_REMEDY } from '../runner/ptrace-trap.ts';
import { settingFindings, thisHost } from './host-settings.ts';

export interface Finding {
  readonly name: string;
  /** 'lacking' keeps sandsock from running; 'weaker' does not. */
  readonly state: 'ok' | 'weaker' | 'lacking';
  readonly detail: string;
  /** What to do; empty when there is nothing. */
  readonly remedy: string;
}

const ok = (name: string, detail: string): Finding => ({ name, state: 'ok', detail, remedy: '' });
const lacking = (name: string, detail: string, remedy: string): Finding => ({ name, state: 'lacking', detail, remedy });
const weaker = (name: string, detail: string, remedy: string): Finding => ({ name, state: 'weaker', detail, remedy });

/** Traps execve alone, on a process that ends at once: it stands still in its first one until we have the listener. */
async function listenerFindings(): Promise<Finding[]> {
  const notification = 'seccomp user notification';
  const gap = seccompGap();
  if (gap !== undefined) return [lacking(notification, gap.what, gap.remedy)];
  const numbers = process.arch === 'arm64' ? NR_ARM64 : NR_AMD64;
  const filter = assemble([load(DATA_NR), ...whenEqual(numbers.execve, give(Verdict.Notify)), give(Verdict.Allow)]);

  try {
    const launcher = new Launcher({ filter, notification: 'listener', stays: false });
    const launched = launcher.start({ argv: ['/bin/sh', '-c', ':'], env: {}, cwd: '/' });
    const listener = new SeccompListener(launcher.listenerFd);
    const addfd = listener.probe();
    const sync = listener.setSyncWakeUp(true);
    if (listener.receive()) listener.resume(listener.idLow, listener.idHigh);
    await launched.ended;
    close(launcher.listenerFd);
    return [
      ok(notification, 'a filter with a listener could be installed'),
      addfd === undefined
        ? ok('SECCOMP_ADDFD_FLAG_SEND', 'descriptors go in together with the answer')
        : lacking('SECCOMP_ADDFD_FLAG_SEND', addfd.what, addfd.remedy),
      sync
        ? ok('SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP', 'fewer wake-ups of other cores')
        : weaker('SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP', 'calls of several threads cost more', 'Linux 6.6 has it'),
    ];
  } catch (error) {
    if (error instanceof RunError) {
      // What went wrong at a start points here.
      const remedy = error.code === 'E_LAUNCH' ? 'see what the kernel log says (dmesg) and report it' : error.remedy;
      return [lacking(notification, error.what, remedy)];
    }
    throw error;
  }
}

/** Flags of filters, which the kernel looks at before the filter. */
function filterFindings(): Finding[] {
  return [
    hasKillableWaits()
      ? ok('SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV', 'signals do not take calls away')
      : weaker(
          'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV',
          'a handler without SA_RESTART may lose what a call had done',
          'Linux 5.19 has it',
        ),
    canConfine()
      ? ok('filters of its own', 'supervisor and gateway give up the calls that they do not need')
      : weaker(
          'filters of its own',
          'supervisor and gateway keep every call that their user has',
          'where a container profile refuses seccomp(2), allow it',
        ),
  ];
}

/** A child of ours stands for a guest. */
async function processFindings(): Promise<Finding[]> {
  const child = spawn('/bin/sh', ['-c', 'read line'], { stdio: ['pipe', 'ignore', 'ignore'] });
  await once(child, 'spawn');
  const pid = child.pid as number;
  const pidfd = pidfdOpen(pid);
  const copy = pidfdGetfd(pidfd, 0);
  const first = /^([0-9a-f]+)-/.exec(readFileSync(`/proc/${pid}/maps`, 'utf8'))?.[1] ?? '0';
  const word = new Uint8Array(64);
  const read = readProcess(pid, Number.parseInt(first, 16), word, 0, word.length);
  const gap = ptraceGap();
  const traced = gap === undefined ? seize(pid) : 0;
  child.stdin.end();
  await once(child, 'exit');
  for (const fd of [pidfd, copy]) if (fd >= 0) close(fd);
  return [
    copy >= 0
      ? ok('pidfd_getfd', 'descriptors of a guest can be looked at')
      : lacking('pidfd_getfd', `errno ${-copy}`, PTRACE_REMEDY),
    read > 0
      ? ok('process_vm_readv', "a guest's memory can be read")
      : lacking('process_vm_readv', `errno ${-read}`, PTRACE_REMEDY),
    ptraceFinding(gap, traced),
    pidfdThreads.supported
      ? ok('PIDFD_THREAD', 'threads with descriptor tables of their own are told apart')
      : weaker(
          'PIDFD_THREAD',
          'a thread with a descriptor table of its own is seen with its process’s',
          'Linux 6.9 has it',
        ),
  ];
}

const PTRACE = 'ptrace';
function ptraceFinding(gap: RunError | undefined, traced: number): Finding {
  if (gap !== undefined) return weaker(PTRACE, gap.what, '');
  if (traced === 0) return ok(PTRACE, 'a guest could be traced, where there is no user notification');
  return weaker(PTRACE, `a guest cannot be traced (${errnoName(traced)})`, PTRACE_REMEDY);
}

/** What `sandsock run` would take, and the findings on user notification, which may be lacking where a guest can be traced. */
function platformFindings(notification: readonly Finding[], processes: readonly Finding[]): readonly Finding[] {
  const lacks = notification.filter(({ state }) => state === 'lacking');
  if (lacks.length === 0) {
    return [...notification, ok('platform', 'notify: calls are caught by seccomp user notification')];
  }
  if (processes.find(({ name }) => name === PTRACE)?.state !== 'ok') return notification;
  return [
    ...notification.map((one): Finding => (one.state === 'lacking' ? { ...one, state: 'weaker' } : one)),
    weaker(
      'platform',
      'ptrace: calls are caught by tracing the guest, which is slower; gdb and strace do not work in it',
      '',
    ),
  ];
}

function programFindings(): Finding[] {
  return ['setpriv', 'unshare'].map((name) => {
    try {
      return ok(name, findHelper(name));
    } catch (error) {
      return lacking(name, 'is not in the system directories', error instanceof RunError ? error.remedy : '');
    }
  });
}

async function namespaceFinding(): Promise<Finding> {
  const isolation = await strongestIsolation(process.getuid?.() === 0);
  const text = weakness(isolation);
  if (text === undefined) {
    return ok('namespaces', `network and PID namespace${isolation.user ? ' through a user namespace' : ''}`);
  }
  const [detail = text, remedy = ''] = text.split('; ');
  return weaker('namespaces', detail, remedy);
}

const IPPROTO_ICMP = 1;

/** Below it a busy server runs out of watches. */
const FEW_WATCHES = 8192;

function inotifyFinding(): Finding {
  const watch = new CloseWatch();
  if (watch.fd < 0)
    return lacking('inotify', `no instance (errno ${-watch.fd})`, 'raise sysctl fs.inotify.max_user_instances');
  close(watch.fd);
  const limit = Number(readFileSync('/proc/sys/fs/inotify/max_user_watches', 'utf8'));
  if (limit >= FEW_WATCHES) return ok('inotify', `${limit} watches: so many sockets may be open`);
  return weaker('inotify', `${limit} watches: so many sockets may be open`, 'raise sysctl fs.inotify.max_user_watches');
}

function pingFinding(): Finding {
  const name = 'ICMP echo';
  const fd = openSocket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);
  if (fd < 0) {
    return weaker(
      name,
      `no ping sockets (errno ${-fd}): a guest can ping its gateway alone`,
      'set sysctl net.ipv4.ping_group_range="0 2147483647"',
    );
  }
  close(fd);
  return ok(name, 'ping sockets carry it beyond the gateway');
}

export async function examine(): Promise<Finding[]> {
  const notification = await listenerFindings();
  const processes = await processFindings();
  return [
    ok('kernel', release()),
    ...platformFindings(notification, processes),
    ...processes,
    ...programFindings(),
    await namespaceFinding(),
    ...settingFindings(thisHost()),
    ...filterFindings(),
    inotifyFinding(),
    pingFinding(),
  ];
}
