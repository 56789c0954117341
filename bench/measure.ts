/** Statistics of interleaved pairs: each sample of the sandbox has its own native sample, taken just before it. */

export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).toSorted();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Pair {
  readonly native: number;
  readonly sandbox: number;
}
export interface Summary {
  readonly native: number;
  readonly sandbox: number;
  /** Sandbox to native: median, least and greatest of the pairs' own ratios. */
  readonly ratio: number;
  readonly least: number;
  readonly greatest: number;
  readonly runs: number;
}

export function summarize(pairs: readonly Pair[]): Summary {
  const ratios = pairs.map(({ native, sandbox }) => sandbox / native);
  return {
    native: median(pairs.map(({ native }) => native)),
    sandbox: median(pairs.map(({ sandbox }) => sandbox)),
    ratio: median(ratios),
    least: Math.min(...ratios),
    greatest: Math.max(...ratios),
    runs: pairs.length,
  };
}
