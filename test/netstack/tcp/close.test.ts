import test, { type ExecutionContext } from 'ava';
import { millis, seconds } from '../../../src/lib/clock.ts';
import { Shutdown } from '../../../src/netstack/endpoint.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { type World, world } from './world.ts';

const BOTH_SHUT = 0x2155; // IN OUT HUP RDNORM WRNORM RDHUP
const RESET = 0x215d;

function gone(t: ExecutionContext, w: World, endpoint: TcpConnection): void {
  t.is(endpoint.state, 'CLOSED');
  t.is(w.tcp.flows.size, 0);
  t.is(w.tcp.tcp.CurrEstab, 0);
}
/** Our FIN first, acknowledged. */
function finWait2(w: World): TcpConnection {
  const endpoint = w.connected();
  endpoint.shutdown(Shutdown.Write);
  w.peer.expect('F. 1:1(0) ack 1');
  w.t.is(endpoint.state, 'FIN-WAIT-1');
  w.peer.send('. 1:1(0) ack 2');
  w.t.is(endpoint.state, 'FIN-WAIT-2');
  return endpoint;
}

test('[RFC9293 3.6 case 1] we close first: FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT for 60 s', (t) => {
  const w = world(t);
  const endpoint = finWait2(w);
  w.peer.send('F. 1:1(0) ack 2');
  w.peer.expect('. 2:2(0) ack 2');
  t.is(endpoint.state, 'TIME-WAIT');
  t.is(endpoint.readiness(), BOTH_SHUT);
  w.advance(millis(59_999));
  t.is(endpoint.state, 'TIME-WAIT');
  w.advance(millis(1));
  gone(t, w, endpoint);
  t.is(w.tcp.ext.TW, 1);
});

test('[RFC9293 3.6 case 2] the peer closes first: CLOSE-WAIT, LAST-ACK', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('F. 1:1(0) ack 1');
  // The ACK waits for what the user is likely to do now.
  w.peer.expectNothing();
  w.advance(millis(4));
  w.peer.expect('. 1:1(0) ack 2');
  t.is(endpoint.state, 'CLOSE-WAIT');
  t.true(endpoint.receiveEnded);
  t.is(endpoint.readiness(), 0x2145); // IN OUT RDNORM WRNORM RDHUP
  t.is(w.told(endpoint) & 0x2041, 0x2041);
  // Half-closed: we may still send.
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10) ack 2');
  w.peer.send('. 2:2(0) ack 11');
  endpoint.close();
  w.peer.expect('F. 11:11(0) ack 2');
  t.is(endpoint.state, 'LAST-ACK');
  w.peer.send('. 2:2(0) ack 12');
  gone(t, w, endpoint);
  w.peer.expectNothing();
});

test('[RFC9293 3.6 case 3] both close at once: CLOSING, TIME-WAIT', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.shutdown(Shutdown.Write);
  w.peer.expect('F. 1:1(0) ack 1');
  w.peer.send('F. 1:1(0) ack 1');
  w.peer.expect('. 2:2(0) ack 2');
  t.is(endpoint.state, 'CLOSING');
  w.peer.send('. 2:2(0) ack 2');
  t.is(endpoint.state, 'TIME-WAIT');
  w.peer.expectNothing();
});

test('FIN with the ACK of our FIN goes from FIN-WAIT-1 to TIME-WAIT', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.shutdown(Shutdown.Write);
  w.peer.expect('F. 1:1(0) ack 1');
  w.peer.send('F. 1:1(0) ack 2');
  w.peer.expect('. 2:2(0) ack 2');
  t.is(endpoint.state, 'TIME-WAIT');
});

test('data, then FIN in one segment: the octets are read first', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('FP. 1:101(100) ack 1');
  w.peer.expectNothing();
  w.advance(millis(40));
  w.peer.expect('. 1:1(0) ack 102');
  t.is(endpoint.receivable, 100);
  t.true(endpoint.receiveEnded);
  t.is(w.read(endpoint), 100);
  t.is(endpoint.receivable, 0);
});

