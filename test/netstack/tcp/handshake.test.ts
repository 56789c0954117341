import test from 'ava';
import { millis, seconds } from '../../../src/lib/clock.ts';
import { IpAddress } from '../../../src/netstack/address.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { LISTEN_PORT, PEER_PORT, world } from './world.ts';

const FRESH = 0x0114; // OUT HUP WRNORM
const REFUSED = 0x215d; // IN OUT ERR HUP RDNORM WRNORM RDHUP
const WRITABLE = 0x0104;

test('[RFC9293 3.5] a connection is opened, with MSS, window scale, SACK and timestamps offered', (t) => {
  const w = world(t);
  const endpoint = w.endpoint();
  t.is(endpoint.readiness(), FRESH);
  t.is(endpoint.connect(w.remote, PEER_PORT), undefined);
  t.is(endpoint.state, 'SYN-SENT');
  t.is(endpoint.readiness(), 0);
  w.peer.stackPort = endpoint.localPort;
  w.peer.expect('S 0:0(0) win 64240 <mss 1460,sackOK,ts,wscale 7>');
  w.peer.send('S. 0:0(0) ack 1 win 1000 <mss 1400>');
  w.peer.expect('. 1:1(0) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
  t.is(endpoint.readiness(), WRITABLE);
  t.is(w.told(endpoint), WRITABLE);
  t.is(endpoint.mss, 1400);
  t.is(w.tcp.tcp.ActiveOpens, 1);
  t.is(w.tcp.tcp.CurrEstab, 1);
});

test('[RFC9293 3.5] a listener answers a SYN, and the ACK makes the connection ready for accept', (t) => {
  const w = world(t);
  const listener = w.listening();
  t.is(listener.readiness(), 0);
  w.peer.send('S 0:0(0) win 2000 <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1 win 64240 <mss 1460>');
  t.is(listener.acceptPeek(), undefined);
  w.peer.send('. 1:1(0) ack 1 win 2000');
  w.peer.expectNothing();
  t.is(listener.readiness(), 0x41);
  t.is(w.told(listener), 0x41);
  const child = listener.acceptPeek() as TcpConnection;
  t.is(child.state, 'ESTABLISHED');
  t.is(child.localPort, LISTEN_PORT);
  t.is(child.remotePort, PEER_PORT);
  t.true(child.remoteAddress.equals(w.remote));
  listener.acceptCommit();
  t.is(listener.readiness(), 0);
  t.is(w.tcp.tcp.PassiveOpens, 1);
});

test('[RFC9293 MUST-10] simultaneous open', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S 0:0(0) win 1000');
  w.peer.expect('S. 0:0(0) ack 1');
  t.is(endpoint.state, 'SYN-RECEIVED');
  w.advance(millis(100));
  w.peer.expectNothing();
  w.peer.send('S. 0:0(0) ack 1 win 1000');
  t.is(endpoint.state, 'ESTABLISHED');
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10) ack 1');
});

test('a socket connects to itself on loopback', (t) => {
  const w = world(t);
  const endpoint = w.endpoint();
  endpoint.bind(IpAddress.LOOPBACK4, 7777);
  t.is(endpoint.connect(IpAddress.LOOPBACK4, 7777), undefined);
  w.pump();
  t.is(endpoint.state, 'ESTABLISHED');
  t.is(w.write(endpoint, 100), 100);
  t.is(w.read(endpoint), 100);
});

test('[RFC9293 3.10.7.3] a RST that acknowledges the SYN refuses the connection; others are ignored', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('R 0:0(0)');
  w.peer.send('R. 0:0(0) ack 0');
  w.peer.send('R. 0:0(0) ack 2');
  t.is(endpoint.state, 'SYN-SENT');
  w.peer.send('R. 0:0(0) ack 1');
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.readiness(), REFUSED);
  t.is(w.told(endpoint), REFUSED);
  t.is(endpoint.takeError(), 'connection-refused');
  t.is(endpoint.readiness(), REFUSED & ~8);
  t.is(w.tcp.tcp.AttemptFails, 1);
  // And it can be tried again.
  t.is(endpoint.connect(w.remote, PEER_PORT), undefined);
  t.is(endpoint.state, 'SYN-SENT');
});

