/** What senders choose for a datagram, across a link: segments, path MTU discovery, flow labels, timestamps; and what receivers keep of headers and sources. */
import test from 'ava';
import { PathMtuDiscovery, type SendChoices, type UdpEndpoint } from '../../src/netstack/endpoint.ts';
import type { Stack } from '../../src/netstack/stack.ts';
import { Stamping } from '../../src/netstack/udp/stamping.ts';
import * as ipv6 from '../../src/netstack/wire/ipv6.ts';
import { ip, World } from '../support/stacks.ts';

const FAMILIES = [
  [4, '0.0.0.0', '10.0.0.2'],
  [6, '::', 'fd00::2'],
] as const;

function bound(stack: Stack, family: 4 | 6, any: string, port = 53): UdpEndpoint {
  const endpoint = stack.createUdp(family);
  if (endpoint.bind(ip(any), port) !== undefined) throw new Error('bind');
  return endpoint;
}
function send(from: UdpEndpoint, to: string, octets: Uint8Array, choices?: SendChoices): string | undefined {
  const packet = from.prepare(ip(to), 53, octets.length, choices);
  if (typeof packet === 'string') return packet;
  packet.bytes.set(octets, packet.at);
  from.transmit(packet, 7);
  return undefined;
}
function take(endpoint: UdpEndpoint): number[][] {
  const out: number[][] = [];
  for (let d = endpoint.peek(0); d !== undefined; d = endpoint.peek(0)) {
    out.push([...d.packet.bytes.subarray(d.packet.at, d.packet.end)]);
    endpoint.consume(1);
  }
  return out;
}

for (const [family, any, to] of FAMILIES) {
  test(`IPv${family}: a send of segments leaves by a link as datagrams of their own`, (t) => {
    const w = new World();
    const server = bound(w.b, family, any);
    server.settings.coalesce = true;
    const client = w.a.createUdp(family);
    client.settings.segment = 4;
    t.is(send(client, to, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9)), undefined);
    w.settle();
    t.deepEqual(take(server), [[1, 2, 3, 4], [5, 6, 7, 8], [9]], 'no link here carries them whole');
    t.is(send(client, to, Uint8Array.of(1, 2, 3, 4), { segment: 3 }), undefined);
    w.settle();
    t.deepEqual(take(server), [[1, 2, 3], [4]]);
    t.is(send(client, to, new Uint8Array(4 * 128 + 1)), 'invalid');
    t.is(send(client, to, new Uint8Array(3000), { segment: 1600 }), 'message-size');
    t.is(w.leaks(), 0);
  });

  test(`IPv${family}: the modes of path MTU discovery once a path is narrower than its link`, (t) => {
    const w = new World();
    const client = w.a.createUdp(family);
    w.a.ip.lowerPathMtu(ip(to), 1300);
    const result = (mode: number): string | undefined => {
      client.settings.pathMtuDiscovery = client.settings.pathMtuDiscovery6 = mode;
      return send(client, to, new Uint8Array(1400));
    };
    t.is(result(PathMtuDiscovery.Dont), undefined);
    t.is(result(PathMtuDiscovery.Want), undefined);
    t.is(result(PathMtuDiscovery.Do), 'message-size');
    t.is(result(PathMtuDiscovery.Probe), undefined);
    t.is(result(PathMtuDiscovery.Interface), undefined);
    t.is(result(PathMtuDiscovery.Omit), undefined);
    const fragments = (family === 4 ? w.a.stats.Ip : w.a.stats.Ip6).FragCreates;
    t.is(fragments, 4, 'DONT and WANT cut by the path, the others go by the link');
  });

  test(`IPv${family}: an error of this host tells the MTU, timestamps what was sent`, (t) => {
    const w = new World();
    const client = w.a.createUdp(family);
    client.settings.receiveErrors = client.settings.receiveErrors6 = true;
    client.settings.pathMtuDiscovery = client.settings.pathMtuDiscovery6 = PathMtuDiscovery.Do;
    t.is(send(client, to, new Uint8Array(1600)), 'message-size');
    const told = client.peekError();
    t.deepEqual([told?.origin, told?.error, told?.info], ['local', 'message-size', 1500]);
    t.is(client.error, undefined);
    client.settings.timestamping = Stamping.TxSoftware | Stamping.TxSched | Stamping.OptId;
    client.optionsChanged();
    t.is(send(client, to, Uint8Array.of(1, 2)), undefined);
    t.is(send(client, to, Uint8Array.of(3), { stamps: Stamping.TxSched, stampId: 77 }), undefined);
    client.consumeError();
    const stamps = [0, 1, 2].map((i) => client.peekError(i));
    t.deepEqual(
      stamps.map((s) => [s?.origin, s?.info, s?.data]),
      [
        ['timestamp', 1, 0],
        ['timestamp', 0, 0],
        ['timestamp', 1, 77],
      ],
    );
    t.deepEqual([...(stamps[0]?.payload ?? [])].slice(-2), [1, 2], 'the packet with its headers');
    client.purgeErrors();
    t.is(client.peekError()?.origin, 'timestamp', 'switching IP_RECVERR off leaves stamps alone');
  });
}