test('after shutdown(SHUT_WR) data is still received, in FIN-WAIT-1 and FIN-WAIT-2', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.shutdown(Shutdown.Write);
  w.peer.expect('F. 1:1(0) ack 1');
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.expect('. 2:2(0) ack 11');
  w.peer.send('P. 11:21(10) ack 2');
  w.peer.expect('. 2:2(0) ack 21');
  t.is(endpoint.state, 'FIN-WAIT-2');
  w.peer.send('FP. 21:31(10) ack 2');
  w.peer.expect('. 2:2(0) ack 32');
  t.is(endpoint.state, 'TIME-WAIT');
  t.is(w.read(endpoint), 30);
});

test('the FIN follows what is queued, and rides on the last segment', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 1500);
  w.write(endpoint, 1800);
  w.peer.expect('. 1:751(750)');
  w.peer.expect('. 751:1501(750)');
  endpoint.close();
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 1501 win 5000');
  w.peer.expect('FP. 1501:1801(300)');
  w.peer.send('. 1:1(0) ack 1802');
  t.is(endpoint.state, 'FIN-WAIT-2');
});

test('what is unacknowledged counts the FIN, and stays as it was when the connection ended (SIOCOUTQ)', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1000', 0);
  w.write(endpoint, 10);
  t.deepEqual([endpoint.unacknowledged, endpoint.unsent], [10, 10]);
  endpoint.shutdown(Shutdown.Write);
  t.deepEqual([endpoint.unacknowledged, endpoint.unsent], [11, 11]);
  w.peer.send('. 1:1(0) ack 1 win 1000');
  w.peer.expect('FP. 1:11(10)');
  t.deepEqual([endpoint.unacknowledged, endpoint.unsent], [11, 0]);
  w.peer.send('. 1:1(0) ack 11 win 1000');
  t.deepEqual([endpoint.unacknowledged, endpoint.unsent], [1, 0]);
  w.peer.send('R. 1:1(0) ack 12');
  t.deepEqual([endpoint.state, endpoint.unacknowledged, endpoint.unsent], ['CLOSED', 1, 0]);
  endpoint.disconnect();
  t.deepEqual([endpoint.unacknowledged, endpoint.unsent], [1003, 1002]);
  t.is(endpoint.connect(w.remote, 5001), undefined);
  t.deepEqual([endpoint.unacknowledged, endpoint.unsent], [1, 0]);
});

test('a FIN that is lost is sent again, with the data before it', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  endpoint.shutdown(Shutdown.Write);
  w.peer.expect('P. 1:11(10)');
  w.peer.expect('F. 11:11(0)');
  w.advance(millis(250));
  w.peer.expect('FP. 1:11(10) ack 1');
  w.peer.send('. 1:1(0) ack 12');
  t.is(endpoint.state, 'FIN-WAIT-2');
});

test('an early FIN waits for the octets before it', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('FP. 11:21(10) ack 1');
  w.peer.expect('. 1:1(0) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.expect('. 1:1(0) ack 22');
  t.is(endpoint.state, 'CLOSE-WAIT');
  t.is(w.read(endpoint), 20);
});

test('[RFC9293 3.6.1 SHLD-3] close with unread data resets', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.expect('. 1:1(0) ack 11');
  endpoint.close();
  w.peer.expect('R. 1:1(0) ack 11');
  gone(t, w, endpoint);
  t.is(w.tcp.ext.TCPAbortOnClose, 1);
  t.is(w.tcp.ports.count, 0);
});

test('SO_LINGER of 0 seconds makes close a reset', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 10);
  w.peer.expect('P. 1:11(10)');
  endpoint.settings.lingerSeconds = 0;
  endpoint.close();
  w.peer.expect('R. 11:11(0) ack 1');
  gone(t, w, endpoint);
});

test('[RFC9293 3.6.1] data for an orphan draws a RST, in FIN-WAIT-1 and FIN-WAIT-2', (t) => {
  for (const ack of [1, 2]) {
    const w = world(t);
    const endpoint = w.connected();
    endpoint.close();
    w.peer.expect('F. 1:1(0) ack 1');
    w.peer.send(`P. 1:11(10) ack ${ack}`);
    w.peer.expect('R. 2:2(0) ack 1');
    gone(t, w, endpoint);
    t.is(w.tcp.ext.TCPAbortOnData, 1);
  }
});

