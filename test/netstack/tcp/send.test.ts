import test from 'ava';
import { type Duration, micros, millis, seconds } from '../../../src/lib/clock.ts';
import { ALL_CAPABILITIES } from '../../../src/netstack/link/pair.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { type World, world } from './world.ts';

test('[RFC9293 3.7.4] Nagle with Minshall: one small segment in flight holds back the next, a full one does not', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10)');
  w.write(endpoint, 10);
  w.peer.expectNothing();
  w.write(endpoint, 985);
  w.peer.expectNothing();
  w.write(endpoint, 10);
  w.peer.expect('. 11:1011(1000)');
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 11');
  w.peer.expect('P. 1011:1016(5)');
});

test('[RFC9293 3.7.4] a small segment behind full ones in flight goes at once (Minshall)', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 1000);
  w.peer.expect('P. 1:1001(1000)');
  w.write(endpoint, 10);
  w.peer.expect('P. 1001:1011(10)');
});

test('TCP_NODELAY sends small segments at once', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.settings.noDelay = true;
  endpoint.optionsChanged();
  for (let i = 0; i < 3; i++) {
    w.write(endpoint, 10);
    w.peer.expect(`P. ${1 + i * 10}:${11 + i * 10}(10)`);
  }
});

test('setting TCP_NODELAY sends what Nagle held back', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10)');
  w.peer.expectNothing();
  endpoint.settings.noDelay = true;
  endpoint.optionsChanged();
  w.peer.expect('P. 11:21(10)');
});

test('TCP_CORK holds a partial segment until it is cleared, or for 200 ms', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  endpoint.settings.cork = true;
  endpoint.optionsChanged();
  w.write(endpoint, 600);
  w.peer.expectNothing();
  w.write(endpoint, 600);
  w.peer.expect('. 1:1001(1000)');
  w.peer.expectNothing();
  endpoint.settings.cork = false;
  endpoint.optionsChanged();
  w.peer.expect('P. 1001:1201(200)');
  w.peer.send('. 1:1(0) ack 1201');
  endpoint.settings.cork = true;
  endpoint.optionsChanged();
  w.write(endpoint, 10);
  w.advance(millis(199));
  w.peer.expectNothing();
  w.advance(millis(1));
  w.peer.expect('P. 1201:1211(10)');
});

test('MSG_MORE holds a partial segment until a write without it', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10, true);
  w.peer.expectNothing();
  w.write(endpoint, 10, true);
  w.peer.expectNothing();
  w.write(endpoint, 10);
  w.peer.expect('P. 1:31(30)');
  w.peer.send('. 1:1(0) ack 31');
  w.write(endpoint, 10, true);
  w.peer.expectNothing();
  w.advance(millis(200));
  w.peer.expect('. 31:41(10)');
});

test('MSG_MORE holds a partial segment until something comes from the peer', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10, true);
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 1');
  w.peer.expect('. 1:11(10)');
});

test('[RFC9293 3.8.6.2.1] a small window is not filled with a small segment (SWS avoidance)', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 3000);
  w.write(endpoint, 10_000);
  t.is(w.peer.drain().length, 3);
  w.peer.send('. 1:1(0) ack 3001 win 400');
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 3001 win 1500'); // half the largest window ever seen
  w.peer.expect('. 3001:4001(1000)');
  w.peer.expectNothing();
});

test('a segment is at most half of the largest window, unless that is tiny (tcp_bound_to_half_wnd)', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1200);
  t.is(endpoint.segmentPayload, 600);
  t.is(endpoint.congestion.cwnd, 6000);
  w.peer.send('. 1:1(0) ack 1 win 1600');
  t.is(endpoint.segmentPayload, 800);
  t.is(endpoint.congestion.cwnd, 8000);
  w.peer.send('. 1:1(0) ack 1 win 500');
  t.is(endpoint.segmentPayload, 800);
  w.peer.send('. 1:1(0) ack 1 win 4000');
  t.is(endpoint.segmentPayload, 1000);
  t.is(world(t).connected('mss 1000', 536).segmentPayload, 536);
  t.is(world(t).connected('mss 1000', 1).segmentPayload, 48);
  t.is(world(t).connected('mss 1000,sackOK,ts 1 0', 1).segmentPayload, 36);
});

