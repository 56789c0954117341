/**
 * `npm run bench -- [OPTIONS]`: what the sandbox costs, as ratios to native. rows.ts lists what is measured, target.ts and peers.ts where. See --help.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { peers, peerVersions } from './peers.ts';
import { killTree } from './program.ts';
import { asJson, asMarkdown, asTables, figure, machineOf, type Report, withBlock } from './report.ts';
import { sections } from './rows.ts';
import { nameOf, type Plan, type RowResult, run, type Watcher } from './run.ts';
import { native, sandsockTargets, type Target } from './target.ts';
import { namespaceCommand, World } from './world.ts';

const plans = {
  full: { rounds: 5, ms: 600, warmUp: true, verify: false },
  quick: { rounds: 3, ms: 80, warmUp: true, verify: false },
  smoke: { rounds: 1, ms: 40, warmUp: false, verify: true },
} as const satisfies Record<string, Plan>;

const README = join(import.meta.dirname, '../../README.md');

const pattern = (text: string): RegExp => {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
};
const count = (text: string): number => {
  if (!/^[1-9][0-9]{0,5}$/.test(text)) throw new InvalidArgumentError('is not a number from 1 on');
  return Number(text);
};

interface Options {
  readonly quick?: true;
  readonly smoke?: true;
  readonly only?: RegExp;
  readonly targets?: RegExp;
  readonly rounds?: number;
  readonly ms?: number;
  readonly json?: true;
  readonly markdown?: true;
  readonly updateReadme?: true;
  readonly list?: true;
  /** Given by the run that waits outside: where files go, and whether it gave namespaces too. */
  readonly directory?: string;
  readonly alone?: true;
}
const command = new Command('npm run bench --')
  .description(
    'Measures what the sandbox costs: each program outside and in the sandbox, in turn, as ratios to native. Rows whose programs are missing say so.',
  )
  .option('--quick', 'about two minutes in all: fewer and shorter rounds')
  .option('--smoke', 'only show that every measurement works and that every octet arrives in its place')
  .option('--only <regex>', 'rows by their name, as section/row', pattern)
  .option('--targets <regex>', 'targets by their name; native is always one', pattern)
  .option('--rounds <n>', 'how often each is measured', count)
  .option('--ms <n>', 'how long a measurement takes', count)
  .option('--json', 'every sample, as JSON on stdout')
  .option('--markdown', 'tables as Markdown')
  .option('--update-readme', 'as --markdown, into the block of README.md')
  .option('--list', 'name rows and targets, and measure nothing')
  .addHelpText('after', '\nProgress is on stderr. Exit status 1 if a measurement of sandsock failed.')
  .allowExcessArguments(false);
for (const internal of ['--directory <dir>', '--alone']) command.addOption(command.createOption(internal).hideHelp());

/** One line a row; on a terminal also what runs now. */
class Progress implements Watcher {
  readonly #terminal = process.stderr.isTTY;
  readonly #figures: boolean;

  /** @param figures false where samples are too short to say anything */
  constructor(figures: boolean) {
    this.#figures = figures;
  }

  sampling(row: string, target: string, round: number): void {
    if (this.#terminal) process.stderr.write(`\r\x1b[K${row}  ${target}${round === 0 ? '' : `, round ${round}`}`);
  }
  trouble(text: string): void {
    process.stderr.write(`${this.#terminal ? '\r\x1b[K' : ''}bench: ${text}\n`);
  }
  measured({ section, row, cells }: RowResult): void {
    const shown = [...cells].map(([{ name }, cell]) => {
      if ('why' in cell) return `${name} ${cell.failed ? `FAILED (${cell.why})` : '-'}`;
      if (!this.#figures) return name;
      const { value, ratio } = cell.summary;
      return name === native.name ? `${figure(value, 3)} ${row.unit}` : `${name} ${figure(ratio.median, 2)}`;
    });
    process.stderr.write(`${this.#terminal ? '\r\x1b[K' : ''}${nameOf(section, row)}: ${shown.join(', ')}\n`);
  }
}

function show(report: Report, options: Options): void {
  if (options.json === true) process.stdout.write(`${asJson(report)}\n`);
  else if (options.updateReadme === true)
    writeFileSync(README, withBlock(readFileSync(README, 'utf8'), asMarkdown(report)));
  else if (options.markdown === true) process.stdout.write(`${asMarkdown(report)}\n`);
  else if (options.smoke !== true) process.stdout.write(asTables(report));
}

/** Returns the exit status. */
function judge({ results }: Report): number {
  let [works, fails, missing] = [0, 0, 0];
  for (const { section, row, cells } of results)
    for (const [{ title, own }, cell] of cells) {
      if ('samples' in cell) works++;
      else if (cell.failed && own) {
        fails++;
        process.stderr.write(`bench: ${nameOf(section, row)}, ${title}: ${cell.why}\n`);
      } else missing++;
    }
  process.stderr.write(`bench: ${works} measurements work, ${fails} fail, ${missing} are left out\n`);
  return fails === 0 && works > 0 ? 0 : 1;
}

const ALL = /(?:)/;
const targetsOf = (world: World): Target[] => [native, ...sandsockTargets(world), ...peers(world)];

function list(): void {
  const targets = targetsOf(new World('', false)).map(({ name, title }) => `${name.padEnd(24)} ${title}\n`);
  const rows = sections.flatMap((section) =>
    section.rows.map((row) => `${nameOf(section, row).padEnd(24)} ${section.title}: ${row.title}, ${row.unit}\n`),
  );
  process.stdout.write(`Rows:\n${rows.join('')}\nTargets:\n${targets.join('')}`);
}

/** Without peers where only correctness counts, which is theirs to show, and without the second way of one of them where time does. */
const targetsFor = ({ smoke, quick }: Options): RegExp => {
  if (smoke === true) return /^(direct|strict)(?!-ptrace)|^strict-ptrace$/;
  return quick === true ? /^(?!runsc-host)/ : ALL;
};

async function measure(options: Options, directory: string): Promise<number> {
  const plan: Plan = plans[options.smoke === true ? 'smoke' : options.quick === true ? 'quick' : 'full'];
  const { rounds = plan.rounds, ms = plan.ms } = options;
  const machine = machineOf(options.alone === true);
  const world = new World(directory, machine.alone);
  const wanted = options.targets ?? targetsFor(options);
  const targets = targetsOf(world).filter((target) => target === native || wanted.test(target.name));
  const setting = { world, plan: { ...plan, rounds, ms }, watcher: new Progress(options.smoke !== true) };
  const results = await run(sections, options.only ?? ALL, targets, setting);
  const report = { machine, rounds, ms, targets, versions: peerVersions(targets), results };
  show(report, options);
  return judge(report);
}

/** Runs this program again, in namespaces of its own where there may be such, and clears up behind it however it ends. */
async function measureWithin(): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-bench-'));
  const wall = namespaceCommand();
  const again = [process.execPath, ...process.argv.slice(1), '--directory', directory];
  const [file = '', ...args] = wall === undefined ? again : [...wall, ...again, '--alone'];
  const child = spawn(file, args, { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => killTree(child.pid ?? -1));
  try {
    await once(child, 'exit');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  return child.exitCode ?? 1;
}

command.action(async () => {
  const options = command.opts<Options>();
  if (options.list === true) list();
  else if (options.directory === undefined) process.exitCode = await measureWithin();
  else process.exitCode = await measure(options, options.directory);
});
await command.parseAsync();
