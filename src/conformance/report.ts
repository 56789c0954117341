/** The outcome of a run as text and as JSON. */
import Table from 'cli-table3';
import pc from 'picocolors';
import { compare, type Outcome } from './runner.ts';

/** 'listed': the differences are those that deviations.ts lists. 'ran': on one side only. */
export type Verdict = 'equal' | 'listed' | 'different' | 'ran';

export function verdict({ linux, ours, difference, deviations = [] }: Outcome): Verdict {
  if (linux === undefined || ours === undefined) return 'ran';
  if (difference !== undefined) return 'different';
  return deviations.length > 0 ? 'listed' : 'equal';
}

const LINE_WIDTH = 100;
const shorten = (text: string): string => (text.length > LINE_WIDTH ? `${text.slice(0, LINE_WIDTH - 2)}..` : text);
const linesOf = (transcript: readonly string[] | undefined): string =>
  transcript === undefined ? '-' : `${transcript.length} lines`;

/** One table for each group, in the order in which the groups first appear. */
export function tables(outcomes: readonly Outcome[]): string {
  const groups = new Map<string, Outcome[]>();
  for (const outcome of outcomes) groups.set(outcome.group, [...(groups.get(outcome.group) ?? []), outcome]);
  const out: string[] = [];
  for (const [group, members] of groups) {
    const table = new Table({ head: [group, 'linux', 'sandsock', 'equal'], style: { head: [], border: [] } });
    for (const outcome of members) {
      const mark = { equal: pc.green('yes'), listed: pc.yellow('as listed'), different: pc.red('NO'), ran: '-' };
      table.push([outcome.name, linesOf(outcome.linux), linesOf(outcome.ours), mark[verdict(outcome)]]);
    }
    out.push(table.toString());
  }
  return out.join('\n');
}

/** The first line in which each differing body differs. */
export function differences(outcomes: readonly Outcome[]): string {
  return outcomes
    .flatMap(({ name, difference }) =>
      difference === undefined
        ? []
        : [
            `${pc.bold(name)}, line ${difference.line + 1}`,
            `  linux    ${shorten(difference.linux)}`,
            `  sandsock ${shorten(difference.ours)}`,
          ],
    )
    .join('\n');
}

/** How many transcripts have a call that blocks, and how many calls of more than one task. */
export function kinds(transcripts: Iterable<readonly string[]>): {
  readonly blocking: number;
  readonly several: number;
} {
  let [blocking, several] = [0, 0];
  for (const lines of transcripts) {
    const tasks = new Set(lines.map((line) => /^(\w+): \w+\(/.exec(line)?.[1]).filter((name) => name !== undefined));
    if (lines.some((line) => line.endsWith(' blocks'))) blocking++;
    if (tasks.size > 1) several++;
  }
  return { blocking, several };
}

export function summary(outcomes: readonly Outcome[]): string {
  const { blocking, several } = kinds(outcomes.map(({ linux, ours }) => linux ?? ours ?? []));
  return `${verdicts(outcomes)}\n${outcomes.length} bodies: ${blocking} block, ${several} have several tasks`;
}
function verdicts(outcomes: readonly Outcome[]): string {
  const count = (wanted: Verdict) => outcomes.filter((outcome) => verdict(outcome) === wanted).length;
  const [alike, listed] = [count('equal') + count('listed'), count('listed')];
  const compared = alike + count('different');
  if (compared === 0) return `${outcomes.length} bodies ran on one side, nothing was compared`;
  const but = listed === 0 ? '' : `, ${listed} of them but for what docs/conformance.md lists`;
  return `${alike} of ${compared} bodies are equal on linux and sandsock${but}`;
}

/** What `sandsock conformance --json` prints of a body. */
export interface ConformanceRecord {
  readonly name: string;
  readonly group: string;
  /** The transcripts, line by line: what the host kernel did, and what sandsock did. */
  readonly linux: readonly string[];
  readonly sandsock: readonly string[];
  /** True when the two are the same, line by line. */
  readonly equal: boolean;
  /** In a plane of `sandsock run`: why the two may differ where they do. A body that differs without being listed has none. */
  readonly deviations?: readonly string[];
}
export const recordOf = ({ name, group, linux = [], ours = [], deviations = [] }: Outcome): ConformanceRecord => ({
  name,
  group,
  linux,
  sandsock: ours,
  equal: compare(linux, ours) === undefined,
  ...(deviations.length === 0 ? {} : { deviations }),
});
