/**
 * The library's way to run programs: a sandbox with one network, and any number of guests that come and go in it.
 *
 * It is the sentry of `sandsock run`, whose first program does nothing but hold the walls until the sandbox is closed; what is spawned joins it (chains.ts). Everything is served on the caller's
 * thread, between its own timers and promises: a caller that computes for long holds its guests up, which the event `stalled` tells.
 */
import { EventEmitter } from 'node:events';
import type { FlowClosed, FlowOpened, FlowRefused, MessageFromGateway } from '../gateway/spawn.ts';
import { O_CLOEXEC, pipePair } from '../host/file.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import type { CrashReport } from '../syscalls/dispatch.ts';
import { type CallEvent, CallEvents } from './call-events.ts';
import { RunError } from './errors.ts';
import { Guest, StandardStreams } from './guest.ts';
import { hostResolvers } from './host-resolvers.ts';
import type { Isolation } from './namespaces.ts';
import {
  parseCommand,
  parseSandboxOptions,
  parseSpawnOptions,
  type SandboxConfig,
  type SandboxOptions,
  type SpawnOptions,
} from './sandbox-options.ts';
import { Sentry } from './sentry.ts';
import type { SentryOptions } from './sentry-types.ts';
import { type RunReport, reportOf } from './summary.ts';
import { callName } from './trapped-calls.ts';

/** A connection, or an exchange of datagrams, with a host beyond the sandbox. */
export type ConnectionEvent =
  | ({ readonly state: 'opened' } & Omit<FlowOpened, 'type'>)
  | ({ readonly state: 'closed' } & Omit<FlowClosed, 'type'>)
  | ({ readonly state: 'refused' } & Omit<FlowRefused, 'type'>);

export type SandboxSummary = Omit<RunReport, 'exitStatus'>;

export interface SandboxEvents {
  /** Every call on a socket, with the option `calls`. */
  readonly call: [event: CallEvent];
  /** Unless the option `connections` is false. */
  readonly connection: [event: ConnectionEvent];
  /** Something that whoever runs the sandbox should know, as one sentence. */
  readonly warning: [text: string];
  /** A call met a bug of sandsock; its guest was ended. */
  readonly crash: [report: CrashReport, file: string | undefined];
  /** Nobody was served for as long as the option `stalledAfterMs` says: the thread was in a call, or busy with something else. Told once it is back. */
  readonly stalled: [
    stall: { readonly afterMs: number; readonly call: string | undefined; readonly tid: number | undefined },
  ];
  /** Nobody sees it any more: the sandbox has ended. */
  readonly ended: [];
}

const STATES = { 'flow-opened': 'opened', 'flow-closed': 'closed', 'flow-refused': 'refused' } as const;

/** What the holder runs: it waits for the end of its input, which is the sandbox's. */
const HOLD = 'read _';
const SHELL = '/bin/sh';

function gatewayOf({ gateway, hostPorts, publish, connections }: SandboxConfig): Partial<SentryOptions> {
  if (gateway === false) return {};
  const published = publish.map(({ hostAddress, ...one }) =>
    hostAddress === undefined ? one : { hostAddress, ...one },
  );
  return {
    gateway: { ...hostResolvers(), hostPorts, published, flowRecords: connections },
    gatewayPlace: gateway,
  };
}

const hasEnded = (): RunError => new RunError('E_LAUNCH', 'the sandbox has ended', 'create another one');

export class Sandbox extends EventEmitter<SandboxEvents> {
  readonly isolation: Isolation;
  readonly plane: 'direct' | 'strict';
  /** Resolves when the sandbox has ended: it was closed, or its walls were ended from outside. Rejects if sandsock itself failed. */
  readonly ended: Promise<void>;
  readonly #sentry: Sentry;
  readonly #config: SandboxConfig;
  readonly #began = performance.now();
  readonly #holderInput: number;
  #isOpen = true;

