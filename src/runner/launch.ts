/**
 * Starts guests under their filter (seccomp(2): filters belong to a thread and are inherited by fork and execve).
 *
 * The launcher is a process that shares our memory and runs a table of system calls, nothing else (src/host/call-machine.ts, docs/decisions/0022): it lets go of all that is ours, installs the filter on
 * itself and makes a child for each program that is asked for, which becomes that program by execve. The children are ours, as if we had made them, and under the one filter, whose listener we copy.
 *
 * Behind the filter a call may wait for us, who wait here for the launcher: from there on it makes only calls that no filter of ours traps (futex, close_range, clone), its children chdir and
 * rt_sigprocmask, and execve, for whose answer nobody waits.
 */
import { statSync } from 'node:fs';
import { Errno, errnoName } from '../abi/errno.ts';
import {
  awaitWord,
  type CallRecord,
  CallTable,
  reap,
  reapProcess,
  type SharedWord,
  SIGSET_OCTETS,
  wakeWord,
} from '../host/call-table.ffi.ts';
import { pipePair } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOfProcess, pidfdSignal } from '../host/process.ffi.ts';
import { FILTER_FLAGS, type Notification, PR_SET_NO_NEW_PRIVS, SECCOMP_SET_MODE_FILTER } from '../host/seccomp.ffi.ts';
import { Child } from './child.ts';
import { findCommand } from './command.ts';
import { launchError, RunError } from './errors.ts';

/** A descriptor of ours, or none: /dev/null. */
export type StdioEntry = number | 'ignore';

export interface Program {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}
export interface LauncherOptions {
  /** `struct sock_filter` array. */
  readonly filter: Uint8Array;
  readonly notification: Notification;
  /** Who traces the launcher, and with it all that it makes, where calls go to a tracer. */
  readonly tracer?: Tracer;
  /** Further programs will be asked for: without that the launcher is gone with the first. */
  readonly stays: boolean;
}

export interface Tracer {
  /** Traces the process. @throws RunError */
  seize(pid: number): void;
  /** The process is about to make another one, and stops until that is taken note of. */
  awaitClone(pid: number): void;
  /** It is a child of ours: how it ends, once it has. */
  readonly endOf: (pid: number) => ReturnType<typeof reap>;
  /** The process has ended. */
  forget(pid: number): void;
}

const SIGKILL = 9;
const SIGSTOP = 19;
const LAST_SIGNAL = 64;
const KERNEL_SIGACTION_OCTETS = 32;
const SIG_SETMASK = 2;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NAME = 15;
const F_SETFD = 2;
const FIRST_OWN_FD = 3;
const LAST_FD = 0xffff_ffff;
const FUTEX_WAIT = 0;
const FUTEX_WAKE_OP = 5;
/** FUTEX_OP(FUTEX_OP_SET, 0, FUTEX_OP_CMP_EQ, 0xfff): the second word becomes 0, and nobody is woken for that. */
const SET_0 = 0xfff;
/** FUTEX_OP(FUTEX_OP_SET, 1, FUTEX_OP_CMP_EQ, 0): it becomes 1, and who waits for that is woken. */
const SET_1 = 0x1000;
const CLONE_VM = 0x100;
const CLONE_PARENT = 0x8000;
/** As a shell has it. */
const NOT_EXECUTED = 127;
const SOCK_FPROG_OCTETS = 16;
const SOCK_FILTER_OCTETS = 8;
/** Of the launcher, and of a program with arguments and environment of a usual size. */
const TABLE_OCTETS = 65_536;
/** The launcher is given that for what takes it a fraction of a millisecond. */
const PATIENCE_MS = 10_000;

const EBUSY = 16;
const EINVAL = 22;

function filterError(code: number): RunError {
  const name = errnoName(code);
  if (code === EBUSY) {
    return new RunError(
      'E_FILTER',
      'a seccomp listener already watches this process',
      'do not run sandsock inside a sandsock guest',
    );
  }
  const remedy =
    code === EINVAL
      ? 'run on Linux 5.0 or newer with CONFIG_SECCOMP_FILTER'
      : 'where a container profile refuses seccomp(2), allow it (docker run --security-opt seccomp=unconfined)';
  return new RunError('E_FILTER', `the seccomp filter could not be installed (${name})`, remedy);
}

