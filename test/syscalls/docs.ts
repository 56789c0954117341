/** Writes docs/syscalls.md from the table, and what ioctl(2) and fcntl(2) know by asking them (`npm run docs`); a test compares. */
import { writeFileSync } from 'node:fs';
import * as abi from '../../src/abi/index.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { TcpLayer } from '../../src/netstack/tcp/tcp-layer.ts';
import { SocketFactory } from '../../src/socket/factory.ts';
import { ArenaMemory, PAGE } from '../../src/syscalls/arena-memory.ts';
import { Emulator } from '../../src/syscalls/emulator.ts';
import { offersRequest } from '../../src/syscalls/offered.ts';
import type { Syscall } from '../../src/syscalls/syscall.ts';
import { SOCKET_CALLS, systemCalls } from '../../src/syscalls/table.ts';

const { NR_AMD64, NR_ARM64 } = abi;
const numberOf = (numbers: Readonly<Record<string, number>>, name: string): string => `${numbers[name] ?? '-'}`;

function support({ support: of }: Syscall): string {
  if (of.level === 'full') return 'full';
  return of.level === 'partial' ? `partial: ${of.note}` : `${of.errno}: ${of.note}`;
}
/** MSG_PEEK, TRUNC, ...: the beginning that all have is said once. */
function shortened(names: readonly string[]): string {
  const [first = ''] = names;
  const prefix = /^[A-Z]+_(?:F_|RANGE_|CTL_)?/.exec(first)?.[0] ?? '';
  const [head = '', ...rest] = names.every((name) => name.startsWith(prefix))
    ? [first, ...names.slice(1).map((name) => name.slice(prefix.length))]
    : names;
  return [head, ...rest].join(', ');
}
const flags = ({ argList }: Syscall): string =>
  argList.flatMap(({ handled }) => (handled === undefined ? [] : [shortened(handled)])).join('; ');
const row = (call: Syscall): string =>
  `| ${call.name} | ${numberOf(NR_AMD64, call.name)} | ${numberOf(NR_ARM64, call.name)} | ${Object.keys(call.args).join(', ')} | ${flags(call)} | ${support(call)} |`;
const HEAD = [
  '| call | x86_64 | arm64 | arguments | flags and operations with an effect | support |',
  '|---|---|---|---|---|---|',
];

const BASE = 0x10000;
/** Where a length stands. */
const ROOM = 512;
export const SOCKETS = [
  { title: 'TCP', domain: abi.AF_INET, type: abi.SOCK_STREAM },
  { title: 'TCP, IPv6', domain: abi.AF_INET6, type: abi.SOCK_STREAM },
  { title: 'UDP', domain: abi.AF_INET, type: abi.SOCK_DGRAM },
  { title: 'UDP, IPv6', domain: abi.AF_INET6, type: abi.SOCK_DGRAM },
  { title: 'AF_UNIX stream', domain: abi.AF_UNIX, type: abi.SOCK_STREAM },
  { title: 'AF_NETLINK', domain: abi.AF_NETLINK, type: abi.SOCK_RAW },
] as const;

/** A machine whose calls can be asked what they know. */
export class Asked {
  readonly #emulator: Emulator;
  readonly #task;
  readonly #bytes = new Uint8Array(PAGE);

  constructor() {
    const clock = new TimerHeap();
    const stack = new Stack({ clock, random: new SeededRandom(1), tcp: (env) => new TcpLayer(env) });
    const memory = new ArenaMemory();
    memory.map(BASE, this.#bytes);
    this.#emulator = new Emulator({ clock, sockets: new SocketFactory(stack) });
    this.#task = this.#emulator.task({ memory });
  }
  socket({ domain, type }: { readonly domain: number; readonly type: number }): number {
    return this.#call('socket', domain, type, 0);
  }
  /** False if it says that there is no such request. */
  knowsRequest(fd: number, request: number): boolean {
    this.#bytes.fill(0);
    this.#bytes.set([0x6c, 0x6f]);
    return this.#call('ioctl', fd, request, BASE) !== -abi.Errno.ENOTTY;
  }
  /** False if the report of the run would name it. */
  knowsCommand(fd: number, command: number): boolean {
    const before = this.#refusals();
    this.#call('fcntl', fd, command, 0);
    return this.#refusals() === before;
  }
  /** False if Linux's answer would be that there is no such option, or here that nobody may. */
  knowsOption(call: 'getsockopt' | 'setsockopt', fd: number, level: number, option: number): boolean {
    this.#bytes.fill(0);
    this.#bytes[ROOM] = 64;
    const length = call === 'getsockopt' ? BASE + ROOM : 4;
    const result = this.#call(call, fd, level, option, BASE, length);
    return ![-abi.Errno.ENOPROTOOPT, -abi.Errno.EOPNOTSUPP, -abi.Errno.EPERM].includes(result);
  }
  #refusals(): number {
    return this.#emulator.dispatcher.refusals().reduce((sum, { count }) => sum + count, 0);
  }
  #call(name: string, ...args: readonly number[]): number {
    return this.#emulator.call(this.#task, name, ...args) as number;
  }
}

