/**
 * The sentry: one guest program with its children, the dispatcher that answers their socket calls, the stack behind it, and the link to a gateway.
 *
 * One turn of its loop: frames in, timers, notified calls, calls that were woken, frames out, readiness that rose. Nothing here waits.
 */
import { EventEmitter } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { Counters } from '../gateway/spawn.ts';
import { HostRandom, monotonic, realtimeOffset } from '../host/clock.ts';
import { EPOLLIN } from '../host/epoll.ffi.ts';
import { type Instant, TimerHeap } from '../lib/clock.ts';
import type { CaptureSink } from '../netstack/link/pcapng.ts';
import { Stack } from '../netstack/stack.ts';
import { TcpLayer } from '../netstack/tcp/tcp-layer.ts';
import { SocketFactory } from '../socket/factory.ts';
import type { OpenFile } from '../socket/file.ts';
import { InetSocket } from '../socket/inet-socket.ts';
import { ProcNet } from '../socket/proc/proc-net.ts';
import { type CrashReport, Dispatcher } from '../syscalls/dispatch.ts';
import { systemCalls } from '../syscalls/table.ts';
import type { CallTrap } from './call-trap.ts';
import { carrierOf } from './carriers.ts';
import { Chains } from './chains.ts';
import type { Child } from './child.ts';
import { definedOnly, findCommand, workingDirectory } from './command.ts';
import { CrashFiles } from './crash-file.ts';
import { Deaths } from './deaths.ts';
import { DirectPlane } from './direct-plane.ts';
import { RunError } from './errors.ts';
import { ForeignCalls } from './foreign-calls.ts';
import { GuestProgram } from './guest-program.ts';
import type { GuestTask } from './guest-task.ts';
import { HostFiles } from './host-files.ts';
import { protectKernelFiles } from './kernel-files.ts';
import type { Launcher, StdioEntry } from './launch.ts';
import { Lingering } from './lingering.ts';
import { Loop, type Stepped } from './loop.ts';
import {
  type ChainSettings,
  callersSoftFileLimit,
  type Isolation,
  joinChain,
  launchChain,
  strongestIsolation,
  weakness,
} from './namespaces.ts';
import type { Plane } from './plane.ts';
import { type Catching, catchCalls, type PlatformName } from './platforms.ts';
import { Remnants } from './remnants.ts';
import { SeccompPlatform } from './seccomp-platform.ts';
import type { Load, PlaneName, ProgramOptions, SentryEvents, SentryOptions, SentrySummary } from './sentry-types.ts';
import { SignalActions } from './signals.ts';
import { SpokenFiles } from './spoken-files.ts';
import { StrictPlane } from './strict-plane.ts';
import { ThreadEnds } from './thread-ends.ts';
import { ARCHITECTURE, CALL_NAMES, callName, routes } from './trapped-calls.ts';
import { UnixNames } from './unix-names.ts';
import { type Capture, Uplink } from './uplink.ts';
import { Cell, Watchdog } from './watchdog.ts';

const planeOf = (options: SentryOptions): PlaneName =>
  options.plane ?? (options.observer === undefined && options.capture === undefined ? 'direct' : 'strict');

const endsWithProgram = ({ killOnExit, stays }: SentryOptions): boolean => killOnExit === true || stays === true;

const OWN_STDIO: readonly StdioEntry[] = [0, 1, 2];
const LINGER_MS = 10_000;
/** SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGTERM. */
const ENDING: ReadonlySet<number> = new Set([1, 2, 3, 9, 15]);
const LINGER_STEP_MS = 5;

type Unsupported = (call: string, what: string, errno: string, onLinuxToo?: boolean) => void;

interface SentryParts {
  readonly catching: Catching;
  readonly launched: Child;
  readonly isolation: Isolation;
  readonly stack: Stack;
  readonly uplink: Uplink | undefined;
  /** To be told at the start. */
  readonly warnings: readonly string[];
}

const socketIdOf = (file: OpenFile): number | undefined =>
  file instanceof InetSocket ? (file.tcp ?? file.udp)?.id : undefined;

const captureOptions = (sink: CaptureSink | undefined): Capture | undefined =>
  sink === undefined ? undefined : { sink, callName };

