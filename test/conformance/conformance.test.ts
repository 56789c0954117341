/** The suite under ava: every body on the host kernel and on the emulator, and sequences of calls made at random. */
import test from 'ava';
import * as fc from 'fast-check';
import { EmulatorDriver } from './emulator/driver.ts';
import { HostDriver, HostUnavailable } from './host/driver.ts';
import { PITFALLS } from './pitfalls.ts';
import { alone, steps, together } from './random.ts';
import { messageSteps, messages } from './random-messages.ts';
import { runBody } from './runner.ts';
import { type Body, bodies } from './suite.ts';

function hostDriver(log: (line: string) => void): HostDriver | undefined {
  try {
    return new HostDriver();
  } catch (error) {
    if (!(error instanceof HostUnavailable) || process.env['CI'] === 'true') throw error;
    log(`conformance bodies are not compared with this kernel: ${error.message}`);
    return undefined;
  }
}

test('every body gives the same transcript on this kernel and on the emulator', (t) => {
  const linux = hostDriver((line) => t.log(line));
  const ours = new EmulatorDriver();
  try {
    for (const body of bodies) {
      const { linux: expected, ours: actual } = runBody(body, linux, ours);
      if (expected === undefined) t.truthy(actual);
      else t.deepEqual(actual, expected, body.name);
    }
  } finally {
    linux?.close();
    ours.close();
  }
});

const ALONE_RUNS = 500;
const TOGETHER_RUNS = 40;
const MESSAGE_RUNS = 400;
/** A fixed seed: a run that fails is the same run tomorrow. */
const SEED = 20_261_120;

test('sequences of calls made at random give the same transcript', (t) => {
  const linux = hostDriver((line) => t.log(line));
  const ours = new EmulatorDriver();
  try {
    const check = (body: Body): void => {
      const { difference } = runBody(body, linux, ours);
      if (difference !== undefined) throw new Error(`linux ${difference.linux}\nsandsock ${difference.ours}`);
    };
    const seed = SEED;
    fc.assert(fc.property(steps.map(alone), check), { numRuns: ALONE_RUNS, seed });
    fc.assert(fc.property(steps.map(together), check), { numRuns: TOGETHER_RUNS, seed });
    fc.assert(fc.property(messageSteps.map(messages), check), { numRuns: MESSAGE_RUNS, seed });
    t.pass();
  } finally {
    linux?.close();
    ours.close();
  }
});

test('every pitfall within the calls served has a body', (t) => {
  const covered = new Set(bodies.map(({ pitfall }) => pitfall));
  const missing = PITFALLS.filter(({ number, outside }) => outside === undefined && !covered.has(number));
  t.deepEqual(missing, []);
});
