/** Sequences of steps made at random, and the bodies that they are. */
import * as fc from 'fast-check';
import type { Body, System } from '../../../src/conformance/body.ts';
import { Recorder, type Script } from '../script.ts';
import { Choice, numbers } from './choice.ts';
import { LIFECYCLE } from './lifecycle.ts';
import { MESSAGES, WAIT_US } from './messages.ts';
import type { Operations } from './operation.ts';
import { PIPES } from './pipes.ts';
import { READINESS } from './readiness.ts';
import { SETTINGS } from './settings.ts';
import { TRANSFER } from './transfer.ts';
import { type Actor, World, type WorldOptions } from './world.ts';

/** What is done to the tasks. */
const TASKS: Operations = {
  fork: { weight: 1, run: (world) => world.fork() },
  /** Whatever waits for a while has waited. */
  sleep: {
    weight: 1,
    run: (world) => {
      if (world.blocked.length > 0) world.sys.sleep((2 * WAIT_US) / 1000);
    },
  },
  interrupt: {
    weight: 4,
    run: (world, _, r) => {
      const { blocked } = world;
      if (blocked.length > 0) world.sys.interrupt(r.of(blocked).task, r.once(2));
    },
  },
};
export const OPERATIONS: Operations = {
  ...LIFECYCLE,
  ...TRANSFER,
  ...MESSAGES,
  ...SETTINGS,
  ...READINESS,
  ...PIPES,
  ...TASKS,
};

/** The operation, who does it, and its numbers. */
export type Step = readonly [operation: string, who: number, numbers: readonly number[]];

const MOST_TASKS = 3;
const stepOf = (weights: Readonly<Record<string, number>>): fc.Arbitrary<Step> =>
  fc.tuple(
    fc.oneof(...Object.entries(weights).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) }))),
    fc.nat({ max: MOST_TASKS - 1 }),
    numbers,
  );
const step = stepOf(Object.fromEntries(Object.entries(OPERATIONS).map(([name, { weight }]) => [name, weight])));
/** How a sequence begins: most need two ends. */
const opening = stepOf({ connection: 5, datagramPair: 5, socketpair: 3, listener: 2, udp: 1, tcp: 1, anySocket: 1 });
const anyLength = fc.array(step, { minLength: 1 });
/** All are of one length when they are made, and get shorter when they shrink. */
class Sequences extends fc.Arbitrary<Step[]> {
  readonly #made: fc.Arbitrary<Step[]>;

  constructor(length: number) {
    super();
    const rest = fc.array(step, { minLength: length - 1, maxLength: length - 1 });
    this.#made = fc.tuple(opening, rest).map(([first, others]) => [first, ...others]);
  }
  generate(random: fc.Random): fc.Value<Step[]> {
    return new fc.Value(this.#made.generate(random, undefined).value, undefined);
  }
  canShrinkWithoutContext(value: unknown): value is Step[] {
    return anyLength.canShrinkWithoutContext(value);
  }
  shrink(value: Step[], context: unknown): fc.Stream<fc.Value<Step[]>> {
    return anyLength.shrink(value, context);
  }
}
export const sequences = (length: number): fc.Arbitrary<Step[]> => new Sequences(length);

const BEGINNINGS = ['connection', 'datagramPair', 'socketpair', 'listener'] as const;
/** Calls on nothing are all the same: what asks for a descriptor when there is none makes some first. */
function begin(world: World, actor: Actor, r: Choice): void {
  LIFECYCLE[r.of(BEGINNINGS)]?.run(world, actor, r);
}

export function runSequence(sys: System, steps: readonly Step[], options: WorldOptions): void {
  const world = new World(sys, options);
  for (const [name, who, from] of steps) {
    const r = new Choice(from);
    const actor = world.idle(who);
    if (actor !== undefined) {
      if (world.heldBy(actor.table).length === 0 && !(name in LIFECYCLE)) begin(world, actor, r);
      if (!actor.task.blocked) OPERATIONS[name]?.run(world, actor, r);
    } else OPERATIONS['interrupt']?.run(world, world.actors[0] as never, r);
  }
}
/** The body of a sequence. `place` is its number among those that share a network. */
export const bodyOfSequence = (steps: readonly Step[], options: WorldOptions): Body => ({
  name: JSON.stringify(steps),
  group: 'random',
  interrupts: true,
  run: (sys) => runSequence(sys, steps, options),
});
/** The same, written down while it runs: `script` has its steps when it has run. */
export function recording(
  steps: readonly Step[],
  options: WorldOptions,
): { readonly body: Body; readonly script: () => Script } {
  let recorder: Recorder | undefined;
  const run = (sys: System): void => {
    recorder = new Recorder(sys);
    runSequence(recorder, steps, options);
  };
  return {
    body: { name: 'recorded', group: 'random', interrupts: true, run },
    script: () => ({ name: '', steps: recorder?.steps ?? [] }),
  };
}
