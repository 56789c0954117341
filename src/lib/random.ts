/** Randomness, injected: the host's generator in production, a seeded one in tests and replays. */
export interface Random {
  /** Uniform in 0 .. 2^32 - 1. */
  u32(): number;
}

/** mulberry32: small, seeded, not for secrets. The same seed gives the same run. */
export class SeededRandom implements Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  }
}