const sorted = (pattern: RegExp, not: RegExp): (readonly [string, number])[] =>
  Object.entries(abi as Readonly<Record<string, unknown>>)
    .filter((entry): entry is [string, number] => typeof entry[1] === 'number')
    .filter(([name]) => pattern.test(name) && !not.test(name))
    .toSorted(([, a], [, b]) => a - b);

const REQUESTS = sorted(
  /^(FIO|SIOC|TIOC(INQ|OUTQ))/,
  /^(FIOCLEX|FIONCLEX|TIOCINQ|SIOCINQ|SIOCOUTQ|FIOGETOWN|FIOSETOWN|SIOCPROTOPRIVATE)$/,
);

/** Requests that sockets here know and Linux's do not, as `SIOCX of UDP`: none. */
export function invented(): string[] {
  const asked = new Asked();
  return SOCKETS.flatMap((kind) => {
    const fd = asked.socket(kind);
    return REQUESTS.filter(([, request]) => asked.knowsRequest(fd, request) && !offersRequest(kind, request)).map(
      ([name]) => `${name} of ${kind.title}`,
    );
  });
}

/** For each request the sockets that know it; "-" where Linux knows none either, "no" where only Linux does. */
function requests(asked: Asked): string[] {
  const fds = SOCKETS.map((kind) => ({ kind, fd: asked.socket(kind) }));
  const rows = REQUESTS.map(([name, request]) => {
    const cells = fds.map(({ kind, fd }) => {
      if (asked.knowsRequest(fd, request)) return 'yes';
      return offersRequest(kind, request) ? 'no' : '-';
    });
    return { name, request, cells };
  });
  return rows
    .filter(({ cells }) => cells.some((cell) => cell !== '-'))
    .map(({ name, request, cells }) => `| ${name} | 0x${request.toString(16)} | ${cells.join(' | ')} |`);
}
function commands(asked: Asked): { readonly known: string; readonly unknown: string } {
  const all = sorted(/^F_/, /^F_(OWNER_|UNLCK|RDLCK|WRLCK|SEAL_)/);
  const fd = asked.socket(SOCKETS[0]);
  const known = new Set(all.filter(([, command]) => asked.knowsCommand(fd, command)).map(([name]) => name));
  const names = (isKnown: boolean): string =>
    all.flatMap(([name]) => (known.has(name) === isKnown ? [name] : [])).join(', ');
  return { known: names(true), unknown: names(false) };
}

export function syscallsMarkdown(): string {
  const calls = [...systemCalls({ architecture: 'x86_64', sockets: { create: () => 0 }, descriptors: true }).values()];
  const sockets = calls.filter((call) => SOCKET_CALLS.includes(call.name));
  const descriptors = calls.filter((call) => !SOCKET_CALLS.includes(call.name));
  const asked = new Asked();
  const { known, unknown } = commands(asked);
  return [
    '# System calls',
    '',
    'Generated by `npm run docs` from `src/syscalls/table.ts`, and by asking the emulator. What a call does not support it refuses with the errno that Linux has for it; every refusal of',
    'something that Linux could have is counted and named in the report of the run ([report.md](report.md)).',
    '',
    '## Calls that reach sockets',
    '',
    'Answered by the sandbox on every platform. Flags of sends and receives that are not listed are ignored, as Linux ignores them on these sockets; MSG_FASTOPEN is EOPNOTSUPP and MSG_CONFIRM',
    'without effect where the report says so. In every other call a flag that is not listed is refused.',
    '',
    ...HEAD,
    ...sockets.map(row),
    '',
    '## Calls on descriptors of any kind',
    '',
    'Answered by the emulated descriptor table of the library. Under `sandsock run` the kernel answers them, for the descriptors are its own and readiness is mirrored.',
    '',
    ...HEAD,
    ...descriptors.map(row),
    '',
    '## Requests of ioctl',
    '',
    '`yes`: known, with the errors and the rights of Linux; `no`: ENOTTY here, and counted; `-`: ENOTTY on Linux as well. Also FIOCLEX, FIONCLEX and FIOSETOWN, FIOGETOWN (as SIOCSPGRP, SIOCGPGRP).',
    '',
    `| request | number | ${SOCKETS.map(({ title }) => title).join(' | ')} |`,
    `|---|---|${SOCKETS.map(() => '---').join('|')}|`,
    ...requests(asked),
    '',
    '## Commands of fcntl',
    '',
    `In the emulated descriptor table: ${known}.`,
    '',
    `Not there, and counted: ${unknown}.`,
    '',
  ].join('\n');
}

if (process.argv[1]?.endsWith('syscalls/docs.js') === true) writeFileSync('docs/syscalls.md', syscallsMarkdown());
