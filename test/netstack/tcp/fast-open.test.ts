import test from 'ava';
import * as fc from 'fast-check';
import { seconds } from '../../../src/lib/clock.ts';
import { SeededRandom } from '../../../src/lib/random.ts';
import { IpAddress } from '../../../src/netstack/address.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { FastOpen } from '../../../src/netstack/tcp/fast-open.ts';
import { PEER_PORT, type World, type WorldOptions, world } from './world.ts';

const COOKIE = 'raw 34 10 1 2 3 4 5 6 7 8';
const SERVER: WorldOptions = { limits: { fastOpen: 3 } };
const option34 = (options: readonly string[]): string | undefined => options.find((o) => o.startsWith('fo'));

/** A connection attempt with data to follow. */
function opening(w: World, prepare?: (endpoint: TcpConnection) => void): TcpConnection {
  const endpoint = w.endpoint();
  prepare?.(endpoint);
  w.t.is(endpoint.connect(w.remote, PEER_PORT, true), undefined);
  w.peer.stackPort = endpoint.localPort;
  return endpoint;
}
/** The peer gives its cookie. */
function withCookie(w: World): void {
  const first = opening(w);
  const { options } = w.peer.expect('S 0:0(0)');
  w.t.is(option34(options), 'fo');
  w.peer.send(`S. 0:0(0) ack 1 <mss 1000,${COOKIE}>`);
  w.peer.expect('. 1:1(0) ack 1');
  first.abort();
  w.peer.drain();
}

