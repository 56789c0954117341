/**
 * The sentry: one guest program with its children, the dispatcher that answers their socket calls, the stack behind it, and the link to a gateway.
 *
 * One turn of its loop: frames in, timers, notified calls, calls that were woken, frames out, readiness that rose. Nothing here waits.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import type { Counters, GatewayConfig, MessageFromGateway } from '../gateway/spawn.ts';
import { HostRandom, monotonic, realtimeOffset } from '../host/clock.ts';
import { EPOLLIN } from '../host/epoll.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdOpen, pidfdSignal } from '../host/process.ffi.ts';
import { hasKillableWaits, SeccompListener, seccompGap } from '../host/seccomp.ffi.ts';
import { type Clock, type Instant, TimerHeap } from '../lib/clock.ts';
import type { LinkCounters } from '../netstack/link/link.ts';
import type { CaptureSink } from '../netstack/link/pcapng.ts';
import type { PacketPool } from '../netstack/packet.ts';
import { Stack } from '../netstack/stack.ts';
import { TcpLayer } from '../netstack/tcp/tcp-layer.ts';
import { SocketFactory } from '../socket/factory.ts';
import type { OpenFile } from '../socket/file.ts';
import { InetSocket } from '../socket/inet-socket.ts';
import {
  type CallStatistics,
  type CrashReport,
  Dispatcher,
  type Observer,
  type Refusal,
} from '../syscalls/dispatch.ts';
import { SOCKET_CALLS, systemCalls } from '../syscalls/table.ts';
import type { Carrier } from './carrier.ts';
import type { Child } from './child.ts';
import { findCommand } from './command.ts';
import { type Death, Deaths } from './deaths.ts';
import { DescriptorCarrier } from './descriptor-carrier.ts';
import { type DeviceOptions, openDevice } from './device-link.ts';
import { DirectPlane } from './direct-plane.ts';
import { RunError } from './errors.ts';
import { AUDIT_ARCH, buildFilter, LOOKING_CALLS } from './filter.ts';
import { ForeignCalls } from './foreign-calls.ts';
import { startGatewayProcess } from './gateway-process.ts';
import type { GuestTask } from './guest-task.ts';
import { HostFiles } from './host-files.ts';
import { Launcher, type StdioEntry } from './launch.ts';
import { Lingering } from './lingering.ts';
import { Loop, type Stepped } from './loop.ts';
import { callersSoftFileLimit, type Isolation, launchChain, strongestIsolation, weakness } from './namespaces.ts';
import { PendingSignals } from './pending-signals.ts';
import type { Plane } from './plane.ts';
import { type Route, SeccompPlatform } from './seccomp-platform.ts';
import { SignalActions } from './signals.ts';
import { StrictPlane } from './strict-plane.ts';
import { ThreadEnds } from './thread-ends.ts';
import { UnixNames } from './unix-names.ts';
import { type Capture, Uplink } from './uplink.ts';

export type PlaneName = 'direct' | 'strict';

export interface SentryOptions {
  /** How data reaches the guest: direct unless said, but strict for an observer or a capture, which ask for every call. */
  readonly plane?: PlaneName;
  /** The host side of the link. Without it the guest has its loopback only. */
  readonly gateway?: GatewayConfig;
  /** Where the gateway runs: in a process of its own unless said, or in this thread's loop, which is faster and has no wall between guest memory and host sockets. */
  readonly gatewayPlace?: 'process' | 'inline';
  /** A link of the caller's in place of the gateway. */
  readonly device?: DeviceOptions;
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Descriptors of ours for the guest's 0, 1 and 2; ours unless said. */
  readonly stdio?: readonly StdioEntry[];
  /** Where a capture (pcapng) of the link to the gateway goes. */
  readonly capture?: CaptureSink;
  /** Sees every call on a socket; with `plane` direct those that are trapped. */
  readonly observer?: Observer<GuestTask>;
  /** SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP, on unless said: better with several guest threads, worse on a machine without an idle core. */
  readonly syncWakeUp?: boolean;
  /** This thread does little else: while the guest is busy, timers and promises of the caller may come up to five milliseconds late. Not unless said. */
  readonly ownsThread?: boolean;
}

