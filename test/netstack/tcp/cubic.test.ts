import test from 'ava';
import * as fc from 'fast-check';
import { Congestion } from '../../../src/netstack/tcp/congestion.ts';
import { Cubic } from '../../../src/netstack/tcp/cubic.ts';

const MSS = 1000;
const SECOND = 1e6;
const C = 0.4;
const BETA = 0.7;

/** Acknowledges a window each round trip, and tells the window in segments after each. */
function* rounds(
  cubic: Cubic,
  segments: number,
  roundTripUs: number,
  from = 0,
): Generator<{ t: number; window: number }> {
  let cwnd = segments * MSS;
  for (let now = from; ; now += roundTripUs) {
    const flight = cwnd;
    for (let acked = 0; acked < flight; acked += MSS) {
      cwnd = cubic.avoid(cwnd, Math.min(MSS, flight - acked), MSS, now, roundTripUs);
    }
    yield { t: (now - from + roundTripUs) / SECOND, window: cwnd / MSS };
  }
}

test('[RFC9438 4.6] a loss leaves 0.7 of what is in flight, and two segments at least', (t) => {
  const cubic = new Cubic();
  t.is(cubic.threshold(100 * MSS, 100 * MSS, MSS), 70 * MSS);
  t.is(cubic.threshold(100 * MSS, 50 * MSS, MSS), 35 * MSS, 'of what is in flight, not of the window');
  t.is(cubic.threshold(2 * MSS, 2 * MSS, MSS), 2 * MSS);
});

test('[RFC9438 4.2] the window comes back to where it was lost after K, by the cubic function', (t) => {
  const cubic = new Cubic();
  const wMax = 1000;
  const start = cubic.threshold(wMax * MSS, wMax * MSS, MSS) / MSS;
  const k = Math.cbrt((wMax * (1 - BETA)) / C);
  let atK = 0;
  let before = 0;
  for (const { t: seconds, window } of rounds(cubic, start, 0.1 * SECOND)) {
    const expected = C * (seconds - k) ** 3 + wMax;
    t.true(
      Math.abs(window - expected) < 0.03 * expected,
      `after ${seconds} s: ${window}, the function says ${expected}`,
    );
    t.true(window >= before);
    before = window;
    if (seconds < k) atK = window;
    if (seconds > k + 3) break;
  }
  t.true(Math.abs(atK - wMax) < 10);
});

test('[RFC9438 4.3] where it is faster, the window is what Reno would have', (t) => {
  const cubic = new Cubic();
  const start = cubic.threshold(20 * MSS, 20 * MSS, MSS) / MSS;
  // With a round trip of a millisecond the cubic function hardly moves in a hundred rounds.
  let last = start;
  let round = 0;
  for (const { window } of rounds(cubic, start, 1000)) {
    last = window;
    if (++round === 100) break;
  }
  const alpha = (3 * (1 - BETA)) / (1 + BETA);
  t.true(last > start + 100 * alpha * 0.8, `${last}`);
  t.true(last < start + 100 * 1.1, `${last}`);
});

test('[RFC9438 4.4] within one round trip the window grows by half at most', (t) => {
  const cubic = new Cubic();
  cubic.threshold(5000 * MSS, 5000 * MSS, MSS);
  const [first] = rounds(cubic, 100, 30 * SECOND);
  t.true((first?.window ?? 0) <= 150 * 1.3);
});

test('[RFC9438 4.7] fast convergence: a second loss at a smaller window aims lower', (t) => {
  const high = new Cubic();
  const low = new Cubic();
  high.threshold(1000 * MSS, 1000 * MSS, MSS);
  low.threshold(1000 * MSS, 1000 * MSS, MSS);
  // The one comes back beyond, the other loses before it is there.
  const far = 12;
  high.threshold(1000 * MSS, 1000 * MSS, MSS);
  low.threshold(800 * MSS, 800 * MSS, MSS);
  const at = (cubic: Cubic, start: number): number => {
    for (const { t: seconds, window } of rounds(cubic, start, 0.1 * SECOND)) if (seconds >= far) return window;
    return 0;
  };
  const aimed = at(low, 560);
  t.true(aimed < 0.9 * at(high, 700), `${aimed}`);
});

test('after an idle time the window does not leap by the time that has passed', (t) => {
  const cubic = new Cubic();
  cubic.threshold(100 * MSS, 100 * MSS, MSS);
  const cwnd = cubic.avoid(70 * MSS, MSS, MSS, 0, 1000);
  cubic.idle();
  t.true(cubic.avoid(cwnd, MSS, MSS, 3600 * SECOND, 1000) < cwnd + 2 * MSS);
});

test('whatever happens, the window is at least a segment and never beyond its ceiling', (t) => {
  const event = fc.record({
    kind: fc.constantFrom('ack', 'loss', 'timeout', 'recovered', 'idle', 'other'),
    octets: fc.integer({ min: 1, max: 1 << 28 }),
    us: fc.integer({ min: 0, max: 1e9 }),
  });
  fc.assert(
    fc.property(
      fc.constantFrom('cubic' as const, 'reno' as const),
      fc.array(event, { maxLength: 40 }),
      (name, events) => {
        const congestion = new Congestion(name);
        congestion.start(MSS);
        let now = 0;
        for (const { kind, octets, us } of events) {
          now += us;
          if (kind === 'ack') congestion.grow(octets, MSS, now, us);
          else if (kind === 'loss') congestion.enterRecovery(octets, MSS, 0);
          else if (kind === 'timeout') congestion.timedOut(octets, MSS, true, 0);
          else if (kind === 'recovered') congestion.leaveRecovery(octets, MSS);
          else if (kind === 'idle') congestion.restart(MSS);
          else congestion.use(octets % 2 === 0 ? 'cubic' : 'reno');
          if (!Number.isSafeInteger(congestion.cwnd) || congestion.cwnd < MSS || congestion.cwnd > 1 << 30)
            return false;
          if (congestion.ssthresh < 2 * MSS) return false;
        }
        return true;
      },
    ),
  );
  t.pass();
});
