import test from 'ava';
import * as fc from 'fast-check';
import type { Family } from '../../src/netstack/address.ts';
import { PathMtuDiscovery, Shutdown, type UdpEndpoint } from '../../src/netstack/endpoint.ts';
import { ALL_CAPABILITIES } from '../../src/netstack/link/pair.ts';
import { Csum } from '../../src/netstack/packet.ts';
import { Readiness } from '../../src/netstack/readiness.ts';
import type { Stack } from '../../src/netstack/stack.ts';
import { truesize } from '../../src/netstack/udp/receive-queue.ts';
import * as udp from '../../src/netstack/wire/udp.ts';
import { frame, half, inject, ip, octetsOf, packet4, packet6, World, type WorldOptions } from '../support/stacks.ts';

const { In, Out, Err, Hup, RdNorm, WrNorm, RdHup } = Readiness;
const text = (s: string): Uint8Array => Uint8Array.from(s, (c) => c.charCodeAt(0));

/** sendto: the error, or undefined. */
function send(e: UdpEndpoint, data: string | Uint8Array, to?: string, port = 0, callId = 0): string | undefined {
  const octets = typeof data === 'string' ? text(data) : data;
  const packet = e.prepare(to === undefined ? undefined : ip(to), port, octets.length, undefined);
  if (typeof packet === 'string') return packet;
  packet.bytes.set(octets, packet.at);
  e.transmit(packet, callId);
  return undefined;
}
/** recvfrom: payload and source, or undefined. */
function receive(e: UdpEndpoint): string | undefined {
  const d = e.peek(0);
  if (d === undefined) return undefined;
  const got = `${String.fromCharCode(...octetsOf(d.packet))} from ${d.source.toString()}:${d.sourcePort}`;
  e.consume(1);
  return got;
}
function bound(
  stack: Stack,
  family: Family,
  address: string,
  port: number,
  change: (e: UdpEndpoint) => void = () => {},
): UdpEndpoint {
  const e = stack.createUdp(family);
  change(e);
  const failure = e.bind(ip(address), port);
  if (failure !== undefined) throw new Error(`bind ${address}:${port}: ${failure}`);
  return e;
}
const world = (options?: WorldOptions): World => new World(options);

const reuse = (e: UdpEndpoint): void => {
  e.settings.reuseAddress = true;
};

