import test from 'ava';
import { micros, millis, seconds } from '../../../src/lib/clock.ts';
import { IpAddress } from '../../../src/netstack/address.ts';
import { LISTEN_PORT, PEER_PORT, world } from './world.ts';

const share = (e: { settings: { reusePort: boolean } }): void => {
  e.settings.reusePort = true;
};

test('listeners that share a port (SO_REUSEPORT) share its connections', (t) => {
  const w = world(t);
  const listeners = [w.listening(100, share), w.listening(100, share)];
  for (let i = 0; i < 40; i++) {
    w.peer.port = 6000 + i;
    w.peer.send('S 0:0(0)');
    w.peer.expect('S. 0:0(0) ack 1');
    w.peer.send('. 1:1(0) ack 1');
  }
  const counts = listeners.map((l) => l.acceptable);
  t.is((counts[0] ?? 0) + (counts[1] ?? 0), 40);
  t.true(counts.every((n) => n > 5));
  // The one that is left takes all.
  listeners[0]?.close();
  w.peer.drain();
  w.peer.port = 7000;
  w.peer.send('S 0:0(0)');
  w.peer.expect('S. 0:0(0) ack 1');
});

test('a listener bound to an address goes before one that is not', (t) => {
  const w = world(t);
  const any = w.listening(10, (e) => {
    e.settings.reuseAddress = true;
    e.settings.reusePort = true;
  });
  const own = w.endpoint();
  own.settings.reusePort = true;
  t.is(own.bind(w.local, LISTEN_PORT), undefined);
  own.listen(10);
  w.peer.send('S 0:0(0)');
  w.peer.expect('S. 0:0(0) ack 1');
  w.peer.send('. 1:1(0) ack 1');
  t.is(own.acceptable, 1);
  t.is(any.acceptable, 0);
});

test('a listener bound to an interface takes only what comes in by it', (t) => {
  const w = world(t);
  w.listening(10, (e) => {
    e.settings.boundInterface = 1;
  });
  w.peer.send('S 0:0(0)');
  w.peer.expect('R. 0:0(0) ack 1');
  const client = w.endpoint();
  client.connect(IpAddress.LOOPBACK4, LISTEN_PORT);
  w.pump();
  t.is(client.state, 'ESTABLISHED');
});

test('listen() without bind() takes an ephemeral port; a second listen() changes the backlog', (t) => {
  const w = world(t);
  const listener = w.endpoint();
  t.is(listener.listen(5), undefined);
  t.true(listener.localPort >= 32_768);
  t.is(listener.listen(0), undefined);
  t.is(listener.listener?.backlog, 0);
  const connected = w.connected();
  t.is(connected.listen(1), 'invalid');
});

test('[RFC6191] on loopback a connection in TIME-WAIT gives way to a new one after a second', (t) => {
  const w = world(t);
  const listener = w.listening();
  const open = (): ReturnType<typeof w.endpoint> => {
    const client = w.endpoint();
    client.settings.reuseAddress = true;
    t.is(client.bind(IpAddress.LOOPBACK4, 9000), undefined);
    return client;
  };
  const first = open();
  t.is(first.connect(IpAddress.LOOPBACK4, LISTEN_PORT), undefined);
  w.pump();
  const server = listener.acceptPeek();
  listener.acceptCommit();
  first.close();
  w.pump();
  server?.close();
  w.pump();
  t.is(first.state, 'TIME-WAIT');
  t.is(open().connect(IpAddress.LOOPBACK4, LISTEN_PORT), 'address-not-available');
  w.advance(micros(1_000_001));
  const second = open();
  t.is(second.connect(IpAddress.LOOPBACK4, LISTEN_PORT), undefined);
  w.pump();
  t.is(second.state, 'ESTABLISHED');
  t.is(first.state, 'CLOSED');
});

test('a full flow table refuses: connect() with no-buffers, a SYN with silence', (t) => {
  const w = world(t, { limits: { flows: 1 } });
  w.connected();
  const second = w.endpoint();
  t.is(second.connect(w.remote, 5001), 'no-buffers');
  t.is(w.tcp.ports.count, 1);
  w.listening();
  w.peer.stackPort = LISTEN_PORT;
  w.peer.port = 6000;
  w.peer.send('S 0:0(0)');
  w.peer.expectNothing();
  t.is(w.tcp.ext.ListenDrops, 1);
});

test('a link that goes away takes its connections with it, and no reset is sent into nothing', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  w.write(endpoint, 100);
  w.pair.b.close();
  t.is(endpoint.state, 'CLOSED');
  t.is(endpoint.takeError(), 'connection-reset');
  t.is(w.tcp.tcp.OutRsts, 0);
  t.is(w.tcp.tcp.EstabResets, 1);
});

test('a simultaneous open whose SYN-ACK nobody answers times out', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  w.peer.send('S 0:0(0) win 1000');
  w.advance(seconds(70));
  t.is(w.peer.drain().length, 6);
  t.is(endpoint.takeError(), 'timed-out');
});

test('keepalive waits while data is in flight', (t) => {
  const w = world(t);
  const endpoint = w.connected('mss 1460', 65_535, (e) => {
    Object.assign(e.settings, { keepAlive: true, keepIdleSeconds: 1, keepIntervalSeconds: 1 });
  });
  w.write(endpoint, 10);
  w.advance(seconds(20));
  t.is(w.tcp.ext.TCPKeepAlive, 0);
  endpoint.settings.keepAlive = false;
  endpoint.optionsChanged();
  w.peer.drain();
  w.peer.send('. 1:1(0) ack 11');
  w.advance(seconds(20));
  w.peer.expectNothing();
});

test('what observers do while they are told is told in turn, not nested', (t) => {
  const w = world(t);
  const endpoint = w.connected();
  const order: string[] = [];
  endpoint.observer = {
    endpointChanged: () => {
      order.push('begin');
      if (endpoint.receivable > 0) endpoint.consume(endpoint.receivable);
      if (order.length < 4) endpoint.abort();
      order.push('end');
    },
  };
  w.peer.send('P. 1:11(10) ack 1');
  t.true(order.length >= 4);
  t.true(order.every((what, i) => what === (i % 2 === 0 ? 'begin' : 'end')));
});

test('errors of ICMP about unknown connections and short quotes are ignored', (t) => {
  const w = world(t);
  const endpoint = w.connecting();
  const quoted = w.pool.alloc(100);
  if (quoted === undefined) return;
  quoted.l4 = quoted.at;
  quoted.end = quoted.at + 4;
  const error = {
    kind: 'connection-refused',
    isHard: true,
    type: 3,
    code: 3,
    mtu: 0,
    info: 0,
    quoteOctets: 0,
    offender: w.remote,
    receiver: w.local,
  } as const;
  w.tcp.icmpError(quoted, error);
  quoted.release();
  t.is(endpoint.state, 'SYN-SENT');
});

test('TTL and TOS of the settings are in every packet', (t) => {
  const w = world(t);
  const endpoint = w.endpoint();
  endpoint.settings.ttl = 7;
  endpoint.settings.tos = 0x10;
  endpoint.optionsChanged();
  const seen: number[][] = [];
  w.pair.a.tap = (packet) => {
    seen.push([packet.bytes[packet.at + 8] as number, packet.bytes[packet.at + 1] as number]);
    return true;
  };
  endpoint.connect(w.remote, PEER_PORT);
  w.advance(millis(1500));
  t.deepEqual(seen, [
    [7, 0x10],
    [7, 0x10],
  ]);
});
