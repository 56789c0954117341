/** Statistics of interleaved rounds: each sample of a target has its own native sample, taken in the same round. */

export function median(values: ArrayLike<number>): number {
  const sorted = Float64Array.from(values).toSorted();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export interface Cpu {
  /** Seconds of all processes that take part. */
  readonly total: number;
  /** Seconds of those that are the sandbox, by what they are. */
  readonly roles: Readonly<Record<string, number>>;
}
export interface Sample {
  /** In the unit of the row. */
  readonly value: number;
  readonly operations: number;
  readonly cpu: Cpu;
}
export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}
export interface CpuSummary {
  /** Microseconds of an operation. */
  readonly us: number;
  /** To native's. */
  readonly ratio: number;
  /** The sandbox's own processes alone, to native's total; undefined where there are none, or none that outlive a sample. */
  readonly own: number | undefined;
}
export interface Summary {
  readonly runs: number;
  readonly value: number;
  /** To native: of the rounds' own ratios, so that a slow minute of the machine cancels. */
  readonly ratio: Spread;
  /** Undefined where the samples were shorter than what the kernel counts in. */
  readonly cpu: CpuSummary | undefined;
}

export const spread = (values: readonly number[]): Spread => ({
  median: median(values),
  least: Math.min(...values),
  greatest: Math.max(...values),
});

const sum = (parts: readonly number[]): number => parts.reduce((total, part) => total + part, 0);
const operations = (samples: readonly Sample[]): number => sum(samples.map((sample) => sample.operations));
const totalCpu = (samples: readonly Sample[]): number => sum(samples.map(({ cpu }) => cpu.total));
const ownCpu = (samples: readonly Sample[]): number => sum(samples.map(({ cpu }) => sum(Object.values(cpu.roles))));

/** Below it, ticks of 10 ms say nothing. */
const LEAST_CPU_SECONDS = 0.1;

/** Over all samples at once: the kernel's ticks are too coarse for one. */
function summarizeCpu(samples: readonly Sample[], natives: readonly Sample[]): CpuSummary | undefined {
  if (totalCpu(natives) < LEAST_CPU_SECONDS) return undefined;
  const base = totalCpu(natives) / operations(natives);
  const count = operations(samples);
  return {
    us: (totalCpu(samples) / count) * 1e6,
    ratio: totalCpu(samples) / count / base,
    own: samples.some(({ cpu }) => Object.keys(cpu.roles).length > 0) ? ownCpu(samples) / count / base : undefined,
  };
}

/** @param samples of a target, one of each round, as `natives` has them */
export function summarize(samples: readonly Sample[], natives: readonly Sample[]): Summary {
  if (samples.length !== natives.length || samples.length === 0) throw new Error('a round lacks its native sample');
  return {
    runs: samples.length,
    value: median(samples.map(({ value }) => value)),
    ratio: spread(samples.map(({ value }, round) => value / (natives[round]?.value ?? Number.NaN))),
    cpu: summarizeCpu(samples, natives),
  };
}
