import test from 'ava';
import * as fc from 'fast-check';
import { putU16, putU32 } from '../../../src/lib/bytes.ts';
import { micros } from '../../../src/lib/clock.ts';
import { Shutdown } from '../../../src/netstack/endpoint.ts';
import { pushHeader } from '../../../src/netstack/ip/header.ts';
import { IpProtocol } from '../../../src/netstack/ip/ip.ts';
import { Csum, Gso } from '../../../src/netstack/packet.ts';
import type { TcpConnection } from '../../../src/netstack/tcp/connection.ts';
import { type World, world } from './world.ts';

/** Brings an endpoint into each state, as far as one connection can. */
const WAYS: ReadonlyArray<(w: World) => TcpConnection> = [
  (w) => w.endpoint(),
  (w) => w.listening(),
  (w) => w.connecting(),
  (w) => {
    const endpoint = w.connecting();
    w.peer.send('S 0:0(0)');
    return endpoint;
  },
  (w) => w.connected('mss 1000,sackOK,ts 1 0,nop,wscale 3'),
  (w) => w.connected('mss 1000,sackOK'),
  (w) => {
    const endpoint = w.connected();
    w.write(endpoint, 5000);
    endpoint.shutdown(Shutdown.Write);
    return endpoint;
  },
  (w) => {
    const endpoint = w.connected();
    endpoint.shutdown(Shutdown.Write);
    w.peer.send('. 1:1(0) ack 2');
    return endpoint;
  },
  (w) => {
    const endpoint = w.connected();
    w.peer.send('F. 1:1(0) ack 1');
    return endpoint;
  },
  (w) => {
    const endpoint = w.connected();
    endpoint.shutdown(Shutdown.Write);
    w.peer.send('F. 1:1(0) ack 1');
    return endpoint;
  },
  (w) => {
    const endpoint = w.connected();
    w.peer.send('F. 1:1(0) ack 1');
    endpoint.close();
    return endpoint;
  },
  (w) => {
    const endpoint = w.connected();
    endpoint.shutdown(Shutdown.Write);
    w.peer.send('F. 1:1(0) ack 2');
    return endpoint;
  },
];

/** Numbers that lie near an edge, or anywhere. */
const near = fc.oneof(
  fc.integer({ min: -3, max: 5 }),
  fc.constantFrom(1000, 65_535, 65_536, 1 << 20, -(2 ** 31), 2 ** 31 - 1),
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
);
const segment = fc.record({
  flags: fc.integer({ min: 0, max: 255 }),
  seq: near,
  ack: near,
  window: fc.integer({ min: 0, max: 65_535 }),
  urgent: fc.integer({ min: 0, max: 65_535 }),
  options: fc.uint8Array({ maxLength: 40 }),
  len: fc.constantFrom(0, 0, 1, 100, 1460),
  dataOffset: fc.option(fc.integer({ min: 0, max: 15 }), { nil: undefined }),
  gsoSize: fc.constantFrom(0, 0, 0, 1, 500),
  wait: fc.constantFrom(0, 0, 10, 50_000, 2_000_000, 70_000_000),
});

test('no segment, in whatever state, throws, leaks a buffer or leaves the tables wrong', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: WAYS.length - 1 }), fc.array(segment, { maxLength: 40 }), (way, segments) => {
      const w = world(t);
      const endpoint = (WAYS[way] as (w: World) => TcpConnection)(w);
      for (const s of segments) {
        const packet = w.pool.alloc(s.len);
        if (packet === undefined) return false;
        packet.end = packet.at + s.len;
        const options = Math.min(40, Math.ceil(s.options.length / 4) * 4);
        const at = packet.push(20 + options);
        const b = packet.bytes;
        b.fill(0, at, at + 20 + options);
        putU16(b, at, w.peer.port);
        putU16(b, at + 2, w.peer.stackPort);
        putU32(b, at + 4, w.peer.iss + s.seq);
        putU32(b, at + 8, w.peer.stackIss + s.ack);
        b[at + 12] = (s.dataOffset ?? (20 + options) / 4) << 4;
        b[at + 13] = s.flags;
        putU16(b, at + 14, s.window);
        putU16(b, at + 18, s.urgent);
        b.set(s.options.subarray(0, options), at + 20);
        packet.csum = Csum.Valid;
        packet.gsoSize = s.gsoSize;
        packet.gsoType = s.gsoSize > 0 ? Gso.TcpV4 : Gso.None;
        pushHeader(packet, w.remote, w.local, IpProtocol.Tcp, { ttl: 64, tos: 0, dontFragment: true }, 0);
        w.pair.b.transmit(packet);
        w.advance(micros(s.wait));
        endpoint.readiness();
        if (endpoint.receivable > 0) endpoint.consume(endpoint.receivable);
        if (endpoint.sendSpace(10) > 0) endpoint.commitSend(10, 1, false, false);
        w.peer.seen.length = 0;
      }
      endpoint.close();
      w.advance(micros(2e9));
      const { large, small } = w.pool.available;
      return (
        endpoint.state === 'CLOSED' &&
        w.tcp.flows.size === 0 &&
        w.tcp.ports.count === 0 &&
        w.tcp.timeWaitCount === 0 &&
        w.tcp.tcp.CurrEstab === 0 &&
        w.tcp.rings.used === 0 &&
        large + small === 64 + 512 &&
        w.clock.next() === undefined
      );
    }),
    { numRuns: 300, seed: 9 },
  );
  t.pass();
});

test('the memory of all rings is bounded; what does not fit is dropped or not taken', (t) => {
  const w = world(t, { limits: { memory: 40_000 } });
  const endpoint = w.connected();
  t.is(w.write(endpoint, 100), 100);
  // A hole far ahead would need a ring of 64 KiB.
  w.peer.send('P. 60001:60101(100) ack 1');
  t.is(w.tcp.ext.TCPRcvQDrop, 1);
  w.peer.send('P. 1:1001(1000) ack 1');
  t.is(w.read(endpoint), 1000);
  // No more than the least that every connection gets.
  t.is(w.write(endpoint, 1e6), 16_384 - 100);
  t.true(w.tcp.rings.used <= 40_000);
  t.true(w.tcp.rings.refusals > 0);
  endpoint.abort();
  endpoint.close();
  t.is(w.tcp.rings.used, 0);
});
