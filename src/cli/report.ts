/**
 * The compatibility report of `sandsock run --report FILE`: all that the program asked for and did not get, what is missing in the sandbox first. As text for a person, or as JSON
 * (docs/report.md) where the file's name ends in .json.
 */
import type { Refusal } from '../syscalls/dispatch.ts';
import { kindOf, meaningOf, type RefusalKind } from '../syscalls/meanings.ts';

export interface ReportEntry {
  readonly kind: RefusalKind;
  readonly call: string;
  readonly what: string;
  /** What the program got: an errno, or null for what was taken and has no effect. */
  readonly errno: string | null;
  /** True if Linux refuses it as well. */
  readonly onLinuxToo: boolean;
  readonly count: number;
  readonly first: { readonly pid: number; readonly program: string } | null;
  readonly meaning: string;
}
export interface CompatibilityReport {
  readonly command: readonly string[];
  readonly exitStatus: number;
  /** The gaps of the sandbox, then what Linux refuses as well; each in the order of first use. */
  readonly refusals: readonly ReportEntry[];
  /** Further distinct refusals that were not kept. */
  readonly dropped: number;
}

export function compatibilityReport(
  command: readonly string[],
  exitStatus: number,
  refusals: readonly Refusal[],
  dropped: number,
): CompatibilityReport {
  const entries = refusals.map((refusal): ReportEntry => {
    const { call, what, errno, onLinuxToo, count, first } = refusal;
    const got = errno === '' ? null : errno;
    const [kind, meaning] = [kindOf(refusal), meaningOf(refusal)];
    return { kind, call, what, errno: got, onLinuxToo, count, first: first ?? null, meaning };
  });
  return { command, exitStatus, refusals: entries, dropped };
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

function lines({ call, what, errno, count, first, onLinuxToo, meaning }: ReportEntry): string[] {
  const who = first === null ? '' : `, first by ${first.program === '' ? 'a program' : first.program} (${first.pid})`;
  const head = `  ${call}${what === '' ? '' : ` ${what}`}: ${errno ?? 'no effect'}, ${times(count)}${who}`;
  // Of what Linux refuses as well the heading says all.
  return onLinuxToo ? [head] : [head, `      ${meaning}`];
}

/** As lines of text. */
export function reportText({ command, refusals, dropped }: CompatibilityReport): string {
  const gaps = refusals.filter(({ onLinuxToo }) => !onLinuxToo);
  const others = refusals.filter(({ onLinuxToo }) => onLinuxToo);
  const title = `Compatibility of sandsock with: ${command.join(' ')}`;
  const text = [
    title,
    '',
    gaps.length === 0 ? 'The program got everything it asked for.' : 'Asked for and not offered here:',
  ];
  text.push(...gaps.flatMap(lines));
  if (others.length > 0) text.push('', 'Refused as Linux refuses it, no gap:', ...others.flatMap(lines));
  if (dropped > 0) text.push('', `and ${times(dropped)} something else, of too many kinds to list`);
  return text.join('\n');
}

/** What goes to `file`. */
export const reportFor = (file: string, report: CompatibilityReport): string =>
  file.endsWith('.json') ? JSON.stringify(report, undefined, 2) : reportText(report);
