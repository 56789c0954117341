/** Settings of a connection that change what it sends and when, and what it counts of itself. */
import test from 'ava';
import { millis, seconds } from '../../../src/lib/clock.ts';
import type { TcpSettings } from '../../../src/netstack/endpoint.ts';
import { Readiness } from '../../../src/netstack/readiness.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { world } from './world.ts';

function change(endpoint: TcpConnection, settings: Partial<TcpSettings>): void {
  Object.assign(endpoint.settings, settings);
  endpoint.optionsChanged();
}

test('SO_MAX_PACING_RATE: behind the first segments none leaves before its time', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  change(endpoint, { pacingRate: 100_000 });
  w.write(endpoint, 10_000);
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 10001');
  w.write(endpoint, 5000);
  // The tenth segment set the pace: 10 ms for each 1000 octets.
  w.peer.expectNothing();
  w.advance(millis(10));
  t.is(w.peer.drain().length, 1);
  w.advance(millis(9));
  w.peer.expectNothing();
  w.advance(millis(31));
  t.is(w.peer.drain().length, 4);
  change(endpoint, { pacingRate: Number.POSITIVE_INFINITY });
  w.peer.send('. 1:1(0) ack 15001');
  w.write(endpoint, 5000);
  t.is(w.peer.drain().length, 5, 'and all at once without it');
});

test('SO_MAX_PACING_RATE: what waits for its time goes when the rate is lifted', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 10_000);
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 10001');
  change(endpoint, { pacingRate: 1000 });
  w.write(endpoint, 2000);
  t.is(w.peer.drain().length, 1);
  w.peer.send('. 1:1(0) ack 11001');
  w.advance(millis(900));
  w.peer.expectNothing();
  change(endpoint, { pacingRate: Number.POSITIVE_INFINITY });
  t.is(w.peer.drain().length, 1);
});

test('TCP_RTO_MIN_US and TCP_RTO_MAX_MS bound the timeout', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 65_535, (e) => change(e, { rtoMinUs: 8000, rtoMaxMs: 1000 }));
  w.write(endpoint, 100);
  w.peer.expect('P. 1:101(100)');
  w.advance(millis(5));
  w.peer.send('. 1:1(0) ack 101');
  t.true(endpoint.roundTrip.rto < 100_000, `${endpoint.roundTrip.rto}`);
  w.write(endpoint, 100);
  w.advance(seconds(6));
  const sent = w.peer.drain().length;
  t.true(sent >= 8, `${sent}: a second apart at most`);
  t.is(endpoint.roundTrip.rto, 1_000_000);
});

test('TCP_THIN_LINEAR_TIMEOUTS: the first six timeouts of a thin stream do not double', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  change(endpoint, { thinLinear: true });
  endpoint.congestion.ssthresh = 20_000;
  w.write(endpoint, 100);
  w.peer.drain();
  const { rto } = endpoint.roundTrip;
  for (let i = 0; i < 6; i++) {
    w.advance(endpoint.rexmitAlarm.at - endpoint.context.clock.now() >= 0 ? millis(rto / 1000) : millis(0));
    t.is(w.peer.drain().length, 1);
    t.is(endpoint.roundTrip.backoff, 0);
  }
});

test('TCP_KEEPIDLE counts from when the peer was last heard, also when it is changed meanwhile', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  change(endpoint, { keepAlive: true, keepIdleSeconds: 100 });
  w.advance(seconds(20));
  change(endpoint, { keepIdleSeconds: 30 });
  w.advance(millis(9999));
  w.peer.expectNothing();
  w.advance(millis(2));
  w.peer.expect('. 0:0(0) ack 1');
});

test('TCP_NOTSENT_LOWAT: a writer waits while much is unsent, and is told when it is sent', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1000);
  change(endpoint, { notSentLowWater: 2000 });
  t.is(w.write(endpoint, 3000), 2000);
  t.is(endpoint.unsent, 1000);
  t.is(endpoint.readiness() & Readiness.Out, 0);
  t.is(endpoint.sendSpace(5000), 1000, 'a segment, below the mark');
  w.peer.drain();
  w.told(endpoint);
  w.peer.send('. 1:1(0) ack 1001 win 5000');
  t.is(endpoint.unsent, 0);
  t.not(w.told(endpoint) & Readiness.Out, 0);
  t.false(endpoint.writableAfter(1000));
  t.true(endpoint.writableAfter(999));
});

test('TCP_INFO: timeouts, what is lost and sent again, and the time that took', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 3000);
  w.peer.drain();
  let info = endpoint.info();
  t.is(info.segmentsInFlight, 3);
  t.is(info.totals.bytesSent, 3000);
  t.is(info.totals.dataSegmentsOut, 3);
  w.advance(seconds(2));
  info = endpoint.info();
  t.true(info.timeouts >= 1);
  t.is(info.totals.timeouts, info.timeouts);
  t.is(info.totals.timeoutRecoveries, 1);
  t.is(info.totals.retransmissions, info.timeouts);
  t.is(info.totals.bytesRetransmitted, 1000 * info.timeouts);
  t.is(info.segmentsLost, 3);
  t.is(info.segmentsResent, 1);
  t.true(info.totals.timeoutTime > 0);
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 3001');
  info = endpoint.info();
  const { timeoutTime } = info.totals;
  t.is(info.segmentsLost, 0);
  t.is(info.totals.bytesAcked, 3001);
  t.is(info.totals.delivered, 4);
  w.advance(seconds(5));
  t.is(endpoint.info().totals.timeoutTime, timeoutTime, 'the recovery is over');
  t.true(endpoint.info().sinceSend >= 5_000_000);
});

test('TCP_INFO: how long the sender was busy, and how much of it for want of a window', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1000);
  w.write(endpoint, 2000);
  w.peer.drain();
  w.advance(millis(100));
  let { busyTime, windowLimitedTime } = endpoint.info().totals;
  t.is(busyTime, 100_000);
  t.is(windowLimitedTime, 100_000);
  w.peer.send('. 1:1(0) ack 1001 win 5000');
  w.peer.drain();
  w.advance(millis(50));
  w.peer.send('. 1:1(0) ack 2001 win 5000');
  w.advance(seconds(1));
  ({ busyTime, windowLimitedTime } = endpoint.info().totals);
  t.is(busyTime, 150_000);
  t.is(windowLimitedTime, 100_000);
  t.is(endpoint.info().totals.deliveryRate, 20_000, '1000 octets in 50 ms');
});

test('TCP_INFO: duplicates that the peer reports, and segments out of order', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000,sackOK');
  w.write(endpoint, 2000);
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 2001 win 60000 <sack 1:1001>');
  w.peer.send('. 11:21(10) ack 2001 win 60000');
  w.peer.send('. 1:11(10) ack 2001 win 60000');
  w.peer.drain();
  const { totals } = endpoint.info();
  t.is(totals.duplicateReports, 1);
  t.is(totals.outOfOrder, 1);
  t.is(totals.bytesReceived, 20);
  t.is(totals.dataSegmentsIn, 2);
});
