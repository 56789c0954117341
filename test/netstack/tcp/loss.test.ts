import test from 'ava';
import { putU16, putU32 } from '../../../src/lib/bytes.ts';
import { micros, millis, seconds } from '../../../src/lib/clock.ts';
import type { IcmpError } from '../../../src/netstack/ip/ip.ts';
import { HEADROOM } from '../../../src/netstack/packet.ts';
import { type World, world } from './world.ts';

test('[RFC6298 5.4, 5.5] the first unacknowledged segment is sent again, each time after twice the time', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 3000);
  w.peer.drain();
  const start = w.clock.now();
  w.advance(seconds(14));
  const again = w.peer.drain();
  t.deepEqual(
    again.map((s) => Math.round((s.time - start) / 1e5) / 10),
    [0.2, 0.6, 1.4, 3, 6.2, 12.6],
  );
  t.true(again.every((s) => s.seq === 1 && s.len === 1000));
  t.is(w.tcp.tcp.RetransSegs, 6);
  t.is(w.tcp.ext.TCPTimeouts, 6);
  // RFC 5681 3.1: from one segment again.
  t.is(endpoint.congestion.cwnd, 1000);
  w.peer.send('. 1:1(0) ack 1001');
  w.peer.expect('. 1001:2001(1000)');
  w.peer.expect('P. 2001:3001(1000)');
});

test('after 15 retransmissions the connection times out', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  const start = w.clock.now();
  while (endpoint.state === 'ESTABLISHED') w.advance(seconds(1));
  const elapsed = (w.clock.now() - start) / 1e6;
  t.true(elapsed > 900 && elapsed < 930, `${elapsed}`); // Linux: 924.6 s
  t.is(w.peer.drain().length, 16);
  t.is(endpoint.takeError(), 'timed-out');
  t.is(w.tcp.ext.TCPAbortOnTimeout, 1);
});

test('an orphan gives up after eight', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  endpoint.close();
  w.advance(seconds(500));
  t.is(endpoint.state, 'CLOSED');
  t.is(w.tcp.flows.size, 0);
});

test('TCP_USER_TIMEOUT gives up earlier', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.settings.userTimeoutMs = 3000;
  w.write(endpoint, 10);
  w.advance(seconds(4));
  t.is(endpoint.takeError(), 'timed-out');
});

test('TCP_USER_TIMEOUT counts from the first retransmission, and no timer goes beyond it', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.settings.userTimeoutMs = 300;
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10)');
  w.advance(millis(220));
  w.peer.expect('P. 1:11(10)');
  w.advance(millis(260));
  w.peer.expectNothing();
  t.is(endpoint.state, 'ESTABLISHED');
  w.advance(millis(40));
  t.is(endpoint.takeError(), 'timed-out');
});

test('[RFC6298 2] the timeout follows the measured round trip', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  for (let i = 0; i < 30; i++) {
    w.write(endpoint, 1000);
    w.advance(millis(300));
    w.peer.send(`. 1:1(0) ack ${1001 + i * 1000}`);
  }
  w.peer.drain();
  t.true(Math.abs(endpoint.roundTrip.smoothed - 300_000) < 20_000);
  w.write(endpoint, 1000);
  w.peer.expect('P. 30001:31001(1000)');
  w.advance(millis(450));
  w.peer.expectNothing();
  w.advance(seconds(1));
  w.peer.expect('P. 30001:31001(1000)');
});

test('[RFC6298 3] Karn: an ACK of what was sent twice is no measurement', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  const before = endpoint.roundTrip.smoothed;
  w.write(endpoint, 1000);
  w.advance(millis(250));
  w.peer.send('. 1:1(0) ack 1001');
  t.is(endpoint.roundTrip.smoothed, before);
});

test('[RFC7323 4.1] with timestamps it is', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S. 0:0(0) ack 1 <mss 1012,sackOK,ts 1 0>');
  w.peer.drain();
  w.write(endpoint, 1000);
  w.advance(millis(250));
  const again = w.peer.drain().at(-1);
  const val = again?.options.find((o) => o.startsWith('ts'))?.split(' ')[1];
  w.advance(millis(80));
  w.peer.send(`. 1:1(0) ack 1001 <nop,nop,ts 2 ${val}>`);
  t.true(endpoint.roundTrip.smoothed > 9000, `${endpoint.roundTrip.smoothed}`);
});

