/** What a step does. */
import type { Choice } from './choice.ts';
import type { Actor, World } from './world.ts';

export interface Operation {
  readonly weight: number;
  readonly run: (world: World, actor: Actor, r: Choice) => void;
}
export type Operations = Readonly<Record<string, Operation>>;