export interface SentrySummary {
  /** Trapped calls, and how many of them were none of ours. */
  readonly received: number;
  readonly passed: number;
  readonly calls: readonly CallStatistics[];
  /** What guests asked for and did not get: the gaps of the sandbox, then what Linux refuses as well. */
  readonly refusals: readonly Refusal[];
  /** Distinct refusals beyond those listed. */
  readonly refusalsDropped: number;
  readonly crashes: number;
  /** Messages that the guest sent natively and that could not leave. */
  readonly lostSends: number;
  /** Undefined without a gateway. */
  readonly link: LinkCounters | undefined;
  /** Flows that the gateway was told of. */
  readonly flows: number;
  /** As the gateway told them at the end. */
  readonly gateway: Counters | undefined;
  /** Who was ended before its time. */
  readonly deaths: readonly Death[];
}

export interface SentryEvents {
  /** Something worth a line on stderr. */
  readonly warning: [text: string];
  /** A call of the guest met a bug of ours; the guest was ended. */
  readonly crash: [report: CrashReport];
  /** What the gateway tells: flows opened, closed, refused (unless its configuration has `flowRecords` false). */
  readonly gateway: [message: MessageFromGateway];
}

const ARCHITECTURE =
  process.arch === 'arm64'
    ? ({ name: 'arm64', numbers: NR_ARM64, audit: AUDIT_ARCH.arm64 } as const)
    : ({ name: 'x86_64', numbers: NR_AMD64, audit: AUDIT_ARCH.x64 } as const);

/** Natively right on a placeholder: a socket has no position (ESPIPE), and pipes are not sockets. */
const NATIVE = new Set(['pread64', 'pwrite64', 'preadv', 'pwritev', 'tee', 'vmsplice']);
/** Calls with two descriptors, either of which may be ours. */
const TWO_DESCRIPTORS: ReadonlyMap<string, Route> = new Map([
  ['sendfile', 'first-and-second'],
  ['splice', 'first-and-third'],
]);
/** Also the second argument. */
const ABSENT = new Set(['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'epoll_ctl_old', 'epoll_wait_old']);

export const trappedCalls: readonly string[] = SOCKET_CALLS.filter((name) => !NATIVE.has(name) && !ABSENT.has(name));

/** Native where the placeholder carries the data; so are sends and receives without address and with plain flags (filter.ts). */
export const dataCalls: ReadonlySet<string> = new Set(['read', 'write', 'readv', 'writev', 'sendfile', 'splice']);

const planeOf = (options: SentryOptions): PlaneName =>
  options.plane ?? (options.observer === undefined && options.capture === undefined ? 'direct' : 'strict');

function routes(): Map<number, Route> {
  const map = new Map<number, Route>();
  const numbers: Readonly<Record<string, number>> = ARCHITECTURE.numbers;
  for (const name of trappedCalls) {
    const nr = numbers[name];
    if (nr === undefined) continue;
    if (name === 'socket') map.set(nr, 'socket');
    else map.set(nr, TWO_DESCRIPTORS.get(name) ?? 'descriptor');
  }
  for (const name of LOOKING_CALLS) if (numbers[name] !== undefined) map.set(numbers[name], 'look');
  return map;
}

const LINGER_MS = 10_000;
const LINGER_STEP_MS = 5;
const SIGTERM = 15;

interface SentryParts {
  readonly launcher: Launcher;
  readonly launched: Child;
  readonly killable: boolean;
  readonly isolation: Isolation;
  readonly stack: Stack;
  readonly uplink: Uplink | undefined;
}

function judgeOf(killable: boolean, clock: Clock): PendingSignals['judge'] {
  const pending = new PendingSignals(clock);
  return killable ? (call, calls) => pending.judge(call, calls) : () => 'waits';
}
const socketIdOf = (file: OpenFile): number | undefined =>
  file instanceof InetSocket ? (file.tcp ?? file.udp)?.id : undefined;

const CALL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ARCHITECTURE.numbers).map(([name, nr]) => [nr, name]),
);
const captureOptions = (sink: CaptureSink | undefined): Capture | undefined =>
  sink === undefined ? undefined : { sink, callName: (nr) => CALL_NAMES.get(nr) ?? `call ${nr}` };