test('IPv6: a flow has one label, or the one that is chosen, or none', (t) => {
  const w = new World();
  const server = bound(w.b, 6, '::');
  server.settings.keepsHeaders = true;
  const client = w.a.createUdp(6);
  const label = (choices?: SendChoices): number => {
    t.is(send(client, 'fd00::2', Uint8Array.of(1), choices), undefined);
    w.settle();
    const packet = server.peek(0)?.packet;
    const octets = packet === undefined ? [] : [...packet.bytes.subarray(packet.l3, packet.l3 + ipv6.HEADER_LEN)];
    server.consume(1);
    return (((octets[1] ?? 0) & 15) << 16) | ((octets[2] ?? 0) << 8) | (octets[3] ?? 0);
  };
  const first = label();
  t.true(first > 0);
  t.is(label(), first);
  t.is(label({ flowLabel: 0x12345 }), 0x12345);
  client.settings.autoFlowLabel = false;
  t.is(label(), 0);
});

test('IPv6: no checksum is taken only by who says so', (t) => {
  const w = new World();
  const server = bound(w.b, 6, '::');
  const client = w.a.createUdp(6);
  client.settings.noChecksum6 = true;
  send(client, 'fd00::2', Uint8Array.of(1));
  w.settle();
  t.deepEqual(take(server), []);
  t.is(w.b.stats.Udp6.InCsumErrors, 1);
  server.settings.takesNoChecksum6 = true;
  send(client, 'fd00::2', Uint8Array.of(2));
  w.settle();
  t.deepEqual(take(server), [[2]]);
});

test('a transparent socket sends from an address of nobody’s', (t) => {
  const w = new World();
  const server = bound(w.b, 4, '0.0.0.0');
  const client = w.a.createUdp(4);
  t.is(client.bind(ip('192.0.2.7'), 4000), 'address-not-available');
  client.settings.transparent = true;
  t.is(client.bind(ip('192.0.2.7'), 4000), undefined);
  t.is(send(client, '10.0.0.2', Uint8Array.of(1)), undefined);
  w.settle();
  t.is(server.peek(0)?.source.toString(), '192.0.2.7');
});

test('source filters across a link: the interface takes in what any member lets through', (t) => {
  const w = new World();
  const [member, other] = [w.b.createUdp(4), w.b.createUdp(4)];
  for (const endpoint of [member, other]) {
    endpoint.settings.reuseAddress = true;
    t.is(endpoint.bind(ip('0.0.0.0'), 53), undefined);
  }
  const client = w.a.createUdp(4);
  client.settings.multicastInterface = 2;
  const group = ip('239.1.2.3');
  const { sourceFilters } = member;
  t.is(sourceFilters.changeSource(group, ip('10.0.0.1'), 2, undefined, 'exclude', true), 'invalid');
  t.is(member.join(group, 2, undefined, 'include'), undefined);
  t.is(sourceFilters.changeSource(group, ip('10.0.0.9'), 2, undefined, 'include', true), undefined);
  send(client, '239.1.2.3', Uint8Array.of(1));
  w.settle();
  t.deepEqual([take(member), take(other)], [[], []]);
  t.is(sourceFilters.setFilter(group, 2, undefined, { mode: 'include', sources: [ip('10.0.0.1')] }), undefined);
  send(client, '239.1.2.3', Uint8Array.of(2));
  w.settle();
  t.deepEqual([take(member), take(other)], [[[2]], [[2]]]);
  t.deepEqual(sourceFilters.filterOf(group, 2, undefined), { mode: 'include', sources: [ip('10.0.0.1')] });
  t.is(sourceFilters.changeSource(group, ip('10.0.0.1'), 2, undefined, 'include', false), undefined);
  t.is(sourceFilters.filterOf(group, 2, undefined), 'address-not-available', 'to include nobody is to leave');
});

test('[RFC3542 11.3] IPv6: who asks is told the MTU that a datagram is too long for, the last one', (t) => {
  const w = new World();
  const client = w.a.createUdp(6);
  const notice = (): readonly unknown[] | undefined => {
    const told = client.pathMtuNotice;
    client.pathMtuNotice = undefined;
    return told && [told.destination.toString(), told.interfaceIndex, told.mtu];
  };
  const long = new Uint8Array(1600);
  client.settings.dontFragment6 = true;
  t.is(send(client, 'fd00::2', long), 'message-size');
  t.is(notice(), undefined, 'nobody asked');
  client.settings.receivePathMtu = true;
  t.is(send(client, 'fd00::2', long), 'message-size');
  client.settings.fragmentSize6 = 1280;
  t.is(send(client, 'fd00::2', long, { interfaceIndex: 2 }), 'message-size');
  t.deepEqual(notice(), ['fd00::2', 2, 1280]);
  t.is(send(client, 'fd00::2', long, { dontFragment: false }), undefined);
  client.settings.pathMtuDiscovery6 = PathMtuDiscovery.Do;
  t.is(send(client, 'fd00::2', long, { dontFragment: false }), 'message-size');
  t.is(notice(), undefined, 'by IPV6_DONTFRAG alone');
});