for (const [family, a, b, any] of [
  [4, '10.0.0.1', '10.0.0.2', '0.0.0.0'],
  [6, 'fd00::1', 'fd00::2', '::'],
] as const) {
  const v = `IPv${family}`;
  for (const capabilities of [0, ALL_CAPABILITIES]) {
    test(`${v}: a datagram and its answer (capabilities ${capabilities})`, (t) => {
      const w = world({ capabilities });
      const server = bound(w.b, family, any, 53);
      const client = w.a.createUdp(family);
      t.false(client.isBound);
      t.is(send(client, 'question', b, 53), undefined);
      t.true(client.isBound && client.localPort >= 32_768 && client.localPort <= 60_999);
      w.settle();
      const d = server.peek(0);
      t.is(d?.destination.toString(), b);
      t.deepEqual([d?.destinationPort, d?.interfaceIndex, d?.ttl, d?.tos], [53, 2, 64, 0]);
      t.is(receive(server), `question from ${a}:${client.localPort}`);
      t.is(send(server, 'answer', a, client.localPort), undefined);
      w.settle();
      t.is(receive(client), `answer from ${b}:53`);
      t.is(w.leaks(), 0);
      const { Udp, Udp6 } = w.b.stats;
      t.is((family === 4 ? Udp : Udp6).InDatagrams, 1);
    });
  }

  test(`${v}: any payload arrives as it was sent, fragmented or not`, (t) => {
    const w = world();
    const server = bound(w.b, family, any, 7);
    server.settings.receiveBuffer = 1_000_000;
    const client = w.a.createUdp(family);
    fc.assert(
      fc.property(fc.oneof(fc.nat({ max: 3000 }), fc.nat({ max: 65_507 })), fc.nat({ max: 255 }), (len, seed) => {
        const data = Uint8Array.from({ length: len }, (_, i) => (i * 13 + seed) & 255);
        t.is(send(client, data, b, 7), undefined);
        w.settle();
        const d = server.peek(0);
        t.true(d !== undefined && Buffer.compare(octetsOf(d.packet), data) === 0);
        server.consume(1);
        t.is(w.leaks(), 0);
      }),
      { numRuns: 60 },
    );
  });

  test(`${v}: port unreachable becomes connection-refused on a connected socket only`, (t) => {
    const w = world();
    const [connected, loose] = [w.a.createUdp(family), w.a.createUdp(family)];
    t.is(connected.connect(ip(b), 9), undefined);
    send(connected, 'x');
    send(loose, 'x', b, 9);
    w.settle();
    t.is(loose.error, undefined);
    t.is(connected.error, 'connection-refused');
    t.is(connected.readiness(), Out | WrNorm | Err);
    t.is(send(connected, 'y'), 'connection-refused');
    t.is(connected.error, undefined);
    t.is(send(connected, 'y'), undefined);
    t.is((family === 4 ? w.b.stats.Udp : w.b.stats.Udp6).NoPorts, 2);
    w.settle();
    t.is(w.leaks(), 0);
  });

  test(`${v}: with receiveErrors an unconnected socket has an error queue`, (t) => {
    const w = world();
    const e = w.a.createUdp(family);
    e.settings.receiveErrors = family === 4;
    e.settings.receiveErrors6 = family === 6;
    send(e, 'first', b, 9);
    send(e, 'second', b, 10);
    w.settle();
    t.is(e.takeError(), 'connection-refused');
    t.is(e.readiness() & Err, Err);
    const first = e.peekError();
    t.is(first?.destinationPort, 9);
    t.is(first?.offender?.toString(), b);
    t.deepEqual([first?.type, first?.code], family === 4 ? [3, 3] : [1, 4]);
    t.is(String.fromCharCode(...(first?.payload ?? [])), 'first');
    e.consumeError();
    t.is(e.error, 'connection-refused');
    t.is(e.peekError()?.destinationPort, 10);
    e.consumeError();
    t.is(e.readiness() & Err, 0);
    t.is(e.error, undefined);
  });

  test(`${v}: sizes`, (t) => {
    const w = world();
    const e = w.a.createUdp(family);
    const most = family === 4 ? 65_507 : 65_527;
    t.is(e.prepare(ip(b), 9, most + 1, undefined), 'message-size');
    const packet = e.prepare(ip(b), 9, most, undefined);
    if (typeof packet === 'string') t.fail(packet);
    else packet.release();
    e.settings.pathMtuDiscovery = e.settings.pathMtuDiscovery6 = PathMtuDiscovery.Do;
    const fits = 1500 - (family === 4 ? 28 : 48);
    t.is(send(e, new Uint8Array(fits + 1), b, 9), 'message-size');
    t.is(send(e, new Uint8Array(fits), b, 9), undefined);
    w.settle();
    t.is(w.leaks(), 0);
  });

  test(`${v}: connected filtering, and connected before bound before wildcard`, (t) => {
    const w = world();
    const wildcard = bound(w.b, family, any, 5000, reuse);
    const exact = bound(w.b, family, b, 5000, reuse);
    const connected = bound(w.b, family, any, 5000, reuse);
    connected.connect(ip(a), 6000);
    const [peer, other] = [bound(w.a, family, any, 6000), bound(w.a, family, any, 6001)];
    send(peer, '1', b, 5000);
    send(other, '2', b, 5000);
    w.settle();
    t.is(receive(connected), `1 from ${a}:6000`);
    t.is(receive(exact), `2 from ${a}:6001`);
    exact.close();
    send(other, '3', b, 5000);
    w.settle();
    t.is(receive(wildcard), `3 from ${a}:6001`);
    t.is(receive(connected), undefined);
  });
}