export class Sentry extends EventEmitter<SentryEvents> implements Stepped {
  readonly isolation: Isolation;
  readonly stack: Stack;
  readonly dispatcher: Dispatcher<GuestTask>;
  /** Exit status as docker run gives it: the guest's own, or 128 + signal. */
  readonly exited: Promise<number>;
  readonly #deaths = new Deaths(performance.now(), (text) => this.emit('warning', text));
  readonly #launched: Child;
  readonly #launcher: Launcher;
  readonly #listener: SeccompListener;
  readonly plane: PlaneName;
  readonly #plane: Plane;
  readonly #platform: SeccompPlatform;
  readonly #unix: UnixNames;
  readonly #hostFiles = new HostFiles();
  readonly #threadEnds = new ThreadEnds();
  readonly #uplink: Uplink | undefined;
  readonly #lingering = new Lingering();
  #gatewayCounters: Counters | undefined = undefined;
  #ending = false;
  /** What was thrown in a turn. */
  #failure: { readonly error: unknown } | undefined = undefined;
  readonly #loop: Loop;
  #deadline: Instant | undefined = undefined;
  /** Of the guest's own program, once it runs. */
  #guest = -1;
  #keeperWent = false;
  /** Sent as soon as the guest runs. */
  #pendingSignal: number | undefined = undefined;

  /** Starts `command` in a sandbox. @throws RunError */
  static async start(command: string, args: readonly string[], options: SentryOptions = {}): Promise<Sentry> {
    const gap = seccompGap();
    if (gap !== undefined) throw new RunError('E_UNSUPPORTED_KERNEL', gap.what, gap.remedy);
    const cwd = options.cwd ?? workingDirectory();
    const env = definedOnly(options.env ?? process.env);
    findCommand(command, env['PATH'], cwd);
    const isolation = await strongestIsolation(process.getuid?.() === 0);
    const argv = launchChain(isolation, [command, ...args], {
      dropCapabilities: process.getuid?.() === 0 && !isolation.user,
      softFiles: callersSoftFileLimit(),
    });
    const filter = buildFilter({
      auditArch: ARCHITECTURE.audit,
      numbers: ARCHITECTURE.numbers,
      trapped: planeOf(options) === 'direct' ? trappedCalls.filter((name) => !dataCalls.has(name)) : trappedCalls,
      plainTransfers: planeOf(options) === 'direct',
      looks: planeOf(options) === 'strict',
    });
    const killable = hasKillableWaits();
    // The gateway comes first: it is of no thread that has a filter.
    const clock = new TimerHeap(monotonic());
    const stack = new Stack({ clock, random: new HostRandom(), tcp: (world) => new TcpLayer(world) });
    const carrier = await carrierOf(options, stack.pool);
    const uplink = carrier === undefined ? undefined : new Uplink(carrier, stack, captureOptions(options.capture));
    try {
      const launcher = new Launcher({ filter, killable, stays: false });
      try {
        const launched = launcher.start({ argv, env, cwd });
        try {
          return new Sentry({ launcher, launched, killable, isolation, stack, uplink }, options);
        } catch (error) {
          // Nobody would answer the guest's calls.
          launched.end();
          await launched.ended;
          throw error;
        }
      } catch (error) {
        launcher.close();
        close(launcher.listenerFd);
        throw error;
      }
    } catch (error) {
      await uplink?.close();
      throw error;
    }
  }

