/**
 * The host kernel as a driver. One agent program lives for the whole run; for each body it makes a process in a fresh network namespace, and
 * that process makes the tasks. Everything beyond raw calls (namespaces, memory, signals, threads) is done by commanding raw calls as well.
 *
 * A task is blocked when /proc/PID/task/TID says that it sleeps interruptibly in the very call it was told to make, and neither that nor its count of
 * context switches changes between reads, while no kernel thread is busy with network input that could still wake it. In a sandbox a call that waits for its
 * supervisor looks the same; there, calls that the supervisor must answer after it are made between the reads.
 */
import type { ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monotonic } from '../../host/clock.ts';
import { SharedMemory } from '../../host/shared-memory.ffi.ts';
import type { Arg, BodyOptions } from '../body.ts';
import { type Driver, type DriverTask, FILE_SIGNALS } from '../driver.ts';
import {
  DATA_BASE,
  DATA_OCTETS,
  EDGE_BASE,
  EDGE_COUNT,
  EDGE_STRIDE,
  EDGE_USABLE,
  FIXED_BASE,
  FIXED_OCTETS,
  HEAP_OCTETS,
  PAGE,
} from '../layout.ts';
import { NUMBERS, type SyscallName } from '../linux.ts';
import {
  ARENA_FD,
  CONTROL_BASE,
  CONTROL_OCTETS,
  HANDLER_ADDRESS,
  RESTORER_ADDRESS,
  SIGNALS_AT,
  SLOT_COUNT,
  Slot,
  slotAt,
} from './agent.ts';
import { networkThreads } from './kernel-threads.ts';
import { launch } from './launch.ts';
import { RunOrder } from './run-order.ts';
import { HostUnavailable } from './unavailable.ts';

export { HostUnavailable } from './unavailable.ts';

/** Calls that the driver itself makes, by their x86_64 numbers. */
const Setup = {
  open: 2,
  close: 3,
  write: 1,
  mmap: 9,
  mprotect: 10,
  munmap: 11,
  rt_sigaction: 13,
  ioctl: 16,
  socket: 41,
  clone: 56,
  exit: 60,
  wait4: 61,
  prctl: 157,
  capset: 126,
  tgkill: 234,
  unshare: 272,
  close_range: 436,
} as const;

const CLONE_NEWUSER = 0x1000_0000;
const CLONE_NEWNET = 0x4000_0000;
/** VM, FS, FILES, SIGHAND, THREAD, SYSVSEM. */
const CLONE_THREAD = 0x5_0f00;
const SIGKILL = 9;
const SIGUSR1 = 10;
const SIGUSR2 = 12;
const SIGPIPE = 13;
const SIGCHLD = 17;
const SA_RESTORER = 0x0400_0000;
const SA_RESTART = 0x1000_0000;
const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const SIOCSIFFLAGS = 0x8914;
const IFF_UP_RUNNING = 0x41;
const EPERM = 1;
const CAPABILITY_VERSION_3 = 0x2008_0522;

/** How long the agent may take for what never blocks, and a body for what must end. */
const PATIENCE_US = 10_000_000;
const POLL_US = 200;
/** Equal observations in a row that make certain. */
const OBSERVATIONS = 3;
/** Calls that a supervisor answers before it has surely shown all that came of those before them: it takes them up in order, one in a turn. */
const TURNS_SERVED = 3;
/** In place: a wait that ends at once ends with the kernel's next tick, and what a supervisor of ours asks for again and again it asks for each 5 ms. */
const LEAST_WAIT_US = 12_000;
const SOCK_STREAM = 1;
const IPPROTO_UDP = 17;
const IPPROTO_ICMP = 1;
const IPPROTO_ICMPV6 = 58;
const AF_INET = 2;

export interface HostOptions {
  /** Stay in the network that is there, whose calls a supervisor serves. Bodies then share it, so ports may be taken by connections of earlier ones. */
  readonly inPlace?: boolean;
  /** In place: what a call changes elsewhere may show after it has returned, so the supervisor is waited for after each. */
  readonly lagging?: boolean;
  /** Bodies have these capabilities (a mask of capabilities(7)) and not all. */
  readonly capabilities?: bigint;
}

class AgentTask implements DriverTask {
  readonly at: number;
  tid = 0;
  pid = 0;
  number = 0;
  args: readonly Arg[] = [];
  readonly #shared: SharedMemory;
  readonly #view: DataView;

