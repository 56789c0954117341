import test from 'ava';
import { millis, seconds } from '../../../src/lib/clock.ts';
import { Csum, Gso } from '../../../src/netstack/packet.ts';
import { world } from './world.ts';

/** Past the immediate ACKs that a stream begins with: a request and a reply make the connection interactive. */
function interactive(w: ReturnType<typeof world>, options = 'mss 1000'): ReturnType<typeof w.connected> {
  const endpoint = w.connected(options);
  w.peer.send('P. 1:1001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 1001');
  w.write(endpoint, 1);
  w.peer.expect('P. 1:2(1) ack 1001');
  w.peer.send('. 1001:1001(0) ack 2');
  w.read(endpoint);
  return endpoint;
}

const asGso = (packet: { gsoType: number; gsoSize: number; csum: number }): void => {
  packet.gsoType = Gso.TcpV4;
  packet.gsoSize = 1460;
  packet.csum = Csum.Valid;
};
const ecr = (options: readonly string[]): string | undefined => options.find((o) => o.startsWith('ts'))?.split(' ')[2];

test('[RFC5681 4.2] an ACK waits at most 40 ms', (t) => {
  const w = world(t);
  interactive(w);
  w.peer.send('P. 1001:1101(100) ack 2');
  w.advance(millis(39));
  w.peer.expectNothing();
  w.advance(millis(1));
  w.peer.expect('. 2:2(0) ack 1101');
  t.is(w.tcp.ext.DelayedACKs, 1);
});

test('[RFC5681 4.2] the second full segment is acknowledged at once', (t) => {
  const w = world(t);
  interactive(w);
  w.peer.send('. 1001:2001(1000) ack 2');
  w.peer.expectNothing();
  w.peer.send('. 2001:3001(1000) ack 2');
  w.peer.expect('. 2:2(0) ack 3001');
  w.advance(seconds(1));
  w.peer.expectNothing();
});

test('a reply carries the ACK', (t) => {
  const w = world(t);
  const endpoint = interactive(w);
  w.peer.send('P. 1001:1101(100) ack 2');
  w.write(endpoint, 10);
  w.peer.expect('P. 2:12(10) ack 1101');
  w.peer.send('. 1101:1101(0) ack 12');
  w.advance(seconds(1));
  w.peer.expectNothing();
});

test('the first segments of a stream are acknowledged one by one', (t) => {
  const w = world(t);
  w.connected('mss 1000');
  for (let i = 0; i < 16; i++) {
    w.peer.send(`P. ${1 + i * 10}:${11 + i * 10}(10) ack 1`);
    w.peer.expect(`. 1:1(0) ack ${11 + i * 10}`);
  }
  w.peer.send('P. 161:171(10) ack 1');
  w.peer.expectNothing();
  w.advance(millis(40));
  w.peer.expect('. 1:1(0) ack 171');
});

test('a reader that has taken everything releases the ACK, unless the connection is interactive', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  for (let i = 0; i < 16; i++) w.peer.send(`P. ${1 + i * 10}:${11 + i * 10}(10) ack 1`);
  w.peer.drain();
  w.peer.send('P. 161:171(10) ack 1');
  w.read(endpoint, 100);
  w.peer.expectNothing();
  w.read(endpoint);
  w.peer.expect('. 1:1(0) ack 171');
  const v = world(t);
  const other = interactive(v);
  v.peer.send('P. 1001:1101(100) ack 2');
  v.read(other);
  v.peer.expectNothing();
});

test('TCP_QUICKACK sends a delayed ACK at once and leaves interactive mode', (t) => {
  const w = world(t);
  const endpoint = interactive(w);
  endpoint.quickAcknowledge(0);
  w.peer.send('P. 1001:1101(100) ack 2');
  endpoint.quickAcknowledge(1);
  w.peer.expectNothing();
  endpoint.quickAcknowledge(0);
  w.read(endpoint);
  w.peer.expectNothing();
  endpoint.quickAcknowledge(1);
  w.peer.expect('. 2:2(0) ack 1101');
  w.peer.send('P. 1101:1201(100) ack 2');
  w.peer.expect('. 2:2(0) ack 1201');
});

test('[RFC5681 4.2] an out-of-order segment is acknowledged at once, and so is what fills the hole', (t) => {
  const w = world(t);
  const endpoint = interactive(w);
  w.told(endpoint);
  w.peer.send('. 2001:3001(1000) ack 2');
  w.peer.expect('. 2:2(0) ack 1001');
  w.peer.send('. 3001:4001(1000) ack 2');
  w.peer.expect('. 2:2(0) ack 1001');
  t.is(endpoint.receivable, 0);
  t.is(w.told(endpoint) & 1, 0);
  w.peer.send('. 1001:2001(1000) ack 2');
  w.peer.expect('. 2:2(0) ack 4001');
  t.is(w.told(endpoint) & 1, 1);
  t.is(w.read(endpoint), 3000);
  t.is(w.tcp.ext.TCPOFOQueue, 2);
});

