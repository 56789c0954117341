import test from 'ava';
import { IpAddress } from '../../src/netstack/address.ts';
import type { TcpEndpoint } from '../../src/netstack/endpoint.ts';
import { World } from '../support/stacks.ts';

const PORT = 80;
const [A, B, NOBODY] = ['10.0.0.1', '10.0.0.2', '10.0.0.99'].map((text) => IpAddress.of(text)) as [
  IpAddress,
  IpAddress,
  IpAddress,
];

/** Connects `from` one stack of `world` to a listener of another, and returns both ends. */
function connected(world: World, from: 'a' | 'b', address: IpAddress, to: 'a' | 'b'): [TcpEndpoint, TcpEndpoint] {
  const listener = world[to].createTcp(4);
  listener.settings.reuseAddress = true;
  listener.bind(IpAddress.ANY4, PORT);
  listener.listen(8);
  const client = world[from].createTcp(4);
  client.connect(address, PORT);
  world.settle();
  const accepted = listener.acceptPeek();
  if (accepted === undefined) throw new Error('nothing to accept');
  listener.acceptCommit();
  listener.close();
  return [client, accepted];
}

test('when a link closes, connections over it end at once as if the peer had reset, and their observers know', (t) => {
  const world = new World();
  const [client, accepted] = connected(world, 'a', B, 'b');
  const opening = world.a.createTcp(4);
  opening.connect(NOBODY, PORT);
  const told: number[] = [];
  client.observer = { endpointChanged: (events) => told.push(events) };
  let reason = '';
  world.a.onLinkClosed = (_interface, why) => {
    reason = why;
  };
  world.pair.b.close();
  world.settle();
  t.is(client.state, 'CLOSED');
  t.is(client.takeError(), 'connection-reset');
  t.true(told.length > 0);
  t.is(opening.takeError(), 'network-unreachable');
  t.regex(reason, /closed/);
  accepted.abort();
});

test('connections over loopback outlive the link, and what follows finds no way out', (t) => {
  const world = new World();
  const [client] = connected(world, 'a', IpAddress.LOOPBACK4, 'a');
  const [own] = connected(world, 'a', A, 'a');
  world.pair.b.close();
  world.settle();
  t.is(client.state, 'ESTABLISHED');
  t.is(own.state, 'ESTABLISHED', 'to an address of the link, but over loopback');
  t.is(world.a.createTcp(4).connect(B, PORT), 'network-unreachable');
});
