/**
 * `npm run coverage`: prints the line coverage of each pure layer from coverage/coverage-summary.json (written by c8) and fails below the threshold.
 * Files that declare only types compile to nothing and are left out: no test can run a line of theirs.
 */
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { read, record, root } from './repository.ts';

const LEAST_PERCENT = 90;
const layers = ['lib', 'abi', 'netstack', 'socket', 'syscalls'] as const;

function compilesToNothing(source: string): boolean {
  const compiled = readFileSync(join(root, 'build', source.replace(/\.ts$/, '.js')), 'utf8');
  return /^\s*(\/\*[\s\S]*?\*\/|\/\/.*|export \{\};|\s)*$/.test(compiled);
}

const summary = record(JSON.parse(read('coverage/coverage-summary.json')));
let low = false;
for (const layer of layers) {
  let covered = 0;
  let total = 0;
  for (const [path, entry] of Object.entries(summary)) {
    const source = relative(root, path);
    if (!source.startsWith(`src/${layer}/`) || compilesToNothing(source)) continue;
    const lines = record(record(entry)['lines']);
    covered += Number(lines['covered']);
    total += Number(lines['total']);
  }
  const percent = (100 * covered) / total;
  low ||= !(percent >= LEAST_PERCENT);
  process.stdout.write(
    `coverage of src/${layer}: ${percent.toFixed(1)} % of ${total} lines (at least ${LEAST_PERCENT})\n`,
  );
}
if (low) process.exitCode = 1;