test('several datagrams may be prepared before the first leaves', (t) => {
  const w = world();
  const e = w.a.createUdp(6);
  const prepared = [
    ['10.0.0.2', 53],
    ['fd00::2', 54],
    ['10.0.0.2', 55],
  ].map(([to, port]) => e.prepare(ip(to as string), port as number, 1, { ttl: port as number }));
  const servers = [53, 54, 55].map((port) => bound(w.b, 6, '::', port));
  for (const packet of prepared) if (typeof packet !== 'string') e.transmit(packet, 1);
  w.settle();
  t.deepEqual(
    servers.map((s) => [s.peek(0)?.source.toString(), s.peek(0)?.ttl]),
    [
      ['10.0.0.1', 53],
      ['fd00::1', 54],
      ['10.0.0.1', 55],
    ],
  );
  // One that is given back, one of another socket, one after close.
  const back = e.prepare(ip('10.0.0.2'), 53, 1, undefined);
  const other = e.prepare(ip('10.0.0.2'), 53, 1, undefined);
  const late = e.prepare(ip('10.0.0.2'), 53, 1, undefined);
  if (typeof back === 'string' || typeof other === 'string' || typeof late === 'string') {
    t.fail();
    return;
  }
  back.release();
  w.a.createUdp(4).transmit(other, 0);
  e.close();
  e.transmit(late, 0);
  w.settle();
  t.is(servers[0]?.queued, 1);
  for (const s of servers) s.close();
  t.is(w.leaks(), 0);
});

test('unconnected, port 0, foreign families, broadcast without permission', (t) => {
  const w = world();
  const e = w.a.createUdp(4);
  t.is(send(e, 'x'), 'destination-required');
  t.is(send(e, 'x', '10.0.0.2', 0), 'invalid');
  t.is(send(e, 'x', 'fd00::2', 9), 'address-family');
  t.is(send(e, 'x', '192.0.2.1', 9), 'network-unreachable');
  t.is(send(e, 'x', '10.0.0.255', 9), 'permission');
  t.is(e.connect(ip('10.0.0.255'), 9), 'permission');
  e.settings.broadcast = true;
  t.is(send(e, 'x', '10.0.0.255', 9), undefined);
  const e6 = w.a.createUdp(6);
  e6.settings.v6Only = true;
  t.is(send(e6, 'x', '10.0.0.2', 9), 'network-unreachable');
  t.is(e6.bind(ip('10.0.0.1'), 9), 'invalid');
});

test('bind: conflicts, foreign addresses, twice, sharing', (t) => {
  const w = world();
  const first = bound(w.a, 4, '10.0.0.1', 700);
  t.is(first.bind(ip('10.0.0.1'), 701), 'invalid');
  t.is(w.a.createUdp(4).bind(ip('10.0.0.1'), 700), 'address-in-use');
  t.is(w.a.createUdp(4).bind(ip('0.0.0.0'), 700), 'address-in-use');
  t.is(w.a.createUdp(6).bind(ip('::'), 700), 'address-in-use');
  t.is(w.a.createUdp(4).bind(ip('10.0.0.9'), 0), 'address-not-available');
  t.is(w.a.createUdp(4).bind(ip('fd00::1'), 0), 'address-family');
  bound(w.a, 4, '127.0.0.1', 700);
  bound(w.a, 6, '::', 700, (e) => {
    e.settings.v6Only = true;
  });
  first.close();
  bound(w.a, 4, '10.0.0.1', 700);
});

