/** The host's clock and generator in the shapes that the stack takes. */
import { randomFillSync } from 'node:crypto';
import { type Instant, instant } from '../lib/clock.ts';
import type { Random } from '../lib/random.ts';

/** CLOCK_MONOTONIC in microseconds (process.hrtime reads that clock). */
export function monotonic(): Instant {
  const [s, ns] = process.hrtime();
  return instant(s * 1e6 + Math.floor(ns / 1e3));
}

/** The kernel's generator, drawn in batches. */
export class HostRandom implements Random {
  readonly #words = new Uint32Array(256);
  #left = 0;
  u32(): number {
    if (this.#left === 0) {
      randomFillSync(this.#words);
      this.#left = this.#words.length;
    }
    return this.#words[--this.#left] as number;
  }
}

/** CLOCK_REALTIME minus CLOCK_MONOTONIC, microseconds, as it is now. */
export const realtimeOffset = (): number =>
  Math.round((performance.timeOrigin + performance.now()) * 1e3) - monotonic();