  constructor(shared: SharedMemory, slot: number) {
    this.#shared = shared;
    this.at = slotAt(slot);
    this.#view = new DataView(shared.bytes.buffer, this.at, 128);
  }
  get sequence(): number {
    return Atomics.load(this.#shared.words, this.at >> 2);
  }
  get done(): number {
    return Atomics.load(this.#shared.words, (this.at + Slot.done) >> 2);
  }
  get idle(): boolean {
    return this.done === this.sequence;
  }
  get result(): number {
    return Number(this.#view.getBigInt64(Slot.result, true));
  }
  /** Called before the task's first ping socket. */
  beforePing: ((task: AgentTask) => void) | undefined = undefined;
  begin(call: SyscallName, args: readonly Arg[]): void {
    if (call.startsWith('socket') && (args[2] === IPPROTO_ICMP || args[2] === IPPROTO_ICMPV6)) this.beforePing?.(this);
    this.raw(NUMBERS[call], args);
  }
  raw(number: number, args: readonly Arg[]): void {
    this.number = number;
    this.args = args;
    this.#view.setBigInt64(Slot.number, BigInt(number), true);
    for (let i = 0; i < 6; i++) {
      this.#view.setBigInt64(Slot.args + 8 * i, BigInt.asIntN(64, BigInt(args[i] ?? 0)), true);
    }
    Atomics.add(this.#shared.words, this.at >> 2, 1);
    this.#shared.wake(this.at);
  }
  /** Waits a moment for the call to return. */
  wait(micros: number): void {
    const done = this.done;
    if (done !== this.sequence) this.#shared.wait(this.at + Slot.done, done, micros);
  }
  /** Makes a call that does not block, for the driver's own purposes. */
  must(number: number, what: string, ...args: Arg[]): number {
    const result = this.perform(number, ...args);
    if (result < 0) {
      throw new HostUnavailable(
        `${what} failed in the conformance agent with errno ${-result}`,
        'see whether this process is confined (seccomp, a container, a limit) and run it where it is not, or as root',
      );
    }
    return result;
  }
  perform(number: number, ...args: Arg[]): number {
    this.raw(number, args);
    const end = monotonic() + PATIENCE_US;
    while (!this.idle) {
      if (monotonic() > end) {
        throw new HostUnavailable(
          `the conformance agent does not answer call ${number}`,
          'the host may be too busy: run it again, with less beside it',
        );
      }
      this.wait(PATIENCE_US);
    }
    return this.result;
  }
  /** The new task's slot is armed so that it neither repeats the clone nor misses its first command. */
  startAt(sequence: number): void {
    Atomics.store(this.#shared.words, this.at >> 2, sequence);
    Atomics.store(this.#shared.words, (this.at + Slot.done) >> 2, sequence);
  }
}

export class HostDriver implements Driver {
  readonly name = 'linux';
  readonly memory: Uint8Array;
  readonly #shared = new SharedMemory(CONTROL_OCTETS + DATA_OCTETS);
  /** The agent's working directory: names of AF_UNIX sockets are made in it. */
  readonly #directory: string;
  readonly #process: ChildProcess;
  /** Lives through the whole run and makes the processes. */
  readonly #zygote: AgentTask;
  readonly #kernelThreads = networkThreads();
  readonly #order: RunOrder;
  /** Tasks of the body in the order of their making. */
  #tasks: AgentTask[] = [];
  #pids: number[] = [];
  #sigpipesBefore = 0;
  #fileSignalsBefore: readonly number[] = [];
  readonly #inPlace: boolean;
  readonly #lagging: boolean;
  readonly #capabilities: bigint | undefined;

  constructor(options: HostOptions = {}) {
    this.#inPlace = options.inPlace === true;
    this.#lagging = options.lagging === true;
    this.#capabilities = options.capabilities;
    if (process.arch !== 'x64') {
      throw new HostUnavailable(
        `the conformance agent is written for x86_64, this is ${process.arch}`,
        'run the suite on an x86_64 host',
      );
    }
    this.memory = this.#shared.bytes.subarray(CONTROL_OCTETS);
    this.#order = new RunOrder(this.memory, DATA_BASE);
    this.#directory = mkdtempSync(join(tmpdir(), 'conformance-'));
    this.#process = launch(this.#shared, this.#directory);
    this.#zygote = new AgentTask(this.#shared, 0);
    try {
      this.#prepare(this.#zygote);
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  #prepare(z: AgentTask): void {
    z.must(Setup.prctl, 'prctl(PR_SET_PDEATHSIG)', PR_SET_PDEATHSIG, SIGKILL);
    this.#mapData();
    if (!this.#inPlace) this.#enterNamespace();
    z.must(Setup.prctl, 'prctl(PR_SET_DUMPABLE)', PR_SET_DUMPABLE, 1);
    // The arena's, and what whoever started the suite left open: how large a table of descriptors is can be seen by select(2).
    z.must(Setup.close_range, 'close_range', ARENA_FD, 0xffff_ffff, 0);
    // Processes inherit them.
    this.#action(z, SIGPIPE, SA_RESTART);
    this.#action(z, SIGUSR2, SA_RESTART);
    for (const signal of FILE_SIGNALS) this.#action(z, signal, SA_RESTART);
  }

  #mapData(): void {
    const z = this.#zygote;
    z.must(Setup.mmap, 'mmap of the arena', DATA_BASE, DATA_OCTETS, 3, 0x11, ARENA_FD, CONTROL_OCTETS);
    for (let i = 0; i < EDGE_COUNT; i++) {
      z.must(Setup.munmap, 'munmap', EDGE_BASE + i * EDGE_STRIDE + EDGE_USABLE, EDGE_STRIDE - EDGE_USABLE);
    }
    z.must(Setup.mprotect, 'mprotect', FIXED_BASE, FIXED_OCTETS, 1);
  }

  /** Root makes network namespaces at will; anyone else needs a user namespace first. */
  #enterNamespace(): void {
    const z = this.#zygote;
    if (z.perform(Setup.unshare, CLONE_NEWNET) === 0) return;
    const result = z.perform(Setup.unshare, CLONE_NEWUSER | CLONE_NEWNET);
    if (result < 0) {
      const reason = -result === EPERM ? 'EPERM' : `errno ${-result}`;
      throw new HostUnavailable(
        `this host refuses network and user namespaces (${reason})`,
        'run as root, or set sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0 and kernel.apparmor_restrict_unprivileged_userns=0; in a container allow CAP_SYS_ADMIN',
      );
    }
    const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
    this.#writeFile(z, '/proc/self/setgroups', 'deny');
    this.#writeFile(z, '/proc/self/uid_map', `${uid} ${uid} 1`);
    this.#writeFile(z, '/proc/self/gid_map', `${gid} ${gid} 1`);
  }
  /** Uses the octets before the heap's end, which no body is given. */
  #writeFile(task: AgentTask, path: string, text: string): void {
    const [name, content] = [HEAP_OCTETS - 2 * PAGE, HEAP_OCTETS - 2 * PAGE + PAGE / 2];
    this.memory.set(Buffer.from(`${path}\0`), name);
    this.memory.set(Buffer.from(text), content);
    const fd = task.must(Setup.open, `open of ${path}`, DATA_BASE + name, 1, 0);
    task.must(Setup.write, `write of ${path}`, fd, DATA_BASE + content, text.length);
    task.must(Setup.close, 'close', fd);
    this.memory.fill(0, name, name + PAGE);
  }
  /** A fresh namespace lets nobody make ping sockets (icmp(7), ping_group_range). That costs three calls, and few bodies want one. */
  readonly #allowPing = (task: AgentTask): void => {
    if (this.#allowsPing) return;
    this.#allowsPing = true;
    const gid = process.getgid?.() ?? 0;
    this.#writeFile(task, '/proc/sys/net/ipv4/ping_group_range', `${gid} ${gid}`);
  };
  #allowsPing = true;
  /** Installs the agent's handler. Uses the octets behind the heap's end, which no body is given. */
  #action(task: AgentTask, signal: number, flags: number): void {
    const at = HEAP_OCTETS - PAGE;
    const view = new DataView(this.#shared.bytes.buffer, CONTROL_OCTETS + at, 32);
    view.setBigUint64(0, BigInt(HANDLER_ADDRESS), true);
    view.setBigUint64(8, BigInt(flags | SA_RESTORER), true);
    view.setBigUint64(16, BigInt(RESTORER_ADDRESS), true);
    view.setBigUint64(24, 0n, true);
    task.must(Setup.rt_sigaction, 'rt_sigaction', signal, DATA_BASE + at, 0, 8);
    this.memory.fill(0, at, at + 32);
  }

  reset(body: Pick<BodyOptions, 'interrupts'>): void {
    this.end();
    this.#sigpipesBefore = this.#signals(SIGPIPE);
    this.#fileSignalsBefore = FILE_SIGNALS.map((signal) => this.#signals(signal));
    const first = this.#clone(this.#zygote, this.#inPlace ? SIGCHLD : SIGCHLD | CLONE_NEWNET);
    first.must(Setup.prctl, 'prctl', PR_SET_PDEATHSIG, SIGKILL);
    if (!this.#inPlace) {
      this.#order.apply(first);
      this.#raiseLoopback(first);
      this.#allowsPing = false;
    }
    if (this.#capabilities !== undefined) {
      // Who is not root may not any more, once it has no capabilities.
      this.#allowPing(first);
      this.#limit(first, this.#capabilities);
    }
    if (body.interrupts === true) this.#action(first, SIGUSR1, 0);
    this.#free = first;
  }
  /** capset(2), effective and permitted. */
  #limit(task: AgentTask, capabilities: bigint): void {
    const view = new DataView(this.#shared.bytes.buffer, CONTROL_OCTETS, 40);
    view.setUint32(0, CAPABILITY_VERSION_3, true);
    for (const half of [0, 1]) {
      const mask = Number((capabilities >> BigInt(32 * half)) & 0xffff_ffffn);
      view.setUint32(8 + 12 * half, mask, true);
      view.setUint32(12 + 12 * half, mask, true);
    }
    task.must(Setup.capset, 'capset', DATA_BASE, DATA_BASE + 8);
    this.memory.fill(0, 0, 40);
  }
  /** The first process's first thread, until a task takes it. */
  #free: AgentTask | undefined = undefined;

  #raiseLoopback(task: AgentTask): void {
    const fd = task.must(Setup.socket, 'socket', 2, 2, 0);
    this.memory.set(Buffer.from('lo\0'), 0);
    this.memory.set([IFF_UP_RUNNING, 0], 16);
    task.must(Setup.ioctl, 'ioctl(SIOCSIFFLAGS)', fd, SIOCSIFFLAGS, DATA_BASE);
    task.must(Setup.close, 'close', fd);
    this.memory.fill(0, 0, 40);
  }

  /** clone(2) by `parent` into the next slot. */
  #clone(parent: AgentTask, flags: number): AgentTask {
    const slot = this.#tasks.length + 1;
    if (slot >= SLOT_COUNT) throw new RangeError('too many tasks in one body');
    const task = new AgentTask(this.#shared, slot);
    task.beforePing = this.#allowPing;
    task.startAt(parent.sequence + 1);
    task.tid = parent.must(Setup.clone, 'clone', flags, CONTROL_BASE + task.at);
    const isThread = (flags & CLONE_THREAD) === CLONE_THREAD;
    task.pid = isThread ? parent.pid : task.tid;
    if (!isThread) this.#pids.push(task.pid);
    this.#tasks.push(task);
    return task;
  }
  thread(): AgentTask {
    const free = this.#free;
    this.#free = undefined;
    if (free !== undefined) return free;
    return this.#clone(this.#idleParent(), CLONE_THREAD);
  }
  process(): AgentTask {
    const task = this.#clone(this.#idleParent(), SIGCHLD);
    task.must(Setup.prctl, 'prctl', PR_SET_PDEATHSIG, SIGKILL);
    return task;
  }
  #idleParent(): AgentTask {
    const first = this.#tasks[0];
    const parent = this.#tasks.find((task) => task.pid === first?.pid && task.idle);
    if (parent === undefined)
      throw new Error('every thread of the first process is blocked: name all tasks before the first call that blocks');
    return parent;
  }

  /** What was observed when all that were busy were last seen to sleep, and who they were. */
  #asleep = '';
  #sleepers: ReadonlySet<AgentTask> = new Set();

  settle(): void {
    let before = this.#asleep;
    let equal = 0;
    const began = monotonic();
    const leastUs = this.#inPlace ? LEAST_WAIT_US : 0;
    for (;;) {
      const busy = this.#busy();
      if (busy.length === 0) return;
      const isNew = busy.some((task) => !this.#sleepers.has(task));
      if (this.#waitsInVain(busy, isNew || before !== this.#asleep)) {
        const now = this.#observe(busy);
        // Those who slept before, and have not moved since, sleep.
        if (!isNew && now === this.#asleep && !this.#inPlace) return;
        equal = now !== undefined && now === before ? equal + 1 : 0;
        before = now ?? '';
        if (equal >= OBSERVATIONS && monotonic() - began >= leastUs) {
          this.#asleep = before;
          this.#sleepers = new Set(busy);
          return;
        }
      }
      expectSoon(began);
    }
  }
  /** Who is in a call. In place the supervisor has taken up what was called before. */
  #busy(): readonly AgentTask[] {
    if (this.#lagging) this.#awaitSupervisor();
    const busy = this.#tasks.filter((task) => !task.idle);
    if (busy.length > 0 && this.#inPlace && !this.#lagging) this.#awaitSupervisor();
    return busy;
  }
  /** Most calls return before there is anything to observe: true if none of these does in a moment. */
  #waitsInVain(busy: readonly AgentTask[], mayMove: boolean): boolean {
    if (!mayMove) return true;
    (busy.find((task) => !this.#sleepers.has(task)) ?? busy[0])?.wait(POLL_US);
    return !busy.some(({ idle }) => idle);
  }
  /** Until it has taken up every call made by now, and shown what came of it: a task that waits for its supervisor looks like one that is blocked. */
  #awaitSupervisor(): void {
    for (let turn = 0; turn < TURNS_SERVED; turn++) {
      this.#zygote.perform(Setup.socket, AF_INET, SOCK_STREAM, IPPROTO_UDP);
    }
  }
  /** What /proc says of tasks that all sleep in the calls they were told to make; undefined if one does not. */
  #observe(busy: readonly AgentTask[]): string | undefined {
    let seen = '';
    for (const task of busy) {
      const folder = `/proc/${task.pid}/task/${task.tid}`;
      const call = readFileSync(`${folder}/syscall`, 'latin1');
      if (!this.#isIn(Number.parseInt(call, 10), task)) return undefined;
      const status = readFileSync(`${folder}/status`, 'latin1');
      // A supervisor's answer may be waited for uninterruptibly.
      if (!(this.#inPlace ? /^State:\t[SD]/m : /^State:\tS/m).test(status)) return undefined;
      seen += call + (/^voluntary.*\n^nonvol.*/m.exec(status)?.[0] ?? '');
    }
    for (const pid of this.#kernelThreads) {
      if (!/\) S /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))) return undefined;
    }
    return seen;
  }

  /** A guest that is traced sleeps in pause(2) in place of a call that waits (src/runner/ptrace-trap.ts). */
  #isIn(nr: number, task: AgentTask): boolean {
    return nr === task.number || (this.#inPlace && nr === NUMBERS.pause);
  }

  waitFor(task: DriverTask): boolean {
    const end = monotonic() + PATIENCE_US;
    const agent = task as AgentTask;
    while (!agent.idle) {
      const left = end - monotonic();
      if (left <= 0) return false;
      agent.wait(left);
    }
    return true;
  }
  sleep(ms: number): void {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
  }
  now(): number {
    return monotonic() / 1000;
  }
  interrupt(task: DriverTask, restart: boolean, held: boolean): void {
    const agent = task as AgentTask;
    const signal = restart ? SIGUSR2 : SIGUSR1;
    const before = this.#signals(signal);
    this.#zygote.must(Setup.tgkill, 'tgkill', agent.pid, agent.tid, signal);
    if (held) return;
    const end = monotonic() + PATIENCE_US;
    while (this.#signals(signal) === before && monotonic() < end) agent.wait(POLL_US);
  }
  #signals(signal: number): number {
    return Atomics.load(this.#shared.words, (SIGNALS_AT >> 2) + signal);
  }
  fileSignals(): readonly number[] {
    return FILE_SIGNALS.map((signal, i) => this.#signals(signal) - (this.#fileSignalsBefore[i] ?? 0));
  }
  sigpipes(): number {
    return this.#signals(SIGPIPE) - this.#sigpipesBefore;
  }

  end(): void {
    for (const pid of this.#pids) kill(pid);
    // A process made by the body's first one is not the zygote's child; its parent's death hands it to init.
    const first = this.#pids[0];
    if (first !== undefined) this.#zygote.perform(Setup.wait4, first, 0, 0, 0);
    for (const pid of this.#pids.slice(1)) this.#gone(pid);
    if (this.#inPlace) this.#awaitSupervisor();
    this.#pids = [];
    this.#tasks = [];
    this.#asleep = '';
    this.#sleepers = new Set();
    this.#free = undefined;
    for (const name of readdirSync(this.#directory)) rmSync(join(this.#directory, name), { recursive: true });
  }
  /** Waits until a killed process can no longer touch the memory. */
  #gone(pid: number): void {
    const end = monotonic() + PATIENCE_US;
    while (monotonic() < end) {
      try {
        if (/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))) return;
      } catch {
        return;
      }
      this.sleep(1);
    }
  }
  close(): void {
    this.end();
    this.#leave();
  }
  #leave(): void {
    this.#process.kill('SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
    closeSync(this.#shared.fd);
  }
}

function expectSoon(began: number): void {
  if (monotonic() - began < PATIENCE_US) return;
  throw new HostUnavailable(
    'a task of the conformance agent neither returns nor sleeps',
    'the host may be too busy: run it again, with less beside it',
  );
}

/** One that has died already is as good. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // ESRCH
  }
}
