import test from 'ava';
import * as fc from 'fast-check';
import { type Alarm, instant, micros, seconds, TimerHeap } from '../../src/lib/clock.ts';

test('a moved alarm fires once, at its new time', (t) => {
  const clock = new TimerHeap();
  const fired: number[] = [];
  const alarm = clock.alarm((now) => fired.push(now));
  alarm.set(clock.in(seconds(0.2)));
  alarm.set(clock.in(seconds(1)));
  clock.advance(seconds(0.999));
  t.deepEqual(fired, []);
  clock.advance(seconds(0.001));
  t.deepEqual(fired, [1_000_000]);
  t.false(alarm.armed);
});

test('advance shows every alarm its own instant, and one armed on the way fires too', (t) => {
  const clock = new TimerHeap();
  const seen: number[] = [];
  const second = clock.alarm((now) => seen.push(now));
  const first = clock.alarm((now) => {
    seen.push(now);
    second.set(clock.in(micros(5)));
  });
  first.set(instant(10));
  clock.advance(micros(100));
  t.deepEqual(seen, [10, 15]);
  t.is(clock.now(), instant(100));
});

test('step fires what is due by now; an alarm that re-arms itself waits for the next step', (t) => {
  const clock = new TimerHeap();
  let count = 0;
  const alarm: Alarm = clock.alarm(() => {
    count++;
    alarm.set(clock.now());
  });
  alarm.set(instant(5));
  clock.step(instant(10));
  t.is(count, 1);
  clock.step(instant(10));
  t.is(count, 2);
});

test('time never goes back', (t) => {
  const clock = new TimerHeap(instant(50));
  clock.step(instant(20));
  t.is(clock.now(), instant(50));
});

test('alarms fire in order of time, then of arming, whatever was cancelled or moved', (t) => {
  const op = fc.record({ index: fc.nat({ max: 9 }), at: fc.nat({ max: 50 }), cancel: fc.boolean() });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      const clock = new TimerHeap();
      const fired: number[] = [];
      const alarms = Array.from({ length: 10 }, (_, i) => clock.alarm(() => fired.push(i)));
      const model = new Map<number, { at: number; order: number }>();
      for (const [order, { index, at, cancel }] of ops.entries()) {
        if (cancel) {
          t.is(alarms[index]?.cancel(), model.delete(index));
        } else {
          alarms[index]?.set(instant(at));
          model.set(index, { at, order });
        }
        const earliest = [...model.values()].reduce((least, { at: due }) => Math.min(least, due), Infinity);
        t.is(clock.next() ?? Infinity, earliest);
      }
      clock.advance(micros(100));
      const want = [...model.entries()].toSorted(([, a], [, b]) => a.at - b.at || a.order - b.order).map(([i]) => i);
      t.deepEqual(fired, want);
    }),
  );
});

test('moveTo sets the time and fires nothing; the next step does', (t) => {
  const clock = new TimerHeap();
  const fired: number[] = [];
  const alarm = clock.alarm((now) => fired.push(now));
  alarm.set(instant(10));
  clock.moveTo(instant(20));
  t.is(clock.now(), instant(20));
  clock.moveTo(instant(15));
  t.is(clock.now(), instant(20));
  t.true(alarm.armed);
  t.deepEqual(fired, []);
  clock.step(clock.now());
  t.deepEqual(fired, [20]);
});
