import test from 'ava';
import { seconds, TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import type { IpAddress } from '../../src/netstack/address.ts';
import { destinationOf, sourceOf } from '../../src/netstack/ip/header.ts';
import type { IcmpError, TransportProtocol } from '../../src/netstack/ip/ip.ts';
import { LinkPair } from '../../src/netstack/link/pair.ts';
import { Csum, type Packet, PacketPool } from '../../src/netstack/packet.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { ip, octetsOf, SMALL_POOL, World } from '../support/stacks.ts';

/** A protocol without header: what arrives is noted. */
const PROTOCOL = 253;
class Probe implements TransportProtocol {
  readonly got: { from: string; to: string; octets: Uint8Array; ttl: number; tos: number; interfaceIndex: number }[] =
    [];
  readonly errors: IcmpError[] = [];
  readonly stack: Stack;
  constructor(stack: Stack) {
    this.stack = stack;
    stack.ip.register(PROTOCOL, this);
  }
  receive(packet: Packet): void {
    const { ttl, tos, interfaceIndex } = packet;
    const from = sourceOf(packet).toString();
    this.got.push({ from, to: destinationOf(packet).toString(), octets: octetsOf(packet), ttl, tos, interfaceIndex });
    packet.release();
  }
  icmpError(_quoted: Packet, error: IcmpError): void {
    this.errors.push(error);
  }
  send(
    to: IpAddress,
    octets: Uint8Array,
    options: { source?: IpAddress; dontFragment?: boolean; ttl?: number } = {},
  ): string | undefined {
    const route = this.stack.ip.route(to, options.source, 0);
    if (typeof route === 'string') return route;
    const packet = this.stack.pool.alloc(octets.length);
    if (packet === undefined) return 'no packet';
    packet.bytes.set(octets, packet.at);
    packet.end = packet.at + octets.length;
    return this.stack.ip.output(packet, route, PROTOCOL, {
      ttl: options.ttl ?? 0,
      tos: 8,
      dontFragment: options.dontFragment ?? false,
    });
  }
}
const pattern = (len: number): Uint8Array => Uint8Array.from({ length: len }, (_, i) => (i * 7 + (i >> 8)) & 255);

function single(): { stack: Stack; probe: Probe } {
  const stack = new Stack({ clock: new TimerHeap(), random: new SeededRandom(1), pool: new PacketPool(SMALL_POOL) });
  return { stack, probe: new Probe(stack) };
}

test('loopback delivers in step, never within the send', (t) => {
  const { stack, probe } = single();
  for (const [to, from] of [
    ['127.0.0.1', '127.0.0.1'],
    ['127.9.9.9', '127.0.0.1'],
    ['::1', '::1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::', '::1'],
  ] as const) {
    t.is(probe.send(ip(to), pattern(10)), undefined);
    t.is(probe.got.length, 0);
    stack.step();
    const [got] = probe.got.splice(0);
    t.is(got?.from, from);
    t.deepEqual(got?.octets, pattern(10));
    t.deepEqual([got?.ttl, got?.tos, got?.interfaceIndex], [64, 8, 1]);
  }
  t.is(stack.stats.Ip.InDelivers, 3);
  t.is(stack.stats.Ip6.InDelivers, 2);
  t.deepEqual(stack.pool.available, { large: SMALL_POOL.large, small: SMALL_POOL.small });
});

test('an own address on a link is reached through loopback, from itself', (t) => {
  const { stack, probe } = single();
  stack.addLink(new LinkPair().a, { name: 'eth0', addresses: [{ address: ip('10.0.2.15'), prefix: 24 }] });
  probe.send(ip('10.0.2.15'), pattern(3));
  stack.step();
  t.is(probe.got[0]?.from, '10.0.2.15');
  t.true(stack.isLocal(ip('10.0.2.15')));
  t.false(stack.isLocal(ip('10.0.2.16')));
});

test('no route, a foreign source, and 127.0.0.1 as the source of a packet that leaves', (t) => {
  const { stack, probe } = single();
  t.is(probe.send(ip('192.0.2.1'), pattern(1)), 'network-unreachable');
  stack.addLink(new LinkPair().a, {
    name: 'eth0',
    addresses: [{ address: ip('10.0.2.15'), prefix: 24 }],
    gateways: [ip('10.0.2.2')],
  });
  t.is(probe.send(ip('192.0.2.1'), pattern(1), { source: ip('10.0.2.99') }), 'network-unreachable');
  t.is(probe.send(ip('192.0.2.1'), pattern(1), { source: ip('255.255.255.255') }), 'invalid');
  t.is(probe.send(ip('192.0.2.1'), pattern(1), { source: ip('127.0.0.1') }), 'invalid');
  t.is(probe.send(ip('192.0.2.1'), pattern(1), { source: ip('fd00::1') }), 'network-unreachable');
  t.is(probe.send(ip('192.0.2.1'), pattern(1)), undefined);
});

for (const [a, b] of [
  ['10.0.0.1', '10.0.0.2'],
  ['fd00::1', 'fd00::2'],
] as const) {
  test(`two stacks on an Ethernet link: ${a} to ${b}`, (t) => {
    const w = new World();
    const [pa, pb] = [new Probe(w.a), new Probe(w.b)];
    t.is(pa.send(ip(b), pattern(100)), undefined);
    w.settle();
    t.is(pb.got[0]?.from, a);
    t.is(pb.got[0]?.interfaceIndex, 2);
    t.deepEqual(pb.got[0]?.octets, pattern(100));
    pb.send(ip(a), pattern(4));
    w.settle();
    t.deepEqual(pa.got[0]?.octets, pattern(4));
    t.is(w.leaks(), 0);
  });

  test(`fragments from ${a} are put together again`, (t) => {
    const w = new World();
    const [pa, pb] = [new Probe(w.a), new Probe(w.b)];
    for (const len of [1480, 1481, 5000, 65_000]) {
      t.is(pa.send(ip(b), pattern(len)), undefined);
      w.settle();
      t.deepEqual(pb.got.splice(0)[0]?.octets, pattern(len));
    }
    t.true(w.b.stats[a.includes(':') ? 'Ip6' : 'Ip'].ReasmOKs >= 3);
    t.is(pa.send(ip(b), pattern(1500), { dontFragment: true }), 'message-size');
    t.is(w.leaks(), 0);
  });

  test(`a protocol nobody serves is reported: ${a} to ${b}`, (t) => {
    const w = new World();
    const pa = new Probe(w.a);
    pa.send(ip(b), pattern(64));
    w.settle();
    t.is(pa.errors[0]?.kind, a.includes(':') ? 'protocol' : 'no-protocol-option');
    t.is(pa.errors[0]?.offender.toString(), b);
    t.is(w.leaks(), 0);
  });

  test(`nobody answers for a neighbour of ${a}: the sender learns after three solicitations`, (t) => {
    const w = new World();
    const pa = new Probe(w.a);
    for (let i = 0; i < 68; i++) pa.send(ip(b.replace('2', '77')), pattern(64));
    w.run(seconds(2));
    t.is(pa.errors.length, 0);
    w.run(seconds(2));
    t.is(pa.errors.length, 64);
    t.is(pa.errors[0]?.kind, 'host-unreachable');
    t.false(pa.errors[0]?.isHard);
    t.is(w.a.stats.Sandsock.NeighborQueueDrops, 4);
    t.is(w.leaks(), 0);
  });
}

test('a link without addresses carries bare IP', (t) => {
  const w = new World({ addresses: null });
  const [pa, pb] = [new Probe(w.a), new Probe(w.b)];
  pa.send(ip('10.0.0.2'), pattern(9));
  pa.send(ip('fd00::2'), pattern(9));
  w.settle();
  t.is(pb.got.length, 2);
});

test('step says when to come back', (t) => {
  const w = new World();
  const pa = new Probe(w.a);
  t.is(w.a.step(), undefined);
  pa.send(ip('10.0.0.77'), pattern(1));
  t.is(w.a.step(), seconds(1) as number as ReturnType<Stack['step']>);
});

test('a closed link takes its routes along and tells', (t) => {
  const w = new World();
  const pa = new Probe(w.a);
  const told: string[] = [];
  w.a.onLinkClosed = (iface, reason) => told.push(`${iface.name}: ${reason}`);
  pa.send(ip('10.0.0.77'), pattern(1));
  w.pair.b.close();
  t.deepEqual(told, ['eth0: the other end of the pair was closed']);
  t.is(pa.send(ip('10.0.0.2'), pattern(1)), 'network-unreachable');
  t.false(w.a.interfaces[1]?.isUp);
  t.is(w.leaks(), 0);
});

test('partial checksums are completed before a link that cannot', (t) => {
  const w = new World();
  const pb = new Probe(w.b);
  const route = w.a.ip.route(ip('10.0.0.2'), undefined, 0);
  if (typeof route === 'string') {
    t.fail(route);
    return;
  }
  const packet = w.a.pool.alloc(8) as Packet;
  packet.end = packet.at + 8;
  packet.bytes.fill(1, packet.at, packet.end);
  packet.csum = Csum.Partial;
  packet.csumStart = packet.at;
  packet.csumField = packet.at + 6;
  w.a.ip.output(packet, route, PROTOCOL, { ttl: 0, tos: 0, dontFragment: true });
  w.settle();
  const octets = pb.got[0]?.octets ?? new Uint8Array(8);
  const sum = (~(4 * 0x101) & 0xffff) >>> 0;
  t.deepEqual([...octets.subarray(6)], [sum >>> 8, sum & 255]);
});
