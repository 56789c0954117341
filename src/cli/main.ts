#!/usr/bin/env node
/** Where the command starts. The modules are loaded only when there are descriptors to load them with: Node opens many at a time and ends with status 1 if it cannot, as a guest might. */
import { readFileSync } from 'node:fs';
import { bundled } from '../host/bundle.ts';
import type * as CommandLine from './command-line.ts';

const FAILED = 125;
/** Loading opens more than 128 at a time. */
const FEWEST = 256;

const hard = /^Max open files\s+\S+\s+(\d+)\s/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1];
if (hard !== undefined && Number(hard) < FEWEST) {
  process.stderr.write(
    `sandsock: only ${hard} descriptors may be open here, and ${FEWEST} are needed: raise the limit (ulimit -n)\n`,
  );
  process.exitCode = FAILED;
} else {
  // The bundle is without the conformance suite.
  const { main } =
    (process.argv[2] === 'conformance' ? undefined : bundled<typeof CommandLine>('command-line')) ??
    (await import('./command-line.ts'));
  await main();
}
