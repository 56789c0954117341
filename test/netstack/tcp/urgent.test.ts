import test from 'ava';
import { seconds } from '../../../src/lib/clock.ts';
import { Urgent } from '../../../src/netstack/endpoint.ts';
import { LinkCapability } from '../../../src/netstack/link/link.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { pattern, world } from './world.ts';

const PRI = 2;
const state = ({ urgent, octetsToMark, receivable, unread }: TcpConnection): readonly number[] => [
  urgent,
  octetsToMark,
  receivable,
  unread,
];

test('[RFC9293 3.8.5] urgent data is read out of band, once, and a read stops before it', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:11(10) ack 1 urg 6');
  t.is(endpoint.readiness() & PRI, PRI);
  t.is(w.told(endpoint) & PRI, PRI);
  t.is(endpoint.urgentOctet, pattern(6));
  t.deepEqual(state(endpoint), [Urgent.Valid, 5, 5, 5]);
  t.is(w.read(endpoint), 5);
  t.true(endpoint.isMarkUnread);
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 4, 0]);
  endpoint.takeUrgent();
  t.is(endpoint.readiness() & PRI, 0);
  t.deepEqual(state(endpoint), [Urgent.Read, 0, 4, 0]);
  w.skip(endpoint, 1);
  t.is(w.read(endpoint), 4);
  t.deepEqual(state(endpoint), [Urgent.None, -1, 0, 0]);
  endpoint.takeUrgent();
  t.is(endpoint.urgent, Urgent.None);
});

test('SO_OOBINLINE leaves the urgent octet in the stream', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.settings.oobInline = true;
  w.peer.send('PU. 1:11(10) ack 1 urg 6');
  t.deepEqual(state(endpoint), [Urgent.Valid, 5, 5, 10]);
  t.is(w.read(endpoint), 5);
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 5, 5]);
  t.is(w.read(endpoint), 5);
  t.is(endpoint.urgent, Urgent.None);
});

test('SO_OOBINLINE moves an octet that waits into the stream and out of it', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:3(2) ack 1 urg 1');
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 1, 0]);
  // What lies beyond a hole keeps its place in the ring.
  w.peer.send('P. 4:6(2) ack 1');
  endpoint.settings.oobInline = true;
  endpoint.optionsChanged();
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 2, 2]);
  endpoint.settings.oobInline = false;
  endpoint.optionsChanged();
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 1, 0]);
  endpoint.settings.oobInline = true;
  endpoint.optionsChanged();
  w.peer.send('P. 3:4(1) ack 1');
  t.is(w.read(endpoint), 5);
});

test('announced before it comes; what is older than that is no news', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:11(10) ack 1 urg 12'); // the octet at 12 is yet to come
  t.deepEqual(state(endpoint), [Urgent.Pending, 11, 10, 10]);
  t.is(endpoint.readiness() & PRI, 0);
  t.is(w.read(endpoint), 10);
  w.peer.send('PU. 11:12(1) ack 1 urg 1');
  t.is(endpoint.urgent, Urgent.Pending);
  w.peer.send('P. 12:21(9) ack 1');
  t.is(endpoint.urgentOctet, pattern(12));
  t.is(w.read(endpoint), 1);
  t.true(endpoint.isMarkUnread);
  w.skip(endpoint, 1);
  t.is(w.read(endpoint), 8);
  t.is(endpoint.urgent, Urgent.None);
});

test('an urgent octet is taken from a segment that comes early, and read in its place', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 6:11(5) ack 1 urg 3');
  t.is(endpoint.urgentOctet, pattern(8));
  t.deepEqual(state(endpoint), [Urgent.Valid, 7, 0, 0]);
  w.peer.send('P. 1:6(5) ack 1');
  t.is(w.read(endpoint), 7);
  w.skip(endpoint, 1);
  t.is(w.read(endpoint), 2);
});

