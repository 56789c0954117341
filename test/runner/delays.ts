/**
 * Loaded before the command line (`node --import`): the supervisor waits up to half a millisecond, at random, where it must not matter when it does what it does: after a call was received, before it is
 * answered, and in its rounds, in which the direct plane moves what was sent and received natively. SANDSOCK_TEST_SEED says where the random numbers start.
 */
import { SeccompListener } from '../../src/host/seccomp.ffi.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { Sentry } from '../../src/runner/sentry.ts';

const MOST_US = 500;
const random = new SeededRandom(Number(process.env['SANDSOCK_TEST_SEED'] ?? 1));
const cell = new Int32Array(new SharedArrayBuffer(4));

/** One time in `often`. */
function pause(often: number): void {
  if (random.u32() % often === 0) Atomics.wait(cell, 0, 0, (random.u32() % (MOST_US + 1)) / 1000);
}

type Method = (this: unknown, ...args: never[]) => unknown;
/** Pauses before or after each call of that method. */
function delay(methods: object, name: string, often: number, after: boolean): void {
  const method = Reflect.get(methods, name) as Method;
  const delayed: Method = function (...args) {
    if (!after) pause(often);
    const result = method.apply(this, args);
    if (after) pause(often);
    return result;
  };
  Reflect.set(methods, name, delayed);
}
delay(SeccompListener.prototype, 'receive', 2, true);
for (const name of ['answer', 'answerWithFd', 'resume']) delay(SeccompListener.prototype, name, 2, false);
for (const name of ['begin', 'end']) delay(Sentry.prototype, name, 4, false);
