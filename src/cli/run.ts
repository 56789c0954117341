/** `sandsock run`: one guest, its signals, its listing and its summary. */
import { constants } from 'node:os';
import { confine } from '../host/confinement.ts';
import { inForeground } from '../host/process.ffi.ts';
import { hostResolvers } from '../runner/host-resolvers.ts';
import { supervisorConfinement } from '../runner/own-calls.ts';
import { Sentry } from '../runner/sentry.ts';
import type { SentryOptions } from '../runner/sentry-types.ts';
import { reportOf } from '../runner/summary.ts';
import { WaitingSignals } from '../runner/waiting-signals.ts';
import type { RunConfig } from './config.ts';
import { CaptureFile, openSink, type Sink, stderrSink } from './sink.ts';
import { straceWriter } from './strace-writer.ts';

function gatewayOptions(config: RunConfig): NonNullable<SentryOptions['gateway']> {
  return {
    ...hostResolvers(),
    hostPorts: config.hostPort,
    published: config.publish,
    // Who opens each flow is told for the summary; without one nobody reads it, and it costs a connection more than its handshake.
    flowRecords: config.json !== undefined,
  };
}

function linkOptions(config: RunConfig): Pick<SentryOptions, 'gateway' | 'gatewayPlace' | 'device'> {
  const { gateway, link, ip, inlineGateway } = config;
  if (gateway === false) return {};
  if (link === undefined)
    return { gateway: gatewayOptions(config), gatewayPlace: inlineGateway ? 'inline' : 'process' };
  return { device: { device: link, addresses: ip, gateways: gateway } };
}