/** Twenty segments of 1000 octets in flight, all of the window. */
function twenty(w: World, options: string): ReturnType<World['connected']> {
  const endpoint = w.connected(`${options},nop,wscale 7`);
  // What is lost is answered by RFC 5681's numbers.
  endpoint.settings.congestion = 'reno';
  endpoint.optionsChanged();
  w.write(endpoint, 200_000);
  w.t.is(w.peer.drain().length, 10);
  w.advance(millis(10));
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.t.is(w.peer.drain().length, 20);
  w.advance(millis(10));
  return endpoint;
}

test('[RFC5681 3.2] the third duplicate ACK sends the lost segment again; [RFC3042] the first two each let one new one out', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000');
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.expect('. 30001:31001(1000)');
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.expect('. 31001:32001(1000)');
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.expect('. 10001:11001(1000)');
  w.peer.expectNothing();
  t.true(endpoint.congestion.inRecovery);
  t.is(endpoint.congestion.ssthresh, 11_000);
  t.is(w.tcp.ext.TCPRenoRecovery, 1);
  // RFC 5681 3.2 step 4: each further duplicate inflates the window, until new data fits.
  for (let i = 0; i < 8; i++) w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.expect('. 32001:33001(1000)');
  // Full acknowledgment ends it.
  w.peer.send('. 1:1(0) ack 33001 win 60000');
  t.false(endpoint.congestion.inRecovery);
  t.true(endpoint.congestion.cwnd <= 11_000);
});

test('[RFC6582] a partial acknowledgment in recovery sends the next hole', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000');
  for (let i = 0; i < 3; i++) w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 15001 win 60000');
  w.peer.expect('. 15001:16001(1000)');
  t.true(endpoint.congestion.inRecovery);
  w.peer.send('. 1:1(0) ack 32001 win 60000');
  t.false(endpoint.congestion.inRecovery);
});

test('[RFC6582 3.2] duplicates that a timeout’s go-back caused start no recovery', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000');
  w.advance(millis(300));
  w.peer.drain();
  for (let i = 0; i < 5; i++) w.peer.send('. 1:1(0) ack 10001 win 60000');
  t.false(endpoint.congestion.inRecovery);
});

test('[RFC5681 2] an ACK with data or another window is no duplicate', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000');
  for (let i = 0; i < 5; i++) w.peer.send(`. 1:1(0) ack 10001 win ${60_001 + i}`);
  for (let i = 0; i < 5; i++) w.peer.send(`P. ${1 + i}:${2 + i}(1) ack 10001 win 60005`);
  t.false(endpoint.congestion.inRecovery);
});

test('[RFC6675] SACK: only the holes are sent again', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000,sackOK');
  w.peer.send('. 1:1(0) ack 10001 win 60000 <sack 11001:12001>');
  w.peer.send('. 1:1(0) ack 10001 win 60000 <sack 11001:13001>');
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 10001 win 60000 <sack 11001:13001 14001:20001>');
  w.peer.expect('. 10001:11001(1000)');
  w.peer.expectNothing(); // pipe 13,000 of 11,000
  t.true(endpoint.congestion.inRecovery);
  w.peer.send('. 1:1(0) ack 10001 win 60000 <sack 11001:13001 14001:23001>');
  w.peer.expect('. 13001:14001(1000)');
  w.peer.expectNothing();
  t.is(w.tcp.ext.TCPSackRecovery, 1);
  w.peer.send('. 1:1(0) ack 20001 win 60000');
  t.true(w.peer.drain().every((s) => s.seq >= 30_001));
  w.peer.send(`. 1:1(0) ack ${(endpoint.sndMax - endpoint.iss) | 0} win 60000`);
  t.false(endpoint.congestion.inRecovery);
});

test('[RFC2018 8] a timeout forgets the reports; what is reported anew is skipped when sending again', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000,sackOK');
  w.peer.send('. 1:1(0) ack 10001 win 60000 <sack 15001:30001>');
  w.peer.drain();
  w.advance(seconds(2));
  w.peer.drain();
  t.is(endpoint.scoreboard.count, 0);
  w.peer.send('. 1:1(0) ack 12001 win 60000 <sack 15001:30001>');
  t.deepEqual(
    w.peer.drain().map((s) => s.seq),
    [12_001, 13_001, 14_001],
  );
  w.peer.send('. 1:1(0) ack 14001 win 60000 <sack 15001:30001>');
  const next = w.peer.drain().map((s) => s.seq);
  t.true(next.length > 0 && next.every((seq) => seq >= 30_001));
});

