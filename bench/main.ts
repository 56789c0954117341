/**
 * `npm run bench [-- --quick | --smoke] [--json]`: what the sandbox costs, as ratios to native. Each measurement runs the same client (client.ts) against the same
 * server (server.ts, on the host) alternately outside and inside the sandbox, so that a slow minute of the machine slows both. Both ends make blocking calls
 * through koffi, in Node alone: nothing else has to be installed, and the client needs 55 ns of its own a call.
 *
 * --quick takes fewer and shorter runs; --smoke only shows that every measurement works and that every octet arrives in its place.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { parseArgs, promisify } from 'node:util';
import Table from 'cli-table3';
import { type Pair, type Summary, summarize } from './measure.ts';

const here = import.meta.dirname;
const cli = join(here, '../src/cli/main.js');
const GATEWAY = '10.0.2.2';

interface Plan {
  readonly runs: number;
  readonly bulkOctets: number;
  readonly rounds: number;
  readonly verify: boolean;
}
const plans = {
  full: { runs: 7, bulkOctets: 512 << 20, rounds: 20_000, verify: false },
  quick: { runs: 3, bulkOctets: 128 << 20, rounds: 5_000, verify: false },
  smoke: { runs: 1, bulkOctets: 4 << 20, rounds: 500, verify: true },
} as const satisfies Record<string, Plan>;

interface Row {
  readonly what: string;
  readonly title: string;
  readonly unit: 'Gbit/s' | 'us';
  readonly amount: (plan: Plan) => number;
}
const rows: readonly Row[] = [
  { what: 'upload', title: 'guest to host, 1 stream', unit: 'Gbit/s', amount: ({ bulkOctets }) => bulkOctets },
  { what: 'download', title: 'host to guest, 1 stream', unit: 'Gbit/s', amount: ({ bulkOctets }) => bulkOctets },
  { what: 'round-trip', title: 'round trip of 1 octet', unit: 'us', amount: ({ rounds }) => rounds },
  { what: 'socket-call', title: 'a call on a socket (getsockopt SO_TYPE)', unit: 'us', amount: ({ rounds }) => rounds },
  {
    what: 'file-call',
    title: 'a call on a file (read 1 octet of /dev/zero)',
    unit: 'us',
    amount: ({ rounds }) => rounds,
  },
  { what: 'other-call', title: 'a call that is not trapped (getppid)', unit: 'us', amount: ({ rounds }) => rounds },
];

const run = promisify(execFile);

async function startServer(): Promise<{ readonly child: ChildProcess; readonly port: string }> {
  const child = spawn(process.execPath, [join(here, 'server.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
  for await (const line of createInterface({ input: child.stdout })) return { child, port: line };
  throw new Error('the server of the measurements ended before it was ready');
}

/** One sample in the row's unit. */
async function sample(
  row: Row,
  plan: Plan,
  command: readonly string[],
  address: string,
  port: string,
): Promise<number> {
  const amount = row.amount(plan);
  const client = [process.execPath, join(here, 'client.js'), row.what, address, port, String(amount)];
  const [file = '', ...args] = [...command, ...client, ...(plan.verify ? ['verify'] : [])];
  const { stdout } = await run(file, args, { timeout: 120_000, killSignal: 'SIGKILL' });
  const value = Number(stdout);
  if (stdout.trim() === '' || !(value > 0)) throw new Error(`${row.title}: the client printed "${stdout.trim()}"`);
  return row.unit === 'us' ? value : (amount * 8) / value / 1e9;
}

async function measureRow(row: Row, plan: Plan, port: string): Promise<Summary> {
  const sandbox = [process.execPath, cli, 'run', '--host-port', port, '--'];
  const pairs: Pair[] = [];
  for (let count = 0; count < plan.runs; count++) {
    const native = await sample(row, plan, [], '127.0.0.1', port);
    pairs.push({ native, sandbox: await sample(row, plan, sandbox, GATEWAY, port) });
  }
  return summarize(pairs);
}

const machine = (): string => {
  const control = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  return `${cpus().length} CPUs (${cpus()[0]?.model ?? 'unknown'}), Linux ${release()}, Node ${process.version}, congestion control of the host ${control}`;
};

/** To `digits` significant digits, never with an exponent. */
const figure = (value: number, digits: number): string => String(Number(value.toPrecision(digits)));

function print(results: ReadonlyMap<Row, Summary>, plan: Plan): void {
  const table = new Table({
    head: ['', 'unit', 'native', 'sandbox', 'ratio', 'least to greatest'],
    style: { head: [], border: [] },
  });
  for (const [{ title, unit }, { native, sandbox, ratio, least, greatest }] of results)
    table.push([
      title,
      unit,
      figure(native, 3),
      figure(sandbox, 3),
      figure(ratio, 2),
      `${figure(least, 2)} to ${figure(greatest, 2)}`,
    ]);
  process.stdout.write(`${table.toString()}\n${machine()}; medians of ${plan.runs} interleaved pairs\n`);
}

const { values } = parseArgs({
  options: { smoke: { type: 'boolean' }, quick: { type: 'boolean' }, json: { type: 'boolean' } },
});
const plan = plans[values.smoke === true ? 'smoke' : values.quick === true ? 'quick' : 'full'];
const { child, port } = await startServer();
try {
  const results = new Map<Row, Summary>();
  for (const row of rows) results.set(row, await measureRow(row, plan, port));
  if (values.json === true) {
    const plain = [...results].map(([{ what, unit }, summary]) => ({ what, unit, ...summary }));
    process.stdout.write(`${JSON.stringify({ machine: machine(), results: plain })}\n`);
  } else if (values.smoke === true)
    process.stdout.write(`bench: ${results.size} of ${rows.length} measurements work, every octet in its place\n`);
  else print(results, plan);
} finally {
  child.kill();
}
