/** Writes docs/syscalls.md from the table (`npm run docs`); a test compares. */
import { writeFileSync } from 'node:fs';
import { NR_AMD64, NR_ARM64 } from '../../src/abi/index.ts';
import type { Syscall } from '../../src/syscalls/syscall.ts';
import { SOCKET_CALLS, systemCalls } from '../../src/syscalls/table.ts';

const numberOf = (numbers: Readonly<Record<string, number>>, name: string): string => `${numbers[name] ?? '-'}`;

function support({ support: of }: Syscall): string {
  if (of.level === 'full') return 'full';
  return of.level === 'partial' ? `partial: ${of.note}` : `${of.errno}: ${of.note}`;
}
const row = (call: Syscall): string =>
  `| ${call.name} | ${numberOf(NR_AMD64, call.name)} | ${numberOf(NR_ARM64, call.name)} | ${Object.keys(call.args).join(', ')} | ${support(call)} |`;

const HEAD = ['| call | x86_64 | arm64 | arguments | support |', '|---|---|---|---|---|'];

export function syscallsMarkdown(): string {
  const calls = [...systemCalls({ architecture: 'x86_64', sockets: { create: () => 0 }, descriptors: true }).values()];
  const sockets = calls.filter((call) => SOCKET_CALLS.includes(call.name));
  const descriptors = calls.filter((call) => !SOCKET_CALLS.includes(call.name));
  return [
    '# System calls',
    '',
    'Generated from `src/syscalls/table.ts` by `npm run docs`. What a call does not support it refuses with the errno that Linux has for it; every refusal of',
    'something that Linux could have is counted and named in the report of the run.',
    '',
    '## Calls that reach sockets',
    '',
    'Answered by the sandbox on every platform.',
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
  ].join('\n');
}

if (process.argv[1]?.endsWith('syscalls/docs.js') === true) writeFileSync('docs/syscalls.md', syscallsMarkdown());
