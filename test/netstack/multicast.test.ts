/** Multicast membership across a link; what Linux does on loopback is compared by the conformance bodies. */
import test from 'ava';
import type { UdpEndpoint } from '../../src/netstack/endpoint.ts';
import type { Stack } from '../../src/netstack/stack.ts';
import { ip, World } from '../support/stacks.ts';

const GROUP = ip('239.1.2.3');
const GROUP6 = ip('ff05::5');
const ETH = 2;

function bound(stack: Stack, family: 4 | 6, address = family === 4 ? '0.0.0.0' : '::'): UdpEndpoint {
  const endpoint = stack.createUdp(family);
  endpoint.settings.reuseAddress = true;
  if (endpoint.bind(ip(address), 4000) !== undefined) throw new Error('bind');
  return endpoint;
}
function send(from: UdpEndpoint, to: string, text: string): string | undefined {
  const packet = from.prepare(ip(to), 4000, text.length, undefined);
  if (typeof packet === 'string') return packet;
  packet.bytes.set(Buffer.from(text), packet.at);
  from.transmit(packet, 0);
  return undefined;
}
function take(endpoint: UdpEndpoint): string[] {
  const out: string[] = [];
  for (let d = endpoint.peek(0); d !== undefined; d = endpoint.peek(0)) {
    const { packet } = d;
    out.push(
      `${Buffer.from(packet.bytes.subarray(packet.at, packet.end)).toString()} from ${d.source.toString()} on ${d.interfaceIndex}`,
    );
    endpoint.consume(1);
  }
  return out;
}
/** A sender on host a whose groups leave by the link. */
function sender(w: World, family: 4 | 6): UdpEndpoint {
  const endpoint = w.a.createUdp(family);
  endpoint.settings.multicastInterface = endpoint.settings.multicastInterface6 = ETH;
  return endpoint;
}

for (const [family, group, name, source] of [
  [4, GROUP, '239.1.2.3', '10.0.0.1'],
  [6, GROUP6, 'ff05::5', 'fd00::1'],
] as const) {
  test(`IPv${family}: members across the link get it, each its own copy, until they leave`, (t) => {
    const w = new World();
    const [first, second] = [bound(w.b, family), bound(w.b, family)];
    const from = sender(w, family);
    t.is(send(from, name, 'early'), undefined);
    w.settle();
    t.deepEqual(take(first), []);
    t.is(first.join(group, ETH, undefined), undefined);
    t.is(second.join(group, ETH, undefined), undefined);
    t.is(first.join(group, ETH, undefined), 'address-in-use');
    send(from, name, 'one');
    w.settle();
    t.deepEqual(take(first), [`one from ${source} on 2`]);
    t.deepEqual(take(second), [`one from ${source} on 2`]);
    t.is(first.leave(group, ETH, undefined), undefined);
    second.close();
    send(from, name, 'late');
    w.settle();
    t.deepEqual(take(first), []);
    t.is(first.leave(group, ETH, undefined), 'address-not-available');
    for (const one of [first, from]) one.close();
    t.is(w.leaks(), 0);
  });

  test(`IPv${family}: the sender's own host hears it unless it said not to`, (t) => {
    const w = new World();
    const own = bound(w.a, family);
    own.join(group, ETH, undefined);
    const from = sender(w, family);
    send(from, name, 'one');
    w.settle();
    t.deepEqual(take(own), [`one from ${source} on 2`]);
    from.settings.multicastLoop = from.settings.multicastLoop6 = false;
    from.optionsChanged();
    send(from, name, 'two');
    w.settle();
    t.deepEqual(take(own), []);
  });
}

test('a socket that wants its own groups alone does not hear those of others', (t) => {
  const w = new World();
  const [member, other] = [bound(w.b, 4), bound(w.b, 4)];
  member.join(GROUP, ETH, undefined);
  other.settings.multicastAll = false;
  const from = sender(w, 4);
  send(from, '239.1.2.3', 'one');
  w.settle();
  t.deepEqual([take(member).length, take(other).length], [1, 0]);
  other.join(GROUP, 1, undefined);
  send(from, '239.1.2.3', 'two');
  w.settle();
  t.deepEqual([take(member).length, take(other).length], [1, 0]);
  // A broadcast is no group.
  from.settings.broadcast = true;
  send(from, '10.0.0.255', 'all');
  w.settle();
  t.deepEqual([take(member).length, take(other).length], [1, 1]);
});

test('the interface is found by index, by address, or by the route to the group', (t) => {
  const w = new World({ b: { gateways: [ip('10.0.0.1')] } });
  const e = bound(w.b, 4);
  t.is(e.join(GROUP, 9, undefined), 'no-device');
  t.is(e.join(GROUP, 0, ip('9.9.9.9')), 'no-device');
  t.is(e.join(ip('10.0.0.9'), ETH, undefined), 'invalid');
  t.is(e.join(GROUP, 0, undefined), undefined);
  t.is(e.join(GROUP, 0, ip('10.0.0.2')), 'address-in-use');
  t.is(e.join(GROUP, 1, undefined), undefined);
  t.is(e.leave(GROUP, 0, undefined), undefined);
  t.is(e.leave(GROUP, 0, ip('127.0.0.1')), undefined);
  for (let i = 0; i < 20; i++) t.is(e.join(ip(`239.0.0.${i}`), ETH, undefined), undefined);
  t.is(e.join(GROUP, ETH, undefined), 'no-buffers');
});

test('without a route no interface leads to a group of IPv4', (t) => {
  const w = new World();
  t.is(bound(w.b, 4).join(GROUP, 0, undefined), 'no-device');
  t.is(bound(w.b, 6).join(GROUP6, 0, undefined), undefined);
});

test('an address chosen for groups is where they come from', (t) => {
  const w = new World({
    a: {
      addresses: [
        { address: ip('10.0.0.1'), prefix: 24 },
        { address: ip('10.0.0.77'), prefix: 24 },
      ],
    },
  });
  const member = bound(w.b, 4);
  member.join(GROUP, ETH, undefined);
  const from = sender(w, 4);
  from.settings.multicastSource = ip('10.0.0.77');
  send(from, '239.1.2.3', 'one');
  w.settle();
  t.deepEqual(take(member), ['one from 10.0.0.77 on 2']);
});
