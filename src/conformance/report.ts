/** The outcome of a run as text and as JSON. */
import Table from 'cli-table3';
import pc from 'picocolors';
import type { Outcome } from './runner.ts';

export type Verdict = 'equal' | 'different' | 'ran';

export function verdict(outcome: Outcome): Verdict {
  if (outcome.linux === undefined || outcome.ours === undefined) return 'ran';
  return outcome.difference === undefined ? 'equal' : 'different';
}

const LINE_WIDTH = 100;
const shorten = (text: string): string => (text.length > LINE_WIDTH ? `${text.slice(0, LINE_WIDTH - 2)}..` : text);
const lines = (transcript: readonly string[] | undefined): string =>
  transcript === undefined ? '-' : `${transcript.length} lines`;

/** One table for each group, in the order in which the groups first appear. */
export function tables(outcomes: readonly Outcome[]): string {
  const groups = new Map<string, Outcome[]>();
  for (const outcome of outcomes) groups.set(outcome.group, [...(groups.get(outcome.group) ?? []), outcome]);
  const out: string[] = [];
  for (const [group, members] of groups) {
    const table = new Table({ head: [group, 'linux', 'sandsock', 'equal'], style: { head: [], border: [] } });
    for (const outcome of members) {
      const mark = { equal: pc.green('yes'), different: pc.red('NO'), ran: '-' }[verdict(outcome)];
      table.push([outcome.name, lines(outcome.linux), lines(outcome.ours), mark]);
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

export function summary(outcomes: readonly Outcome[]): string {
  const count = (wanted: Verdict) => outcomes.filter((outcome) => verdict(outcome) === wanted).length;
  const compared = count('equal') + count('different');
  if (compared === 0) return `${outcomes.length} bodies ran on one side, nothing was compared`;
  return `${count('equal')} of ${compared} bodies are equal on linux and sandsock`;
}