test('[RFC2018 4] holes are reported, the latest first', (t) => {
  const w = world(t);
  w.connected('mss 1000,sackOK');
  w.peer.send('. 1001:2001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 1 <sack 1001:2001>');
  w.peer.send('. 5001:6001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 1 <sack 5001:6001 1001:2001>');
  w.peer.send('. 3001:4001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 1 <sack 3001:4001 1001:2001 5001:6001>');
  w.peer.send('. 2001:3001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 1 <sack 1001:4001 5001:6001>');
  w.peer.send('. 1:1001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 4001 <sack 5001:6001>');
});

test('overlapping segments give each octet once', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  w.peer.send('P. 51:151(100) ack 1');
  w.peer.send('P. 101:201(100) ack 1');
  w.peer.send('P. 301:401(100) ack 1');
  w.peer.send('P. 1:81(80) ack 1');
  t.is(w.read(endpoint), 200);
  w.peer.send('P. 1:351(350) ack 1');
  t.is(w.read(endpoint), 200);
  w.peer.drain();
  w.peer.send('P. 1:201(200) ack 1');
  w.peer.expect('. 1:1(0) ack 401');
  t.is(w.read(endpoint), 0);
});

test('ranges out of order are bounded; the connection goes on', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000');
  for (let i = 0; i < 100; i++) w.peer.send(`P. ${3 + i * 2}:${4 + i * 2}(1) ack 1`);
  t.is(w.tcp.ext.TCPOFODrop, 36);
  t.is(endpoint.outOfOrder.count, 64);
  w.peer.send('P. 1:202(201) ack 1');
  t.is(w.read(endpoint), 201);
});

test('[RFC9293 3.8.6.2.2] the window closes as the buffer fills, and opens again by a worthwhile step', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 65_535, (e) => {
    e.settings.receiveBuffer = 8000;
    e.settings.receiveBufferLocked = true;
  });
  let next = 1;
  for (let window = 4000; window > 0; window -= 1000, next += 1000) {
    w.peer.send(`P. ${next}:${next + 1000}(1000) ack 1`);
    w.peer.expect(`. 1:1(0) ack ${next + 1000} win ${window - 1000}`);
  }
  t.is(w.tcp.ext.TCPToZeroWindowAdv, 1);
  // Full: what comes now is dropped, and answered.
  w.peer.send('P. 4001:5001(1000) ack 1');
  w.peer.expect('. 1:1(0) ack 4001 win 0');
  t.is(w.tcp.ext.TCPZeroWindowDrop, 1);
  w.read(endpoint, 500);
  w.peer.expectNothing();
  w.read(endpoint, 500);
  w.peer.expect('. 1:1(0) ack 4001 win 1000');
  w.read(endpoint, 3000);
  w.peer.expect('. 1:1(0) ack 4001 win 4000');
});

test('a probe of our zero window is answered', (t) => {
  const w = world(t);
  w.connected('mss 1000', 65_535, (e) => {
    e.settings.receiveBuffer = 2048;
    e.settings.receiveBufferLocked = true;
  });
  w.peer.send('P. 1:1025(1024) ack 1');
  w.peer.expect('. 1:1(0) ack 1025 win 0');
  w.peer.send('. 1024:1024(0) ack 1');
  w.peer.expect('. 1:1(0) ack 1025 win 0');
  w.peer.send('P. 1025:1026(1) ack 1');
  w.peer.expect('. 1:1(0) ack 1025 win 0');
});

test('data beyond the window is cut, and the window never shrinks', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 65_535, (e) => {
    e.settings.receiveBuffer = 4000;
    e.settings.receiveBufferLocked = true;
  });
  w.peer.send('FP. 1:3001(3000) ack 1');
  w.peer.expect('. 1:1(0) ack 2001 win 0');
  t.is(endpoint.receivable, 2000);
  t.is(endpoint.state, 'ESTABLISHED');
  endpoint.settings.receiveBuffer = 2100;
  w.read(endpoint, 1000);
  w.peer.expectNothing();
});

test('TCP_WINDOW_CLAMP bounds the window until segments are larger than any before', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1460', 65_535, (e) => {
    e.settings.windowClamp = 4000;
  });
  w.peer.send('P. 1:501(500) ack 1');
  w.peer.expect('. 1:1(0) ack 501 win 3500');
  w.read(endpoint);
  w.peer.send('P. 501:1037(536) ack 1');
  w.peer.expect('. 1:1(0) ack 1037 win 2964');
  w.read(endpoint);
  t.is(endpoint.settings.windowClamp, 4000);
  w.peer.send('P. 1037:1574(537) ack 1');
  t.is(endpoint.settings.windowClamp, 0);
  w.peer.expect('. 1:1(0) ack 1574 win 64999');
  // Set again, it holds for segments of that size.
  endpoint.settings.windowClamp = 4000;
  w.peer.send('P. 1574:2111(537) ack 1');
  t.is(endpoint.settings.windowClamp, 4000);
  w.peer.send('P. 2111:3111(1000) ack 1');
  t.is(endpoint.settings.windowClamp, 0);
});

