/**
 * The third driver: the host driver's agents as guests of `sandsock run`, compared with the same agents on the host kernel. Both run at once, as processes of their own, the host's with
 * the capabilities that a guest has. The sandbox has no gateway, so that both see a loopback interface and nothing else.
 */
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import type { PlaneName } from '../runner/sentry.ts';
import { HostUnavailable } from './host/driver.ts';
import type { Outcome } from './runner.ts';

const cli = fileURLToPath(new URL('../cli/main.js', import.meta.url));
/** Of one of the two; an idle machine of two cores takes 10 to 20 s. */
const LIMIT_MS = 300_000;

async function outputOf(argv: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'], timeout: LIMIT_MS });
  const ended = new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code === null ? `signal ${signal}` : `status ${code}`));
  });
  const [output, end] = await Promise.all([text(child.stdout), ended]);
  if (end !== 'status 0') throw new HostUnavailable(`${argv.slice(0, 3).join(' ')} ended with ${end}`);
  return output;
}
const inside = (plane: PlaneName, ...argv: readonly string[]): readonly string[] => [
  cli,
  'run',
  '--plane',
  plane,
  '--no-gateway',
  '--',
  ...argv,
];

const outcomesOf = (json: string): Outcome[] => JSON.parse(json) as Outcome[];

/**
 * @param main the program that runs bodies here and there, and understands `--host-only --json --in-place`
 * @param selection options of it that choose bodies
 * @returns what the host kernel did as `linux`, what the sandbox did as `ours`
 */
export async function runSandboxed(
  plane: PlaneName,
  main: string,
  selection: readonly string[],
): Promise<readonly (readonly [linux: Outcome, ours: Outcome])[]> {
  const status = await outputOf(inside(plane, 'cat', '/proc/self/status'));
  const capabilities = /^CapEff:\s*(\S+)/m.exec(status)?.[1] ?? '0';
  const common = [main, '--host-only', '--json', ...selection];
  const served = ['--in-place', ...(plane === 'direct' ? ['--lagging'] : [])];
  const [linux, ours] = await Promise.all([
    outputOf([...common, '--capabilities', capabilities]),
    outputOf(inside(plane, process.execPath, ...common, ...served, '--progress', plane)),
  ]);
  const sandboxed = outcomesOf(ours);
  return outcomesOf(linux).map((outcome, i) => [outcome, sandboxed[i] ?? { ...outcome, linux: ['it did not run'] }]);
}