export class Sentry extends EventEmitter<SentryEvents> implements Stepped {
  readonly isolation: Isolation;
  /** Whether the gateway's process has its seccomp filter; null before it is up, and for none of its own. */
  isGatewayConfined: boolean | null = null;
  readonly stack: Stack;
  readonly dispatcher: Dispatcher<GuestTask>;
  /** Exit status as docker run gives it: the guest's own, or 128 + signal. */
  readonly exited: Promise<number>;
  readonly #deaths = new Deaths(performance.now(), (text) => this.emit('warning', text));
  readonly #launched: Child;
  readonly #launcher: Launcher;
  readonly #trap: CallTrap;
  /** How calls are caught. */
  readonly platform: PlatformName;
  readonly plane: PlaneName;
  readonly #plane: Plane;
  readonly #platform: SeccompPlatform;
  readonly #unix: UnixNames;
  readonly #hostFiles = new HostFiles();
  readonly #threadEnds = new ThreadEnds();
  readonly #remnants: Remnants;
  readonly #uplink: Uplink | undefined;
  readonly #lingering = new Lingering();
  #gatewayCounters: Counters | undefined = undefined;
  #ending = false;
  /** What was thrown in a turn. */
  #failure: { readonly error: unknown } | undefined = undefined;
  readonly #loop: Loop;
  readonly #crashFiles: CrashFiles | undefined;
  readonly #watchdog: Watchdog | undefined;
  #deadline: Instant | undefined = undefined;
  readonly #chains: Chains;
  /** Processes that the launcher has made and that live. */
  readonly #heads: number[] = [];
  /** The sandbox's first. */
  readonly #program: GuestProgram;
  readonly #joined = new Set<GuestProgram>();
  #keeperWent = false;
  /** The end of the walls is ours to want. */
  #dismissed = false;

  /** Starts `command` in a sandbox. @throws RunError */
  static async start(command: string, args: readonly string[], options: SentryOptions = {}): Promise<Sentry> {
    const cwd = options.cwd ?? workingDirectory();
    const env = definedOnly(options.env ?? process.env);
    findCommand(command, env['PATH'], cwd);
    // It is tried by programs of its own, which run while the gateway is started.
    const trial = strongestIsolation(isRoot());
    const trialEnded = trial.then(
      () => undefined,
      () => undefined,
    );
    // The gateway comes first: it is of no thread that has a filter.
    const clock = new TimerHeap(monotonic());
    const stack = new Stack({ clock, random: new HostRandom(), tcp: (world) => new TcpLayer(world) });
    const carrier = await carrierOf(options, stack.pool).catch(async (error: unknown) => {
      await trialEnded;
      throw error;
    });
    const uplink = carrier === undefined ? undefined : new Uplink(carrier, stack, captureOptions(options.capture));
    try {
      const isolation = await trial;
      const argv = launchChain(isolation, [command, ...args], chainSettings(isolation));
      const warnings: string[] = [];
      const catching = catchCalls(
        {
          platform: options.platform ?? 'auto',
          plane: planeOf(options),
          opens: options.procNet !== false,
          stays: options.stays === true,
          syncWakeUp: options.syncWakeUp !== false,
          clock,
        },
        (reason) => warnings.push(`${reason}, so the guest is traced (ptrace), which is slower; see sandsock doctor`),
      );
      const { launcher, trap } = catching;
      try {
        const launched = launcher.start({ argv, env, cwd });
        try {
          return new Sentry({ catching, launched, isolation, stack, uplink, warnings }, options);
        } catch (error) {
          // Nobody would answer the guest's calls.
          launched.end();
          await launched.ended;
          throw error;
        }
      } catch (error) {
        launcher.close();
        trap.close();
        throw error;
      }
    } catch (error) {
      await uplink?.close();
      throw error;
    }
  }