test('a dual-stack socket speaks IPv4 by mapped addresses', (t) => {
  const w = world();
  const server = bound(w.b, 6, '::', 53);
  const client = w.a.createUdp(4);
  send(client, 'v4', '10.0.0.2', 53);
  w.settle();
  t.is(receive(server), `v4 from 10.0.0.1:${client.localPort}`);
  send(server, 'back', '10.0.0.1', client.localPort);
  w.settle();
  t.is(receive(client), 'back from 10.0.0.2:53');
  server.settings.v6Only = true;
  send(client, 'again', '10.0.0.2', 53);
  w.settle();
  t.is(receive(server), undefined);
});

test('reusePort spreads flows and keeps each on one socket', (t) => {
  const w = world();
  const group = [0, 1, 2].map(() =>
    bound(w.b, 4, '0.0.0.0', 80, (e) => {
      e.settings.reusePort = true;
    }),
  );
  send(w.a.createUdp(4), 'resolve', '10.0.0.2', 9);
  w.settle();
  for (let port = 7000; port < 7060; port++) {
    const client = bound(w.a, 4, '0.0.0.0', port);
    send(client, 'a', '10.0.0.2', 80);
    send(client, 'b', '10.0.0.2', 80);
    client.close();
  }
  w.settle();
  const seen = group.map((e) => {
    const ports: string[] = [];
    for (let r = receive(e); r !== undefined; r = receive(e)) ports.push(r.slice(-4));
    return ports;
  });
  t.is(seen.flat().length, 120);
  for (const ports of seen) t.true(ports.length > 0 && ports.length === new Set(ports).size * 2);
});

test('the receive buffer holds what Linux would charge', (t) => {
  t.is(truesize(1, true), 832);
  t.is(truesize(1400, true), 2304);
  const w = world();
  const server = bound(w.b, 4, '0.0.0.0', 53);
  server.settings.receiveBuffer = 832 * 3;
  const client = w.a.createUdp(4);
  for (let i = 0; i < 10; i++) send(client, String(i), '10.0.0.2', 53);
  w.settle();
  // Linux: whatever does not bring the charge above the buffer.
  t.is(server.queued, 3);
  t.is(w.b.stats.Udp.RcvbufErrors, 7);
  server.consume(2, 1);
  t.deepEqual(
    [0, 1, 2].map((i) => server.peek(i)?.packet.bytes[server.peek(i)?.packet.at ?? 0]),
    [0x30, undefined, undefined],
  );
  server.consume(9, 1);
  t.is(server.queued, 1);
  server.consume(4);
  t.is(w.leaks(), 0);
});

test('who passes datagrams on is asked what was read before one is dropped', (t) => {
  const w = world();
  const server = bound(w.b, 4, '0.0.0.0', 53);
  server.settings.receiveBuffer = 832;
  let read = 0;
  server.observer = { endpointChanged: () => undefined, settle: () => server.consume(read) };
  const client = w.a.createUdp(4);
  const arrive = (data: string): void => {
    send(client, data, '10.0.0.2', 53);
    w.settle();
  };
  arrive('first');
  arrive('dropped');
  t.deepEqual([server.drops, server.queued], [1, 1]);
  read = 1;
  arrive('third');
  t.deepEqual([server.drops, server.queued, w.b.stats.Udp.RcvbufErrors], [1, 1, 1]);
  server.consume(1);
  t.is(w.leaks(), 0);
});

test('unread datagrams of many sockets leave buffers for the rest of the stack', (t) => {
  const w = world();
  const hoarders = Array.from({ length: 40 }, (_, i) => bound(w.b, 4, '0.0.0.0', 1000 + i));
  const client = w.a.createUdp(4);
  for (let round = 0; round < 20; round++) {
    for (const [i] of hoarders.entries()) send(client, 'x', '10.0.0.2', 1000 + i);
    w.settle();
  }
  t.true(w.b.pool.available.small > 50);
  t.true(hoarders.every((e) => e.queued > 0));
  for (const e of hoarders) e.close();
  t.is(w.leaks(), 0);
});

