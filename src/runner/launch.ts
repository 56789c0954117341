/** Starts the guest under its filter (seccomp(2): filters belong to a thread and are inherited by fork and execve). See launch-process.ts for who does it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import type { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { errnoName } from '../abi/errno.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOpen } from '../host/process.ffi.ts';
import { findCommand } from './command.ts';
import { RunError } from './errors.ts';
import { CHANNEL_FD, type LaunchMessage, type LaunchOrder, type StdioEntry } from './launch-protocol.ts';

export type GuestExit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

export interface Launched {
  /** The listener of the filter; calls wait on it from now on and the guest stands still until they are answered. */
  readonly listenerFd: number;
  /** Process id of the head of the launch chain, above every process of the guest. */
  readonly pid: number;
  /** Resolves when the head of the launch chain has ended; rejects when it could not be started. */
  readonly ended: Promise<GuestExit>;
  /** Ends the head of the chain, and with it all of the guest where there is a PID namespace. */
  readonly end: () => void;
}

export interface Launch {
  /** `struct sock_filter` array. */
  readonly filter: Uint8Array;
  readonly killable: boolean;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdio: readonly StdioEntry[];
}

const LAUNCHER = fileURLToPath(new URL('./launch-process.js', import.meta.url));
const POLL_MS = 1;
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

const launchError = (what: string): RunError =>
  new RunError('E_LAUNCH', `the guest could not be started: ${what}`, 'see sandsock doctor');

const failure = ({ step, errno }: Extract<LaunchMessage, { kind: 'failed' }>): RunError =>
  step === 'filter' ? filterError(errno) : launchError(`execve: ${errnoName(errno)}`);

/** The launcher, and what it has said so far. */
class Launcher {
  readonly ended: Promise<GuestExit>;
  readonly #child: ChildProcess;
  #reserved: number | undefined = undefined;
  #failure: RunError | undefined = undefined;
  #hasEnded = false;

  constructor({ cwd, stdio }: Launch, order: LaunchOrder) {
    // The guest's environment is in the order: this one is for Node alone.
    const env = { ...process.env, NODE_OPTIONS: '' };
    this.#child = spawn(process.execPath, [LAUNCHER], { cwd, env, stdio: [...stdio, 'pipe'] });
    const channel = this.#child.stdio[CHANNEL_FD] as Socket;
    channel.on('error', () => undefined); // its end says the same
    channel.write(`${JSON.stringify(order)}\n`);
    // Of a launcher that is killed the read fails too, which readline passes on; its end says the same.
    const lines = createInterface({ input: channel }).on('error', () => undefined);
    lines.on('line', (line) => this.#said(JSON.parse(line) as LaunchMessage));
    this.ended = new Promise((resolve, reject) => {
      this.#child.once('error', (error) => reject(launchError(error.message)));
      this.#child.once('exit', (code, signal) => {
        this.#hasEnded = true;
        if (this.#failure === undefined) resolve({ code, signal });
        else reject(this.#failure);
      });
    });
    // Awaited by whoever serves the calls; until then a failure must not count as unhandled.
    this.ended.catch(() => undefined);
  }
  readonly end = (): void => {
    this.#child.kill('SIGKILL');
  };
  #said(message: LaunchMessage): void {
    if (message.kind === 'reserved') this.#reserved = message.fd;
    else this.#failure = failure(message);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }
  /** Our own copy of the listener, as soon as there is one. @throws RunError */
  async takeListener(): Promise<number> {
    const pidfd = this.#child.pid === undefined ? -1 : pidfdOpen(this.#child.pid);
    try {
      for (;;) {
        const fd = this.#reserved === undefined || pidfd < 0 ? -1 : pidfdGetfd(pidfd, this.#reserved);
        if (fd >= 0 && readlinkSync(`/proc/self/fd/${fd}`).includes('seccomp')) return fd;
        if (fd >= 0) close(fd);
        if (this.#failure !== undefined) throw this.#failure;
        if (this.#hasEnded || pidfd < 0) await this.#endedTooEarly();
        await delay(POLL_MS);
      }
    } finally {
      if (pidfd >= 0) close(pidfd);
    }
  }
  async #endedTooEarly(): Promise<never> {
    const { code, signal } = await this.ended;
    throw launchError(`the launcher ended with ${signal ?? `status ${code}`}`);
  }
}

/** @throws RunError when the filter could not be installed */
export async function launch(what: Launch): Promise<Launched> {
  const [program = '', ...rest] = what.argv;
  const launcher = new Launcher(what, {
    filter: Buffer.from(what.filter).toString('base64'),
    supervisor: process.pid,
    killable: what.killable,
    path: findCommand(program, what.env['PATH'], what.cwd),
    argv: [program, ...rest],
    env: Object.entries(what.env).map(([name, value]) => `${name}=${value}`),
  });
  return { listenerFd: await launcher.takeListener(), pid: launcher.pid, ended: launcher.ended, end: launcher.end };
}