  private constructor({ catching, launched, isolation, stack, uplink, warnings }: SentryParts, options: SentryOptions) {
    super();
    const { launcher, trap, killable } = catching;
    this.stack = stack;
    this.#uplink = uplink;
    this.#launched = launched;
    this.#launcher = launcher;
    this.#heads.push(launched.pid);
    this.#chains = this.#firstChain(launched.pid, options);
    this.#program = new GuestProgram(launched);
    this.isolation = isolation;
    this.platform = catching.platform;
    this.plane = planeOf(options);
    // Before anything is opened that would stay open.
    this.#trap = trap;
    this.#remnants = new Remnants(trap, this.#threadEnds, stack.clock, endsWithProgram(options));
    this.#plane = this.plane === 'direct' ? new DirectPlane(this.#heads, stack.clock) : new StrictPlane();

    const { clock } = stack;
    const offset = realtimeOffset();
    const unsupported: Unsupported = (call, what, errno, onLinuxToo) =>
      this.dispatcher.unsupported(call, what, errno, onLinuxToo);
    const sockets = new SocketFactory(stack, (at) => at + offset, unsupported);
    const signals = new SignalActions();
    this.#unix = this.#unixNames(signals, catching.judge, unsupported);
    this.#platform = new SeccompPlatform({
      listener: trap,
      plane: this.#plane,
      hostFiles: this.#hostFiles,
      threadEnds: this.#threadEnds,
      arch: ARCHITECTURE.audit,
      routes: routes(),
      shutdown: ARCHITECTURE.numbers.shutdown,
      foreign: new ForeignCalls({
        numbers: ARCHITECTURE.numbers,
        group: { heads: this.#heads, killable },
        chains: this.#chains,
        signals,
        unix: this.#unix,
        files: this.#spokenFiles(unsupported),
        devices: sockets.devices,
        unsupported,
        onInterruptible: (pid) => this.#platform.endParts(pid),
        onKeeperAsks: isolation.processes ? (call) => this.#remnants.ask(call) : undefined,
        onFarewell: () => this.#keeperGoes(),
      }),
      signals,
      killable,
      looksForSignals: catching.looksForSignals,
      clock,
      onCrash: (_task, report) => this.#crashed(report),
      onCaller: (task, file) => this.#note(task, file),
      onClosed: (file) => this.#closed(file),
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
    this.#crashFiles = options.crashFiles === true ? new CrashFiles(() => this.#state()) : undefined;
    this.#watchdog = this.#watched(options);
    this.#watchSources(catching);
    this.#watchLink(uplink, options.device !== undefined);
    this.exited = this.#watchEnd();
    this.#tell(warnings);
    this.#loop.turn();
  }

  /** A capture tells whose call sent a frame. */
  #note(task: GuestTask, file: OpenFile): void {
    const id = this.#uplink === undefined ? undefined : socketIdOf(file);
    if (id === undefined) return;
    const { nr } = this.#trap;
    this.#uplink?.link.note(id, task.tid, task.process.pid, task.descriptors.number, nr, this.dispatcher.nextCallId);
  }
  #watched({ watch }: SentryOptions): Watchdog | undefined {
    if (watch === undefined) return undefined;
    const watchdog = new Watchdog({ ...watch, names: CALL_NAMES }, (stall) => this.emit('stalled', stall));
    this.dispatcher.doing = watchdog.cells.subarray(Cell.Call);
    return watchdog;
  }
  #crashed(report: CrashReport): void {
    this.emit('crash', report, this.#crashFiles?.write(report));
  }
  #state(): object {
    const { plane, isolation } = this;
    return { plane, isolation, load: this.#load() };
  }
  #load(): Load {
    const { turns, longestUs, latestUs } = this.#loop;
    const { held, mostHeld } = this.dispatcher;
    const stalls = this.#watchdog?.stalls ?? 0;
    return {
      loop: { turns, longestMs: longestUs / 1000, latestMs: latestUs / 1000, stalls },
      held: { now: held, most: mostHeld },
      slab: this.stack.pool.use,
    };
  }
  #closed(file: OpenFile): void {
    this.#lingering.add(file);
    const id = socketIdOf(file);
    if (id !== undefined) this.#uplink?.link.forget(id);
  }
  #unixNames(signals: SignalActions, judge: Catching['judge'], unsupported: Unsupported): UnixNames {
    return new UnixNames({
      listener: this.#trap,
      clock: this.stack.clock,
      networkNamespace: this.isolation.network,
      isRoot: isRoot(),
      signals,
      judge,
      unsupported,
    });
  }
  #tell(warnings: readonly string[]): void {
    const weak = weakness(this.isolation);
    // Whoever started us listens when we are made.
    process.nextTick(() => {
      for (const text of weak === undefined ? warnings : [...warnings, weak]) this.emit('warning', text);
    });
  }
  #spokenFiles(unsupported: (call: string, what: string, errno: string) => void): SpokenFiles {
    const files = new ProcNet({ stack: this.stack, files: () => this.#plane.placeholders });
    return new SpokenFiles({ files, settle: () => this.#platform.releaseClosed(), unsupported });
  }
  #watchSources({ trap: { fd }, onAllEnded, onInterrupted }: Catching): void {
    onAllEnded(() => this.#remnants.allEnded());
    onInterrupted((tid) => this.#platform.interrupted(tid));
    this.#loop.add(fd, EPOLLIN, (events) => {
      if ((events & EPOLLIN) !== 0) this.#platform.serve();
      // No filtered process is left, and it would be ready for ever.
      else {
        this.#loop.remove(fd);
        this.#remnants.allEnded();
      }
    });
    this.#plane.attach(this.#loop);
    this.#loop.add(this.#plane.watchFd, EPOLLIN, () => this.#platform.releaseClosed());
    this.#loop.add(this.#hostFiles.watchFd, EPOLLIN, () => this.#hostFiles.dispatch());
    this.#loop.add(this.#threadEnds.watchFd, EPOLLIN, () => this.#threadEnds.dispatch(this.#threadEnded));
  }
  readonly #threadEnded = (tid: number): void => {
    this.#platform.threadEnded(tid);
    this.#remnants.ended(tid);
  };
  #watchLink(uplink: Uplink | undefined, isDevice: boolean): void {
    if (uplink === undefined) return;
    uplink.attach(this.#loop);
    uplink.watchGateway(
      (message) => {
        if (message.type === 'ready') this.isGatewayConfined = message.confined ?? null;
        this.emit('gateway', message);
      },
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
    const lastCalls = this.dispatcher.lastCalls();
    if (this.#failure === undefined && !(error instanceof RunError)) {
      this.#crashed({ call: '', nr: -1, registers: '', attempt: 0, error, lastCalls });
    }
    this.#failure ??= { error };
    this.#remnants.end();
    this.#launched.end();
  }

  async #watchEnd(): Promise<number> {
    try {
      const { code, signal, failure } = await this.#launched.ended;
      if (failure !== undefined) this.#failure ??= { error: failure };
      if (this.#failure === undefined && !this.isolation.processes) await this.#remnants.untilAllEnded();
      if (this.#failure !== undefined) throw this.#failure.error;
      const hasBegun = this.#chains.isGuest;
      const isShort = signal !== null || (hasBegun && !this.#keeperWent);
      const fell = this.isolation.processes && isShort && !this.#dismissed;
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
      await this.#watchdog?.stop();
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
    this.#remnants.close();
    this.#threadEnds.close();
    this.#launcher.close();
    this.#trap.close();
  }

  #firstChain(head: number, { stdio = OWN_STDIO, onWalls }: SentryOptions): Chains {
    return new Chains({
      head,
      stdio,
      onWalls: (keeper) => {
        if (!this.#areWallsWhole(keeper)) return false;
        onWalls?.(this.platform);
        return true;
      },
      onGuest: (tid) => this.#program.begin(tid),
      onUnfit: (why) => this.failed(why),
    });
  }
  #areWallsWhole(keeper: number): boolean {
    if (!isRoot() || this.isolation.user || !this.isolation.processes) return true;
    const weak = protectKernelFiles(keeper);
    if (weak === undefined) return true;
    this.failed(
      new RunError('E_LAUNCH', `${weak} could not be made read-only for the guest`, 'run sandsock as a plain user'),
    );
    return false;
  }
  #keeperGoes(): void {
    this.#keeperWent = true;
  }
  /** The guest's program has ended, and what it left behind goes on. */
  get isOutlived(): boolean {
    return this.#remnants.areLeft;
  }
  /** Sends a signal to the guest's program; before it runs, it waits for it. When it is outlived, one that would end it ends what is left. */
  kill(signal?: number): void {
    if (!this.isOutlived) this.#program.kill(signal);
    else if (signal === undefined || ENDING.has(signal)) this.#remnants.end();
  }
  /** Resolves when the guest's program starts, or has ended before it could. */
  get started(): Promise<void> {
    return this.#program.started;
  }
  /** Starts a further program behind the same walls, in a sandbox that `stays`. Its processes end with the sandbox. @throws RunError */
  spawn(command: string, args: readonly string[], options: ProgramOptions = {}): GuestProgram {
    if (this.#ending || this.#dismissed) throw new RunError('E_LAUNCH', 'the sandbox has ended', 'create another one');
    const cwd = options.cwd ?? workingDirectory();
    const env = definedOnly(options.env ?? process.env);
    findCommand(command, env['PATH'], cwd);
    const { isolation } = this;
    const argv = joinChain(isolation, this.#chains.keeper, cwd, [command, ...args], chainSettings(isolation));
    const child = this.#launcher.start({ argv, env, cwd });
    const program = new GuestProgram(child);
    this.#heads.push(child.pid);
    this.#joined.add(program);
    this.#chains.join({
      head: child.pid,
      stdio: options.stdio ?? OWN_STDIO,
      onGuest: (tid) => program.begin(tid),
      onUnfit: (why) => program.refuse(why),
    });
    void child.ended.then(({ code, signal }) => {
      if (code === null && signal === null) this.#deaths.unknown();
      this.#chains.forget(child.pid);
      this.#heads.splice(this.#heads.indexOf(child.pid), 1);
      this.#joined.delete(program);
    });
    return program;
  }
  /** Ends every program of the sandbox, and with them the sandbox. */
  terminate(): void {
    this.#dismissed = true;
    for (const program of this.#joined) program.end();
    this.#remnants.end();
    this.#launched.end();
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
      load: this.#load(),
    };
  }
}

const isRoot = (): boolean => process.getuid?.() === 0;
const chainSettings = (isolation: Isolation): ChainSettings => ({
  dropCapabilities: isRoot() && !isolation.user,
  softFiles: callersSoftFileLimit(),
});