test('a checksum that does not match is dropped and counted; none is fine on IPv4 only', (t) => {
  const w = world();
  const [s4, s6] = [bound(w.b, 4, '0.0.0.0', 53), bound(w.b, 6, 'fd00::2', 53)];
  const client4 = w.a.createUdp(4);
  const client6 = w.a.createUdp(6);
  send(client4, 'arp', '10.0.0.2', 53);
  send(client6, 'ndp', 'fd00::2', 53);
  w.settle();
  s4.consume(1);
  s6.consume(1);
  w.pair.a.tap = (p) => {
    p.bytes[p.end - 1] = 0;
    return true;
  };
  send(client4, 'x', '10.0.0.2', 53);
  send(client6, 'x', 'fd00::2', 53);
  w.settle();
  t.is(w.b.stats.Udp.InCsumErrors, 1);
  t.is(w.b.stats.Udp6.InCsumErrors, 1);
  w.pair.a.tap = (p) => {
    udp.setChecksum(p.bytes, p.end - 9, 0);
    p.bytes[p.end - 3] = p.bytes[p.end - 2] = 0;
    return true;
  };
  client4.settings.noChecksum = true;
  w.pair.a.tap = undefined;
  send(client4, 'none', '10.0.0.2', 53);
  w.settle();
  t.is(receive(s4), `none from 10.0.0.1:${client4.localPort}`);
  client6.settings.noChecksum = true;
  send(client6, 'summed', 'fd00::2', 53);
  w.settle();
  t.is(receive(s6), `summed from fd00::1:${client6.localPort}`);
  w.pair.a.tap = (p) => {
    // The checksum field of a UDP header behind Ethernet and IPv6.
    p.bytes[p.at + 14 + 40 + 6] = p.bytes[p.at + 14 + 40 + 7] = 0;
    return true;
  };
  send(client6, 'x', 'fd00::2', 53);
  w.settle();
  t.is(receive(s6), undefined);
  t.is(w.b.stats.Udp6.InCsumErrors, 2);
});

test('shutdown and readiness as Linux', (t) => {
  const w = world();
  const e = bound(w.a, 4, '0.0.0.0', 53);
  t.is(e.readiness(), Out | WrNorm);
  t.is(e.shutdown(Shutdown.Read), 'not-connected');
  t.true(e.receiveEnded);
  t.is(e.readiness(), Out | WrNorm | In | RdNorm | RdHup);
  e.connect(ip('10.0.0.2'), 9);
  t.is(e.shutdown(Shutdown.Write), undefined);
  t.is(e.readiness(), Out | WrNorm | In | RdNorm | RdHup | Hup);
  t.is(send(e, 'x'), 'broken-pipe');
});

test('a zero-length datagram is readable and tells its observer', (t) => {
  const w = world();
  const server = bound(w.b, 4, '0.0.0.0', 53);
  const events: number[] = [];
  server.observer = { endpointChanged: (mask) => events.push(mask) };
  send(w.a.createUdp(4), '', '10.0.0.2', 53);
  w.settle();
  t.deepEqual(events, [In | RdNorm]);
  t.is(server.readiness(), Out | WrNorm | In | RdNorm);
  t.is(server.peek(0)?.packet.length, 0);
});

test('disconnect frees what connect chose and keeps what bind named', (t) => {
  const w = world();
  const implicit = w.a.createUdp(4);
  implicit.connect(ip('10.0.0.2'), 9);
  t.is(implicit.localAddress.toString(), '10.0.0.1');
  implicit.disconnect();
  t.false(implicit.isBound || implicit.isConnected);
  t.true(implicit.localAddress.isUnspecified);
  const named = bound(w.a, 4, '10.0.0.1', 99);
  named.connect(ip('10.0.0.2'), 9);
  named.disconnect();
  t.is(named.localPort, 99);
  t.is(named.localAddress.toString(), '10.0.0.1');
});