test('the receive buffer grows for a reader that keeps up, when it is not locked', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1460,nop,wscale 7');
  const before = endpoint.receiveLimit;
  let seq = 1;
  w.advance(millis(100));
  for (let i = 0; i < 700; i++, seq += 1460) {
    w.peer.send(`P. ${seq}:${seq + 1460}(1460) ack 1`);
    w.read(endpoint);
  }
  w.advance(millis(2));
  w.peer.send(`P. ${seq}:${seq + 10}(10) ack 1`);
  w.read(endpoint);
  t.true(endpoint.receiveLimit > before);
  t.is(endpoint.settings.receiveBuffer, 131_072);
});

test('GSO packets are acknowledged every 128 KiB or at the end of the turn', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1460,nop,wscale 7');
  w.peer.send('P. 1:29201(29200) ack 1', asGso);
  w.peer.expect('. 1:1(0) ack 29201');
  w.peer.expectNothing();
  t.is(w.read(endpoint), 29_200);
});

test('[RFC7323 5] PAWS: a segment with an older timestamp is dropped and answered', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S. 0:0(0) ack 1 <mss 1000,sackOK,ts 1000 0>');
  w.peer.expect('. 1:1(0) ack 1 <ts>');
  w.peer.send('P. 1:11(10) ack 1 <nop,nop,ts 1010 0>');
  w.peer.expect('. 1:1(0) ack 11');
  w.peer.send('P. 11:21(10) ack 1 <nop,nop,ts 900 0>');
  w.peer.expect('. 1:1(0) ack 11');
  t.is(endpoint.receivable, 10);
  t.is(w.tcp.ext.PAWSEstab, 1);
  // 24 days later the old timestamp says nothing.
  w.advance(seconds(25 * 86_400));
  w.peer.drain();
  w.peer.send('P. 11:21(10) ack 1 <nop,nop,ts 900 0>');
  t.is(endpoint.receivable, 20);
});

test('[RFC7323 3] timestamps echo the newest value of the last acknowledged place', (t) => {
  const w = world(t);
  w.connecting();
  w.peer.send('S. 0:0(0) ack 1 <mss 1000,sackOK,ts 1000 0>');
  t.is(ecr(w.peer.expect('. 1:1(0) ack 1').options), '1000');
  w.peer.send('P. 1:11(10) ack 1 <nop,nop,ts 1010 0>');
  t.is(ecr(w.peer.expect('. 1:1(0) ack 11').options), '1010');
  w.peer.send('P. 21:31(10) ack 1 <nop,nop,ts 1030 0>');
  t.is(ecr(w.peer.expect('. 1:1(0) ack 11').options), '1010');
  w.peer.send('P. 11:21(10) ack 1 <nop,nop,ts 1020 0>');
  t.is(ecr(w.peer.expect('. 1:1(0) ack 31').options), '1020');
});

test('corrupt and malformed segments are dropped and counted', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('P. 1:11(10) ack 1', (packet, l4) => {
    packet.bytes[l4 + 25] = (packet.bytes[l4 + 25] as number) ^ 1;
  });
  w.peer.send('P. 1:11(10) ack 1', (packet, l4) => {
    packet.bytes[l4 + 12] = 0xf0;
  });
  w.peer.send('P. 1:11(10) ack 1', (packet, l4) => {
    packet.bytes[l4 + 12] = 0x40;
  });
  w.peer.send('P. 1:11(10) ack 1', (packet, l4) => {
    packet.end = l4 + 12;
  });
  t.is(w.tcp.tcp.InErrs, 4);
  t.is(w.tcp.tcp.InCsumErrors, 1);
  t.is(endpoint.receivable, 0);
  w.peer.expectNothing();
});

test('keepalive: probes after the idle time, and the end when none is answered', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.settings.keepAlive = true;
  endpoint.settings.keepIdleSeconds = 10;
  endpoint.settings.keepIntervalSeconds = 5;
  endpoint.settings.keepCount = 3;
  endpoint.optionsChanged();
  w.advance(seconds(5));
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.expect('. 1:1(0) ack 11');
  w.advance(millis(9999));
  w.peer.expectNothing();
  w.advance(millis(1));
  w.peer.expect('. 0:0(0) ack 11');
  w.peer.send('. 11:11(0) ack 1');
  w.advance(seconds(10));
  w.peer.expect('. 0:0(0) ack 11');
  w.advance(seconds(5));
  w.peer.expect('. 0:0(0) ack 11');
  w.advance(seconds(5));
  w.peer.expect('. 0:0(0) ack 11');
  w.advance(seconds(5));
  w.peer.expect('R. 1:1(0) ack 11');
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.takeError(), 'timed-out');
});

test('TCP_USER_TIMEOUT overrides the count of keepalive probes', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1460', 65_535, (e) => {
    Object.assign(e.settings, { keepAlive: true, keepIdleSeconds: 10, keepIntervalSeconds: 5, userTimeoutMs: 12_000 });
  });
  w.advance(seconds(15));
  t.is(w.peer.drain().length, 2); // one probe, then RST
  t.is(endpoint.takeError(), 'timed-out');
});

test('keepalive answers a probe of the peer', (t) => {
  const w = world(t);
  w.connected();
  w.peer.send('. 0:0(0) ack 1');
  w.peer.expect('. 1:1(0) ack 1');
  t.pass();
});