test('[RFC7413 3] a cookie is asked for, kept, and shown with data in the next SYN', (t) => {
  const w = world(t);
  withCookie(w);
  const endpoint = opening(w);
  w.peer.expectNothing();
  t.true(endpoint.deferred);
  t.is(endpoint.readiness(), 0x104);
  t.is(endpoint.sendSpace(5000), 960, 'the MSS of the last time, less what options may take');
  w.write(endpoint, 500);
  const syn = w.peer.expect('S 0:500(500)');
  t.is(option34(syn.options), 'fo 1 2 3 4 5 6 7 8');
  t.false(endpoint.deferred);
  w.peer.send('S. 0:0(0) ack 501 <mss 1000>');
  w.peer.expect('. 501:501(0) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
  t.is(endpoint.unacknowledged, 0);
  t.is(w.stack.stats.TcpExt.TCPFastOpenActive, 1);
  w.write(endpoint, 10);
  w.peer.expect('P. 501:511(10)');
});

test('[RFC7413 4.2.1] what the server does not take of it is sent again', (t) => {
  for (const taken of [0, 200]) {
    const w = world(t);
    withCookie(w);
    const endpoint = opening(w);
    w.write(endpoint, 500);
    w.peer.expect('S 0:500(500)');
    w.peer.send(`S. 0:0(0) ack ${1 + taken} <mss 1000>`);
    w.peer.expect(`P. ${1 + taken}:501(${500 - taken}) ack 1`);
    t.is(w.stack.stats.TcpExt.TCPFastOpenActiveFail, 1);
    w.peer.send('. 1:1(0) ack 501');
    t.is(endpoint.unacknowledged, 0);
  }
});

test('a server that acknowledges more than was sent is reset', (t) => {
  const w = world(t);
  withCookie(w);
  const endpoint = opening(w);
  w.write(endpoint, 500);
  w.peer.expect('S 0:500(500)');
  w.peer.send('S. 0:0(0) ack 502 <mss 1000>');
  w.peer.expect('R 502:502(0)');
  t.is(endpoint.state, 'SYN-SENT');
});

test('[RFC7413 4.1.3] a SYN that is sent again has neither option nor data, and the cookie is forgotten', (t) => {
  const w = world(t);
  withCookie(w);
  const endpoint = opening(w);
  w.write(endpoint, 500);
  w.peer.expect('S 0:500(500)');
  w.advance(seconds(1));
  const again = w.peer.expect('S 0:0(0)');
  t.is(option34(again.options), undefined);
  w.peer.send('S. 0:0(0) ack 1 <mss 1000>');
  w.peer.expect('P. 1:501(500) ack 1');
  endpoint.abort();
  w.peer.drain();
  const next = opening(w);
  t.false(next.deferred);
  w.peer.expect('S 0:0(0)');
});

test('without a cookie: at once where none is needed; never where clients may not', (t) => {
  const w = world(t);
  const endpoint = opening(w, (e) => void (e.settings.fastOpenNoCookie = true));
  t.true(endpoint.deferred);
  w.write(endpoint, 10);
  t.is(option34(w.peer.expect('S 0:10(10)').options), undefined);
  const off = world(t, { limits: { fastOpen: 0 } });
  const plain = opening(off);
  t.false(plain.deferred);
  t.is(option34(off.peer.expect('S 0:0(0)').options), undefined);
});

test('a deferred connection that is given up, or opened without data', (t) => {
  const w = world(t);
  withCookie(w);
  const given = opening(w);
  given.close();
  w.peer.expectNothing();
  const empty = opening(w);
  empty.openDeferred();
  t.is(option34(w.peer.expect('S 0:0(0)').options), 'fo 1 2 3 4 5 6 7 8');
  empty.openDeferred();
  w.peer.expectNothing();
});

test('both sides open at once: the data goes once the handshake is complete', (t) => {
  const w = world(t);
  withCookie(w);
  const endpoint = opening(w);
  w.write(endpoint, 500);
  w.peer.expect('S 0:500(500)');
  w.peer.send('S 0:0(0) <mss 1000>');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('. 1:1(0) ack 1');
  w.peer.expect('P. 1:501(500) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
});

test('[RFC7413 4.1.1] options of wrong length are as if they were not there', (t) => {
  const w = world(t);
  for (const raw of [
    'raw 34 3 1',
    'raw 34 5 1 2 3',
    'raw 34 7 1 2 3 4 5',
    'raw 34 20 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18',
  ]) {
    const endpoint = opening(w);
    w.peer.expect('S 0:0(0)');
    w.peer.send(`S. 0:0(0) ack 1 <mss 1000,${raw}>`);
    w.peer.expect('. 1:1(0) ack 1');
    endpoint.abort();
    w.peer.drain();
  }
  const next = opening(w);
  t.false(next.deferred);
});

const peer = (i: number): IpAddress => IpAddress.of(`10.1.${i >> 8}.${i & 255}`);

test('cookies of the last peers are kept, no more', (t) => {
  const known = new FastOpen(new SeededRandom(1), 1);
  for (let i = 0; i < 1000; i++) known.remember(peer(i), Uint8Array.of(i & 255, 2, 3, 4), 1000);
  t.is(known.of(peer(0)), undefined);
  t.is(known.of(peer(743)), undefined);
  t.is(known.of(peer(744))?.cookie[0], 744 & 255);
  known.remember(peer(744), Uint8Array.of(9, 9, 9, 9), 500);
  known.remember(peer(1000), Uint8Array.of(1, 2, 3, 4), 1000);
  t.is(known.of(peer(744))?.mss, 500);
  known.forget(peer(744));
  t.is(known.of(peer(744)), undefined);
});

// The server

const listening = (w: World, queue = 4, key?: Uint8Array): TcpConnection =>
  w.listening(10, (e) => {
    e.settings.fastOpenQueue = queue;
    e.settings.fastOpenKey = key;
  });
/** The cookie that the stack gives to the peer, as an option. */
function cookieFor(w: World): string {
  w.peer.send('S 0:0(0) <mss 1000,raw 34 2>');
  const { options } = w.peer.expect('S. 0:0(0) ack 1');
  const octets = (option34(options) ?? '').split(' ').slice(1);
  w.t.is(octets.length, 8);
  w.peer.send('R 1:1(0)');
  return `raw 34 10 ${octets.join(' ')}`;
}

test('[RFC7413 4.2.2] a valid cookie opens: the data can be read before the handshake is complete', (t) => {
  const w = world(t, SERVER);
  const listener = listening(w);
  const cookie = cookieFor(w);
  w.peer.send(`S 0:300(300) <mss 1000,${cookie}>`);
  w.peer.expect('S. 0:0(0) ack 301');
  t.is(listener.acceptable, 1);
  const endpoint = listener.acceptPeek() as TcpConnection;
  listener.acceptCommit();
  t.is(endpoint.state, 'SYN-RECEIVED');
  t.is(endpoint.readiness() & 1, 1);
  t.is(w.read(endpoint), 300);
  w.peer.send('P. 301:311(10) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
  t.is(w.read(endpoint), 10);
  t.is(listener.acceptable, 0);
  t.is(w.stack.stats.TcpExt.TCPFastOpenPassive, 1);
});

test('a wrong cookie, and data without one, open nothing: the data is not taken, and the right cookie is offered', (t) => {
  const w = world(t, SERVER);
  const listener = listening(w);
  w.peer.send('S 0:300(300) <mss 1000,raw 34 10 9 9 9 9 9 9 9 9>');
  t.is(option34(w.peer.expect('S. 0:0(0) ack 1').options)?.split(' ').length, 9);
  t.is(listener.acceptable, 0);
  t.is(w.stack.stats.TcpExt.TCPFastOpenPassiveFail, 1);
  w.peer.send('R 1:1(0)');
  w.peer.send('S 0:300(300) <mss 1000>');
  t.is(option34(w.peer.expect('S. 0:0(0) ack 1').options), undefined);
});

test('no server by default, nor without TCP_FASTOPEN', (t) => {
  for (const [options, queue] of [
    [{}, 4],
    [SERVER, 0],
  ] as const) {
    const w = world(t, options);
    listening(w, queue);
    w.peer.send('S 0:10(10) <mss 1000,raw 34 2>');
    t.is(option34(w.peer.expect('S. 0:0(0) ack 1').options), undefined);
  }
});

test('[RFC7413 5.1] no more wait for the end of their handshake than the queue says', (t) => {
  const w = world(t, SERVER);
  const listener = listening(w, 2);
  const cookie = cookieFor(w);
  for (let i = 0; i < 3; i++) {
    w.peer.port = PEER_PORT + i;
    w.peer.send(`S 0:10(10) <mss 1000,${cookie}>`);
    w.peer.expect(`S. 0:0(0) ack ${i < 2 ? 11 : 1}`);
  }
  t.is(listener.acceptable, 2);
  t.is(w.stack.stats.TcpExt.TCPFastOpenListenOverflow, 1);
  // One completes, one is reset: there is room again.
  w.peer.port = PEER_PORT + 1;
  w.peer.send('R 11:11(0)');
  w.peer.port = PEER_PORT + 3;
  w.peer.send(`S 0:10(10) <mss 1000,${cookie}>`);
  w.peer.expect('S. 0:0(0) ack 11');
  t.is(listener.acceptable, 3);
  // A spoofed opening ends with its last SYN-ACK.
  w.advance(seconds(120));
  listener.close();
  w.peer.drain();
});

test('a connection opened by a cookie that was reset is accepted, and tells it', (t) => {
  const w = world(t, SERVER);
  const listener = listening(w);
  const cookie = cookieFor(w);
  w.peer.send(`S 0:10(10) <mss 1000,${cookie}>`);
  w.peer.expect('S. 0:0(0) ack 11');
  w.peer.send('R 11:11(0)');
  const endpoint = listener.acceptPeek() as TcpConnection;
  listener.acceptCommit();
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.takeError(), 'connection-reset');
});

test('TCP_FASTOPEN_KEY: the cookie is Linux’s, and the second key still opens', (t) => {
  // SipHash-2-4 of 10.0.2.2 and 10.0.2.15 in a row, the key as its two words (tcp_fastopen_cookie_gen_cipher).
  const key = Uint8Array.from({ length: 16 }, (_, i) => i);
  const old = world(t, SERVER);
  listening(old, 4, key);
  const cookie = cookieFor(old);
  const w = world(t, SERVER);
  const other = Uint8Array.from({ length: 32 }, (_, i) => (i < 16 ? 255 - i : i - 16));
  const listener = listening(w, 4, other);
  t.not(cookieFor(w), cookie);
  w.peer.send(`S 0:10(10) <mss 1000,${cookie}>`);
  const answer = w.peer.expect('S. 0:0(0) ack 11');
  t.is(option34(answer.options)?.split(' ').length, 9, 'and gets the new one');
  t.is(listener.acceptable, 1);
});

test('any option, data and flags on a SYN: nothing throws, nothing is left', (t) => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          octets: fc.array(fc.nat(255), { maxLength: 20 }),
          length: fc.nat(24),
          data: fc.nat(1400),
          flags: fc.constantFrom('S', 'S.', 'SU', 'FS', 'SP'),
        }),
        { maxLength: 20 },
      ),
      (segments) => {
        const w = world(t, SERVER);
        const listener = listening(w, 2);
        segments.forEach(({ octets, length, data, flags }, i) => {
          w.peer.port = PEER_PORT + i;
          w.peer.send(
            `${flags} 0:${data}(${data})${flags.includes('.') ? ' ack 1' : ''} <raw 34 ${[length, ...octets].join(' ')}>`,
          );
        });
        listener.close();
        w.advance(seconds(300));
        t.is(w.tcp.flows.size, 0);
        t.is(w.stack.stats.TcpExt.TCPFastOpenPassive, 0);
      },
    ),
    { numRuns: 60 },
  );
});