  private constructor({ launcher, launched, killable, isolation, stack, uplink }: SentryParts, options: SentryOptions) {
    super();
    this.stack = stack;
    this.#uplink = uplink;
    this.#launched = launched;
    this.#launcher = launcher;
    this.isolation = isolation;
    this.plane = planeOf(options);
    // Before anything is opened that would stay open.
    this.#listener = new SeccompListener(launcher.listenerFd);
    const gap = this.#listener.probe();
    if (gap !== undefined) throw new RunError('E_UNSUPPORTED_KERNEL', gap.what, gap.remedy);
    if (options.syncWakeUp !== false) this.#listener.setSyncWakeUp(true);
    this.#plane = this.plane === 'direct' ? new DirectPlane(launched.pid, stack.clock) : new StrictPlane();

    const { clock } = stack;
    const offset = realtimeOffset();
    const unsupported = (call: string, what: string, errno: string, onLinuxToo?: boolean): void =>
      this.dispatcher.unsupported(call, what, errno, onLinuxToo);
    const sockets = new SocketFactory(stack, (at) => at + offset, unsupported);
    const signals = new SignalActions();
    this.#unix = new UnixNames({
      listener: this.#listener,
      clock,
      networkNamespace: isolation.network,
      isRoot: process.getuid?.() === 0,
      signals,
      judge: judgeOf(killable, clock),
      unsupported,
    });
    this.#platform = new SeccompPlatform({
      listener: this.#listener,
      plane: this.#plane,
      hostFiles: this.#hostFiles,
      threadEnds: this.#threadEnds,
      routes: routes(),
      shutdown: ARCHITECTURE.numbers.shutdown,
      foreign: new ForeignCalls({
        numbers: ARCHITECTURE.numbers,
        group: { head: launched.pid, killable },
        stdio: new Map([[launched.pid, options.stdio ?? [0, 1, 2]]]),
        signals,
        unix: this.#unix,
        devices: sockets.devices,
        unsupported,
        onInterruptible: (pid) => this.#platform.endParts(pid),
        onGuest: (tid) => this.#guestStarts(tid),
        onFarewell: () => this.#keeperGoes(),
      }),
      signals,
      killable,
      clock,
      onCrash: (_task, report) => this.emit('crash', report),
      onCaller: (task, file) => {
        const id = uplink === undefined ? undefined : socketIdOf(file);
        if (id === undefined) return;
        const { nr } = this.#listener;
        uplink?.link.note(id, task.tid, task.process.pid, task.descriptors.number, nr, this.dispatcher.nextCallId);
      },
      onClosed: (file) => {
        this.#lingering.add(file);
        const id = socketIdOf(file);
        if (id !== undefined) uplink?.link.forget(id);
      },
      onReleased: () => void stack.step(),
    });
    this.dispatcher = new Dispatcher<GuestTask>({
      table: systemCalls({ architecture: ARCHITECTURE.name, sockets, descriptors: false }),
      clock,
      platform: this.#platform,
    });
    this.dispatcher.observer = options.observer;
    this.#platform.dispatcher = this.dispatcher;
    this.#loop = new Loop(this, options.ownsThread === true);
    this.#watchSources(launcher.listenerFd);
    this.#watchLink(uplink, options.device !== undefined);
    this.exited = this.#watchEnd();
    this.#tellWeakness();
    this.#loop.turn();
  }

  #tellWeakness(): void {
    const text = weakness(this.isolation);
    // Whoever started us listens when we are made.
    if (text !== undefined) process.nextTick(() => this.emit('warning', text));
  }
  #watchSources(listenerFd: number): void {
    this.#loop.add(listenerFd, EPOLLIN, (events) => {
      if ((events & EPOLLIN) !== 0) this.#platform.serve();
      // No filtered process is left, and it would be ready for ever.
      else this.#loop.remove(listenerFd);
    });
    this.#plane.attach(this.#loop);
    this.#loop.add(this.#plane.watchFd, EPOLLIN, () => this.#platform.releaseClosed());
    this.#loop.add(this.#hostFiles.watchFd, EPOLLIN, () => this.#hostFiles.dispatch());
    this.#loop.add(this.#threadEnds.watchFd, EPOLLIN, () => this.#threadEnds.dispatch(this.#platform.threadEnded));
  }
  #watchLink(uplink: Uplink | undefined, isDevice: boolean): void {
    if (uplink === undefined) return;
    uplink.attach(this.#loop);
    uplink.watchGateway(
      (message) => this.emit('gateway', message),
      (pid, exit, late) => this.#deaths.gateway(pid, exit, late),
    );
    if (!isDevice) return;
    this.stack.onLinkClosed = (_interface, reason) => {
      if (!this.#ending) this.emit('warning', `the link is gone, the guest has only its loopback now: ${reason}`);
    };
  }
  begin(now: Instant): void {
    this.stack.step(now);
    this.#uplink?.begin(now);
  }
  end(): boolean {
    this.#uplink?.receive();
    this.#deadline = this.stack.step();
    const more = this.dispatcher.run();
    this.#plane.flush();
    this.#platform.resumeLooks();
    // What the calls sent, and what the guest wrote natively, leaves in this turn.
    this.#deadline = this.stack.step();
    const brought = this.#uplink?.flush() === true;
    return more || brought || this.#plane.hasWork || this.dispatcher.hasWork;
  }
  nextDeadline(): Instant | undefined {
    const link = this.#uplink?.nextDeadline();
    if (link === undefined || this.#deadline === undefined) return link ?? this.#deadline;
    return link < this.#deadline ? link : this.#deadline;
  }

  /** A bug of ours outside of any call. The guest ends with it, since nobody would answer its calls, and `exited` says why. */
  failed(error: unknown): void {
    this.#failure ??= { error };
    this.#launched.end();
  }

  async #watchEnd(): Promise<number> {
    try {
      const { code, signal } = await this.#launched.ended;
      if (this.#failure !== undefined) throw this.#failure.error;
      const hasBegun = this.#guest >= 0;
      const fell = this.isolation.processes && (signal !== null || (hasBegun && !this.#keeperWent));
      return this.#deaths.guest(code, signal, fell);
    } finally {
      this.#ending = true;
      await this.#leave();
    }
  }
  async #leave(): Promise<void> {
    try {
      if (this.#failure === undefined) {
        await this.#sendRest();
        this.#gatewayCounters = await this.#uplink?.gatewayCounters();
      }
    } finally {
      await this.#uplink?.close();
      this.#close();
    }
  }
  /** What the guest's sockets had still to send when it ended, as a kernel does; bounded, since the other side may never take it. */
  async #sendRest(): Promise<void> {
    this.#platform.releaseClosed();
    this.#loop.turn();
    for (let waited = 0; waited < LINGER_MS && this.#hasRest(); waited += LINGER_STEP_MS) {
      if (this.#uplink?.isClosed !== false) return;
      await delay(LINGER_STEP_MS);
    }
  }
  #hasRest(): boolean {
    // Both are asked: the one prunes.
    const lingers = this.#lingering.prune() > 0;
    return lingers || (this.#uplink?.link.queued ?? 0) > 0;
  }
  #close(): void {
    this.#loop.close();
    this.#platform.close();
    this.#plane.close();
    this.#unix.close();
    this.#hostFiles.close();
    this.#threadEnds.close();
    this.#launcher.close();
    close(this.#launcher.listenerFd);
    if (this.#guest >= 0) close(this.#guest);
    this.#guest = -1;
  }

  #guestStarts(tid: number): void {
    this.#guest = pidfdOpen(tid);
    if (this.#pendingSignal !== undefined) pidfdSignal(this.#guest, this.#pendingSignal);
  }
  #keeperGoes(): void {
    this.#keeperWent = true;
  }
  /** Sends a signal to the guest's program; before it runs, it waits for it. */
  kill(signal: number = SIGTERM): void {
    if (this.#guest >= 0) pidfdSignal(this.#guest, signal);
    else this.#pendingSignal = signal;
  }

  summary(): SentrySummary {
    return {
      received: this.#platform.received,
      passed: this.#platform.passed,
      calls: this.dispatcher.statistics(),
      refusals: this.dispatcher.refusals(),
      refusalsDropped: this.dispatcher.refusalsDropped,
      crashes: this.dispatcher.crashes,
      lostSends: this.#plane.lostSends,
      link: this.#uplink?.counters,
      flows: this.#uplink?.flows ?? 0,
      gateway: this.#gatewayCounters,
      deaths: this.#deaths.list,
    };
  }
}

/** @throws RunError, ConfigError, GatewayStartError, HostError */
async function carrierOf(
  { gateway, gatewayPlace, device }: SentryOptions,
  pool: PacketPool,
): Promise<Carrier | undefined> {
  if (device !== undefined) return new DescriptorCarrier(openDevice(device), pool);
  if (gateway === undefined) return undefined;
  if (gatewayPlace !== 'inline') return startGatewayProcess(gateway, pool);
  // The whole gateway, which a sentry with a process for it has no use for.
  const { InlineCarrier } = await import('./inline-gateway.ts');
  return new InlineCarrier(gateway, pool);
}

/** @throws RunError */
function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new RunError('E_CONFIG', 'the working directory does not exist any more', 'change to another (cd)', cause);
  }
}
function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
