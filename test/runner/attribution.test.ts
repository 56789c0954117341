/** What the gateway is told of the guest's flows, over an in-memory link. */
import test from 'ava';
import type { FlowMetadata } from '../../src/gateway/spawn.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { LinkPair } from '../../src/netstack/link/pair.ts';
import { Stack } from '../../src/netstack/stack.ts';
import { AttributingLink } from '../../src/runner/attribution.ts';
import { ip } from '../support/stacks.ts';

const OTHER = Uint8Array.of(2, 0, 0, 0, 0, 0x77);

/** A guest's stack whose frames go nowhere, and the flows told of. */
function guest() {
  const told: FlowMetadata[] = [];
  const random = new SeededRandom(1);
  const stack = new Stack({ clock: new TimerHeap(), random });
  const pair = new LinkPair({ mtu: 1500 });
  let frames = 0;
  pair.a.tap = () => {
    frames++;
    return false;
  };
  const link = new AttributingLink(pair.a, random, (flow) => told.push(flow));
  stack.addLink(link, {
    name: 'eth0',
    addresses: [
      { address: ip('10.0.0.1'), prefix: 24 },
      { address: ip('fd00::1'), prefix: 64 },
    ],
    neighbors: ['10.0.0.2', 'fd00::2'].map((text) => ({ address: ip(text), linkAddress: OTHER })),
  });
  const open = (family: 4 | 6) => {
    const endpoint = stack.createUdp(family);
    link.note(endpoint.id, process.pid, process.pid, 3, 44, 1);
    return endpoint;
  };
  const send = (endpoint: ReturnType<typeof open>, to: string, port: number, octets: number): void => {
    const packet = endpoint.prepare(ip(to), port, octets, undefined);
    if (typeof packet === 'string') throw new Error(packet);
    for (let at = packet.at; at < packet.end; at++) packet.bytes[at] = (at * 7919) >>> 3;
    endpoint.transmit(packet, octets);
  };
  return { told, open, send, frames: () => frames };
}

for (const [family, to] of [
  [4, '10.0.0.2'],
  [6, 'fd00::2'],
] as const) {
  test(`IPv${family}: a datagram cut into fragments is one flow, which its first fragment names`, (t) => {
    const { told, open, send, frames } = guest();
    const endpoint = open(family);
    for (let i = 0; i < 5; i++) send(endpoint, to, 9, 4000);
    t.is(frames(), 15);
    t.deepEqual(
      told.map(({ remote, protocol, fd }) => [remote.address, remote.port, protocol, fd]),
      [[to, 9, 'udp', 3]],
    );
  });
}

test('a flow is told once, by socket and remote, however many others there are; the oldest are forgotten in the end', (t) => {
  const { told, open, send } = guest();
  const [one, other] = [open(4), open(4)];
  for (let round = 0; round < 3; round++) {
    for (const endpoint of [one, other]) for (const port of [9, 10]) send(endpoint, '10.0.0.2', port, 8);
  }
  t.is(told.length, 4);
  // Flows that are in use stay known while thousands of others pass.
  for (let port = 1000; port < 9000; port++) {
    send(one, '10.0.0.2', port, 8);
    if (port % 1000 === 0) send(one, '10.0.0.2', 9, 8);
  }
  t.is(told.length, 4 + 8000);
  send(other, '10.0.0.2', 9, 8);
  t.is(told.length, 4 + 8001);
});
