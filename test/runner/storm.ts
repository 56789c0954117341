/**
 * Kills one party of a busy run at a random moment, and looks at what is told, how soon, and what is left: processes, network namespaces, mounts, devices, files, a listening port,
 * connections of the host. The same seed has the same victims; the moments are also the machine's.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SeededRandom } from '../../src/lib/random.ts';
import { cli, type Outcome, Running } from './sandbox.ts';

const BUSY = fileURLToPath(new URL('../../../test/runner/guest/busy.py', import.meta.url));
const NOBODY = 65_534;
/** The guest's port that is published. */
const SERVED = 8000;
const STEP_MS = 4;
/** Until a run is busy, or its victim exists, or it has ended. */
const PATIENCE_MS = 20_000;
const STARTING_MS = 700;
const BUSY_MS = 300;
/** Of a run that is killed while it starts: what it is to tell it tells when it has started. */
const STARTING_LIMIT_MS = 5000;
const LIMIT_MS = 1000;
/** On a busy machine a namespace takes its time, and so do we to look for it. */
const GONE_MS = 5000;

/** `head` is the first process of the launch chain, `keeper` the first of the guest's PID namespace, `child` one of the guest's children. */
const WHILE_BUSY = ['guest', 'child', 'keeper', 'head', 'supervisor', 'supervisor', 'gateway', 'gateway'] as const;
const WHILE_STARTING = ['head', 'supervisor', 'gateway'] as const;
type Victim = (typeof WHILE_BUSY)[number];

export interface Kill {
  readonly victim: Victim;
  readonly plane: 'strict' | 'direct';
  readonly isStarting: boolean;
  /** Undefined for who runs the test. */
  readonly uid: number | undefined;
  /** After the start, or after the run was busy. */
  readonly afterMs: number;
  /** Which of the children. */
  readonly choice: number;
}
export interface Found {
  /** Milliseconds from the kill until the survivors told; until no connection of the host was open; and from the end of all, as it should be, until nothing was left. */
  readonly toldMs: number;
  readonly cutMs: number;
  readonly goneMs: number;
  /** Empty when all is as it should be. */
  readonly faults: readonly string[];
}

