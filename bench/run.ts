/** The rounds: in each, every target is measured once after native, so that what slows the machine slows them all. */
import { type CpuTime, cpuTime } from './cpu.ts';
import { type Cpu, type Sample, type Summary, summarize } from './measure.ts';
import { type Effort, type Row, type Scene, type Section, type Stage, units } from './section.ts';
import { native, type Target } from './target.ts';
import type { World } from './world.ts';

export interface Plan extends Effort {
  readonly rounds: number;
  /** Before the first round: what compiles at first use has done so afterwards, and neighbours are known. */
  readonly warmUp: boolean;
}
export interface Measured {
  readonly samples: readonly Sample[];
  readonly summary: Summary;
}
/** What could not be measured, and why: `failed` where it should have been. */
export interface Unmeasured {
  readonly why: string;
  readonly failed: boolean;
}
export type Cell = Measured | Unmeasured;
export interface RowResult {
  readonly section: Section;
  readonly row: Row;
  readonly cells: ReadonlyMap<Target, Cell>;
}
export interface Watcher {
  /** Programs of a target did not end as they should. */
  trouble(text: string): void;
  sampling(row: string, target: string, round: number): void;
  measured(result: RowResult): void;
}

export const nameOf = (section: Section, row: Row): string => `${section.name}/${row.name}`;
const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function used(before: CpuTime, after: CpuTime): Cpu {
  const roles = [...after.roles].map(([role, seconds]) => [role, seconds - (before.roles.get(role) ?? 0)] as const);
  return { total: after.total - before.total, roles: Object.fromEntries(roles) };
}

async function sample(row: Row, scene: Scene, { roleOf }: Target, effort: Effort): Promise<Sample> {
  const before = cpuTime(scene.roots, roleOf);
  const { value, operations } = await scene.measure(row.words, effort);
  const cpu = used(before, cpuTime(scene.roots, roleOf));
  const unit = units[row.unit];
  return { value: value * unit.scale, operations: operations / unit.operations, cpu };
}

/** A target in a section, as far as it got there. */
class Contestant {
  readonly target: Target;
  readonly #stage: Stage;
  readonly #watcher: Watcher;
  #scene: Scene | undefined = undefined;
  #absent: Unmeasured | undefined = undefined;
  samples: Sample[] = [];
  fault: Unmeasured | undefined = undefined;

  constructor(target: Target, stage: Stage, watcher: Watcher) {
    this.target = target;
    this.#stage = stage;
    this.#watcher = watcher;
  }
  /** Starts its programs, for the first time or again after a fault. Where they do not start they are not tried again. */
  async enter(): Promise<void> {
    if (this.#scene !== undefined || this.#absent !== undefined) return;
    try {
      if (this.target.lacking !== undefined) this.#absent = { why: this.target.lacking, failed: false };
      else this.#scene = await this.#stage.enter(this.target);
    } catch (error) {
      this.#absent = { why: messageOf(error), failed: true };
    }
  }
  async begin(row: Row, plan: Plan): Promise<void> {
    this.samples = [];
    await this.enter();
    this.fault = this.#absent;
    await this.#attempt(async () => {
      if (plan.warmUp) await this.#scene?.measure(row.words, { ...plan, ms: plan.ms / 4 });
    });
  }
  round(row: Row, effort: Effort): Promise<void> {
    return this.#attempt(async () => {
      if (this.#scene !== undefined) this.samples.push(await sample(row, this.#scene, this.target, effort));
    });
  }
  async #attempt(body: () => Promise<void>): Promise<void> {
    if (this.fault !== undefined) return;
    try {
      await body();
    } catch (error) {
      this.fault = { why: messageOf(error), failed: true };
      await this.end();
    }
  }
  async end(): Promise<void> {
    const scene = this.#scene;
    this.#scene = undefined;
    try {
      await scene?.end();
    } catch (error) {
      this.#watcher.trouble(`${this.target.title}: ${messageOf(error)}`);
    }
  }
}

function resultOf(section: Section, row: Row, contestants: readonly Contestant[]): RowResult {
  const natives = contestants.find(({ target }) => target === native);
  const cells = new Map<Target, Cell>();
  for (const { target, samples, fault } of contestants) {
    const baseless = natives?.fault === undefined ? undefined : { why: 'native was not measured', failed: false };
    const cause = fault ?? baseless;
    cells.set(target, cause ?? { samples, summary: summarize(samples, natives?.samples ?? []) });
  }
  return { section, row, cells };
}

async function measureRow(
  row: Row,
  section: Section,
  contestants: readonly Contestant[],
  setting: Setting,
): Promise<RowResult> {
  const { plan, watcher } = setting;
  for (const contestant of contestants) {
    watcher.sampling(nameOf(section, row), contestant.target.title, 0);
    await contestant.begin(row, plan);
  }
  for (let round = 1; round <= plan.rounds; round++)
    for (const contestant of contestants) {
      watcher.sampling(nameOf(section, row), contestant.target.title, round);
      await contestant.round(row, plan);
    }
  const result = resultOf(section, row, contestants);
  watcher.measured(result);
  return result;
}

/** Measures the rows of a section. */
async function runSection(
  section: Section,
  rows: readonly Row[],
  targets: readonly Target[],
  setting: Setting,
): Promise<RowResult[]> {
  const { world, watcher } = setting;
  const without = (why: string, failed: boolean): RowResult[] =>
    rows.map((row) => ({ section, row, cells: new Map(targets.map((target) => [target, { why, failed }])) }));
  if (section.lacking !== undefined) return without(section.lacking, false);
  let stage: Stage;
  try {
    stage = await section.open(world);
  } catch (error) {
    return without(messageOf(error), true);
  }
  const contestants = targets.map((target) => new Contestant(target, stage, watcher));
  const results: RowResult[] = [];
  try {
    await Promise.all(contestants.map((contestant) => contestant.enter()));
    for (const row of rows) results.push(await measureRow(row, section, contestants, setting));
  } finally {
    await Promise.all(contestants.map((contestant) => contestant.end()));
    await stage.close();
  }
  return results;
}

export interface Setting {
  readonly world: World;
  readonly plan: Plan;
  readonly watcher: Watcher;
}
/** @param only names of the rows that are wanted: section/row */
export async function run(
  sections: readonly Section[],
  only: RegExp,
  targets: readonly Target[],
  setting: Setting,
): Promise<RowResult[]> {
  const results: RowResult[] = [];
  for (const section of sections) {
    const rows = section.rows.filter((row) => only.test(nameOf(section, row)));
    if (rows.length > 0) results.push(...(await runSection(section, rows, targets, setting)));
  }
  return results;
}
