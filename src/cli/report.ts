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
  /** Flows that the gateway's walls kept back, counted by reason. */
  readonly walls: Readonly<Record<string, number>>;
  /** Messages sent natively that had no destination, no route or were too long: lost, and the program was not told. */
  readonly lostSends: number;
}
/** What a run has to tell beside its refusals. */
export type Losses = Pick<CompatibilityReport, 'dropped' | 'walls' | 'lostSends'>;

export function compatibilityReport(
  command: readonly string[],
  exitStatus: number,
  refusals: readonly Refusal[],
  losses: Losses,
): CompatibilityReport {
  const entries = refusals.map((refusal): ReportEntry => {
    const { call, what, errno, onLinuxToo, count, first } = refusal;
    const got = errno === '' ? null : errno;
    const [kind, meaning] = [kindOf(refusal), meaningOf(refusal)];
    return { kind, call, what, errno: got, onLinuxToo, count, first: first ?? null, meaning };
  });
  return { command, exitStatus, refusals: entries, ...losses };
}

/** What the gateway's reasons mean (RefusalReason). */
const WALLS: Readonly<Record<string, string>> = {
  'host-closed': 'a port of the host that is not open to the guest; --host-port PORT opens it',
  loopback: 'a loopback address as a destination on the link',
  'link-local': 'a link-local address',
  metadata: 'the address of a cloud provider’s metadata',
  multicast: 'a multicast group',
  broadcast: 'a broadcast address',
  reserved: 'an address that is nobody’s',
  absent: 'an address of the link where nobody lives',
};
const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

function lines({ call, what, errno, count, first, onLinuxToo, meaning }: ReportEntry): string[] {
  const who = first === null ? '' : `, first by ${first.program === '' ? 'a program' : first.program} (${first.pid})`;
  const head = `  ${call}${what === '' ? '' : ` ${what}`}: ${errno ?? 'no effect'}, ${times(count)}${who}`;
  // Of what Linux refuses as well the heading says all.
  return onLinuxToo ? [head] : [head, `      ${meaning}`];
}

/** As lines of text. */
export function reportText({ command, refusals, dropped, walls, lostSends }: CompatibilityReport): string {
  const gaps = refusals.filter(({ onLinuxToo }) => !onLinuxToo);
  const others = refusals.filter(({ onLinuxToo }) => onLinuxToo);
  const title = `Compatibility of sandsock with: ${command.join(' ')}`;
  const text = [
    title,
    '',
    gaps.length === 0 ? 'Nothing that it asked for is missing here.' : 'Asked for and not offered here:',
  ];
  text.push(...gaps.flatMap(lines));
  const kept = Object.entries(walls);
  if (kept.length > 0) {
    text.push(
      '',
      'Kept back by the walls of the gateway:',
      ...kept.map(([why, n]) => `  ${WALLS[why] ?? why}: ${times(n)}`),
    );
  }
  if (lostSends > 0) {
    text.push('', `Sent natively and lost, without a destination or a route, or too long: ${times(lostSends)}`);
  }
  if (others.length > 0) text.push('', 'Refused as Linux refuses it, no gap:', ...others.flatMap(lines));
  if (dropped > 0) text.push('', `and ${times(dropped)} something else, of too many kinds to list`);
  return text.join('\n');
}

/** What goes to `file`. */
export const reportFor = (file: string, report: CompatibilityReport): string =>
  file.endsWith('.json') ? JSON.stringify(report, undefined, 2) : reportText(report);