/** Whether this is root and a plain user could run this checkout as well. */
const hasNobody =
  process.getuid?.() === 0 &&
  spawnSync('setpriv', [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', 'test', '-r', cli]).status === 0;

export function kills(seed: number, count: number): Kill[] {
  const random = new SeededRandom(seed);
  const below = (n: number): number => random.u32() % n;
  return Array.from({ length: count }, () => {
    const isStarting = below(4) === 0;
    const victims = isStarting ? WHILE_STARTING : WHILE_BUSY;
    return {
      victim: victims[below(victims.length)] as Victim,
      plane: below(2) === 0 ? 'strict' : 'direct',
      isStarting,
      uid: below(2) === 0 && hasNobody ? NOBODY : undefined,
      afterMs: below(isStarting ? STARTING_MS : BUSY_MS),
      choice: below(1000),
    };
  });
}
export const describe = ({ victim, plane, isStarting, uid, afterMs }: Kill): string =>
  `${victim} ${afterMs} ms after it ${isStarting ? 'started' : 'was busy'}, ${plane}${uid === undefined ? '' : ', plain user'}`;

/** The host's side: a server that takes and gives octets, and a client of the guest's published port. */
class Host {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #publishedPort = 0;
  #stopped = false;

  private constructor() {
    this.#server = createServer((socket) => {
      socket.once('data', ([kind]) => {
        if (kind === 0x44) this.#give(socket);
        else this.#keep(socket);
      });
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }
  static async open(): Promise<Host> {
    const host = new Host();
    await new Promise<void>((resolve) => host.#server.listen(0, '127.0.0.1', resolve));
    host.#publishedPort = await freePort();
    return host;
  }
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }
  get publishedPort(): number {
    return this.#publishedPort;
  }
  get open(): number {
    return this.#sockets.size;
  }
  #keep(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.resume();
  }
  #give(socket: Socket): void {
    this.#keep(socket);
    const piece = Buffer.alloc(16_384, 'd');
    const timer = setInterval(() => {
      if (!socket.writableNeedDrain) socket.write(piece);
    }, 2);
    socket.on('close', () => clearInterval(timer));
  }
  /** Tries until the guest serves; then streams both ways. */
  call(): void {
    if (this.#stopped) return;
    const socket = connect(this.#publishedPort, '127.0.0.1');
    let answered = false;
    const piece = Buffer.alloc(16_384, 'c');
    const timer = setInterval(() => {
      if (socket.readyState === 'open' && !socket.writableNeedDrain) socket.write(piece);
    }, 4);
    this.#sockets.add(socket);
    socket.once('data', () => (answered = true));
    this.#keep(socket);
    socket.on('close', () => {
      clearInterval(timer);
      this.#sockets.delete(socket);
      if (!answered) setTimeout(() => this.call(), 20);
    });
  }
  /** No further calls. */
  stop(): void {
    this.#stopped = true;
  }
  close(): void {
    this.stop();
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '::', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
/** Undefined if it is, else why not. */
const isFree = (port: number): Promise<string | undefined> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => resolve(error.message));
    server.listen({ port, host: '::', exclusive: true }, () => server.close(() => resolve(undefined)));
  });

/** Not what only tries what the host permits. */
const isChain = ({ command }: { readonly command: string }): boolean => /\/\.\/bin\/sh /.test(command);
const isGateway = ({ command }: { readonly command: string }): boolean => command.includes('gateway/main.js');

const readOr = (read: () => string): string => {
  try {
    return read();
  } catch {
    return '';
  }
};
/** Fields of /proc/PID/stat from the state, the third, on. */
const statOf = (pid: number | string): string[] => {
  const stat = readOr(() => readFileSync(`/proc/${pid}/stat`, 'latin1'));
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
};
const parentOf = (pid: number): number => Number(statOf(pid)[1]);
/** In clock ticks since boot. */
const startOf = (pid: string): number => Number(statOf(pid)[19]);
const ticksNow = (): number => Number(readFileSync('/proc/uptime', 'latin1').split(' ')[0]) * 100;
const networkOf = (pid: number | string): string => readOr(() => readlinkSync(`/proc/${pid}/ns/net`));
const pids = (): string[] => readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const list = (directory: string): string[] => readdirSync(directory).toSorted();
const mounts = (): string[] =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / \/(?:proc|sys)(?:\/\S*)? | - nsfs /.test(line));

/** Who still has one of those network namespaces: a process or a descriptor. Of those that were there at `ticks`: the number of a namespace that is gone is soon another's. */
function holdersOf(namespaces: ReadonlySet<string>, ticks: number): string[] {
  const found: string[] = [];
  for (const pid of pids()) {
    if (startOf(pid) > ticks) continue;
    if (namespaces.has(networkOf(pid))) found.push(`process ${pid} is in ${networkOf(pid)}`);
    let fds: string[] = [];
    try {
      fds = readdirSync(`/proc/${pid}/fd`);
    } catch {
      // another user's, or gone
    }
    for (const fd of fds) {
      const target = readOr(() => readlinkSync(`/proc/${pid}/fd/${fd}`));
      if (namespaces.has(target)) found.push(`descriptor ${fd} of ${pid} is ${target}`);
    }
  }
  return found;
}

async function until(done: () => boolean, limitMs: number): Promise<number> {
  const start = performance.now();
  while (!done()) {
    if (performance.now() - start > limitMs) return Number.POSITIVE_INFINITY;
    await delay(STEP_MS);
  }
  return performance.now() - start;
}

/** One run that is killed. */
class Case {
  readonly #kill: Kill;
  readonly #host: Host;
  readonly #directory: string;
  readonly #running: Running;
  readonly #mounts = mounts();
  readonly #devices = list('/sys/class/net');
  readonly #namespaces = new Set<string>();
  readonly faults: string[] = [];
  #killedAt = 0;
  #isOver = false;