test('an orphan leaves FIN-WAIT-2 after 60 s; one that somebody holds stays', (t) => {
  const w = world(t);
  const endpoint = finWait2(w);
  w.advance(seconds(1000));
  t.is(endpoint.state, 'FIN-WAIT-2');
  endpoint.close();
  w.advance(seconds(59));
  t.is(endpoint.state, 'FIN-WAIT-2');
  w.advance(seconds(1));
  gone(t, w, endpoint);
  w.peer.expectNothing();
});

test('TCP_LINGER2 shortens FIN-WAIT-2 of an orphan; negative means reset', (t) => {
  const w = world(t);
  const endpoint = finWait2(w);
  endpoint.settings.linger2Seconds = 5;
  endpoint.close();
  w.advance(seconds(5));
  gone(t, w, endpoint);
  const v = world(t);
  const other = finWait2(v);
  other.settings.linger2Seconds = -1;
  other.close();
  v.peer.expect('R. 2:2(0) ack 1');
  gone(t, v, other);
});

test('[RFC5961 3.2] a RST at the next sequence number resets; elsewhere in the window it is asked about; outside it is ignored', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('R 2:2(0)');
  w.peer.expect('. 1:1(0) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
  w.peer.send('R 70000:70000(0)');
  w.peer.send('R -5:-5(0)');
  w.peer.expectNothing();
  t.is(w.tcp.ext.TCPChallengeACK, 1);
  w.peer.send('R 1:1(0)');
  gone(t, w, endpoint);
  t.is(endpoint.readiness(), RESET);
  t.is(w.told(endpoint) & RESET, RESET);
  t.is(endpoint.takeError(), 'connection-reset');
  t.is(endpoint.takeError(), undefined);
  t.true(endpoint.receiveEnded);
  t.true(endpoint.sendEnded);
  t.is(endpoint.readiness(), BOTH_SHUT);
  t.is(w.tcp.tcp.EstabResets, 1);
  w.peer.expectNothing();
});

test('[RFC5961 7] challenge ACKs are limited per connection and in all', (t) => {
  const w = world(t, { limits: { challenges: 3 } });
  w.connected();
  for (let i = 0; i < 10; i++) {
    w.peer.send('R 2:2(0)');
    w.advance(millis(10));
  }
  t.is(w.peer.drain().length, 1);
  for (let i = 0; i < 10; i++) {
    w.advance(millis(500));
    w.peer.send('R 2:2(0)');
  }
  t.is(w.peer.drain().length, 10);
});

test('[RFC5961 7] the budget of challenge ACKs is drawn anew each second, so that nobody can count what is left', (t) => {
  const w = world(t, { limits: { challenges: 1000 } });
  const { context } = w.connected();
  const budgets: number[] = [];
  for (let second = 0; second < 20; second++) {
    let budget = 0;
    while (context.mayChallenge()) budget++;
    budgets.push(budget);
    w.advance(millis(1000));
  }
  t.true(budgets.every((budget) => budget >= 500 && budget < 1500));
  t.true(new Set(budgets).size > 15);
});

test('data received before a RST stays readable', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.send('R 11:11(0)');
  t.is(endpoint.error, 'connection-reset');
  t.is(endpoint.receivable, 10);
  t.is(w.read(endpoint), 10);
});

test('a RST in each state after the handshake', (t) => {
  const states: ReadonlyArray<readonly [string, (w: World) => TcpConnection, string, string | undefined]> = [
    ['FIN-WAIT-2', finWait2, 'R 1:1(0)', 'connection-reset'],
    [
      'CLOSE-WAIT',
      (w) => {
        const endpoint = w.connected();
        w.peer.send('F. 1:1(0) ack 1');
        return endpoint;
      },
      'R 2:2(0)',
      'broken-pipe',
    ],
    [
      'CLOSING',
      (w) => {
        const endpoint = w.connected();
        endpoint.shutdown(Shutdown.Write);
        w.peer.send('F. 1:1(0) ack 1');
        return endpoint;
      },
      'R 2:2(0)',
      'connection-reset',
    ],
    [
      'LAST-ACK',
      (w) => {
        const endpoint = w.connected();
        w.peer.send('F. 1:1(0) ack 1');
        endpoint.shutdown(Shutdown.Write);
        return endpoint;
      },
      'R 1:1(0)', // before the FIN is as good (Linux tcp_reset_check)
      'connection-reset',
    ],
  ];
  for (const [state, reach, rst, error] of states) {
    const w = world(t);
    const endpoint = reach(w);
    t.is(endpoint.state, state as TcpConnection['state']);
    w.peer.send(rst);
    t.is(endpoint.state, 'CLOSED', state);
    t.is(endpoint.error, error as TcpConnection['error'], state);
  }
});