test('an announcement repeated with a retransmission is not news', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:3(2) ack 1 urg 2');
  t.is(w.read(endpoint), 1);
  endpoint.passMark();
  w.peer.send('PU. 1:3(2) ack 1 urg 2');
  t.is(endpoint.urgent, Urgent.None);
  w.skip(endpoint, 1);
  w.peer.send('P. 3:5(2) ack 1');
  t.is(w.read(endpoint), 2);
});

test('a second octet makes the first one data, or drops it where it was next', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:4(3) ack 1 urg 3');
  w.peer.send('PU. 4:7(3) ack 1 urg 3');
  t.deepEqual(state(endpoint), [Urgent.Valid, 5, 5, 5]);
  t.is(w.read(endpoint), 5);
  t.true(endpoint.isMarkUnread);
  w.peer.send('PU. 7:8(1) ack 1 urg 1');
  t.is(endpoint.urgentOctet, pattern(7));
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 0, 0]);
});

test('pointers that name nothing: 0, into the past, beyond the window', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:3(2) ack 1 urg 0');
  // As Linux, 0 names the first octet.
  t.is(endpoint.urgentOctet, pattern(1));
  w.skip(endpoint, 1);
  t.is(w.read(endpoint), 1);
  w.peer.send('U. 3:3(0) ack 1 urg 65535');
  t.deepEqual(state(endpoint), [Urgent.Pending, 65_534, 0, 0]);
  w.peer.send('P. 3:103(100) ack 1');
  t.is(w.read(endpoint), 100);
  // A nearer pointer does not take a farther one back.
  w.peer.send('PU. 103:104(1) ack 1 urg 1');
  t.is(endpoint.urgent, Urgent.Pending);
  t.is(w.read(endpoint), 1);
  t.is(endpoint.readiness() & PRI, 0);
});

test('a segment out of the window announces nothing', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 2000001:2000002(1) ack 1 urg 1');
  t.is(endpoint.urgent, Urgent.None);
});

test('the end of the stream behind an urgent octet', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('FPU. 1:3(2) ack 1 urg 2');
  t.is(w.read(endpoint), 1);
  t.deepEqual(state(endpoint), [Urgent.Valid, 0, 0, 0]);
  endpoint.passMark();
  t.true(endpoint.receiveEnded);
});

test('[RFC2525 2.17] an urgent octet that no read passed is unread at close', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('PU. 1:2(1) ack 1 urg 1');
  w.peer.drain();
  endpoint.takeUrgent();
  endpoint.close();
  w.peer.expect('R. 1:1(0)');
});

test('[RFC6093 3.1] the pointer names the octet after it, and it is sent at once', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10)');
  w.write(endpoint, 3, false, 1, true);
  w.peer.expect('PU. 11:14(3) urg 3');
  w.peer.send('. 1:1(0) ack 14');
  w.write(endpoint, 1);
  w.peer.expect('P. 14:15(1) urg 0');
});

test('until it is acknowledged each segment says how far it is, and the link does not merge them', (t) => {
  const w = world(t, { capabilities: LinkCapability.Tso4 });
  const endpoint = w.connected('mss 1000');
  w.write(endpoint, 2500, false, 1, true);
  w.peer.expect('U. 1:1001(1000) urg 2500');
  w.peer.expect('U. 1001:2001(1000) urg 1500');
  w.peer.expect('PU. 2001:2501(500) urg 500');
  w.write(endpoint, 1000);
  w.peer.expect('P. 2501:3501(1000) urg 0');
  w.advance(seconds(1));
  w.peer.expect('U. 1:1001(1000) urg 2500');
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 3501');
  w.write(endpoint, 1000);
  w.peer.expect('P. 3501:4501(1000) urg 0');
});

test('a pointer too far ahead is left to later segments, or says "further on" where there are none', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000,nop,wscale 7', 60_000);
  w.peer.drain();
  w.write(endpoint, 80_000, false, 1, true);
  // The congestion window lets ten segments out: none says where the mark is, but that it is ahead.
  w.peer.expect('U. 1:1001(1000) urg 65535');
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 10001 win 60000');
  w.peer.expect('U. 10001:11001(1000) urg 65535');
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 20001 win 60000');
  w.peer.expect('U. 30001:31001(1000) urg 50000');
});