test('reports of nonsense are ignored', (t) => {
  const w = world(t);
  const endpoint = twenty(w, 'mss 1000,sackOK');
  w.peer.send('. 1:1(0) ack 10001 win 60000 <sack 90000000:90001000 5:4 1:9001>');
  t.is(endpoint.scoreboard.count, 0);
  for (let i = 0; i < 200; i++) {
    const at = 11_002 + i * 20;
    w.peer.send(`. 1:1(0) ack 10001 win 60000 <sack ${at}:${at + 1}>`);
  }
  t.true(endpoint.scoreboard.count <= 64);
});

function icmp(w: World, seq: number, error: Partial<IcmpError>): void {
  const quoted = w.pool.alloc(100);
  if (quoted === undefined) throw new Error('no buffer');
  quoted.l4 = quoted.base + HEADROOM;
  quoted.end = quoted.l4 + 8;
  putU16(quoted.bytes, quoted.l4, w.peer.stackPort);
  putU16(quoted.bytes, quoted.l4 + 2, w.peer.port);
  putU32(quoted.bytes, quoted.l4 + 4, w.peer.stackIss + seq);
  for (const [name, address] of [
    ['src', w.local],
    ['dst', w.remote],
  ] as const) {
    quoted[`${name}0`] = address.w0;
    quoted[`${name}1`] = address.w1;
    quoted[`${name}2`] = address.w2;
    quoted[`${name}3`] = address.w3;
  }
  w.tcp.icmpError(quoted, {
    kind: 'host-unreachable',
    isHard: false,
    type: 3,
    code: 1,
    mtu: 0,
    info: 0,
    quoteOctets: 0,
    offender: w.remote,
    receiver: w.local,
    ...error,
  });
  quoted.release();
  w.pump();
}

test('IP_RECVERR: a stream is told of an error that may pass, and goes on', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.settings.receiveErrors = true;
  w.write(endpoint, 100);
  icmp(w, 1, {});
  t.is(endpoint.takeError(), 'host-unreachable');
  t.is(endpoint.state, 'ESTABLISHED');
});

test('[RFC9293 3.9.2.2] an ICMP error fails a connection attempt, and only explains the timeout of an established one', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  icmp(w, 7, {}); // not ours
  t.is(endpoint.state, 'SYN-SENT');
  icmp(w, 0, {});
  t.is(endpoint.takeError(), 'host-unreachable');
  t.is(endpoint.state, 'CLOSED');
  const other = w.connected();
  w.write(other, 10);
  icmp(w, 1, {});
  t.is(other.state, 'ESTABLISHED');
  t.is(other.error, undefined);
  w.advance(seconds(1000));
  t.is(other.takeError(), 'host-unreachable');
});

test('[RFC5927 4.1] an ICMP error about octets that are not in flight is ignored', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  icmp(w, 1, { kind: 'message-size', mtu: 600 });
  t.is(endpoint.mss, 1460);
  t.is(w.tcp.ext.OutOfWindowIcmps, 1);
});

test('[RFC1191] "too big" lowers the MSS, and what was in flight is sent again in smaller pieces', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 2920);
  w.peer.drain();
  icmp(w, 1, { kind: 'message-size', mtu: 1000 });
  t.is(endpoint.mss, 960);
  t.deepEqual(
    w.peer.drain().map((s) => [s.seq, s.len]),
    [
      [1, 960],
      [961, 960],
      [1921, 960],
      [2881, 40],
    ],
  );
});

test('a stack without buffers recovers when there are some', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  const taken = [];
  for (let p = w.pool.alloc(1); p !== undefined; p = w.pool.alloc(1)) taken.push(p);
  w.write(endpoint, 100);
  w.peer.expectNothing();
  for (const p of taken) p.release();
  w.advance(millis(300));
  w.peer.expect('P. 1:101(100)');
  t.is(endpoint.state, 'ESTABLISHED');
});

test('an alarm of a dead connection does nothing', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  w.peer.drain();
  w.peer.send('R 1:1(0)');
  w.advance(micros(5e9));
  w.peer.expectNothing();
  t.is(endpoint.state, 'CLOSED');
  t.is(w.clock.next(), undefined);
});