test('a receive buffer that was made small does not wait for the override timeout', (t) => {
  const w = world(t, { mtu: 65_520 });
  const endpoint = w.connected('mss 65480,nop,wscale 7');
  w.peer.send('. 1:1(0) ack 1 win 8192'); // 1 MiB
  w.write(endpoint, 100_000);
  w.peer.expect('. 1:65481(65480)');
  w.peer.expect('P. 65481:100001(34520)');
  w.write(endpoint, 60_000);
  w.peer.send('. 1:1(0) ack 65481 win 64');
  w.peer.expectNothing();
  // Less than the MSS and far less than half the largest window; and nothing is on its way.
  w.peer.send('. 1:1(0) ack 100001 win 63');
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 100001 win 64');
  w.peer.expect('. 100001:108193(8192)');
  w.peer.expectNothing();
});

test('32 KiB leave a corked stream even where the MSS is larger', (t) => {
  const w = world(t, { mtu: 65_520 });
  const endpoint = w.connected('mss 65480,nop,wscale 7');
  w.peer.send('. 1:1(0) ack 1 win 8192');
  endpoint.settings.cork = true;
  endpoint.optionsChanged();
  w.write(endpoint, 32_767);
  w.peer.expectNothing();
  w.write(endpoint, 10_000);
  w.peer.expect('. 1:32769(32768)');
  w.peer.expectNothing();
  w.advance(millis(1));
  w.peer.send('. 1:1(0) ack 32769 win 8192');
  w.peer.expectNothing();
  w.advance(millis(200));
  w.peer.expect('P. 32769:42768(9999)');
});

test('[RFC9293 3.8.6.2.1] the override timeout sends into a window that stays small', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 3000);
  w.write(endpoint, 10_000);
  t.is(w.peer.drain().length, 3);
  w.peer.send('. 1:1(0) ack 3001 win 400');
  w.advance(millis(201));
  w.peer.expect('. 3001:3401(400)');
});

test('[RFC9293 3.8.6.1] a zero window is probed, ever more rarely, and for ever while the probes are answered', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1000);
  w.write(endpoint, 2000);
  w.peer.expect('. 1:501(500)');
  w.peer.expect('. 501:1001(500)');
  w.peer.send('. 1:1(0) ack 1001 win 0');
  const start = w.clock.now();
  const times: number[] = [];
  for (let i = 0; i < 12; i++) {
    while (w.peer.seen.length === 0) w.advance(millis(10));
    times.push(w.clock.now() - start);
    w.peer.expect('. 1000:1000(0) ack 1');
    w.peer.send('. 1:1(0) ack 1001 win 0');
  }
  const gaps = times.map((at, i) => Math.round((at - (times[i - 1] ?? 0)) / 1e5) / 10);
  t.deepEqual(gaps, [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 120, 120]);
  t.is(endpoint.state, 'ESTABLISHED');
  w.peer.send('. 1:1(0) ack 1001 win 1000');
  w.peer.expect('. 1001:1501(500)');
  w.peer.expect('P. 1501:2001(500)');
});

/** The peer takes 1000 octets and closes its window, with more to come. */
function closedWindow(w: World): TcpConnection {
  const endpoint = w.connected('mss 1000', 1000);
  w.write(endpoint, 2000);
  w.peer.expect('. 1:501(500)');
  w.peer.expect('. 501:1001(500)');
  w.peer.send('. 1:1(0) ack 1001 win 0');
  return endpoint;
}
/** Answers every probe for so long. Returns how many came. */
function answerProbes(w: World, endpoint: TcpConnection, duration: Duration): number {
  const isOpen = (): boolean => endpoint.state !== 'CLOSED';
  let count = 0;
  for (const end = w.clock.now() + duration; w.clock.now() < end && isOpen(); ) {
    w.advance(millis(10));
    const probes = w.peer.drain().length;
    if (probes > 0 && isOpen()) w.peer.send('. 1:1(0) ack 1001 win 0');
    count += probes;
  }
  return count;
}

test('TCP_USER_TIMEOUT counts from the first probe, whatever is answered', (t) => {
  const w = world(t);
  const endpoint = closedWindow(w);
  endpoint.settings.userTimeoutMs = 2000;
  t.is(answerProbes(w, endpoint, millis(2180)), 3);
  t.is(endpoint.state, 'ESTABLISHED');
  answerProbes(w, endpoint, millis(50));
  t.is(endpoint.takeError(), 'timed-out');
});

