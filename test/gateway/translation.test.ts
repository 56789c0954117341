/** The guest's real stack, the gateway and real host servers: octets compared, ends and resets in every order, both ways, both families. */
import type net from 'node:net';
import test from 'ava';
import { IpAddress } from '../../src/netstack/address.ts';
import { ipv6Loopback } from '../support/needs.ts';
import type { GuestStream } from './guest.ts';
import { closedPort, collect, pattern, tcpServer, udpServer } from './servers.ts';
import { withSource } from './sources.ts';
import { StackWorld } from './stack-world.ts';
import { GATEWAY4, GATEWAY6, text } from './support.ts';

interface Peers {
  readonly guest: GuestStream;
  readonly host: net.Socket;
  readonly got: ReturnType<typeof collect>;
  readonly world: StackWorld;
}
async function connected(world: StackWorld, port: number, sockets: net.Socket[], address = GATEWAY4): Promise<Peers> {
  const guest = world.connect(address, port);
  await world.until('the connection', () => guest.connected && sockets.length > 0);
  const host = sockets[0] as net.Socket;
  return { guest, host, got: collect(host), world };
}

const SIZE = 700_000;
const UP = pattern(SIZE, 1);
const DOWN = pattern(SIZE, 2);

/** Orders in which the two directions end, with data in flight. Each ends with both ends having all octets. */
const orders: Record<string, (peers: Peers) => Promise<void>> = {
  'guest first, then host': async ({ guest, host, got, world }) => {
    guest.send(UP);
    guest.end();
    await world.until('end at the host', () => got.ended);
    host.end(DOWN);
    await world.until('end at the guest', () => guest.ended);
  },
  'host first, then guest': async ({ guest, host, got, world }) => {
    host.end(DOWN);
    await world.until('end at the guest', () => guest.ended);
    guest.send(UP);
    guest.end();
    await world.until('end at the host', () => got.ended);
  },
  'both at once': async ({ guest, host, got, world }) => {
    guest.send(UP);
    guest.end();
    host.end(DOWN);
    await world.until('both ends', () => guest.ended && got.ended);
  },
  'guest first, the host sends long after': async ({ guest, host, got, world }) => {
    guest.send(UP);
    guest.end();
    host.write(DOWN.subarray(0, 1000));
    await world.until('end at the host', () => got.ended);
    host.write(DOWN.subarray(1000, 2000));
    await world.until('data after the end', () => guest.receivedOctets >= 2000);
    host.end(DOWN.subarray(2000));
    await world.until('end at the guest', () => guest.ended);
  },
  'a paused guest reader': async ({ guest, host, got, world }) => {
    guest.paused = true;
    host.end(DOWN);
    guest.send(UP);
    guest.end();
    await world.until('end at the host', () => got.ended);
    for (let i = 0; i < 50; i++) world.turn();
    guest.paused = false;
    await world.until('end at the guest', () => guest.ended);
  },
  'a paused host reader': async ({ guest, host, got, world }) => {
    host.pause();
    guest.send(UP);
    guest.end();
    for (let i = 0; i < 50; i++) world.turn();
    host.resume();
    host.end(DOWN);
    await world.until('both ends', () => guest.ended && got.ended);
  },
};

for (const [family, gateway, address, needs] of [
  ['IPv4', GATEWAY4, '127.0.0.1', []],
  ['IPv6', GATEWAY6, '::1', [ipv6Loopback]],
] as const) {
  for (const source of ['peek', 'queue'] as const) {
    for (const [order, run] of Object.entries(orders)) {
      withSource(source, ...needs)(`${family}, ${source}: ${order}`, async (t) => {
        const server = await tcpServer(undefined, address);
        const world = new StackWorld({ hostPorts: [server.port], source });
        t.teardown(() => (world.close(), server.close()));
        const peers = await connected(world, server.port, server.sockets, gateway);
        await run(peers);
        t.true(peers.got.octets.equals(UP));
        t.true(peers.guest.octets.equals(DOWN));
        t.is(peers.got.error, undefined);
        t.is(peers.guest.error, undefined);
        await world.until('the flow is forgotten', () => world.gateway.tcp.size === 0);
      });
    }
  }
}

for (const mtu of [1500, 65_520]) {
  test(`frames lost on the link, MTU ${mtu}: all octets arrive once and in order`, async (t) => {
    const server = await tcpServer();
    const world = new StackWorld({ hostPorts: [server.port], mtu }, { loss: 0.01 });
    t.teardown(() => (world.close(), server.close()));
    const peers = await connected(world, server.port, server.sockets);
    peers.guest.send(UP);
    peers.guest.end();
    peers.host.end(DOWN);
    await world.until('both ends', () => peers.guest.ended && peers.got.ended, 40_000);
    t.true(peers.got.octets.equals(UP));
    t.true(peers.guest.octets.equals(DOWN));
  });
}