test('[RFC1337] a RST does not end TIME-WAIT', (t) => {
  const w = world(t);
  const endpoint = finWait2(w);
  w.peer.send('F. 1:1(0) ack 2');
  w.peer.drain();
  w.peer.send('R 2:2(0)');
  t.is(endpoint.state, 'TIME-WAIT');
});

test('[RFC9293 3.10.7.4] in TIME-WAIT the FIN again is acknowledged and starts the wait over', (t) => {
  const w = world(t);
  const endpoint = finWait2(w);
  w.peer.send('F. 1:1(0) ack 2');
  w.peer.expect('. 2:2(0) ack 2');
  w.advance(seconds(59));
  w.peer.send('F. 1:1(0) ack 2');
  w.peer.expect('. 2:2(0) ack 2');
  w.advance(seconds(59));
  t.is(endpoint.state, 'TIME-WAIT');
  w.advance(seconds(1));
  gone(t, w, endpoint);
});

test('[RFC9293 3.6.1] a newer SYN in TIME-WAIT opens a new connection; an older one is answered with an ACK', (t) => {
  const w = world(t);
  const { endpoint, listener } = w.accepted();
  endpoint.close();
  w.peer.expect('F. 1:1(0) ack 1');
  w.peer.send('F. 1:1(0) ack 2');
  w.peer.expect('. 2:2(0) ack 2');
  t.is(endpoint.state, 'TIME-WAIT');
  w.peer.send('S -9:-9(0)');
  w.peer.expect('. 2:2(0) ack 2');
  const before = w.peer.stackIss;
  w.advance(seconds(1));
  w.peer.send('S 100:100(0) <mss 1460>');
  w.peer.expect('S. 0:0(0) ack 101');
  t.true(((w.peer.stackIss - before) | 0) > 0);
  w.peer.send('. 101:101(0) ack 1');
  t.is(listener.acceptPeek()?.state, 'ESTABLISHED');
  t.is(w.tcp.ext.TWRecycled, 1);
});

test('TIME-WAIT is bounded: beyond it connections are forgotten at once', (t) => {
  const w = world(t, { limits: { timeWait: 1 } });
  for (let i = 0; i < 2; i++) {
    const endpoint = w.connected();
    endpoint.close();
    w.peer.expect('F. 1:1(0) ack 1');
    w.peer.send('F. 1:1(0) ack 2');
    w.peer.expect('. 2:2(0) ack 2');
    t.is(endpoint.state, i === 0 ? 'TIME-WAIT' : 'CLOSED');
  }
  t.is(w.tcp.ext.TCPTimeWaitOverflow, 1);
  t.is(w.tcp.timeWaitCount, 1);
});

test('[RFC5961 4.2] a SYN in a synchronized state gets a challenge ACK', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('S 1:1(0)');
  w.peer.expect('. 1:1(0) ack 1');
  t.is(endpoint.state, 'ESTABLISHED');
  t.is(w.tcp.ext.TCPSYNChallenge, 1);
});

test('[RFC9293 3.10.7.4] a segment outside the window is answered with an ACK, at most twice a second if empty', (t) => {
  const w = world(t);
  w.connected();
  w.peer.send('. 200000:200000(0) ack 1');
  w.peer.expect('. 1:1(0) ack 1');
  w.peer.send('. 200000:200000(0) ack 1');
  w.peer.expectNothing();
  w.peer.send('P. 200000:200010(10) ack 1');
  w.peer.expect('. 1:1(0) ack 1');
  w.peer.send('P. -20:-10(10) ack 1');
  w.peer.expect('. 1:1(0) ack 1');
});

test('[RFC9293 3.10.7.4] an ACK of what was never sent is answered and dropped', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('P. 1:11(10) ack 500');
  w.peer.expect('. 1:1(0) ack 1');
  t.is(endpoint.receivable, 0);
});