test('[RFC9293 3.10.7.3] an unacceptable ACK of a SYN draws a RST', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S. 0:0(0) ack 5');
  w.peer.expect('R 5:5(0)');
  w.peer.send('. 0:0(0) ack 0');
  w.peer.expect('R 0:0(0)');
  t.is(endpoint.state, 'SYN-SENT');
});

test('a SYN is sent again after 1, 1, 1, 1, 1, 2, 4 ... seconds, then the connection times out (tcp_syn_retries, tcp_syn_linear_timeouts)', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  const start = w.clock.now();
  w.advance(seconds(140));
  t.deepEqual(
    w.peer.drain().map((s) => Math.round((s.time - start) / 1e6)),
    [1, 2, 3, 4, 5, 7, 11, 19, 35, 67],
  );
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.takeError(), 'timed-out');
});

test('a SYN-ACK is sent again, and forgotten after five times (tcp_synack_retries)', (t) => {
  const w = world(t);
  w.listening();
  w.peer.send('S 0:0(0)');
  const start = w.clock.now();
  w.advance(seconds(70));
  t.deepEqual(
    w.peer.drain().map((s) => Math.round((s.time - start) / 1e6)),
    [0, 1, 3, 7, 15, 31],
  );
  w.peer.send('. 1:1(0) ack 1');
  w.peer.expect('R 1:1(0)');
});

test('[RFC9293 3.10.7.4] a SYN again in SYN-RECEIVED gets the SYN-ACK again', (t) => {
  const w = world(t);
  w.listening();
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
});

test('[RFC9293 3.10.7.2] a listener ignores RST, refuses ACK, and ignores what is neither', (t) => {
  const w = world(t);
  w.listening();
  w.peer.send('R 0:0(0)');
  w.peer.expectNothing();
  w.peer.send('. 0:0(0) ack 99');
  w.peer.expect('R 99:99(0)');
  w.peer.send('S. 0:0(0) ack 7');
  w.peer.expect('R 7:7(0)');
  w.peer.send('F 0:0(0)');
  w.peer.send('SF 0:0(0)');
  w.peer.send('P 0:4(4)');
  w.peer.expectNothing();
});

test('[RFC9293 3.10.7.1] what belongs to no connection is refused', (t) => {
  const w = world(t);
  w.peer.send('S 0:0(0)');
  w.peer.expect('R. 0:0(0) ack 1');
  w.peer.send('. 10:10(0) ack 5');
  w.peer.expect('R 5:5(0)');
  w.peer.send('F 10:20(10)');
  w.peer.expect('R. 0:0(0) ack 21');
  w.peer.send('R. 10:10(0) ack 5');
  w.peer.expectNothing();
  t.is(w.tcp.tcp.OutRsts, 3);
});

test('backlog n admits n + 1 connections; the next SYN is dropped', (t) => {
  const w = world(t);
  const listener = w.listening(1);
  for (let i = 0; i < 2; i++) {
    w.peer.port = 6000 + i;
    w.peer.send('S 0:0(0) <mss 1460>');
    w.peer.expect('S. 0:0(0) ack 1');
    w.peer.send('. 1:1(0) ack 1');
  }
  w.peer.port = 6002;
  w.peer.send('S 0:0(0)');
  w.peer.expectNothing();
  t.is(w.tcp.ext.ListenOverflows, 1);
  listener.acceptCommit();
  w.peer.send('S 0:0(0)');
  w.peer.expect('S. 0:0(0) ack 1');
});

