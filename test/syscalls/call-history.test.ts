/** The last calls are those, oldest first, each with the result of its own thread. */
import test from 'ava';
import * as fc from 'fast-check';
import { CallHistory } from '../../src/syscalls/call-history.ts';

const name = (nr: number): string => `call ${nr}`;

test('a call that has not ended has no result, and a result is its own thread’s', (t) => {
  const history = new CallHistory(name);
  history.begun(1, 10);
  history.begun(2, 20);
  history.ended(1, -11);
  t.deepEqual(history.list(), [
    { tid: 1, call: 'call 10', nr: 10, result: -11 },
    { tid: 2, call: 'call 20', nr: 20, result: undefined },
  ]);
  history.ended(3, 0);
  t.is(history.list()[1]?.result, undefined);
});

test('as a plain list of what was begun, of which the last 64 are kept', (t) => {
  const step = fc.record({
    tid: fc.integer({ min: 1, max: 5 }),
    nr: fc.integer({ min: 0, max: 400 }),
    ends: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const history = new CallHistory(name);
      const model: { tid: number; call: string; nr: number; result: number | undefined }[] = [];
      for (const [i, { tid, nr, ends }] of steps.entries()) {
        history.begun(tid, nr);
        model.push({ tid, call: name(nr), nr, result: undefined });
        if (!ends) continue;
        history.ended(tid, i);
        const last = model.at(-1);
        if (last !== undefined) last.result = i;
      }
      t.deepEqual(history.list(), model.slice(-64));
    }),
  );
});