  constructor(kill: Kill, host: Host) {
    this.#kill = kill;
    this.#host = host;
    this.#directory = mkdtempSync(join(tmpdir(), 'sandsock-storm-'));
    chmodSync(this.#directory, 0o777);
    const ports = ['--host-port', String(host.port), '-p', `${host.publishedPort}:${SERVED}`];
    this.#running = new Running(['python3', BUSY, '10.0.2.2', String(host.port), String(SERVED)], {
      options: ['--kill-on-exit', '--plane', kill.plane, ...ports, '--json'],
      env: { TMPDIR: this.#directory },
      input: '',
      ...(kill.uid === undefined ? {} : { uid: kill.uid }),
    });
    host.call();
  }
  get #out(): string {
    return this.#running.stdout;
  }
  get #err(): string {
    return this.#running.stderr;
  }
  get #hasEnded(): boolean {
    const { exitCode, signalCode } = this.#running.child;
    return exitCode !== null || signalCode !== null;
  }
  #expect(holds: boolean, fault: string): void {
    if (!holds) this.faults.push(fault);
  }

  #victims(): number[] {
    const supervisor = this.#running.child.pid as number;
    const { victim } = this.#kill;
    if (victim === 'supervisor') return [supervisor];
    const all = this.#running.processes().map((process) => ({ ...process, parent: parentOf(process.pid) }));
    const below = (parents: readonly number[], guests: boolean): number[] =>
      all
        .filter(
          ({ parent, command }) =>
            parents.includes(parent) && /^\S*python3 \S*busy\.py /.test(`${command} `) === guests,
        )
        .map(({ pid }) => pid);
    if (victim === 'gateway') return all.filter(isGateway).map(({ pid }) => pid);
    const head = all.filter((one) => one.parent === supervisor && isChain(one)).map(({ pid }) => pid);
    if (victim === 'head') return head;
    const keeper = below(head, false);
    if (victim === 'keeper') return keeper;
    const guest = below(keeper, true);
    return victim === 'guest' ? guest : below(guest, true);
  }
  /** Waits for the moment, and kills. */
  async strike(): Promise<boolean> {
    const { isStarting, afterMs, choice } = this.#kill;
    if (!isStarting) await until(() => this.#out.includes('busy\n') || this.#hasEnded, PATIENCE_MS);
    await delay(afterMs);
    let victims: number[] = [];
    await until(() => (victims = this.#victims()).length > 0 || this.#hasEnded, PATIENCE_MS);
    for (const { pid } of this.#running.processes()) this.#namespaces.add(networkOf(pid));
    this.#namespaces.delete(networkOf('self'));
    this.#namespaces.delete('');
    this.#host.stop();
    const victim = victims[choice % victims.length];
    if (victim === undefined || (!isStarting && !this.#out.includes('busy\n'))) return false;
    this.#killedAt = ticksNow();
    try {
      process.kill(victim, 'SIGKILL');
    } catch {
      return false; // it ended in that moment
    }
    return true;
  }

  /** What the survivors are to tell. */
  #isTold(): boolean {
    const { victim, isStarting } = this.#kill;
    if (victim === 'supervisor') return isStarting || this.#err.includes('sandsock: the supervisor (process ');
    if (victim === 'child') return this.#out.includes('killed ');
    if (victim !== 'gateway') return this.#hasEnded;
    const failed = isStarting || (/^up E/m.test(this.#out) && /^down E/m.test(this.#out));
    return failed && this.#err.includes('sandsock: the gateway (process ');
  }
  async told(): Promise<{ readonly toldMs: number; readonly cutMs: number }> {
    const limit = this.#kill.isStarting ? STARTING_LIMIT_MS : LIMIT_MS;
    const [toldMs, cutMs] = await Promise.all([
      until(() => this.#isTold(), limit),
      until(() => this.#host.open === 0, limit),
    ]);
    this.#expect(Number.isFinite(toldMs), `nothing was told within ${limit} ms`);
    this.#expect(Number.isFinite(cutMs), `${this.#host.open} connections of the host are open after ${limit} ms`);
    return { toldMs, cutMs };
  }

  /** The end of the run: its status, and what was said. */
  async end(): Promise<void> {
    const limit = setTimeout(() => this.#running.child.kill('SIGKILL'), PATIENCE_MS);
    const outcome = await this.#running.end();
    clearTimeout(limit);
    this.#isOver = true;
    this.#judge(outcome);
  }
  #judge({ status, signal }: Outcome): void {
    const { victim, isStarting } = this.#kill;
    if (victim === 'supervisor') {
      this.#expect(signal === 'SIGKILL', `the supervisor ended with ${signal ?? status}`);
      return;
    }
    const expected = { guest: [137], keeper: [137], head: isStarting ? [125, 137] : [137], child: [8], gateway: [7] };
    this.#expect(expected[victim].includes(status ?? -1), `the status is ${signal ?? status}`);
    if (victim === 'gateway') this.#expect(this.#out.includes('alone and well'), 'the guest’s loopback stands still');
    const walls = victim === 'keeper' || (victim === 'head' && status === 137);
    this.#expect(
      !walls || this.#err.includes('sandsock: the sandbox of the guest was ended by SIGKILL'),
      'the end of the sandbox is not told',
    );
    if (status === 125) this.#expect(/^sandsock: .*SIGKILL/.test(this.#err), 'the end of the launcher is not told');
    else this.#judgeSummary();
  }
  #judgeSummary(): void {
    const { victim } = this.#kill;
    const line = this.#err.split('\n').findLast((text) => text.startsWith('{'));
    const { deaths } = JSON.parse(line ?? '{"deaths":[]}') as { readonly deaths: readonly unknown[] };
    const told = deaths.map((death) => {
      const { who, how } = death as { readonly who: string; readonly how: string };
      return `${who} ${how}`;
    });
    const who = { guest: ['guest'], gateway: ['gateway'], keeper: ['sandbox'], head: ['sandbox'], child: [] };
    const how = victim === 'guest' ? 'status 137' : 'SIGKILL';
    const expected = victim === 'supervisor' ? [] : who[victim].map((name) => `${name} ${how}`);
    this.#expect(told.join() === expected.join(), `the summary says ${JSON.stringify(deaths)}`);
  }
  async gone(): Promise<number> {
    const left = (): string[] => this.#running.processes().map(({ pid, command }) => `process ${pid} ${command}`);
    const holders = (): string[] => holdersOf(this.#namespaces, this.#killedAt);
    const goneMs = await until(() => left().length === 0 && holders().length === 0, GONE_MS);
    this.faults.push(...left(), ...holders());
    this.faults.push(...mounts().filter((line) => !this.#mounts.includes(line)));
    this.faults.push(...list('/sys/class/net').filter((name) => !this.#devices.includes(name)));
    this.faults.push(...readdirSync(this.#directory).map((name) => `file ${name} in the temporary directory`));
    const taken = await isFree(this.#host.publishedPort);
    if (taken !== undefined) this.faults.push(`the published port: ${taken}`);
    if (this.faults.length > 0) this.faults.push(`stdout: ${this.#out}`, `stderr: ${this.#err}`);
    return goneMs;
  }
  async close(): Promise<void> {
    if (!this.#isOver) {
      this.#running.child.kill('SIGKILL');
      await this.#running.end();
    }
    for (const { pid } of this.#running.processes()) process.kill(pid, 'SIGKILL');
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

export async function strike(kill: Kill): Promise<Found> {
  const host = await Host.open();
  const one = new Case(kill, host);
  try {
    if (!(await one.strike())) {
      await one.end();
      await one.gone();
      return { toldMs: 0, cutMs: 0, goneMs: 0, faults: ['there was nobody to kill', ...one.faults] };
    }
    const { toldMs, cutMs } = await one.told();
    await one.end();
    const goneMs = await one.gone();
    return { toldMs, cutMs, goneMs, faults: one.faults };
  } finally {
    await one.close();
    host.close();
  }
}

/** Least, median, nine tenths and most. */
export function distribution(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(0);
  return `least ${at(0)}, median ${at(0.5)}, 9 of 10 ${at(0.9)}, most ${at(1)} ms`;
}