test('[RFC9293 3.10.7.4] a segment without ACK is dropped', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('P 1:11(10)');
  t.is(endpoint.receivable, 0);
  w.peer.expectNothing();
});

test('shutdown(SHUT_RD) alone: reads end, what arrives is still acknowledged', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  t.is(endpoint.shutdown(Shutdown.Read), undefined);
  t.true(endpoint.receiveEnded);
  t.is(endpoint.readiness(), 0x2145);
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.expect('. 1:1(0) ack 11');
  t.is(endpoint.receivable, 10);
});

test('shutdown of what is not connected is refused; on a listener SHUT_RD ends listening', (t) => {
  const w = world(t);
  t.is(w.endpoint().shutdown(Shutdown.Both), 'not-connected');
  const listener = w.listening();
  t.is(listener.shutdown(Shutdown.Write), undefined);
  t.is(listener.state, 'LISTEN');
  t.is(listener.shutdown(Shutdown.Read), undefined);
  t.is(listener.state, 'CLOSED');
  w.peer.send('S 0:0(0)');
  w.peer.expect('R. 0:0(0) ack 1');
});

test('shutdown and close in SYN-SENT give the attempt up', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  t.is(endpoint.shutdown(Shutdown.Both), undefined);
  gone(t, w, endpoint);
  const other = w.connecting();
  other.close();
  gone(t, w, other);
  w.advance(seconds(10));
  w.peer.expectNothing();
  t.is(w.tcp.ports.count, 0);
});

test('close in SYN-RECEIVED (simultaneous open) sends the FIN once established', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S 0:0(0) win 1000');
  w.peer.expect('S. 0:0(0) ack 1');
  endpoint.close();
  w.peer.expectNothing();
  w.peer.send('. 1:1(0) ack 1 win 1000');
  w.peer.expect('F. 1:1(0) ack 1');
  t.is(endpoint.state, 'FIN-WAIT-1');
});

test('disconnect resets and frees; a bound port stays', (t) => {
  const w = world(t);
  const endpoint = w.endpoint();
  endpoint.bind(w.local, 4000);
  endpoint.connect(w.remote, 5000);
  w.peer.stackPort = 4000;
  w.peer.expect('S 0:0(0)');
  w.peer.send('S. 0:0(0) ack 1');
  w.peer.expect('. 1:1(0) ack 1');
  w.peer.send('P. 1:11(10) ack 1');
  w.peer.drain();
  endpoint.disconnect();
  w.peer.expect('R. 1:1(0) ack 11');
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.localPort, 4000);
  t.is(endpoint.readiness(), 0x011c);
  t.is(endpoint.takeError(), 'connection-reset');
  t.is(endpoint.receivable, 0);
  t.is(endpoint.connect(w.remote, 5000), undefined);
  w.peer.expect('S 0:0(0)');
  const implicit = w.connected();
  implicit.disconnect();
  t.false(implicit.isBound);
  const listener = w.listening();
  listener.disconnect();
  t.is(listener.state, 'CLOSED');
  t.is(listener.listen(1), undefined);
});

test('abort resets', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  endpoint.abort();
  w.peer.expect('R. 1:1(0) ack 1');
  gone(t, w, endpoint);
  t.is(w.told(endpoint) & 0x10, 0x10);
  const listener = w.listening();
  listener.abort();
  t.is(listener.state, 'CLOSED');
});

test('a port that connect() chose is free after the connection; one from bind() is held until close', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.peer.send('R 1:1(0)');
  t.is(w.tcp.ports.count, 0);
  endpoint.close();
  const bound = w.connected('mss 1460', 65_535, (e) => void e.bind(w.local, 4000));
  w.peer.send('R 1:1(0)');
  t.is(w.tcp.ports.count, 1);
  bound.close();
  t.is(w.tcp.ports.count, 0);
});

test('closing twice, and closing in TIME-WAIT, is harmless', (t) => {
  const w = world(t);
  const endpoint = finWait2(w);
  w.peer.send('F. 1:1(0) ack 2');
  endpoint.close();
  endpoint.close();
  t.is(endpoint.state, 'TIME-WAIT');
  w.advance(seconds(60));
  gone(t, w, endpoint);
  t.is(w.tcp.ports.count, 0);
});
