/** The generator: what it writes down is what it did, and the differences that it found stay mended. */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import * as fc from 'fast-check';
import { EmulatorDriver } from '../../src/conformance/emulator/driver.ts';
import { HostDriver } from '../../src/conformance/host/driver.ts';
import { runBody } from '../../src/conformance/runner.ts';
import { architecture, needingInTurn } from '../support/needs.ts';
import { Coverage } from './generator/coverage.ts';
import { signatureOf } from './generator/search.ts';
import { bodyOfSequence, recording, type Step, sequences } from './generator/sequence.ts';
import { bodyOf, type Script } from './script.ts';

const FIXTURES = 'test/conformance/fixtures';
const WORLD = { own: 0, unix: true };
/** A fixed seed: a run that fails is the same run tomorrow. */
const SEED = 20_261_120;
const samples = (numRuns: number): Step[][] => fc.sample(sequences(12), { numRuns, seed: SEED });

test('a sequence written down as a script is the same body', (t) => {
  const driver = new EmulatorDriver();
  for (const steps of samples(150)) {
    const { body, script } = recording(steps, WORLD);
    const made = runBody(body, undefined, driver).ours;
    t.deepEqual(runBody(bodyOf(script()), undefined, driver).ours, made);
    t.deepEqual(runBody(bodyOfSequence(steps, WORLD), undefined, driver).ours, made);
  }
  driver.close();
});

test('sequences reach connections with data, ends, errors and waits', (t) => {
  const driver = new EmulatorDriver();
  const coverage = new Coverage();
  for (const steps of samples(400)) coverage.see(runBody(bodyOfSequence(steps, WORLD), undefined, driver).ours ?? []);
  driver.close();
  const wanted = [
    'accept4 n',
    'sendto n',
    'recvfrom n',
    'recvmsg n',
    'recvfrom 0',
    'recvfrom EAGAIN',
    'recvfrom blocks',
    'sendto EPIPE',
    'connect EISCONN',
    'recvmsg EFAULT',
    'epoll_wait n',
    'mask IN|OUT|RDNORM|WRNORM',
    'mask OUT|HUP|WRNORM',
  ];
  t.deepEqual(
    wanted.filter((kind) => !coverage.counts.has(kind)),
    [],
  );
  t.true(coverage.counts.size > 230, `${coverage.counts.size}`);
});

test('every step can be left out, and every number be 0', (t) => {
  const made = sequences(12);
  const driver = new EmulatorDriver();
  for (const steps of samples(40)) {
    t.is(steps.length, 12);
    const plain = steps.slice(3).map(([name, who]): Step => [name, who, []]);
    const { ours = [] } = runBody(bodyOfSequence(plain, WORLD), undefined, driver);
    t.false(ours.some((line) => line.startsWith('fault')));
    for (const { value } of made.shrink(steps, undefined).take(3)) t.true(value.length <= steps.length);
  }
  driver.close();
});

const of = (linux: string, ours: string): string => signatureOf({ line: 0, linux, ours });
test('a kind of difference has no numbers that vary', (t) => {
  t.is(
    of('a: recvfrom(5, in~3, 7, 0, 0, 0) = 31', 'a: recvfrom(5, in~3, 7, 0, 0, 0) = -4 EINTR'),
    of('b: recvfrom(8, in, 9, 0, 0, 0) = 17', 'b: recvfrom(8, in, 9, 0, 0, 0) = -4 EINTR'),
  );
  t.not(
    of('a: setsockopt(5, 1, 2, on, 4) = 0', 'a: setsockopt(5, 1, 2, on, 4) = -22 EINVAL'),
    of('a: setsockopt(5, 1, 3, on, 4) = 0', 'a: setsockopt(5, 1, 3, on, 4) = -22 EINVAL'),
  );
});

const fixtures = readdirSync(FIXTURES)
  .filter((name) => name.endsWith('.json'))
  .map((name) => JSON.parse(readFileSync(`${FIXTURES}/${name}`, 'utf8')) as Script);
const x64 = architecture('x64');
needingInTurn(x64)('what was found once is the same on this kernel and on the emulator', (t) => {
  const linux = new HostDriver();
  const ours = new EmulatorDriver();
  try {
    t.is(new Set(fixtures.map(({ name }) => name)).size, fixtures.length, 'names are unique');
    for (const script of fixtures) {
      const outcome = runBody(bodyOf(script), linux, ours);
      t.deepEqual(outcome.ours, outcome.linux, script.name);
    }
  } finally {
    linux.close();
    ours.close();
  }
});