  /** @throws RunError when this host cannot run guests, or an option is not usable; the signal's reason if it is aborted */
  static async create(options: SandboxOptions = {}): Promise<Sandbox> {
    const config = parseSandboxOptions(options);
    config.signal?.throwIfAborted();
    const [readable, writable] = pipePair(O_CLOEXEC);
    if (readable < 0) {
      throw new RunError('E_LAUNCH', 'no pipe can be made', 'raise the limit of descriptors (ulimit -n)');
    }
    let sandbox: Sandbox | undefined;
    try {
      const sentry = await Sentry.start(SHELL, ['-c', HOLD], {
        ...gatewayOf(config),
        ...(config.plane === undefined ? {} : { plane: config.plane }),
        ...(config.capture === undefined ? {} : { capture: config.capture }),
        ...(config.calls ? { observer: new CallEvents((event) => void sandbox?.emit('call', event)) } : {}),
        cwd: '/',
        env: {},
        stdio: [readable, 'ignore', 'ignore'],
        stays: true,
        crashFiles: config.crashFiles,
        watch: { afterMs: config.stalledAfterMs, speaks: false },
      });
      sandbox = new Sandbox(sentry, config, writable);
      await sentry.started;
      return await sandbox.#opened();
    } catch (error) {
      // Else it is the sandbox's to close.
      if (sandbox === undefined) close(writable);
      throw error;
    } finally {
      close(readable);
    }
  }
  private constructor(sentry: Sentry, config: SandboxConfig, holderInput: number) {
    super();
    this.#sentry = sentry;
    this.#config = config;
    this.#holderInput = holderInput;
    this.isolation = sentry.isolation;
    this.plane = sentry.plane;
    sentry.on('warning', (text) => this.emit('warning', text));
    sentry.on('crash', (report, file) => this.emit('crash', report, file));
    sentry.on('stalled', ({ afterMs, nr, tid }) =>
      this.emit('stalled', { afterMs, call: nr === undefined ? undefined : callName(nr), tid }),
    );
    sentry.on('gateway', (message) => this.#heard(message));
    const abort = (): void => sentry.terminate();
    config.signal?.addEventListener('abort', abort, { once: true });
    this.ended = sentry.exited
      .finally(() => {
        this.#isOpen = false;
        config.signal?.removeEventListener('abort', abort);
        close(this.#holderInput);
      })
      .then(() => void this.emit('ended'));
    // For who does not wait for it.
    this.ended.catch(() => undefined);
  }
  async #opened(): Promise<this> {
    if (this.#config.signal?.aborted === true) {
      await this.close();
      this.#config.signal.throwIfAborted();
    }
    if (!this.#isOpen) throw new RunError('E_LAUNCH', 'the sandbox ended as soon as it began', 'see sandsock doctor');
    return this;
  }
  #heard(message: MessageFromGateway): void {
    if (message.type !== 'flow-opened' && message.type !== 'flow-closed' && message.type !== 'flow-refused') return;
    const { type, ...flow } = message;
    this.emit('connection', { state: STATES[type], ...flow } as ConnectionEvent);
  }

  /** Starts a program, found as execvp(3) finds it. @throws RunError */
  spawn(command: string, args: readonly string[] = [], options: SpawnOptions = {}): Guest {
    if (!this.#isOpen) throw hasEnded();
    const program = parseCommand(command, args);
    const config = parseSpawnOptions(options);
    config.signal?.throwIfAborted();
    const env = config.env ?? this.#config.env;
    const cwd = config.cwd ?? this.#config.cwd;
    const streams = new StandardStreams(config.stdio);
    try {
      const started = this.#sentry.spawn(program.command, program.args, {
        ...(env === undefined ? {} : { env }),
        ...(cwd === undefined ? {} : { cwd }),
        stdio: streams.entries,
      });
      return new Guest(started, streams, config.signal);
    } catch (error) {
      streams.abandon();
      throw error;
    }
  }
  /** What has happened so far; of the gateway's flows it tells once the sandbox has ended. */
  summary(): SandboxSummary {
    const { exitStatus: _, ...summary } = reportOf(this.#sentry, 0, performance.now() - this.#began);
    return summary;
  }
  /** Ends every guest, and the sandbox with them: what they had sent is delivered first. */
  async close(): Promise<void> {
    if (this.#isOpen) this.#sentry.terminate();
    await this.ended;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