/** Why a child did not become its program: the errno of its call that failed, or 0. @param path of the program */
function startFailure({ cwd }: Program, path: string, ofChdir: number, ofExecve: number): RunError | undefined {
  if (ofChdir > 0) {
    return new RunError(
      'E_CONFIG',
      `the directory ${cwd} cannot be entered (${errnoName(ofChdir)})`,
      'name another one',
    );
  }
  if (ofExecve <= 0) return undefined;
  if (ofExecve === Errno.E2BIG) {
    const what = 'arguments and environment are more than execve(2) takes (E2BIG)';
    const remedy =
      'one of them may have 128 KiB, and all together a quarter of the stack (ulimit -s): pass the rest by a file';
    return new RunError('E_NOT_EXECUTABLE', what, remedy);
  }
  const code = ofExecve === Errno.ENOENT ? 'E_NOT_FOUND' : 'E_NOT_EXECUTABLE';
  return new RunError(code, `${path} could not be executed (${errnoName(ofExecve)})`, 'see sandsock doctor');
}

const zeros = (table: CallTable, octets: number): number => table.data(new Uint8Array(octets));

/** `struct sock_fprog`. */
function filterProgram(table: CallTable, filter: Uint8Array): number {
  const program = Buffer.alloc(SOCK_FPROG_OCTETS);
  program.writeUInt16LE(filter.length / SOCK_FILTER_OCTETS, 0);
  program.writeBigUInt64LE(BigInt(table.data(filter)), 8);
  return table.data(program);
}

/** `struct pollfd` that waits for nothing but the other end's closing. */
function hangUpOf(table: CallTable, fd: number): number {
  const poll = Buffer.alloc(8);
  poll.writeInt32LE(fd, 0);
  return table.data(poll);
}

/** What Node does about signals is not for its children, and what it ignores would stay ignored. */
function defaultActions(table: CallTable): CallRecord[] {
  const action = zeros(table, KERNEL_SIGACTION_OCTETS);
  const records: CallRecord[] = [];
  for (let signal = 1; signal <= LAST_SIGNAL; signal++) {
    if (signal === SIGKILL || signal === SIGSTOP) continue;
    records.push(table.call('rt_sigaction', signal, action, 0, SIGSET_OCTETS));
  }
  return records;
}

/** Ends a child that nobody will know of. */
function abandon(pid: number): void {
  process.kill(pid, SIGKILL);
  reapProcess(pid);
}

/** Tables of programs that have ended. */
const unused: CallTable[] = [];
function tableFor(octets: number): CallTable {
  const index = unused.findIndex((table) => table.octets >= octets);
  const [table = new CallTable(octets)] = index < 0 ? [] : unused.splice(index, 1);
  table.clear();
  return table;
}
const octetsFor = ({ argv, env, cwd }: Program, path: string): number => {
  const texts = [path, cwd, ...argv, ...Object.entries(env).flat()];
  return Math.max(TABLE_OCTETS, 2 * texts.reduce((sum, text) => sum + 4 * text.length + 32, 0));
};

export class Launcher {
  /** Our own copy of the filter's listener, -1 where there is none; calls wait on it from now on. Whoever made the launcher closes it. */
  readonly listenerFd: number;
  readonly #pid: number;
  readonly #pidfd: number;
  readonly #tracer: Tracer | undefined;
  readonly #stays: boolean;
  #isGone = false;
  /** Raised by us, and lowered by the launcher when it has seen that. */
  readonly #asked: SharedWord;
  /** Raised by the launcher when it has done what it was asked for. */
  readonly #done: SharedWord;
  readonly #install: CallRecord;
  /** The last before the clone of the program that is asked for. */
  readonly #beforeClone: CallRecord;
  /** What follows it. */
  readonly #afterClone: CallRecord;

