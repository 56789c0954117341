/** The stage of start-up: the whole life of a program that does nothing, one after the other until the time is over. Words: the program. */
import type { Answer } from './client.ts';
import { median } from './measure.ts';
import { bareStage, type Stage } from './section.ts';
import type { Target } from './target.ts';

const LIMIT_MS = 30_000;

async function life(target: Target, argv: readonly string[]): Promise<number> {
  const begin = performance.now();
  const placed = await target.place(argv, {});
  try {
    await placed.program.exit(LIMIT_MS);
    return performance.now() - begin;
  } finally {
    await placed.end();
  }
}

export const startUp = (): Promise<Stage> =>
  bareStage((target) =>
    Promise.resolve({
      roots: [],
      async measure(words: readonly string[], { ms }): Promise<Answer> {
        const times: number[] = [];
        const end = performance.now() + ms;
        do times.push(await life(target, words));
        while (performance.now() < end);
        return { value: median(times) * 1e3, operations: times.length };
      },
      end: () => Promise.resolve(),
    }),
  );
