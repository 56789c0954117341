/** ICMP echo beyond the gateway. The real thing runs in a namespace where ping sockets are allowed; what a host forbids is played by another. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { localHost } from '../../src/gateway/process.ts';
import { EventPoller } from '../../src/host/event-poller.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { command, needing, root } from '../support/needs.ts';
import { echoFrame, GUEST4, GUEST6, icmpOf, World } from './support.ts';

interface Outcome {
  readonly results: readonly { from: string; type: number; identifier: number; sequence: number; payload: string }[];
  readonly error: { type: number; code: number; quoted: string };
  readonly open: number;
  readonly openAfterAMinute: number;
  readonly flows: Record<string, number>;
  readonly counts: Record<string, number>;
}

const expected = (from: string, type: number) =>
  [
    [0x1234, 1],
    [0x1234, 2],
    [77, 1],
  ].map(([identifier, sequence]) => ({ from, type, identifier, sequence, payload: 'payload of an echo' }));

needing(
  root,
  command('unshare'),
  command('ip'),
)('echoes come back under the guest’s identifiers', (t) => {
  const script = [
    'ip link set lo up',
    'ip addr add 203.0.113.7/32 dev lo',
    'ip -6 addr add 2001:db8:77::7/128 dev lo nodad',
    'ip route add unreachable 198.51.100.0/24',
    'echo "0 2147483647" > /proc/sys/net/ipv4/ping_group_range',
    'exec "$0" "$1"',
  ].join(' && ');
  const child = fileURLToPath(new URL('./echo-in-namespace.js', import.meta.url));
  const { stdout, stderr, status } = spawnSync('unshare', ['-n', 'sh', '-c', script, process.execPath, child], {
    encoding: 'utf8',
    timeout: 30_000,
  });
  t.is(status, 0, stderr);
  const outcome = JSON.parse(stdout) as Outcome;
  t.deepEqual(outcome.results, [
    ...expected('203.0.113.7', 0),
    ...expected('2001:db8:77::7', 129),
  ] as typeof outcome.results);
  t.is(outcome.error.type, 3);
  t.is(outcome.error.quoted.slice(0, 4), '0800');
  t.is(outcome.error.quoted.slice(8, 16), '00050009');
  t.true(outcome.open <= 2);
  t.is(outcome.openAfterAMinute, 0);
  t.is(outcome.flows['icmpOpen'], 0);
  t.is(outcome.flows['icmp'], 4);
  t.is(outcome.counts['icmp-evictions'], 2);
});

test('where ping sockets are forbidden the guest is told, and the reason is recorded', (t) => {
  const poller = new EventPoller();
  t.teardown(() => poller.close());
  const { sockets } = localHost(poller);
  const world = new World({}, undefined, { sockets: { ...sockets, openSocket: () => -13 } });
  t.teardown(() => world.close());
  for (const [guest, to, answer] of [
    [GUEST4, '203.0.113.7', [3, 13]],
    [GUEST6, '2001:db8:77::7', [1, 1]],
  ] as const) {
    world.skip();
    world.inject(echoFrame(guest, IpAddress.of(to), 1, 1, Buffer.alloc(8)));
    const [frame] = world.rest;
    const error = frame === undefined ? undefined : icmpOf(frame);
    t.deepEqual([error?.type, error?.code], [...answer]);
    t.like(world.messages.at(-1), {
      type: 'flow-refused',
      protocol: 'icmp',
      local: { port: 1 },
      remote: { address: to },
      reason: 'ping-sockets-forbidden',
    });
  }
  t.is(world.counts()['ping-sockets-forbidden'], 2);
  t.is(world.counts()['flows-unannounced'], undefined);
});

test('the rules of destinations hold for echoes', (t) => {
  const world = new World({}, undefined, { isHostAddress: (address) => address.toString() === '203.0.113.8' });
  t.teardown(() => world.close());
  for (const [to, reason, answered] of [
    ['127.0.0.1', 'loopback', true],
    ['169.254.169.254', 'link-local', true],
    ['10.0.2.99', 'absent', true],
    ['224.0.0.1', 'multicast', false],
    ['203.0.113.8', 'host-closed', true],
  ] as const) {
    world.skip();
    world.inject(echoFrame(GUEST4, IpAddress.of(to), 1, 1, Buffer.alloc(8)));
    t.is(world.counts()[reason], 1, to);
    t.is(world.rest.length, answered ? 1 : 0, to);
  }
});
