/** The suite under ava: every body on the host kernel and on the emulator, and sequences of calls made at random. */
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import * as fc from 'fast-check';
import { EmulatorDriver } from '../../src/conformance/emulator/driver.ts';
import { HostDriver, HostUnavailable } from '../../src/conformance/host/driver.ts';
import { PITFALLS } from '../../src/conformance/pitfalls.ts';
import { kinds } from '../../src/conformance/report.ts';
import { runBody } from '../../src/conformance/runner.ts';
import { type Body, bodies } from '../../src/conformance/suite.ts';
import { type Need, needingInTurn } from '../support/needs.ts';
import { inetFamily } from './random.ts';
import { messageSteps, messages } from './random-messages.ts';
import { alone, stepsOf, together } from './random-sequences.ts';
import { unixFamily } from './random-unix.ts';

const host = ((): Need => {
  try {
    new HostDriver().close();
    return { what: 'the host driver', present: true };
  } catch (error) {
    if (!(error instanceof HostUnavailable)) throw error;
    return { what: `the host driver: ${error.message}`, present: false };
  }
})();

/** Runs `body` with both drivers. */
function onBoth(body: (linux: HostDriver, ours: EmulatorDriver) => void): void {
  const linux = new HostDriver();
  const ours = new EmulatorDriver();
  try {
    body(linux, ours);
  } finally {
    linux.close();
    ours.close();
  }
}

/** Groups in which seconds pass on the host: half a minute that `sandsock conformance` spends. */
const LASTING = new Set(['silence', 'deadlines']);

// The turn of the loop in between lets ava learn of the test before: it counts silence, and a busy host is slow.
for (const group of new Set(bodies.map((body) => body.group))) {
  if (LASTING.has(group)) continue;
  needingInTurn(host)(
    `${group}: every body gives the same transcript on this kernel and on the emulator`,
    async (t) => {
      await turn();
      onBoth((linux, ours) => {
        for (const body of bodies) {
          if (body.group !== group) continue;
          const outcome = runBody(body, linux, ours);
          t.deepEqual(outcome.ours, outcome.linux, body.name);
        }
      });
    },
  );
}

test('no body is a fault of the emulator, and virtual time makes it quick', (t) => {
  const ours = new EmulatorDriver();
  const transcripts: (readonly string[])[] = [];
  for (const body of bodies) {
    const transcript = runBody(body, undefined, ours).ours ?? [];
    transcripts.push(transcript);
    t.true(transcript.length > 0, body.name);
    t.is(
      transcript.find((line) => line.startsWith('fault')),
      undefined,
      body.name,
    );
  }
  ours.close();
  // What the suite had once it does not lose.
  const { blocking, several } = kinds(transcripts);
  t.true(transcripts.length >= LEAST.bodies && blocking >= LEAST.blocking && several >= LEAST.several);
});
const LEAST = { bodies: 1500, blocking: 180, several: 180 };

const ALONE_RUNS = 500;
const UNIX_RUNS = 200;
const TOGETHER_RUNS = 40;
const MESSAGE_RUNS = 400;
/** A fixed seed: a run that fails is the same run tomorrow. */
const SEED = 20_261_120;

const inet = stepsOf(inetFamily.operations);
const unix = stepsOf(unixFamily.operations);
const RANDOM: readonly (readonly [what: string, made: fc.Arbitrary<Body>, runs: number])[] = [
  ['one task, inet', inet.map(alone(inetFamily)), ALONE_RUNS],
  ['three tasks, inet', inet.map(together(inetFamily)), TOGETHER_RUNS],
  ['one task, unix', unix.map(alone(unixFamily)), UNIX_RUNS],
  ['three tasks, unix', unix.map(together(unixFamily)), TOGETHER_RUNS],
  ['messages', messageSteps.map(messages), MESSAGE_RUNS],
];
for (const [what, made, numRuns] of RANDOM) {
  needingInTurn(host)(`sequences of calls made at random give the same transcript: ${what}`, async (t) => {
    await turn();
    onBoth((linux, ours) => {
      const check = (body: Body): void => {
        const { difference } = runBody(body, linux, ours);
        if (difference !== undefined) throw new Error(`linux ${difference.linux}\nsandsock ${difference.ours}`);
      };
      t.notThrows(() => fc.assert(fc.property(made, check), { numRuns, seed: SEED }));
    });
  });
}

test('every pitfall has a body', (t) => {
  const covered = new Set(bodies.map(({ pitfall }) => pitfall));
  const missing = PITFALLS.filter(({ number }) => !covered.has(number));
  t.deepEqual(missing, []);
});
