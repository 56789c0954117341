/**
 * What the benchmark is made of. A section is a set of measurements with the same programs; it opens a stage, which holds what all targets share (the server on the host,
 * say), and each target enters it with a scene of its own: its programs, running. A row is one measurement: words that the scene understands.
 */
import type { Answer } from './client.ts';
import type { Placed, Target } from './target.ts';
import type { World } from './world.ts';

/** How a value is shown, and of how many operations CPU time is: an octet is too small a one. */
export const units = {
  'Gbit/s': { scale: 8 / 1e9, operations: 65_536 },
  '1/s': { scale: 1, operations: 1 },
  us: { scale: 1, operations: 1 },
  ms: { scale: 1e-3, operations: 1 },
} as const;
export type Unit = keyof typeof units;

export interface Row {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly words: readonly string[];
  /** The CPU time of an operation is worth a look. */
  readonly cpu?: boolean;
}
export interface Effort {
  readonly ms: number;
  /** Look at every octet. */
  readonly verify: boolean;
}
export interface Scene {
  /** The first processes of all trees that take part. */
  readonly roots: readonly number[];
  measure(words: readonly string[], effort: Effort): Promise<Answer>;
  end(): Promise<void>;
}
export interface Stage {
  enter(target: Target): Promise<Scene>;
  close(): Promise<void>;
}
export interface Section {
  readonly name: string;
  readonly title: string;
  readonly rows: readonly Row[];
  /** Why it cannot be measured here: "wrk not installed". */
  readonly lacking?: string | undefined;
  open(world: World): Promise<Stage>;
}

/** A scene in which `placed` runs, once `prepare` knows how to measure it; where that fails nothing goes on running. */
export async function sceneOf(
  placed: Placed,
  others: readonly number[],
  prepare: () => Promise<Scene['measure']>,
): Promise<Scene> {
  try {
    const measure = await prepare();
    return { roots: [placed.program.pid, ...placed.helpers, ...others], measure, end: () => placed.end() };
  } catch (error) {
    await placed.end();
    throw error;
  }
}
/** A stage of which targets share nothing. */
export const bareStage = (enter: Stage['enter']): Promise<Stage> =>
  Promise.resolve({ enter, close: () => Promise.resolve() });
