import { spawnSync } from 'node:child_process';
import { networkInterfaces } from 'node:os';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { RoutingTable } from '../../src/host/routes.ffi.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { command, needing, root } from '../support/needs.ts';

test('the host’s own addresses are told from all others, loopback’s whole net among them', (t) => {
  const table = new RoutingTable();
  t.teardown(() => table.close());
  const own = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address } of own) {
    const parsed = IpAddress.of(address);
    if (!parsed.isLinkLocal) t.true(table.isLocal(parsed), address);
  }
  t.true(table.isLocal(IpAddress.of('127.9.9.9')));
  t.false(table.isLocal(IpAddress.of('198.51.100.1')));
  t.false(table.isLocal(IpAddress.of('2001:db8::5')));
});

test('where the tables do not answer, every address counts as the host’s', (t) => {
  const table = new RoutingTable();
  table.close();
  t.true(table.isLocal(IpAddress.of('198.51.100.1')));
});

test('what was asked once is not asked again, unless it is one of very many', (t) => {
  const table = new RoutingTable();
  t.teardown(() => table.close());
  for (let round = 0; round < 2; round++) {
    for (const address of ['198.51.100.1', '2001:db8::5', '127.0.0.1']) table.isLocal(IpAddress.of(address));
    t.is(table.asked, 3);
  }
  for (let i = 0; i < 2000; i++) table.isLocal(IpAddress.v4(0xc633_0000 | i));
  table.isLocal(IpAddress.of('2001:db8::5'));
  t.is(table.asked, 3 + 2000 + 1);
});

needing(
  root,
  command('unshare'),
  command('ip'),
)('no answer outlives a change of addresses, routes, rules or links', (t) => {
  const child = fileURLToPath(new URL('./routes-change-in-namespace.js', import.meta.url));
  const { stdout, stderr, status } = spawnSync(
    'unshare',
    ['-n', 'sh', '-c', 'ip link set lo up && exec "$0" "$@"', process.execPath, child],
    {
      encoding: 'utf8',
      timeout: 30_000,
    },
  );
  t.is(status, 0, stderr);
  const none = [false, false, false, false];
  const first = [true, false, true, false];
  const second = [false, true, false, true];
  const answers = JSON.parse(stdout) as [string, boolean[], number][];
  t.deepEqual(
    answers.map(([, local]) => local),
    [none, none, first, none, second, none, first, none, second, none, none, none, none],
  );
  t.deepEqual(
    answers.map(([, , count]) => count),
    [2, 0, ...Array.from({ length: 11 }, () => 2)],
  );
});

needing(
  root,
  command('unshare'),
  command('ip'),
)('anycast, local routes, addresses without carrier and broadcasts are the host’s, whatever may be bound', (t) => {
  const addresses = {
    // The subnet-router anycast address of a router (RFC 4291 2.6.1), and its own.
    '2001:db8:5::': true,
    '2001:db8:5::5': true,
    '2001:db8:5::6': false,
    // A tap that nobody opened has no carrier.
    '172.17.0.1': true,
    '172.17.255.255': true,
    '172.17.0.2': false,
    '10.99.1.1': true,
    '2001:db8:99::1': true,
    '203.0.113.9': false,
    '198.51.100.1': false,
    '198.51.101.1': false,
    // No route at all.
    '192.0.2.1': false,
    '2001:db8:ffff::1': false,
  };
  const script = [
    'ip link set lo up',
    'ip tuntap add tap9 mode tap',
    'ip link set tap9 up',
    'ip addr add 172.17.0.1/16 brd 172.17.255.255 dev tap9',
    'ip link add dummy9 type veth peer name peer9',
    'ip link set dummy9 up',
    'ip link set peer9 up',
    'ip -6 addr add 2001:db8:5::5/64 dev dummy9 nodad',
    'ip addr add 203.0.113.1/24 dev dummy9',
    'ip route add local 10.99.0.0/16 dev lo',
    'ip -6 route add local 2001:db8:99::/48 dev lo',
    'ip route add unreachable 198.51.100.0/24',
    'ip route add prohibit 198.51.101.0/24',
    'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding',
    'echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind',
    'echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind',
    'exec "$0" "$@"',
  ].join(' && ');
  const child = fileURLToPath(new URL('./routes-in-namespace.js', import.meta.url));
  const { stdout, stderr, status } = spawnSync(
    'unshare',
    ['-n', 'sh', '-c', script, process.execPath, child, ...Object.keys(addresses)],
    { encoding: 'utf8', timeout: 30_000 },
  );
  t.is(status, 0, stderr);
  t.deepEqual(JSON.parse(stdout), addresses);
});
