/** How the numbers of a step become choices. 0 is always the plainest, so that what shrinks to zeros shrinks to plain calls. */
import * as fc from 'fast-check';

/** What one number may be. */
const MOST = 0xffff;
/** Numbers that a step has at most, as many as three messages with all that is in them take; a choice beyond them is 0. */
const MOST_NUMBERS = 80;
const anyNumbers = fc.array(fc.nat({ max: MOST }));

/** Made at once, since a step has many of them, and shrunk as any array. */
class Numbers extends fc.Arbitrary<number[]> {
  generate(random: fc.Random): fc.Value<number[]> {
    const count = random.nextInt(0, MOST_NUMBERS);
    return new fc.Value(
      Array.from({ length: count }, () => random.nextInt(0, MOST)),
      undefined,
    );
  }
  canShrinkWithoutContext(value: unknown): value is number[] {
    return anyNumbers.canShrinkWithoutContext(value);
  }
  shrink(value: number[], context: unknown): fc.Stream<fc.Value<number[]>> {
    return anyNumbers.shrink(value, context);
  }
}
export const numbers: fc.Arbitrary<number[]> = new Numbers();

export class Choice {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(from: readonly number[]) {
    this.#numbers = from;
  }
  /** 0 .. limit - 1 */
  below(limit: number): number {
    return (this.#numbers[this.#at++] ?? 0) % limit;
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  /** True in one of `n` cases. */
  once(n: number): boolean {
    return this.below(n) === n - 1;
  }
  /** `usual`, and in one of `n` cases one of the others. */
  rarely<T>(n: number, usual: T, others: readonly T[]): T {
    const x = this.below(n * others.length);
    return x < (n - 1) * others.length ? usual : (others[x % others.length] as T);
  }
}
