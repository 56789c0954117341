/**
 * `npm start`: starts a web server on this host, fetches a page from it inside the sandbox, and shows what the program printed, what it asked the kernel for and what
 * crossed the link. It fails if nothing did. `npm start -- CMD ARGS` runs that program instead. The sandbox is the command `sandsock run` itself, so what is seen here is
 * what a user gets.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import pc from 'picocolors';
import { findCommand } from '../runner/command.ts';
import type { RunReport } from '../runner/summary.ts';

const MAIN = join(import.meta.dirname, 'main.js');
const SIGNALLED = 128;
const FAILED = 125;

const say = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};
const indented = (text: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');

function has(program: string): boolean {
  try {
    return findCommand(program, process.env['PATH'], process.cwd()) !== '';
  } catch {
    return false;
  }
}
/** What the guest runs unless told: curl, or node. */
const fetching = (url: string): string[] =>
  has('curl')
    ? ['curl', '--silent', '--show-error', '--fail', url]
    : [process.execPath, '-e', `fetch('${url}').then((r) => r.text()).then((text) => process.stdout.write(text))`];

interface Page {
  readonly server: Server;
  readonly port: number;
  /** Requests answered. */
  requests: number;
}
async function servePage(): Promise<Page> {
  const server = createServer((request, response) => {
    page.requests++;
    const { remoteAddress, remotePort } = request.socket;
    response.end(`Hello from the host. To me you are ${remoteAddress} port ${remotePort}.\n`);
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const page: Page = { server, port: (server.address() as AddressInfo).port, requests: 0 };
  return page;
}

interface Outcome {
  readonly status: number;
  readonly listing: string;
  /** Undefined when the run ended before it could say. */
  readonly report: RunReport | undefined;
}

const readIfThere = (file: string): string => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
};

/** Ctrl-C is for the guest, and what was seen until then is still shown. */
const leaveToGuest = (): void => undefined;

/** `sandsock run` with its listing and summary in files; the guest has this terminal. */
async function runInSandbox(options: readonly string[], command: readonly string[]): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-demo-'));
  const [strace, json] = [join(directory, 'strace'), join(directory, 'json')];
  process.on('SIGINT', leaveToGuest);
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const args = [
        MAIN,
        'run',
        '--plane',
        'strict',
        `--strace=${strace}`,
        `--json=${json}`,
        ...options,
        '--',
        ...command,
      ];
      spawn(process.execPath, args, { stdio: 'inherit' })
        .once('error', reject)
        .once('exit', (code, signal) => resolve(code ?? SIGNALLED + (signal === null ? 0 : constants.signals[signal])));
    });
    const summary = readIfThere(json);
    const report = summary === '' ? undefined : (JSON.parse(summary) as RunReport);
    return { status, listing: readIfThere(strace), report };
  } finally {
    process.off('SIGINT', leaveToGuest);
    rmSync(directory, { recursive: true, force: true });
  }
}

const LISTED = 60;
const COLUMNS = 160;
const cut = (line: string): string => {
  const columns = (process.stdout.isTTY ? process.stdout.columns : COLUMNS) - 2;
  return line.length <= columns ? line : `${line.slice(0, columns - 3)}...`;
};
function showCalls(listing: string, served: number): void {
  const lines = listing.trimEnd().split('\n');
  say(
    pc.bold(
      `\nIts ${served} calls on sockets, answered by the stack in user space (sandsock run --strace shows them whole):`,
    ),
  );
  say(pc.dim(indented(lines.slice(0, LISTED).map(cut).join('\n'))));
  if (lines.length > LISTED) say(pc.dim(`  ... and ${lines.length - LISTED} more`));
}
function showLink({ frames, octets, flows }: RunReport): void {
  say(pc.bold('\nAcross the link to the gateway, the only way out:'));
  say(`  from the guest  ${frames.fromGuest} frames, ${octets.fromGuest} octets`);
  say(`  to the guest    ${frames.toGuest} frames, ${octets.toGuest} octets`);
  if (flows !== null) say(`  flows           ${flows.tcp} TCP, ${flows.udp} UDP, ${flows.dns} DNS`);
}

/** What of a demonstration did not happen; empty when all of it did. */
function shortcomings({ status, report }: Outcome, page: Page): string[] {
  const { callsServed = 0, frames, flows } = report ?? {};
  return [
    ...(status === 0 ? [] : [`the program ended with status ${status}`]),
    ...(page.requests > 0 ? [] : ['the web server saw no request']),
    ...(callsServed > 0 ? [] : ['no call was served']),
    ...((frames?.fromGuest ?? 0) > 0 && (frames?.toGuest ?? 0) > 0 ? [] : ['no frame crossed the link']),
    ...((flows?.tcp ?? 0) > 0 ? [] : ['the gateway saw no flow']),
  ];
}

async function demonstrate(): Promise<number> {
  const page = await servePage();
  try {
    const command = fetching(`http://host.internal:${page.port}/`);
    say(
      `A web server listens on 127.0.0.1 port ${page.port} of this host, and this program runs in a sandbox that may reach that port:\n`,
    );
    say(pc.bold(`$ sandsock run --host-port ${page.port} -- ${command.join(' ')}`));
    const outcome = await runInSandbox(['--host-port', String(page.port)], command);
    const { listing, report } = outcome;
    if (report !== undefined) {
      showCalls(listing, report.callsServed);
      showLink(report);
    }
    const faults = shortcomings(outcome, page);
    if (faults.length > 0) {
      say(
        pc.red(
          `\nThis did not work: ${faults.join('; ')}. \`node build/src/cli/main.js doctor\` says what this host allows.`,
        ),
      );
      return outcome.status === 0 ? FAILED : outcome.status;
    }
    say(
      '\nThe program was not changed and nothing was preloaded: its calls stopped at a seccomp filter, and the host kernel saw no socket of it.',
    );
    say(
      `Try your own: ${pc.bold('npm start -- python3 app.py')}, or ${pc.bold('node build/src/cli/main.js run --help')}`,
    );
    return 0;
  } finally {
    page.server.close();
    page.server.closeAllConnections();
  }
}

async function runOwn(command: readonly string[]): Promise<number> {
  const { status, listing, report } = await runInSandbox([], command);
  if (report !== undefined && report.callsServed > 0) {
    showCalls(listing, report.callsServed);
    showLink(report);
  } else if (report !== undefined) say(pc.dim('\nIt made no call on a socket.'));
  return status;
}

const command = process.argv.slice(2);
process.exitCode = command.length === 0 ? await demonstrate() : await runOwn(command);