  /** @throws RunError */
  constructor(options: LauncherOptions) {
    const table = new CallTable(TABLE_OCTETS + options.filter.length);
    this.#asked = table.word();
    this.#done = table.word();
    this.#install = table.call(
      'seccomp',
      SECCOMP_SET_MODE_FILTER,
      FILTER_FLAGS[options.notification],
      filterProgram(table, options.filter),
    );
    // The listener: whoever holds it could answer.
    this.#beforeClone = table.call('close_range', FIRST_OWN_FD, LAST_FD);
    this.#afterClone = this.#tell(table);
    this.#tracer = options.tracer;
    // The death of this process kills the launcher; a death before it asked for that has closed this pipe.
    const [readable, writable] = pipePair();
    if (readable < 0) throw launchError('no pipe can be made (ulimit -n)');
    this.#stays = options.stays;
    try {
      this.#pid = table.start(this.#program(table, readable, writable));
      this.#pidfd = pidfdOfProcess(this.#pid);
      if (this.#pidfd < 0) {
        abandon(this.#pid);
        throw launchError(`pidfd_open: ${errnoName(-this.#pidfd)}`);
      }
      this.listenerFd = this.#takeListener();
    } finally {
      close(readable);
      close(writable);
    }
  }
  #program(table: CallTable, readable: number, writable: number): CallRecord {
    const exit = table.call('exit_group', 0);
    const [install, asked] = [this.#install, this.#asked.address];

    const preparations = [
      ...defaultActions(table),
      table.call('prctl', PR_SET_NAME, table.text('sandsock-launch')),
      table.call('prctl', PR_SET_PDEATHSIG, SIGKILL),
      table.call('close_range', writable, writable),
    ];
    const isAlive = table.call('ppoll', hangUpOf(table, readable), 1, zeros(table, 16), 0, SIGSET_OCTETS);
    const rest = [
      // Node has marked them.
      ...[0, 1, 2].map((fd) => table.call('fcntl', fd, F_SETFD, 0)),
      table.call('close_range', FIRST_OWN_FD, LAST_FD),
      table.call('prctl', PR_SET_NO_NEW_PRIVS, 1),
      install,
    ];
    const first = table.sequence([...preparations, isAlive]);
    isAlive.followedBy(exit).onZero(table.sequence(rest));

    // A wake-up may be for nothing; that the word has changed (EAGAIN) is not.
    const wait = table.call('futex', asked, FUTEX_WAIT, 0);
    const lower = table.call('futex', this.#done.address, FUTEX_WAKE_OP, 0, 0, asked, SET_0);
    wait.followedBy(wait).onNegative(lower.followedBy(this.#beforeClone));
    // A filter without a listener is 0.
    install.followedBy(this.#tell(table).followedBy(wait)).onNegative(this.#tell(table).followedBy(exit));
    this.#afterClone.followedBy(this.#stays ? wait : exit);
    return first;
  }

  #tell(table: CallTable): CallRecord {
    return table.call('futex', this.#asked.address, FUTEX_WAKE_OP, 0, 1, this.#done.address, SET_1);
  }
  /** Waits until the launcher has done what it was asked for: from then on it reads no record that is made for that. @throws RunError */
  #await(): void {
    // A signal ends a wait.
    const deadline = performance.now() + PATIENCE_MS;
    while (this.#done.value === 0 && performance.now() < deadline) awaitWord(this.#done.address);
    if (this.#done.value === 0) {
      this.close();
      throw launchError('the process that starts guests does not answer');
    }
    this.#done.value = 0;
  }
  #takeListener(): number {
    try {
      this.#tracer?.seize(this.#pid);
      this.#await();
      const installed = this.#install.result;
      if (installed < 0) throw filterError(-installed);
      if (this.#tracer !== undefined) return -1;
      const fd = pidfdGetfd(this.#pidfd, installed);
      if (fd < 0) throw launchError(`pidfd_getfd: ${errnoName(-fd)}`);
      return fd;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Its first execve is made at once, and answered by whoever serves the listener. @throws RunError */
  start(program: Program): Child {
    if (this.#isGone) throw launchError('the process that starts guests is gone');
    if (statSync(program.cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
      throw new RunError('E_CONFIG', `there is no directory ${program.cwd}`, 'name one that exists');
    }
    const [name = ''] = program.argv;
    const path = findCommand(name, program.env['PATH'], program.cwd);
    const table = tableFor(octetsFor(program, path));
    const exit = table.call('exit_group', NOT_EXECUTED);
    const execve = table.call(
      'execve',
      table.text(path),
      table.texts(program.argv),
      table.texts(Object.entries(program.env).map((entry) => entry.join('='))),
    );
    const unblock = table.call('rt_sigprocmask', SIG_SETMASK, zeros(table, SIGSET_OCTETS), 0, SIGSET_OCTETS);
    const change = table.call('chdir', table.text(program.cwd));
    change.followedBy(exit).onZero(unblock.followedBy(execve));
    execve.followedBy(exit);
    // Of its own: the child goes on from there at a time of its own.
    const clone = table.call('clone', CLONE_VM | CLONE_PARENT);
    clone.followedBy(this.#afterClone).onZero(change);
    this.#beforeClone.followedBy(clone);
    this.#asked.value = 1;
    wakeWord(this.#asked.address);
    this.#tracer?.awaitClone(this.#pid);
    try {
      this.#await();
    } catch (error) {
      if (clone.result > 0) abandon(clone.result);
      throw error;
    }
    const pid = clone.result;
    if (!this.#stays) this.close();
    if (pid < 0) {
      unused.push(table);
      throw launchError(`clone: ${errnoName(-pid)}`);
    }
    // Its memory is ours until it is the program's.
    const failure = (): RunError | undefined => startFailure(program, path, -change.result, -execve.result);
    const child = new Child(pid, { endOf: this.#tracer?.endOf, failure });
    void child.ended.then(() => unused.push(table));
    return child;
  }
  /** Ends the launcher, and none of what it has started. */
  close(): void {
    if (this.#isGone) return;
    this.#isGone = true;
    pidfdSignal(this.#pidfd, SIGKILL);
    // It runs nothing that could keep it.
    reap(this.#pidfd, true);
    this.#tracer?.forget(this.#pid);
    close(this.#pidfd);
  }
}