/** Signals whose sender means the guest. Left to itself, Node opens its inspector on SIGUSR1, a port on the host's loopback. */
const FORWARDED = ['SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;
/** Those that a terminal sends to the whole foreground process group, the guest included. */
const FROM_TERMINAL = ['SIGINT', 'SIGQUIT'] as const;

/** From before the gateway and the guest are started: what comes meanwhile waits for the guest. */
class SignalForwarding {
  #sentry: Sentry | undefined = undefined;
  readonly #early = new WaitingSignals();
  readonly #handlers = new Map<NodeJS.Signals, () => void>();

  constructor() {
    for (const name of FORWARDED) this.#handlers.set(name, () => this.#forward(constants.signals[name]));
    for (const name of FROM_TERMINAL) {
      this.#handlers.set(name, () => {
        if (this.#sentry === undefined || this.#sentry.isOutlived || !inForeground())
          this.#forward(constants.signals[name]);
      });
    }
    for (const [name, handler] of this.#handlers) process.on(name, handler);
  }
  #forward(signal: number): void {
    if (this.#sentry === undefined) this.#early.add(signal);
    else this.#sentry.kill(signal);
  }
  begin(sentry: Sentry): void {
    this.#sentry = sentry;
    for (const signal of this.#early.take()) sentry.kill(signal);
  }
  stop(): void {
    for (const [name, handler] of this.#handlers) process.off(name, handler);
  }
}

/** Says it, and true, if not all of `file` could be written. */
function tellFailed(sink: { readonly failed: boolean } | undefined, file: string | undefined): boolean {
  if (sink?.failed !== true) return false;
  stderrSink.line(`sandsock: ${file} could not be written to its end and is not complete`);
  return true;
}
/** Nothing is served for so long. */
const STALLED_MS = 5000;
/** As docker run has it: a failure of ours. */
const FAILED = 125;

/** What the plane has to do with the other options, where the user did not say it. */
function planeNote({ plane, strace, pcap }: RunConfig): string | undefined {
  if (plane === 'strict') return undefined;
  if (plane === 'direct') {
    return pcap === undefined
      ? undefined
      : 'with --plane direct a frame of --pcap names its process and socket, but no call where the kernel served it';
  }
  if (strace !== undefined) return '--strace lists every call, so each is trapped: the plane is strict, and slower';
  return pcap === undefined
    ? undefined
    : '--pcap names the call behind each frame, so each is trapped: the plane is strict, and slower (--plane direct leaves calls unnamed)';
}

/** What the options ask to be written, open before the guest starts so that a name that cannot be written is an error at once. */
class Outputs {
  readonly listing: Sink | undefined;
  readonly capture: CaptureFile | undefined;
  readonly #summary: Sink | undefined;
  readonly #report: Sink | undefined;
  readonly #config: RunConfig;

  /** @throws RunError */
  constructor(config: RunConfig) {
    this.#config = config;
    const { strace, json, report, pcap } = config;
    this.listing = strace === undefined ? undefined : openSink(strace);
    this.#summary = json === undefined ? undefined : openSink(json);
    this.#report = report === undefined ? undefined : openSink(report);
    this.capture = pcap === undefined ? undefined : new CaptureFile(pcap);
  }
  /** What is known only at the end. */
  async conclude(
    sentry: Sentry,
    command: readonly string[],
    status: number,
    durationMs: number,
    isConfined: boolean,
  ): Promise<void> {
    this.#summary?.line(JSON.stringify(reportOf(sentry, status, durationMs, isConfined)));
    if (this.#config.report === undefined) return;
    // Loaded by who asks for it: the others start sooner.
    const { compatibilityReport, reportFor } = await import('./report.ts');
    const { refusals, refusalsDropped: dropped, gateway, lostSends } = sentry.summary();
    const report = compatibilityReport(command, status, refusals, {
      dropped,
      walls: gateway?.refused ?? {},
      lostSends,
    });
    this.#report?.line(reportFor(this.#config.report, report));
  }
  /** True when all was written. */
  close(): boolean {
    const { strace, json, report, pcap } = this.#config;
    const all = [
      [this.listing, strace],
      [this.#summary, json],
      [this.#report, report],
      [this.capture, pcap],
    ] as const;
    for (const [sink] of all) sink?.close();
    return all.filter(([sink, file]) => tellFailed(sink, file)).length === 0;
  }
}

const UNCONFINED = 'without a seccomp filter of its own, which the kernel refused: see sandsock doctor';

/** The start is over: from here on the supervisor makes only the calls that it needs. The gateway's process does the same, and tells. */
function confineRun(platform: Sentry['platform'], { inlineGateway }: RunConfig): boolean {
  const isConfined = confine(supervisorConfinement({ gateway: inlineGateway, tracing: platform === 'ptrace' }));
  if (!isConfined) stderrSink.line(`sandsock: weaker isolation: the supervisor runs ${UNCONFINED}`);
  return isConfined;
}
function watchGateway(sentry: Sentry): void {
  sentry.on('gateway', (message) => {
    if (message.type !== 'ready' || message.confined !== false) return;
    stderrSink.line(`sandsock: weaker isolation: the gateway runs ${UNCONFINED}`);
  });
}

/** Runs `command` and returns the exit status for ours. @throws RunError */
export async function run(command: string, args: readonly string[], config: RunConfig): Promise<number> {
  const outputs = new Outputs(config);
  const { listing, capture } = outputs;
  const started = performance.now();
  const signals = new SignalForwarding();
  let status = FAILED;
  let isConfined = false;
  let isWritten = false;
  try {
    const sentry = await Sentry.start(command, args, {
      ...linkOptions(config),
      ...(capture === undefined ? {} : { capture }),
      ...(listing === undefined ? {} : { observer: straceWriter(listing) }),
      ...(config.plane === undefined ? {} : { plane: config.plane }),
      procNet: config.procNet,
      platform: config.platform,
      syncWakeUp: config.syncWakeUp,
      killOnExit: config.killOnExit,
      ownsThread: true,
      onWalls: (platform) => {
        isConfined = confineRun(platform, config);
      },
      crashFiles: true,
      watch: { afterMs: STALLED_MS, speaks: true },
    });
    const note = planeNote(config);
    if (note !== undefined) stderrSink.line(`sandsock: ${note}`);
    sentry.on('warning', (text) => stderrSink.line(`sandsock: ${text}`));
    sentry.on('crash', (report, file) => {
      const { error, call } = report;
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      const where = call === '' ? 'ended this run' : `ended this guest in ${call}`;
      const left = file === undefined ? '' : `: ${file} says what is known of it`;
      stderrSink.line(`sandsock: a bug of sandsock ${where}; please report it${left}\n${text}`);
    });
    watchGateway(sentry);
    signals.begin(sentry);
    status = await sentry.exited;
    await outputs.conclude(sentry, [command, ...args], status, performance.now() - started, isConfined);
  } finally {
    signals.stop();
    isWritten = outputs.close();
  }
  // A program's own failure says more than ours.
  return status === 0 && !isWritten ? FAILED : status;
}
