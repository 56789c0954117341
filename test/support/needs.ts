/**
 * Tests that need something which not every host has. `needing(command('gcc'))` is `test` where the host has it; where not, the test is left out and its
 * line says what is missing; with CI=true, where everything must be there, it fails instead, unless SANDSOCK_TEST_WITHOUT names it: a run as a plain user has not what root has,
 * and says so in .ci/run, where the same tests run as root as well.
 */
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';
import test, { type Implementation } from 'ava';

export interface Need {
  /** What is missing where it is, in the words of the line: "gcc", "root". */
  readonly what: string;
  readonly present: boolean;
}

export const command = (name: string): Need => ({
  what: name,
  present: (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name))),
});
export const root: Need = { what: 'root', present: process.getuid?.() === 0 };
export const ipv6Loopback: Need = {
  what: '::1',
  present: Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1') === true),
};
export const architecture = (name: typeof process.arch): Need => ({
  what: `a machine of architecture ${name}`,
  present: process.arch === name,
});

export type Declare = (title: string, body: Implementation<[]>) => void;

export const needing = (...needs: readonly Need[]): Declare => declare(test, needs);
/** As `needing`, one test of the file after the other: for those that start several processes each. */
export const needingInTurn = (...needs: readonly Need[]): Declare => declare(test.serial, needs);

function declare(how: typeof test | typeof test.serial, needs: readonly Need[]): Declare {
  const missing = needs.filter(({ present }) => !present).map(({ what }) => what);
  if (missing.length === 0) return (title, body) => how(title, body);
  const reason = `needs ${missing.join(' and ')}`;
  const excused = missing.every((what) => what === process.env['SANDSOCK_TEST_WITHOUT']);
  if (process.env['CI'] === 'true' && !excused) return (title) => test(title, (t) => t.fail(reason));
  // the one place where a test is left out
  const { skip } = test;
  return (title, body) => skip(`${title} (left out: ${reason})`, body);
}
