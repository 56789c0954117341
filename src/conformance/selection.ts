/** Which bodies a run takes. */
import type { Body } from './body.ts';
import { EmulatorDriver } from './emulator/driver.ts';
import { Session } from './session.ts';

export interface Selection {
  readonly group?: string;
  /** Part of the name. */
  readonly body?: string;
  readonly names?: readonly string[];
  readonly quick?: boolean;
}

/** Of each group, in a quick run. */
const QUICK_BODIES = 6;

/** No body has this group. */
export class UnknownGroup extends Error {
  override readonly name = 'UnknownGroup';
  readonly code = 'UNKNOWN_GROUP';
  readonly what: string;
  /** Says which groups there are. */
  readonly remedy: string;
  constructor(group: string, groups: readonly string[]) {
    const what = `no body is of a group named ${JSON.stringify(group)}`;
    const remedy = `there are ${groups.map((one) => JSON.stringify(one)).join(', ')}`;
    super(`${what}: ${remedy}`);
    this.what = what;
    this.remedy = remedy;
  }
}

const groupsOf = (bodies: readonly Body[]): string[] => [...new Set(bodies.map(({ group }) => group))];

/** @throws UnknownGroup */
export function select(bodies: readonly Body[], selection: Selection): Body[] {
  const { group, body = '', names, quick } = selection;
  const groups = groupsOf(bodies);
  if (group !== undefined && !groups.includes(group)) throw new UnknownGroup(group, groups.toSorted());
  const named = names === undefined ? undefined : new Set(names);
  const chosen = bodies.filter(
    (one) =>
      (group === undefined || one.group === group) &&
      one.name.includes(body) &&
      (named === undefined || named.has(one.name)),
  );
  return quick === true ? quickest(chosen) : chosen;
}

/** The first six of each group in which no time passes: on virtual time that is known before the host is asked. */
function quickest(bodies: readonly Body[]): Body[] {
  const driver = new EmulatorDriver();
  const counts = new Map<string, number>();
  try {
    return bodies.filter((body) => {
      const count = counts.get(body.group) ?? 0;
      if (count >= QUICK_BODIES || lasts(body, driver)) return false;
      counts.set(body.group, count + 1);
      return true;
    });
  } finally {
    driver.close();
  }
}
function lasts(body: Body, driver: EmulatorDriver): boolean {
  try {
    const session = new Session(driver);
    let passed = 0;
    const run = (): void => {
      body.run(session);
      passed = session.now();
    };
    session.run({ ...body, run });
    return passed > 0;
  } catch {
    // A fault of the emulator: it is for the comparison to tell.
    return false;
  }
}
