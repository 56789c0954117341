/**
 * Runs programs in a real sandbox through the command line, each with a time limit. With SANDSOCK_TEST_OUTSIDE=1 they run as they are, which
 * checks the programs themselves: what they expect is what Linux does.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { command, type Need, needingInTurn } from '../support/needs.ts';

export const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const LIMIT_MS = 30_000;

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}
export interface RunSettings {
  readonly options?: readonly string[];
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Time after which it is killed. */
  readonly limitMs?: number;
  /** Also its group. */
  readonly uid?: number;
  /** A module that the supervisor loads first. */
  readonly preload?: string;
}

/** A sandbox that runs on its own until it is waited for. */
export class Running {
  readonly child: ChildProcess;
  /** In the environment of everything that belongs to this run. */
  readonly mark = randomUUID();
  stdout = '';
  stderr = '';
  readonly #ended: Promise<unknown>;
  readonly #limitMs: number;

  constructor(argv: readonly string[], settings: RunSettings = {}) {
    this.#limitMs = settings.limitMs ?? LIMIT_MS;
    const env = { ...process.env, ...settings.env, SANDSOCK_TEST_MARK: this.mark };
    const first = settings.preload === undefined ? [] : ['--import', settings.preload];
    const sandboxed = [process.execPath, ...first, cli, 'run', ...(settings.options ?? []), '--', ...argv];
    const [program = '', ...args] = process.env['SANDSOCK_TEST_OUTSIDE'] === '1' ? argv : sandboxed;
    this.child = spawn(program, args, {
      env,
      cwd: settings.cwd,
      stdio: 'pipe',
      ...(settings.uid === undefined ? {} : { uid: settings.uid, gid: settings.uid }),
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.child.stdin?.on('error', () => undefined);
    this.#ended = once(this.child, 'close');
    if (settings.input !== undefined) this.child.stdin?.end(settings.input);
  }
  /** Waits until the guest has written `text`. */
  async says(text: string): Promise<void> {
    const end = performance.now() + this.#limitMs;
    while (!this.stdout.includes(text)) {
      if (performance.now() > end || this.child.exitCode !== null) {
        throw new Error(`no ${JSON.stringify(text)} in ${JSON.stringify(this.stdout)}; stderr: ${this.stderr}`);
      }
      await delay(10);
    }
  }
  async end(): Promise<Outcome> {
    const limit = setTimeout(() => this.child.kill('SIGKILL'), this.#limitMs);
    await this.#ended;
    clearTimeout(limit);
    return {
      status: this.child.exitCode,
      signal: this.child.signalCode,
      stdout: this.stdout,
      stderr: this.stderr,
    };
  }
  /** Processes of this run that live. */
  processes(): { readonly pid: number; readonly command: string }[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => ({
        pid: Number(pid),
        command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim(),
        environ: readProc(pid, 'environ'),
      }))
      .filter(({ environ }) => environ.includes(`SANDSOCK_TEST_MARK=${this.mark}`))
      .map(({ pid, command: text }) => ({ pid, command: text }));
  }
  /** Waits until none of them lives. Those that still do after the limit are returned. */
  async gone(limitMs = 5000): Promise<string[]> {
    const end = performance.now() + limitMs;
    while (this.processes().length > 0 && performance.now() < end) await delay(20);
    return this.processes().map(({ command: text }) => text);
  }
}

function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return '';
  }
}

export const PLANES = ['strict', 'direct'] as const;
export type PlaneName = (typeof PLANES)[number];

export const run = (argv: readonly string[], settings: RunSettings = {}): Promise<Outcome> =>
  new Running(argv, { input: '', options: ['--no-gateway'], ...settings }).end();

/** As `needingInTurn`, once for each plane, which the title names. */
export const onPlanes =
  (...needs: readonly Need[]) =>
  (title: string, body: (t: ExecutionContext, plane: PlaneName) => Promise<void>): void => {
    for (const plane of PLANES) needingInTurn(...needs)(`${title} (${plane})`, (t) => body(t, plane));
  };

/** A guest of test/runner/guest. */
export const guestFile = (name: string): string =>
  fileURLToPath(new URL(`../../../test/runner/guest/${name}`, import.meta.url));

/** Without a gateway, on that plane. */
export const on = (plane: PlaneName): RunSettings => ({ options: ['--no-gateway', '--plane', plane] });

/** Runs a Python program, given as text. */
export async function python(text: string, args: readonly string[] = [], settings: RunSettings = {}): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const file = join(directory, 'guest.py');
  writeFileSync(file, text);
  try {
    return await run(['python3', file, ...args], settings);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface Finding {
  readonly name: string;
  readonly state: string;
  readonly detail: string;
}
const findings = (): Finding[] => {
  const { stdout } = spawnSync(process.execPath, [cli, 'doctor', '--json'], { encoding: 'utf8', timeout: LIMIT_MS });
  try {
    return JSON.parse(stdout) as Finding[];
  } catch {
    return [{ name: 'doctor', state: 'lacking', detail: 'does not answer' }];
  }
};
const found = findings();

/** The host lets guests run at all. */
export const sandbox: Need = {
  what: `a host that sandsock doctor calls fit (${found
    .filter(({ state }) => state === 'lacking')
    .map(({ name }) => name)
    .join(', ')})`,
  present: found.every(({ state }) => state !== 'lacking'),
};
/** Network and PID namespaces. */
export const namespaces: Need = {
  what: 'network and PID namespaces',
  present: found.some(({ name, state }) => name === 'namespaces' && state === 'ok'),
};
export const python3 = command('python3');