test('packets carry the ids of their socket and call', (t) => {
  const w = world();
  const e = w.a.createUdp(4);
  const seen: number[][] = [];
  w.pair.a.tap = (p) => seen.push([p.socketId, p.callId]) > 0;
  send(e, new Uint8Array(4000), '10.0.0.2', 9, 77);
  w.settle();
  t.deepEqual(seen.slice(1), [
    [e.id, 77],
    [e.id, 77],
    [e.id, 77],
  ]);
});

test('a broadcast reaches every socket of the port on both sides', (t) => {
  const w = world();
  const own = bound(w.a, 4, '0.0.0.0', 67);
  const [x, y] = [0, 1].map(() =>
    bound(w.b, 4, '0.0.0.0', 67, (e) => {
      e.settings.reuseAddress = true;
    }),
  ) as [UdpEndpoint, UdpEndpoint];
  const sender = w.a.createUdp(4);
  sender.settings.broadcast = true;
  send(sender, 'all', '10.0.0.255', 67);
  w.settle();
  const want = `all from 10.0.0.1:${sender.localPort}`;
  t.deepEqual([own, x, y].map(receive), [want, want, want]);
  t.is(own.peek(0), undefined);
  t.is(w.leaks(), 0);
});

test('per-message choices: source, TTL and TOS; multicast has its own TTL', (t) => {
  const w = world();
  w.a.ip.addAddress(w.a.ip.interfaces[1] as never, { address: ip('10.0.0.50'), prefix: 24 });
  const server = bound(w.b, 4, '0.0.0.0', 53);
  const e = w.a.createUdp(4);
  const packet = e.prepare(ip('10.0.0.2'), 53, 1, { source: ip('10.0.0.50'), ttl: 3, tos: 0x10 });
  if (typeof packet === 'string') {
    t.fail(packet);
    return;
  }
  e.transmit(packet, 0);
  w.settle();
  const d = server.peek(0);
  t.deepEqual([d?.source.toString(), d?.ttl, d?.tos], ['10.0.0.50', 3, 0x10]);
  const group = bound(w.b, 4, '0.0.0.0', 54);
  t.is(send(e, 'g', '224.0.0.1', 54), 'network-unreachable');
  e.settings.multicastInterface = 2;
  t.is(send(e, 'g', '224.0.0.1', 54), undefined);
  w.settle();
  t.is(group.peek(0)?.ttl, 1);
});

test('packet too big lowers the path MTU, and the next datagram is cut to it', (t) => {
  const w = world();
  const server = bound(w.b, 4, '0.0.0.0', 53);
  const e = w.a.createUdp(4);
  e.connect(ip('10.0.0.2'), 53);
  send(e, new Uint8Array(1000));
  w.settle();
  server.consume(1);
  t.is(w.a.pathMtu(ip('10.0.0.2')), 1500);
  w.a.ip.lowerPathMtu(ip('10.0.0.2'), 600);
  t.is(w.a.pathMtu(ip('10.0.0.2')), 600);
  let frames = 0;
  w.pair.a.tap = () => ++frames > 0;
  send(e, new Uint8Array(1000));
  w.settle();
  t.is(frames, 2);
  t.is(server.peek(0)?.packet.length, 1000);
});

test('a service of loopback behind the link, unless a socket is bound here', (t) => {
  const service = { address: ip('127.0.0.53'), port: 53 };
  const w = world({ a: { services: [service], gateways: [ip('10.0.0.2')] } });
  // Host b plays the gateway: it answers for 127.0.0.53 on the link.
  const seen: string[] = [];
  w.pair.a.tap = (p) => {
    if (p.protocol === 17) seen.push(p.bytes.subarray(p.at + 26, p.at + 34).join('.'));
    return true;
  };
  const client = w.a.createUdp(4);
  t.is(send(client, 'q', '127.0.0.53', 53), undefined);
  w.settle();
  t.deepEqual(seen, ['10.0.0.1.127.0.0.53']);
  t.is(send(client, 'other port', '127.0.0.53', 54), undefined);
  const local = bound(w.a, 4, '127.0.0.53', 53);
  t.is(send(client, 'here', '127.0.0.53', 53), undefined);
  w.settle();
  t.is(receive(local), `here from 127.0.0.1:${client.localPort}`);
  t.is(seen.length, 1);
});