test('TCP_USER_TIMEOUT starts again when the window opens', (t) => {
  const w = world(t);
  const endpoint = closedWindow(w);
  endpoint.settings.userTimeoutMs = 2000;
  answerProbes(w, endpoint, millis(1900));
  w.peer.send('. 1:1(0) ack 1001 win 500');
  w.peer.expect('. 1001:1501(500)');
  w.peer.send('. 1:1(0) ack 1501 win 0');
  w.advance(millis(1500));
  t.true(w.peer.drain().length > 0);
  t.is(endpoint.state, 'ESTABLISHED');
});

test('an orphan does not probe for ever, though it is answered', (t) => {
  const w = world(t);
  const endpoint = closedWindow(w);
  endpoint.close();
  t.is(answerProbes(w, endpoint, seconds(400)), 11);
  t.is(endpoint.state, 'CLOSED');
});

test('probes of a zero window that nobody answers end in ETIMEDOUT', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1000);
  w.write(endpoint, 2000);
  w.peer.expect('. 1:501(500)');
  w.peer.expect('. 501:1001(500)');
  w.peer.send('. 1:1(0) ack 1001 win 0');
  w.advance(seconds(1500));
  t.is(w.peer.drain().length, 15);
  t.is(endpoint.takeError(), 'timed-out');
});

test('[RFC9293 3.10.7.4] only a newer segment updates the window', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1000);
  w.peer.send('P. 1:11(10) ack 1 win 1000');
  w.peer.send('. 1:1(0) ack 1 win 9000'); // older than SND.WL1
  w.peer.drain();
  w.write(endpoint, 5000);
  w.peer.expect('. 1:501(500)');
  w.peer.expect('. 501:1001(500)');
  w.peer.expectNothing();
});

test('[RFC6928] ten segments are sent before the first ACK', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 100_000);
  t.is(w.peer.drain().length, 10);
});

test('[RFC5681 3.1] slow start doubles the window each round trip, while it is in full use', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000,nop,wscale 7');
  w.write(endpoint, 400_000);
  let acked = 1 + w.peer.drain().length * 1000;
  t.is(acked, 10_001);
  for (const burst of [20, 40, 80]) {
    w.advance(millis(10));
    w.peer.send(`. 1:1(0) ack ${acked} win 60000`);
    t.is(w.peer.drain().length, burst);
    acked += burst * 1000;
  }
  w.advance(millis(1));
  w.peer.send(`. 1:1(0) ack ${acked} win 60000`);
  w.peer.send(`. 1:1(0) ack 400001 win 60000`);
  // A sender that did not fill it gains nothing.
  const { cwnd } = endpoint.congestion;
  w.write(endpoint, 1000);
  w.peer.drain();
  t.is(endpoint.congestion.cwnd <= cwnd, true);
});

test('[RFC5681 4.1] after an idle RTO the window restarts at ten segments', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000,nop,wscale 7');
  w.write(endpoint, 100_000);
  let acked = 1;
  for (let i = 0; i < 4; i++) {
    acked += w.peer.drain().length * 1000;
    w.peer.send(`. 1:1(0) ack ${acked} win 60000`);
  }
  w.peer.drain();
  t.true(endpoint.congestion.cwnd > 20_000);
  w.peer.send('. 1:1(0) ack 100001 win 60000');
  w.advance(seconds(10));
  w.write(endpoint, 100_000);
  t.is(w.peer.drain().length, 10);
});

test('GSO: where the link segments, one packet carries many segments', (t) => {
  const w = world(t, { capabilities: ALL_CAPABILITIES });
  const endpoint = w.connected('mss 1460,nop,wscale 7');
  w.write(endpoint, 40_000);
  const first = w.peer.expect('. 1:14601(14600)');
  t.is(first.gsoSize, 1460);
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 14601 win 60000');
  t.is(w.peer.expect('P. 14601:40001(25400)').gsoSize, 1460);
  t.is(w.tcp.tcp.OutSegs, 2 + 10 + 18);
});

test('GSO packets never exceed what IP can carry', (t) => {
  const w = world(t, { capabilities: ALL_CAPABILITIES, mtu: 65_520 });
  const endpoint = w.connected('mss 65480,sackOK,ts 1 0,nop,wscale 7');
  w.write(endpoint, 1_000_000);
  for (const seen of w.peer.drain()) {
    t.true(seen.len <= 65_480);
    t.is(seen.gsoSize, 0);
  }
  const v = world(t, { capabilities: ALL_CAPABILITIES, family: 6 });
  const six = v.connected('mss 1440,nop,wscale 7');
  v.write(six, 1_000_000);
  for (let acked = 1, i = 0; i < 6; i++) {
    for (const seen of v.peer.drain()) {
      t.true(seen.len <= 65_535 - 60);
      t.is(seen.len % 1440, 0);
      acked = seen.seq + seen.len;
    }
    v.peer.send(`. 1:1(0) ack ${acked} win 60000`);
  }
});

