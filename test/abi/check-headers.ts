/**
 * Compares src/abi with the C headers: a C program of static assertions is generated from the declarations and compiled, for x86_64 and, where the cross
 * compiler is installed, for arm64. Compiling is the check; nothing runs. `npm run abi-check`; With CI=true or `--require-arm64` a missing cross compiler is an error.
 *
 * Every exported struct and every exported number has to be in a unit of header-units.ts; `uncovered` tells which is not. What the installed headers do not have is told as
 * lacking, and has to be named in NOT_IN_HEADERS with its reason.
 */
import { spawnSync } from 'node:child_process';
import {
  AMD64,
  ARM64,
  type Declared,
  DIFFER_IN_LIBC,
  type Layout,
  NOT_IN_HEADERS,
  type Target,
  units,
} from './header-units.ts';

export interface Checked {
  readonly assertions: number;
  /** What the installed headers do not have. */
  readonly lacking: readonly string[];
}

const has = (text: string, name: string): boolean => new RegExp(`\\b${name}\\b`).test(text);

function structAssertions(of: Layout, text: string): { readonly lines: string[]; readonly lacking: string[] } {
  if (of.isNew === true && !text.includes(`${of.c} {`)) return { lines: [], lacking: [of.c] };
  const lines: string[] = [];
  const lacking: string[] = [];
  for (const [field, { size }] of Object.entries(of.fields)) {
    const name = of.rename?.[field] ?? of.prefix + field;
    if (of.skip?.includes(field) === true) continue;
    if (of.newer?.includes(field) === true && !has(text, name)) {
      lacking.push(name);
      continue;
    }
    lines.push(`_Static_assert(offsetof(${of.c}, ${name}) == ${of.offset[field]}, "offset of ${of.c}.${name}");`);
    lines.push(`_Static_assert(sizeof(((${of.c} *)0)->${name}) == ${size}, "size of ${of.c}.${name}");`);
  }
  const relation = lacking.length > 0 ? '<' : '==';
  lines.push(`_Static_assert(sizeof(${of.c}) ${relation} ${of.size}, "size of ${of.c}");`);
  return { lines, lacking };
}

function constantAssertions(
  constants: Readonly<Record<string, unknown>>,
  text: string,
): { readonly lines: string[]; readonly lacking: string[] } {
  const lines: string[] = [];
  const lacking: string[] = [];
  for (const [name, value] of Object.entries(constants)) {
    if (typeof value !== 'number' || DIFFER_IN_LIBC.has(name)) continue;
    if (NOT_IN_HEADERS.has(name) && !has(text, name)) lacking.push(name);
    else lines.push(`_Static_assert((unsigned int)(${name}) == ${value >>> 0}u, "${name} is not ${value}");`);
  }
  return { lines, lacking };
}

function compile(
  compiler: string,
  source: string,
  how: readonly string[],
): { readonly status: number | null; readonly out: string; readonly err: string } {
  const run = spawnSync(compiler, ['-std=gnu11', ...how, '-x', 'c', '-o', '-', '-'], {
    input: source,
    encoding: 'utf8',
    maxBuffer: 1 << 27,
  });
  return { status: run.status, out: run.stdout, err: run.stderr };
}

/** Checks every unit with one compiler. Throws with the compiler's messages. */
export function check(compiler: string, target: Target): Checked {
  let assertions = 0;
  const lacking: string[] = [];
  for (const unit of units(target)) {
    const head = ['#define _GNU_SOURCE', '#include <stddef.h>', ...unit.headers.map((h) => `#include <${h}>`)];
    // With the definitions, so that enumerators and macros are found alike.
    const text = compile(compiler, head.join('\n'), ['-E', '-dD']).out;
    const body: string[] = [];
    for (const of of unit.layouts ?? []) {
      const made = structAssertions(of, text);
      body.push(...made.lines);
      lacking.push(...made.lacking);
    }
    const made = constantAssertions(unit.constants ?? {}, text);
    body.push(...made.lines);
    lacking.push(...made.lacking);
    for (const condition of unit.also ?? []) body.push(`_Static_assert(${condition}, "see condition");`);
    assertions += body.filter((line) => line.startsWith('_Static_assert')).length;
    const result = compile(compiler, [...head, ...body, ''].join('\n'), ['-S']);
    if (result.status !== 0)
      throw new Error(`${compiler} disagrees with src/abi (${unit.headers[0] ?? ''}):\n${result.err}`);
  }
  return { assertions, lacking };
}

const isStruct = (value: unknown): value is Declared =>
  typeof value === 'object' && value !== null && 'offset' in value && 'fields' in value;

/** Structs and numbers of `module` that no unit checks. */
export function uncovered(module: Readonly<Record<string, unknown>>): string[] {
  const all = units(AMD64);
  const structs = new Set(all.flatMap((unit) => (unit.layouts ?? []).map(({ offset }) => offset)));
  structs.add(ARM64.epollEvent.offset);
  const constants = new Set(all.flatMap((unit) => Object.keys(unit.constants ?? {})));
  return Object.entries(module).flatMap(([name, value]) => {
    const isMissing =
      (isStruct(value) && !structs.has(value.offset)) || (typeof value === 'number' && !constants.has(name));
    return isMissing ? [name] : [];
  });
}

/** True if the compiler can be run. */
export const hasCompiler = (name: string): boolean => spawnSync(name, ['--version']).status === 0;

function main(): void {
  const targets = [
    { compiler: process.arch === 'x64' ? 'gcc' : 'x86_64-linux-gnu-gcc', target: AMD64 },
    { compiler: process.arch === 'arm64' ? 'gcc' : 'aarch64-linux-gnu-gcc', target: ARM64 },
  ];
  const requireAll = process.env['CI'] === 'true' || process.argv.includes('--require-arm64');
  let checked = 0;
  for (const { compiler, target } of targets) {
    if (!hasCompiler(compiler)) {
      process.stdout.write(`${compiler} is not installed, its ABI is not checked\n`);
      if (compiler === 'gcc' || requireAll) process.exitCode = 1;
      continue;
    }
    const { assertions, lacking } = check(compiler, target);
    checked += assertions;
    const newer = lacking.length > 0 ? `; not in these headers: ${lacking.join(', ')}` : '';
    process.stdout.write(`${compiler}: ${assertions} statements of src/abi agree with the C headers${newer}\n`);
  }
  if (checked === 0)
    throw new Error(
      `no C compiler: install gcc and the C library's and kernel's headers (build-essential, linux-libc-dev)`,
    );
}
if (process.argv[1]?.endsWith('check-headers.js') === true) main();