test('several datagrams prepared before any is transmitted keep their own destination and choices', (t) => {
  const w = world();
  const x = bound(w.b, 4, '10.0.0.2', 1000);
  const y = bound(w.b, 4, '10.0.0.2', 2000);
  const client = w.a.createUdp(4);
  const prepare = (data: string, port: number, ttl: number): ReturnType<UdpEndpoint['prepare']> => {
    const packet = client.prepare(ip('10.0.0.2'), port, data.length, { ttl });
    if (typeof packet !== 'string') packet.bytes.set(text(data), packet.at);
    return packet;
  };
  const packets = [prepare('one', 1000, 11), prepare('two', 2000, 22), prepare('three', 1000, 33)];
  for (const packet of packets) if (typeof packet !== 'string') client.transmit(packet, 1);
  w.settle();
  t.deepEqual([x.peek(0)?.ttl, y.peek(0)?.ttl, x.peek(1)?.ttl], [11, 22, 33]);
  t.regex(receive(x) ?? '', /^one /);
  t.regex(receive(x) ?? '', /^three /);
  t.regex(receive(y) ?? '', /^two /);
  // One given back, one sent: the next is not mistaken for either.
  const given = prepare('no', 1000, 1);
  if (typeof given !== 'string') given.release();
  const sent = prepare('yes', 2000, 44);
  if (typeof sent !== 'string') client.transmit(sent, 1);
  w.settle();
  t.is(x.queued, 0);
  t.is(y.peek(0)?.ttl, 44);
  y.consume(1);
  t.is(w.leaks(), 0);
});

const datagram = (to: number): number[] => [...half(53), ...half(to), ...half(9), 0, 0, 33];
for (const [family, name, own] of [
  [4, '127.0.0.53', '10.0.0.2'],
  [6, '::1', 'fd00::2'],
] as const) {
  test(`what a service of loopback sends over its link is taken in, and answered over it: ${name}`, (t) => {
    const gateways = [ip('10.0.0.1'), ip('fd00::1')];
    const w = world({ b: { services: [{ address: ip(name), port: 53 }], gateways } });
    const e = w.b.createUdp(family);
    t.is(e.connect(ip(name), 53), undefined);
    t.is(e.localAddress.toString(), own);
    const deliver = (to: number): void => {
      const octets = datagram(to);
      const packet =
        family === 4 ? packet4({ protocol: 17, src: name }, octets) : packet6({ next: 17, src: name }, octets);
      // The link vouches for the checksum.
      inject(w, frame(family === 4 ? 0x0800 : 0x86dd, packet), (p) => {
        p.csum = Csum.Valid;
        if (family === 6) p.bytes[p.end - 2] = 1;
      });
    };
    deliver(e.localPort);
    t.is(receive(e), `! from ${name}:53`);
    // A socket that is not there: the answer must not end on our own loopback.
    let toService = 0;
    w.pair.b.tap = (p) => {
      const at = p.at + 14 + (family === 4 ? 16 : 24);
      const want = new Uint8Array(16);
      if (family === 4) ip(name).write4(want, 0);
      else ip(name).write6(want, 0);
      const len = family === 4 ? 4 : 16;
      if (Buffer.compare(p.bytes.subarray(at, at + len), want.subarray(0, len)) === 0) toService++;
      return true;
    };
    deliver(1);
    w.settle();
    t.is(toService, 1);
    t.is(w.b.stats.Sandsock.Martians, 0);
    // From any other address of loopback it is a martian still.
    inject(w, frame(0x0800, packet4({ protocol: 17, src: '127.0.0.1' }, datagram(e.localPort))));
    t.is(w.b.stats.Sandsock.Martians, 1);
  });
}