test('an ACK that finds the accept queue full is ignored, and the SYN-ACK sent again', (t) => {
  const w = world(t);
  const listener = w.listening(0);
  const isses: number[] = [];
  for (let i = 0; i < 2; i++) {
    w.peer.port = 6000 + i;
    w.peer.send('S 0:0(0) <mss 1460>');
    w.peer.expect('S. 0:0(0) ack 1');
    isses.push(w.peer.stackIss);
  }
  for (let i = 0; i < 2; i++) {
    w.peer.port = 6000 + i;
    w.peer.stackIss = isses[i] as number;
    w.peer.send('. 1:1(0) ack 1');
  }
  w.peer.expectNothing();
  listener.acceptCommit();
  t.is(listener.acceptPeek(), undefined);
  w.advance(seconds(1));
  const again = w.peer.drain();
  t.is(again.length, 1);
  w.peer.send('. 1:1(0) ack 1');
  t.not(listener.acceptPeek(), undefined);
});

test('[RFC9293 3.10.7.4] a RST in SYN-RECEIVED returns a passive open to LISTEN', (t) => {
  const w = world(t);
  const listener = w.listening();
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('R 1:1(0)');
  w.peer.send('. 1:1(0) ack 1');
  w.peer.expect('R 1:1(0)');
  t.is(listener.acceptPeek(), undefined);
  t.is(w.tcp.ext.EmbryonicRsts, 1);
});

test('[RFC9293 3.10.7.4] in SYN-RECEIVED an unacceptable ACK draws a RST', (t) => {
  const w = world(t);
  w.listening();
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('. 1:1(0) ack 9');
  w.peer.expect('R 9:9(0)');
});

test('half-open connections are bounded', (t) => {
  const w = world(t);
  w.listening(1);
  for (let i = 0; i < 100; i++) {
    w.peer.port = 10_000 + i;
    w.peer.send('S 0:0(0)');
  }
  t.is(w.peer.drain().length, 16);
  t.is(w.tcp.ext.TCPReqQFullDrop, 84);
});

test('closing a listener forgets half-open connections and resets those not accepted', (t) => {
  const w = world(t);
  const listener = w.listening();
  w.peer.port = 6001;
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.port = 6000;
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('. 1:1(0) ack 1');
  w.peer.send('P. 1:101(100) ack 1');
  w.peer.expect('. 1:1(0) ack 101');
  listener.close();
  w.peer.expect('R. 1:1(0) ack 101');
  w.peer.expectNothing();
  t.is(w.tcp.flows.size, 0);
  t.is(w.tcp.ports.count, 0);
  t.is(w.tcp.rings.used, 0);
});

test('TCP_DEFER_ACCEPT: a connection is ready only when data has come', (t) => {
  const w = world(t);
  const listener = w.listening(10, (e) => {
    e.settings.deferAcceptSeconds = 3;
  });
  w.peer.send('S 0:0(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('. 1:1(0) ack 1');
  t.is(listener.acceptPeek(), undefined);
  w.advance(seconds(2));
  w.peer.expectNothing();
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.expect('. 1:1(0) ack 11');
  t.is(listener.acceptPeek()?.receivable, 10);
});

test('[RFC7323 2.2] windows are scaled after the handshake, not in it', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S. 0:0(0) ack 1 win 1000 <mss 1000,nop,wscale 3>');
  w.peer.expect('. 1:1(0) ack 1 win 512'); // 64 KiB >> 7
  w.write(endpoint, 5000);
  w.peer.expect('. 1:501(500)');
  w.peer.expect('. 501:1001(500)');
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 1001 win 250');
  w.peer.expect('. 1001:2001(1000)');
  w.peer.expect('. 2001:3001(1000)');
  w.peer.expectNothing();
});

