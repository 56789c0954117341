/** Compares transcripts but for what deviations.ts lists. */
import type { PlaneName } from '../runner/sentry-types.ts';
import { DEVIATIONS, type Deviation, EVERYWHERE, type Reason } from './deviations.ts';
import type { Difference } from './runner.ts';

const standsAt = (lines: readonly string[], at: number, part: readonly string[]): boolean =>
  part.every((line, i) => lines[at + i] === line);

/** Compares transcripts of one plane, and knows in the end which entries were of use. */
export class ListedComparison {
  readonly #listed: readonly Deviation[];
  readonly #used = new Set<Deviation>();
  readonly #reasons = new Set<Reason>();

  readonly #isRoot: boolean;

  constructor(plane: PlaneName, isRoot: boolean, listed: readonly Deviation[] = DEVIATIONS) {
    this.#isRoot = isRoot;
    this.#listed = listed.filter(({ planes, rootless }) => planes.includes(plane) && !(isRoot && rootless === true));
  }
  /** @returns the first difference that is not listed */
  compare(body: string, linux: readonly string[], ours: readonly string[]): Difference | undefined {
    const listed = this.#listed.filter((one) => one.body === body);
    this.#reasons.clear();
    let i = 0;
    let j = 0;
    while (i < linux.length || j < ours.length) {
      const found = listed.find((one) => standsAt(linux, i, one.linux) && standsAt(ours, j, one.ours));
      if (found !== undefined) {
        this.#used.add(found);
        this.#reasons.add(found.reason);
        if (found.last === true) return undefined;
        i += found.linux.length;
        j += found.ours.length;
      } else if (this.#isSame(linux[i], ours[j])) {
        i++;
        j++;
      } else {
        return { line: i, linux: linux[i] ?? '(ended)', ours: ours[j] ?? '(ended)' };
      }
    }
    return undefined;
  }
  /** Entries of bodies that ran whose difference did not show, though it always does. */
  unused(ran: ReadonlySet<string>): readonly Deviation[] {
    return this.#listed.filter((one) => ran.has(one.body) && one.chance !== true && !this.#used.has(one));
  }
  /** Why the transcripts compared last may differ where they do. */
  get reasons(): readonly Reason[] {
    return [...this.#reasons];
  }
  #isSame(linux: string | undefined, ours: string | undefined): boolean {
    if (linux === ours) return true;
    if (linux === undefined || ours === undefined) return false;
    const found = EVERYWHERE.find(({ rootless, same }) => !(this.#isRoot && rootless === true) && same(linux, ours));
    if (found !== undefined) this.#reasons.add(found.reason);
    return found !== undefined;
  }
}