test('a segment carries the ids of its socket and of the call whose octets come first, in retransmission too', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 1500, true, 11);
  w.write(endpoint, 1500, false, 12);
  const calls = w.peer.drain().map((s) => [s.seq, s.callId, s.socketId === endpoint.id]);
  t.deepEqual(calls, [
    [1, 11, true],
    [1001, 11, true],
    [2001, 12, true],
  ]);
  w.peer.send('. 1:1(0) ack 1001');
  w.advance(millis(400));
  t.deepEqual(
    w.peer.drain().map((s) => [s.seq, s.callId]),
    [[1001, 11]],
  );
  w.peer.send('. 1:1(0) ack 3001');
  for (let i = 0; i < 100; i++) w.write(endpoint, 1, true, 100 + i);
  w.peer.send('. 1:1(0) ack 3001');
  w.write(endpoint, 1, false, 500);
  t.is(w.peer.drain()[0]?.callId, 100);
});

test('a full send buffer is writable again when a third is free', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000,nop,wscale 7');
  endpoint.settings.sendBuffer = 60_000;
  endpoint.settings.sendBufferLocked = true;
  t.is(w.write(endpoint, 100_000), 30_000);
  t.is(endpoint.sendSpace(), 0);
  t.is(endpoint.readiness() & 4, 0);
  w.told(endpoint);
  w.peer.send('. 1:1(0) ack 9001 win 60000');
  t.is(w.told(endpoint) & 4, 0);
  t.is(endpoint.sendSpace(), 9000); // a write that does not wait would be taken
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  t.is(w.told(endpoint) & 4, 4);
  t.is(endpoint.readiness() & 4, 4);
});

test('SIOCOUTQ and SIOCOUTQNSD count what waits', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 2000);
  w.write(endpoint, 5000);
  t.is(endpoint.unacknowledged, 5000);
  t.is(endpoint.unsent, 3000);
  t.is(endpoint.mss, 1000);
});

test('TCP_MAXSEG bounds segments and the MSS that is announced', (t) => {
  const w = world(t);
  const endpoint = w.endpoint();
  endpoint.settings.maxSegment = 500;
  endpoint.connect(w.remote, 5000);
  w.peer.stackPort = endpoint.localPort;
  w.peer.expect('S 0:0(0) <mss 500>');
  w.peer.send('S. 0:0(0) ack 1 <mss 1460>');
  w.peer.expect('. 1:1(0) ack 1');
  w.write(endpoint, 1000);
  w.peer.expect('. 1:501(500)');
});

test('the stream survives the wrap of sequence numbers, both ways', (t) => {
  const w = world(t, { peerIss: -500 });
  // A start whose initial sequence number lies just below zero is found by waiting for it.
  const probe = w.connecting();
  const iss = w.peer.stackIss;
  probe.close();
  w.peer.drain();
  const ticks = (0x1_0000_0000 - (iss >>> 0) - 3000 + 0x1_0000_0000) % 0x1_0000_0000;
  w.advance(micros(Math.floor((ticks * 64) / 1000)));
  const endpoint = w.connected('mss 1000', 65_535, (e) => void e.bind(w.local, w.peer.stackPort));
  t.true(w.peer.stackIss < 0 && w.peer.stackIss > -100_000, `${w.peer.stackIss}`);
  let acked = 1;
  for (let sent = 0; sent < 200_000; ) {
    sent += w.write(endpoint, 10_000);
    for (const seen of w.peer.drain()) acked = seen.seq + seen.len;
    w.peer.send(`P. ${1 + sent / 10 - 1000}:${1 + sent / 10}(1000) ack ${acked}`);
    w.peer.drain();
    t.is(w.read(endpoint), 1000);
  }
  t.is(endpoint.unacknowledged, 0);
});

test('[RFC9293 MUST-34] a peer that shrinks its window to nothing over octets in flight and answers is probed for ever', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 3000);
  w.peer.drain();
  for (let minute = 0; minute < 60; minute++) {
    w.peer.send('. 1:1(0) ack 1 win 0');
    w.advance(seconds(60));
    w.peer.drain();
  }
  t.is(endpoint.state, 'ESTABLISHED');
  // Silence is another matter.
  w.advance(seconds(3600));
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.takeError(), 'timed-out');
});