test('[RFC7323 2.2] without the peer’s offer nothing is scaled', (t) => {
  const w = world(t);
  w.connected('mss 1460');
  const v = world(t);
  v.listening();
  v.peer.send('S 0:0(0) <mss 1460>');
  t.deepEqual(v.peer.expect('S. 0:0(0) ack 1 win 64240').options, ['mss 1460']);
});

test('[RFC9293 MUST-15] a peer that names no MSS gets 536, or 1220 over IPv6', (t) => {
  for (const [family, mss] of [
    [4, 536],
    [6, 1220],
  ] as const) {
    const w = world(t, { family });
    const endpoint = w.connecting();
    w.peer.send('S. 0:0(0) ack 1');
    w.peer.expect('. 1:1(0) ack 1');
    t.is(endpoint.mss, mss);
  }
});

test('[RFC9293 MUST-7] bad options do no harm', (t) => {
  const w = world(t);
  w.listening();
  for (const [i, options] of [
    'raw 2 0',
    'raw 2 200 1 1',
    'raw 99 4 1 1',
    'raw 3',
    'raw 5 3 1',
    'raw 2 3 1',
    'eol',
  ].entries()) {
    w.peer.port = 7000 + i;
    w.peer.send(`S 0:0(0) <${options}>`);
    w.peer.expect('S. 0:0(0) ack 1');
  }
});

test('[RFC6528] initial sequence numbers differ between tuples and grow with time for one', (t) => {
  const w = world(t);
  w.listening();
  const iss = (port: number): number => {
    w.peer.port = port;
    w.peer.send('S 0:0(0)');
    w.peer.expect('S. 0:0(0)');
    const is = w.peer.stackIss;
    w.peer.send('R 1:1(0)');
    return is;
  };
  const first = iss(6000);
  t.true(Math.abs(iss(6001) - first) > 1000);
  w.advance(millis(64));
  t.is((iss(6000) - first) | 0, 1_000_000);
});

test('connect() says why it cannot', (t) => {
  const w = world(t);
  const endpoint = w.endpoint();
  t.is(endpoint.connect(IpAddress.of('fd00::1'), 1), 'address-family');
  t.is(endpoint.connect(IpAddress.of('224.0.0.1'), 1), 'network-unreachable');
  const six = w.endpoint(6);
  six.settings.v6Only = true;
  t.is(six.connect(w.remote, 1), 'network-unreachable');
  t.is(endpoint.bind(IpAddress.of('10.9.9.9'), 0), 'address-not-available');
  t.is(endpoint.bind(w.local, 4000), undefined);
  t.is(endpoint.bind(w.local, 4001), 'invalid');
  t.is(endpoint.connect(w.remote, PEER_PORT), undefined);
  t.is(endpoint.connect(w.remote, PEER_PORT), 'already-connected');
  const second = w.endpoint();
  second.settings.reuseAddress = endpoint.settings.reuseAddress = true;
  t.is(second.bind(w.local, 4000), undefined);
  t.is(second.connect(w.remote, PEER_PORT), 'address-not-available');
  t.is(second.listen(1), undefined);
  t.is(w.listening().connect(w.remote, 1), 'already-connected');
});

test('an IPv6 listener takes IPv4 connections unless IPV6_V6ONLY; the IPv4 listener goes first', (t) => {
  const w = world(t);
  const six = w.endpoint(6);
  six.bind(IpAddress.ANY6, LISTEN_PORT);
  six.listen(1);
  w.peer.send('S 0:0(0)');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('. 1:1(0) ack 1');
  t.is(six.acceptPeek()?.family, 6);
  t.is(six.acceptPeek()?.remoteAddress.toString(), w.remote.toString());
  six.close();
  w.peer.drain();
  const only = w.endpoint(6);
  only.settings.v6Only = true;
  only.bind(IpAddress.ANY6, LISTEN_PORT);
  only.listen(1);
  w.peer.port++;
  w.peer.stackIss = 0;
  w.peer.send('S 0:0(0)');
  w.peer.expect('R. 0:0(0) ack 1');
});
