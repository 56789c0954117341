import test from 'ava';
import * as fc from 'fast-check';
import { seconds, TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { PathMtuCache } from '../../src/netstack/ip/path-mtu.ts';
import { RouteTable } from '../../src/netstack/ip/route-table.ts';
import { commonPrefix, scopeOf, selectSource } from '../../src/netstack/ip/source-selection.ts';
import { LinkPair } from '../../src/netstack/link/pair.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { ip, SMALL_POOL } from '../support/stacks.ts';

test('longest prefix, then metric, then age', (t) => {
  const table = new RouteTable();
  const add = (destination: string, prefix: number, interfaceIndex: number, metric = 0): void =>
    table.add({ destination: ip(destination), prefix, gateway: undefined, interfaceIndex, metric });
  add('0.0.0.0', 0, 1);
  add('10.0.0.0', 8, 2);
  add('10.1.0.0', 16, 3, 5);
  add('10.1.0.0', 16, 4);
  add('10.1.0.0', 16, 5);
  add('::', 0, 6);
  const of = (to: string, iface = 0): number | undefined => table.lookup(ip(to), iface)?.interfaceIndex;
  t.deepEqual([of('10.1.2.3'), of('10.2.2.3'), of('11.0.0.1'), of('fd00::1')], [4, 2, 1, 6]);
  t.deepEqual([of('10.1.2.3', 3), of('10.1.2.3', 2), of('10.1.2.3', 9)], [3, 2, undefined]);
  t.true(table.remove(ip('10.1.0.0'), 16, 4));
  t.false(table.remove(ip('10.1.0.0'), 16, 4));
  t.is(of('10.1.2.3'), 5);
  table.removeInterface(5);
  t.is(of('10.1.2.3'), 3);
  t.throws(() => add('10.0.0.0', 33, 1), { message: /no such prefix/ });
});

test('the table agrees with a naive search', (t) => {
  const word = fc.integer({ min: 0, max: 15 }).map((n) => (n << 28) | 0);
  fc.assert(
    fc.property(fc.array(fc.tuple(word, fc.nat({ max: 32 })), { maxLength: 12 }), fc.integer(), (routes, to) => {
      const table = new RouteTable();
      for (const [i, [w, prefix]] of routes.entries()) {
        table.add({ destination: IpAddress.v4(w), prefix, gateway: undefined, interfaceIndex: i + 1 });
      }
      let best: { prefix: number; index: number } | undefined;
      for (const [i, [w, prefix]] of routes.entries()) {
        const mask = prefix === 0 ? 0 : -1 << (32 - prefix);
        if (((w ^ to) & mask) === 0 && (best === undefined || prefix > best.prefix)) best = { prefix, index: i + 1 };
      }
      t.is(table.lookup(IpAddress.v4(to), 0)?.interfaceIndex, best?.index);
    }),
  );
});

const list = (...addresses: string[]) => addresses.map((a) => ({ address: ip(a), prefix: a.includes(':') ? 64 : 24 }));
const select = (to: string, outgoing: string[], others: string[] = []): string | undefined =>
  selectSource(ip(to), ip(to), list(...outgoing), list(...others))?.toString();

test('[RFC6724 5] source selection', (t) => {
  // Rule 1, same address.
  t.is(select('2001:db8::1', ['2001:db8::2', '2001:db8::1']), '2001:db8::1');
  // Rule 2, scope: the examples of section 10.1.
  t.is(select('2001:db8:1::1', ['fe80::1', '2001:db8:3::1']), '2001:db8:3::1');
  t.is(select('fe80::9', ['2001:db8:3::1', 'fe80::1']), 'fe80::1');
  t.is(select('ff05::1', ['fe80::1', 'fec0::1', '2001:db8:3::1']), 'fec0::1');
  // Rule 5, outgoing interface.
  t.is(select('2001:db8:1::1', ['2001:db8:3::1'], ['2001:db8:1::2']), '2001:db8:3::1');
  // A multicast goes from the interface's own addresses alone.
  t.is(select('ff02::1', [], ['fe80::1']), undefined);
  t.is(select('2001:db8:1::1', [], ['2001:db8:1::2']), '2001:db8:1::2');
  // Rule 6, label: ULA to ULA.
  t.is(select('fd00::9', ['2001:db8::1', 'fd12::1']), 'fd12::1');
  t.is(select('2002:c633::1', ['2001:db8::1', '2002:c633::2']), '2002:c633::2');
  // Rule 8, longest match.
  t.is(select('2001:db8:1::1', ['2001:db8:2::1', '2001:db8:1:5::1']), '2001:db8:1:5::1');
  t.is(select('2001:db8::1', ['::1', '10.0.0.1']), undefined);
});
test("IPv4 takes the address in the next hop's subnet, else the first", (t) => {
  t.is(select('10.0.2.9', ['10.0.1.1', '10.0.2.1']), '10.0.2.1');
  t.is(select('192.0.2.1', ['fd00::1', '10.0.1.1', '10.0.2.1']), '10.0.1.1');
  t.is(select('192.0.2.1', [], ['10.0.3.1']), '10.0.3.1');
  t.is(select('192.0.2.1', ['127.0.0.1']), undefined);
});
test('scopes and common prefixes', (t) => {
  t.deepEqual(
    ['ff02::1', 'ff0e::1', 'fe80::1', '::1', 'fec0::1', 'fd00::1', '10.0.0.1', '169.254.1.1'].map((a) =>
      scopeOf(ip(a)),
    ),
    [2, 14, 2, 2, 5, 14, 14, 2],
  );
  t.is(commonPrefix(ip('2001:db8::'), ip('2001:db9::')), 31);
  t.is(commonPrefix(ip('fd00::1'), ip('fd00::1')), 128);
  t.is(commonPrefix(ip('fd00::'), ip('fd00::1')), 127);
});

test('[RFC1191, RFC8201] path MTUs only fall, not below the minimum, for ten minutes', (t) => {
  const clock = new TimerHeap();
  let changes = 0;
  const cache = new PathMtuCache(clock, () => changes++);
  const [v4, v6] = [ip('192.0.2.1'), ip('2001:db8::1')];
  cache.lower(v4, 1400, 1500);
  cache.lower(v6, 100, 1500);
  t.deepEqual(
    [cache.lookup(v4, 1500), cache.lookup(v6, 1500), cache.lookup(ip('192.0.2.2'), 1500)],
    [1400, 1280, 1500],
  );
  cache.lower(v4, 1450, 1400);
  t.is(cache.lookup(v4, 1500), 1400);
  clock.advance(seconds(300));
  cache.lower(v4, 68, 1400);
  t.is(cache.lookup(v4, 1500), 552);
  t.is(cache.lookup(v4, 500), 500);
  t.is(changes, 3);
  clock.advance(seconds(300));
  t.deepEqual([cache.lookup(v4, 1500), cache.lookup(v6, 1500)], [552, 1500]);
  clock.advance(seconds(300));
  t.is(cache.lookup(v4, 1500), 1500);
  t.is(changes, 5);
  for (let i = 0; i < 300; i++) cache.lower(IpAddress.v4(i), 1000, 1500);
  t.deepEqual([cache.size, cache.evictions], [256, 44]);
  t.is(cache.lookup(IpAddress.v4(0), 1500), 1500);
});

function stack(): Stack {
  const s = new Stack({ clock: new TimerHeap(), random: new SeededRandom(1), pool: new PacketPool(SMALL_POOL) });
  s.addLink(new LinkPair({ mtu: 1400 }).a, {
    name: 'eth0',
    addresses: [
      { address: ip('10.0.2.15'), prefix: 24 },
      { address: ip('fd00::15'), prefix: 64 },
    ],
    gateways: [ip('10.0.2.2'), ip('fd00::2')],
    services: [{ address: ip('127.0.0.53'), port: 53 }],
  });
  s.addLink(new LinkPair({ mtu: 1400 }).a, { name: 'eth1', addresses: [{ address: ip('10.1.0.5'), prefix: 16 }] });
  return s;
}
const show = (s: Stack, to: string, source?: string, iface = 0, port = 0): string => {
  const r = s.ip.route(ip(to), source === undefined ? undefined : ip(source), iface, 17, port);
  if (typeof r === 'string') return r;
  return `${r.local.toString()} > ${r.remote.toString()} via ${r.nextHop.toString()} dev ${s.interfaces[r.interfaceIndex - 1]?.name} mtu ${r.mtu}${r.isBroadcast ? ' broadcast' : ''}`;
};
test('decisions of the router', (t) => {
  const s = stack();
  const cases: Record<string, string> = {
    '192.0.2.1': '10.0.2.15 > 192.0.2.1 via 10.0.2.2 dev eth0 mtu 1400',
    '10.0.2.9': '10.0.2.15 > 10.0.2.9 via 10.0.2.9 dev eth0 mtu 1400',
    '10.1.9.9': '10.1.0.5 > 10.1.9.9 via 10.1.9.9 dev eth1 mtu 1400',
    '10.1.0.5': '10.1.0.5 > 10.1.0.5 via 10.1.0.5 dev lo mtu 65535',
    '127.0.0.53': '127.0.0.1 > 127.0.0.53 via 127.0.0.53 dev lo mtu 65535',
    '::1': '::1 > ::1 via ::1 dev lo mtu 65536',
    '0.0.0.0': '127.0.0.1 > 127.0.0.1 via 127.0.0.1 dev lo mtu 65535',
    '10.0.2.255': '10.0.2.15 > 10.0.2.255 via 10.0.2.255 dev eth0 mtu 1400 broadcast',
    '255.255.255.255': '10.0.2.15 > 255.255.255.255 via 255.255.255.255 dev eth0 mtu 1400 broadcast',
    '224.0.0.1': '10.0.2.15 > 224.0.0.1 via 224.0.0.1 dev eth0 mtu 1400',
    '2001:db8::1': 'fd00::15 > 2001:db8::1 via fd00::2 dev eth0 mtu 1400',
    'ff02::2': 'fe80::ff:fe00:a > ff02::2 via ff02::2 dev eth0 mtu 1400',
  };
  for (const [to, want] of Object.entries(cases)) t.is(show(s, to), want);
  t.is(show(s, '0.0.0.0', '10.1.0.5'), '10.1.0.5 > 10.1.0.5 via 10.1.0.5 dev lo mtu 65535');
  // Weak host model: any address of ours may be the source on any interface.
  t.is(show(s, '192.0.2.1', '10.1.0.5'), '10.1.0.5 > 192.0.2.1 via 10.0.2.2 dev eth0 mtu 1400');
  // Without a route, on the link that is named.
  t.is(show(s, '192.0.2.1', undefined, 3), '10.1.0.5 > 192.0.2.1 via 192.0.2.1 dev eth1 mtu 1400');
  t.is(show(s, '2001:db8::1', undefined, 3), 'network-unreachable');
  t.is(show(s, '192.0.2.1', undefined, 9), 'no-device');
  t.is(show(s, '224.0.0.1', '10.1.0.5'), '10.1.0.5 > 224.0.0.1 via 224.0.0.1 dev eth1 mtu 1400');
  t.is(show(s, 'ff02::1', undefined, 3), 'address-not-available');
  t.deepEqual(
    s.routes.map((r) => `${r.destination.toString()}/${r.prefix} ${r.interfaceIndex}`),
    ['10.0.2.0/24 2', '10.1.0.0/16 3', '0.0.0.0/0 2', 'fd00::/64 2', 'fe80::/64 2', '::/0 2'],
  );
});
test('a service of loopback leads across its link', (t) => {
  const s = stack();
  const across = '10.0.2.15 > 127.0.0.53 via 10.0.2.2 dev eth0 mtu 1400';
  t.is(show(s, '127.0.0.53', undefined, 0, 53), across);
  t.is(show(s, '127.0.0.53', undefined, 2, 53), across);
  t.is(show(s, '127.0.0.53', undefined, 3, 53), '127.0.0.1 > 127.0.0.53 via 127.0.0.53 dev lo mtu 65535');
  t.is(show(s, '127.0.0.53', undefined, 0, 54), '127.0.0.1 > 127.0.0.53 via 127.0.0.53 dev lo mtu 65535');
  t.is(show(s, '127.0.0.53', '127.0.0.1', 0, 53), '127.0.0.1 > 127.0.0.53 via 127.0.0.53 dev lo mtu 65535');
  // What answers a packet that came over the link.
  t.is(show(s, '127.0.0.53', '10.0.2.15', 2), across);
  const wildcard = s.createUdp(6);
  wildcard.bind(IpAddress.ANY6, 53);
  t.is(show(s, '127.0.0.53', undefined, 0, 53), '127.0.0.1 > 127.0.0.53 via 127.0.0.53 dev lo mtu 65535');
  wildcard.close();
  t.is(show(s, '127.0.0.53', undefined, 0, 53), across);
});
test('what may be bound', (t) => {
  const s = stack();
  const bindable = (a: string): boolean => s.ip.isBindable(ip(a));
  for (const a of [
    '0.0.0.0',
    '::',
    '127.1.2.3',
    '10.0.2.15',
    '10.0.2.255',
    '255.255.255.255',
    '224.0.0.5',
    'ff02::1',
    'fd00::15',
    '::1',
  ])
    t.true(bindable(a), a);
  for (const a of ['10.0.2.16', 'fd00::16', '192.0.2.1']) t.false(bindable(a), a);
  const { generation } = s.ip;
  t.true(s.ip.removeRoute(ip('0.0.0.0'), 0, 2));
  t.true(s.ip.generation > generation);
  t.is(s.pathMtu(ip('192.0.2.1')), undefined);
  t.is(s.pathMtu(ip('10.0.2.9')), 1400);
});