test('the host resets with data in flight: the guest sees a reset', async (t) => {
  const server = await tcpServer();
  const world = new StackWorld({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const { guest, host } = await connected(world, server.port, server.sockets);
  guest.send(UP);
  host.resetAndDestroy();
  await world.until('the error', () => guest.error !== undefined);
  t.is(guest.error, 'connection-reset');
  t.is(world.gateway.tcp.size, 0);
});

test('the guest resets with data in flight: the host sees a reset', async (t) => {
  const server = await tcpServer();
  const world = new StackWorld({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const { guest, host, got } = await connected(world, server.port, server.sockets);
  host.write(DOWN);
  await world.until('some data', () => guest.receivedOctets > 0);
  guest.endpoint.abort();
  await world.until('the error', () => got.error !== undefined);
  t.is(got.error, 'ECONNRESET');
  t.is(world.gateway.tcp.size, 0);
});

test('the host closes with the guest’s octets unread: reset, as between two hosts', async (t) => {
  const server = await tcpServer((socket) => socket.pause());
  const world = new StackWorld({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const guest = world.connect(GATEWAY4, server.port);
  await world.until('the connection', () => guest.connected && server.sockets.length > 0);
  guest.send(UP);
  for (let i = 0; i < 20; i++) world.turn();
  server.sockets[0]?.destroy();
  await world.until('the error', () => guest.error !== undefined);
  t.is(guest.error, 'connection-reset');
});

test('refused, closed and unreachable: the guest’s connect fails as on Linux', async (t) => {
  const refused = await closedPort();
  const server = await tcpServer();
  const world = new StackWorld({ hostPorts: [refused] });
  t.teardown(() => (world.close(), server.close()));
  for (const [address, port, error] of [
    [GATEWAY4, refused, 'connection-refused'],
    [GATEWAY6, refused, 'connection-refused'],
    [GATEWAY4, server.port, 'connection-refused'],
    [IpAddress.of('169.254.169.254'), 80, 'host-unreachable'],
    [IpAddress.of('fd00::77'), 80, 'host-unreachable'],
    [IpAddress.of('10.0.2.77'), 80, 'host-unreachable'],
  ] as const) {
    const stream = world.connect(address, port);
    await world.until(`failure of ${address.toString()}`, () => stream.error !== undefined);
    t.is(stream.error, error, address.toString());
  }
});

test('fifty connections at once', async (t) => {
  const server = await tcpServer((socket) => socket.pipe(socket));
  const world = new StackWorld({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const data = Array.from({ length: 50 }, (_, i) => pattern(50_000, i + 1));
  const streams = data.map((octets) => {
    const stream = world.connect(GATEWAY4, server.port);
    stream.send(octets);
    stream.end();
    return stream;
  });
  await world.until('all ends', () => streams.every((stream) => stream.ended), 30_000);
  for (const [i, stream] of streams.entries()) t.true(stream.octets.equals(data[i] as Buffer));
  await world.until('all flows are forgotten', () => world.gateway.tcp.size === 0);
});

test('UDP: an echo through both stacks, and a refused port', async (t) => {
  const server = await udpServer((message, reply) => reply(message));
  const refused = await closedPort();
  const world = new StackWorld({ hostPorts: [server.port, refused] });
  t.teardown(() => (world.close(), server.close()));
  const endpoint = world.guest.udp(GATEWAY4);
  const send = (port: number, octets: Uint8Array): void => {
    const packet = endpoint.prepare(GATEWAY4, port, octets.length, undefined);
    if (typeof packet === 'string') throw new Error(packet);
    packet.bytes.set(octets, packet.at);
    endpoint.transmit(packet, 1);
  };
  for (const payload of [text('short'), pattern(60_000)]) {
    send(server.port, payload);
    await world.until('the answer', () => endpoint.queued > 0);
    const packet = endpoint.peek(0)?.packet;
    t.deepEqual(packet?.bytes.slice(packet.at, packet.end), Uint8Array.from(payload));
    endpoint.consume(1);
  }
  endpoint.connect(GATEWAY4, refused);
  send(refused, text('nobody'));
  await world.until('the error', () => endpoint.error !== undefined);
  t.is(endpoint.takeError(), 'connection-refused');
});
