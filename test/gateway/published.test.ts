/** Published ports: clients on the host, servers in the guest. First the guest by hand, then its real stack. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { HostSockets } from '../../src/gateway/host.ts';
import { openListeners, PublishError } from '../../src/gateway/listeners.ts';
import { localHost } from '../../src/gateway/process.ts';
import { EventPoller } from '../../src/host/event-poller.ts';
import { arena, native } from '../../src/host/libc.ffi.ts';
import { bindListener } from '../../src/host/listener.ffi.ts';
import { closeSocket } from '../../src/host/socket.ffi.ts';
import { putU16 } from '../../src/lib/bytes.ts';
import { seconds } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import type { TcpEndpoint } from '../../src/netstack/endpoint.ts';
import { ipv6Loopback, needing } from '../support/needs.ts';
import { GuestStream } from './guest.ts';
import { ownAddress } from './own-address.ts';
import { Ack, Fin, Psh, RawTcp, Rst, Syn } from './raw-tcp.ts';
import { closedPort, collect, pattern, tcpServer } from './servers.ts';
import { withSource } from './sources.ts';
import { StackWorld } from './stack-world.ts';
import {
  ALL_OFFLOADS,
  at,
  CountingSockets,
  type Endpoint,
  type Frame,
  GATEWAY4,
  GATEWAY6,
  GUEST4,
  GUEST6,
  icmpOf,
  ipOf,
  tcpFrame,
  tcpTo,
  text,
  textOf,
  udpFrame,
  udpTo,
  World,
} from './support.ts';

const GUEST_PORT = 8000;

const cell = arena(4096);
const getsockopt = native<(fd: number, level: number, name: number, value: number, len: number) => number>(
  'int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t len)',
);
function optionOf(fd: number, level: number, name: number): number {
  const words = new Int32Array(cell.bytes.buffer, cell.bytes.byteOffset, 2);
  words.set([0, 4]);
  getsockopt(fd, level, name, cell.address, cell.address + 4);
  return words[0] as number;
}

async function dial(port: number, host: string): Promise<net.Socket> {
  const socket = net.connect({ port, host, allowHalfOpen: true });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** The guest's end of a connection that the gateway opens, by hand. */
class Accepted {
  readonly world: World;
  snd = 5000;
  rcv = 0;
  from: Endpoint = at(GATEWAY4, 0);
  #local = GUEST4;
  constructor(world: World) {
    this.world = world;
  }
  #syn = (frame: Frame) => {
    const segment = tcpTo(GUEST_PORT)(frame);
    const ip = ipOf(frame);
    if (segment === undefined || ip === undefined || (segment.flags & Syn) === 0) return undefined;
    return { ...segment, from: at(ip.src, (((ip.data[0] as number) << 8) | (ip.data[1] as number)) >>> 0), to: ip.dst };
  };
  async syn() {
    const segment = await this.world.take('SYN', this.#syn);
    this.rcv = (segment.seq + 1) | 0;
    this.from = segment.from;
    this.#local = segment.to;
    return segment;
  }
  raw(
    flags: number,
    fields: { seq?: number; ack?: number; window?: number; payload?: Uint8Array; options?: Uint8Array } = {},
  ): void {
    this.world.inject(
      tcpFrame(at(this.#local, GUEST_PORT), this.from, { seq: this.snd, ack: this.rcv, flags, ...fields }),
    );
  }
  segment(what: string) {
    return this.world.take(what, tcpTo(GUEST_PORT));
  }
  accept(window = 65_535): void {
    const options = Uint8Array.of(2, 4, 0, 0, 1, 3, 3, 7);
    putU16(options, 2, 1460);
    this.raw(Syn | Ack, { options, window });
    this.snd++;
  }
}

async function published(t: ExecutionContext, hostAddress = '127.0.0.1') {
  const port = await closedPort();
  const world = new World({ published: [{ hostAddress, hostPort: port, guestPort: GUEST_PORT }] });
  t.teardown(() => world.close());
  return { world, port, guest: new Accepted(world) };
}

test('a client on the loopback shows as the gateway; octets both ways, both ends', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  const got = collect(client);
  client.write('early words');
  const syn = await guest.syn();
  t.is(syn.flags, Syn);
  t.deepEqual([...syn.options], [2, 4, 0xff, 0xc8, 1, 3, 3, 7]);
  t.true(syn.from.address.equals(GATEWAY4));
  t.is(syn.from.port, client.localPort as number);
  guest.accept();
  const data = await guest.segment('data');
  t.is(data.ack, guest.snd);
  const first = data.payload.length > 0 ? data : await guest.segment('data');
  t.is(textOf(first.payload), 'early words');
  guest.rcv = (guest.rcv + 11) | 0;
  guest.raw(Ack | Fin, { payload: text('answer') });
  guest.snd += 7;
  await world.until('the end at the client', () => got.ended);
  t.is(got.octets.toString(), 'answer');
  client.end();
  await world.take('FIN', (frame) => (((tcpTo(GUEST_PORT)(frame)?.flags ?? 0) & Fin) !== 0 ? true : undefined));
  guest.rcv++;
  guest.raw(Ack);
  await world.until('the flow is forgotten', () => world.gateway.tcp.size === 0);
  t.like(world.messages[0], {
    type: 'flow-opened',
    origin: 'published',
    local: { address: '10.0.2.15', port: GUEST_PORT },
    remote: { address: '10.0.2.2' },
    client: { address: '127.0.0.1', port: syn.from.port },
  });
  t.like(world.messages.at(-1), { type: 'flow-closed', reason: 'closed', octets: { fromGuest: 6, toGuest: 11 } });
  t.is(world.counts()['flows-unannounced'], undefined);
});

test('the window of a SYN-ACK is not scaled, later ones are', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  client.write(pattern(5000));
  await guest.syn();
  guest.accept(1000);
  let got = 0;
  await world.until('what fits', () => {
    for (const frame of world.rest) got += tcpTo(GUEST_PORT)(frame)?.payload.length ?? 0;
    world.skip();
    return got >= 1000;
  });
  t.is(got, 1000);
  guest.rcv += 1000;
  guest.raw(Ack, { window: 100 });
  await world.until('the rest', () => {
    for (const frame of world.rest) got += tcpTo(GUEST_PORT)(frame)?.payload.length ?? 0;
    world.skip();
    return got >= 5000;
  });
  t.is(got, 5000);
  client.destroy();
});

test('a guest without window scaling is promised 65,535 octets at most', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  await guest.syn();
  guest.raw(Syn | Ack);
  guest.snd++;
  t.is((await guest.segment('ACK')).window, 65_535);
  guest.raw(Ack, { payload: pattern(1000) });
  guest.snd += 1000;
  // The edge moves by a quarter at least.
  t.is((await guest.segment('ACK')).window, 64_535);
  t.is(world.gateway.tcp.size, 1);
  client.destroy();
});

test('a refused guest port resets the client', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  const got = collect(client);
  await guest.syn();
  guest.raw(Rst | Ack, { seq: 0, ack: guest.rcv + 100 });
  world.turn();
  t.is(world.gateway.tcp.size, 1, 'a reset for something else');
  guest.raw(Rst | Ack, { seq: 0 });
  // The client is of the loopback: the guest's other address is asked as well.
  const second = await guest.syn();
  t.true(second.from.address.equals(GATEWAY6));
  guest.raw(Rst | Ack, { seq: 0 });
  await world.until('the reset', () => got.error !== undefined);
  t.is(got.error, 'ECONNRESET');
  t.is(world.gateway.tcp.size, 0);
  t.is(world.counts()['tcp-published-refused'], 2);
});

test('[RFC9293 3.10.7.3] an old connection answers the SYN: it is reset, and the SYN follows at once', async (t) => {
  const { world, port, guest } = await published(t);
  await dial(port, '127.0.0.1');
  const { seq } = await guest.syn();
  guest.raw(Ack, { seq: 77, ack: 4711 });
  const reset = await guest.segment('RST');
  t.deepEqual([reset.flags, reset.seq], [Rst, 4711]);
  t.is((await guest.syn()).seq, seq);
  // Not again and again: the next comes with the timer.
  guest.raw(Ack, { seq: 77, ack: 4711 });
  t.is((await guest.segment('RST')).flags, Rst);
  world.turn();
  t.is(world.rest.length, 0);
  guest.accept();
  t.is((await guest.segment('ACK')).flags, Ack);
  t.is(world.counts()['tcp-syn-answered-by-old'], 2);
});

test('[RFC9293 MUST-10] both ends open at once', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  client.write('hello');
  await guest.syn();
  guest.raw(Syn, { ack: 0 });
  const answer = await guest.segment('SYN-ACK');
  t.is(answer.flags, Syn | Ack);
  t.is(answer.ack, guest.snd + 1);
  guest.snd++;
  guest.raw(Ack);
  await world.until('data', () =>
    world.rest.some((frame) => textOf(tcpTo(GUEST_PORT)(frame)?.payload ?? text('')) === 'hello'),
  );
  client.destroy();
});

test('a silent guest: six more SYNs, each after twice the time, then the client is reset', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  const got = collect(client);
  await guest.syn();
  let now = world.clock.now();
  const times: number[] = [];
  for (let s = 0; s < 130; s++) {
    now = ((now as number) + seconds(1)) as typeof now;
    world.gateway.begin(now);
    world.gateway.step();
    if (world.rest.length > 0) times.push(s + 1);
    world.skip();
  }
  t.deepEqual(times, [1, 3, 7, 15, 31, 63]);
  await world.until('the reset', () => got.error !== undefined);
  t.is(world.gateway.tcp.size, 0);
});

test('a client that gave up before the guest answered', async (t) => {
  const { world, port, guest } = await published(t);
  const client = await dial(port, '127.0.0.1');
  await guest.syn();
  client.resetAndDestroy();
  await once(client, 'close');
  guest.accept();
  await world.take('RST', (frame) => (((tcpTo(GUEST_PORT)(frame)?.flags ?? 0) & Rst) !== 0 ? true : undefined));
  t.is(world.gateway.tcp.size, 0);
});

test('two clients with the same port, of two loopback addresses, stay two', async (t) => {
  const { world, port } = await published(t, '0.0.0.0');
  const [a, b] = [new Accepted(world), new Accepted(world)];
  const one = await dial(port, '127.0.0.1');
  const two = net.connect({ port, host: '127.0.0.2', localAddress: '127.0.0.2', localPort: one.localPort as number });
  await once(two, 'connect');
  await a.syn();
  await b.syn();
  t.is(world.gateway.tcp.size, 2);
  t.not(a.from.port, b.from.port);
  t.is([a.from.port, b.from.port].includes(one.localPort as number), true);
  one.destroy();
  two.destroy();
});

test('with the table full clients wait to be accepted', async (t) => {
  const port = await closedPort();
  const world = new World({
    published: [{ hostPort: port, guestPort: GUEST_PORT, hostAddress: '127.0.0.1' }],
    tcpFlows: 1,
  });
  t.teardown(() => world.close());
  const guest = new Accepted(world);
  const clients = [await dial(port, '127.0.0.1'), await dial(port, '127.0.0.1')];
  await guest.syn();
  world.turn();
  t.is(world.gateway.tcp.size, 1);
  guest.raw(Rst | Ack, { seq: 0 });
  await guest.syn();
  guest.raw(Rst | Ack, { seq: 0 });
  const next = await guest.syn();
  t.is(next.from.port, clients[1]?.localPort as number);
  t.true((world.counts()['tcp-accept-paused'] ?? 0) >= 1);
  for (const client of clients) client.destroy();
});

test('what a client said before the guest accepted goes with the handshake’s last segment, and no option is set', async (t) => {
  const port = await closedPort();
  const counting = new CountingSockets();
  const accepted: number[] = [];
  const { sockets } = counting;
  const accept: HostSockets['accept'] = (listener, name) => {
    const fd = sockets.accept(listener, name);
    if (fd >= 0) accepted.push(fd);
    return fd;
  };
  const world = new World(
    { published: [{ hostPort: port, guestPort: GUEST_PORT, hostAddress: '127.0.0.1' }] },
    ALL_OFFLOADS,
    { sockets: { ...sockets, accept } },
  );
  t.teardown(() => world.close());
  const guest = new Accepted(world);
  const client = await dial(port, '127.0.0.1');
  await new Promise<void>((done) => client.write('early words', () => done()));
  await guest.syn();
  guest.accept();
  world.turn();
  const segments = world.rest.map(tcpTo(GUEST_PORT));
  t.is(segments.length, 1);
  t.like(segments[0], { flags: Ack | Psh, ack: guest.snd });
  t.is(textOf(segments[0]?.payload ?? new Uint8Array(0)), 'early words');
  t.is(counting.options, 0);
  t.deepEqual(
    accepted.map((fd) => [optionOf(fd, 6, 1) !== 0, optionOf(fd, 1, 10) !== 0, optionOf(fd, 6, 25)]),
    [[true, true, 1 << 18]],
    'TCP_NODELAY, SO_OOBINLINE, TCP_NOTSENT_LOWAT as the listener has them',
  );
  client.destroy();
});

test('accept(2): the error of a client that is gone is skipped, every other waits', async (t) => {
  const port = await closedPort();
  const poller = new EventPoller();
  t.teardown(() => poller.close());
  const { sockets } = localHost(poller);
  const errors = [-103, -71];
  let calls = 0;
  const world = new World(
    { published: [{ hostPort: port, guestPort: GUEST_PORT, hostAddress: '127.0.0.1' }] },
    undefined,
    { sockets: { ...sockets, accept: (fd, name) => (calls++, errors.shift() ?? sockets.accept(fd, name)) } },
  );
  t.teardown(() => world.close());
  const guest = new Accepted(world);
  const first = await dial(port, '127.0.0.1');
  await guest.syn();
  t.is(calls, 4, 'two that are gone, the client, and an empty queue');
  errors.push(-22, -9);
  const second = await dial(port, '127.0.0.1');
  // Until it pauses and not for a time: the pause itself ends by the clock.
  while (world.counts()['tcp-accept-paused'] === undefined) world.turn(10);
  t.is(calls, 5, 'not asked again at once');
  // The first one's comes again meanwhile, on a slow machine.
  while ((await guest.syn()).from.port !== second.localPort);
  t.is(world.counts()['tcp-accept-paused'], 2);
  first.destroy();
  second.destroy();
});

test('clients of published ports take no place of the guest’s own flows, nor these theirs', async (t) => {
  const port = await closedPort();
  const server = await tcpServer();
  const echo = dgram.createSocket('udp4', (message, from) => echo.send(message, from.port, from.address));
  echo.bind(0, '127.0.0.1');
  await once(echo, 'listening');
  const world = new World({
    hostPorts: [server.port, echo.address().port],
    published: [
      { hostPort: port, guestPort: GUEST_PORT, hostAddress: '127.0.0.1' },
      { protocol: 'udp', hostPort: port, guestPort: 5353, hostAddress: '127.0.0.1' },
    ],
    tcpFlows: 2,
    udpFlows: 2,
  });
  t.teardown(() => (world.close(), server.close(), echo.close()));
  world.inject(udpFrame(at(GUEST4, 6001), at(GATEWAY4, echo.address().port), text('first')));
  await world.take('the answer', udpTo(6001));
  for (let i = 0; i < 5; i++) {
    const stranger = dgram.createSocket('udp4');
    t.teardown(() => stranger.close());
    stranger.send('stranger', port, '127.0.0.1');
    await world.take('a datagram', udpTo(5353));
  }
  t.like(world.gateway.stats().flows, { udp: 6, udpOpen: 3 });
  t.is(world.counts()['udp-published-evictions'], 3);
  t.is(world.counts()['udp-evictions'], undefined);
  world.inject(udpFrame(at(GUEST4, 6001), at(GATEWAY4, echo.address().port), text('second')));
  t.is(textOf((await world.take('the answer', udpTo(6001))).payload), 'second');

  const clients = [await dial(port, '127.0.0.1'), await dial(port, '127.0.0.1'), await dial(port, '127.0.0.1')];
  t.teardown(() => clients.forEach((client) => client.destroy()));
  await world.until('a full table', () => (world.counts()['tcp-accept-paused'] ?? 0) > 0);
  t.is(world.gateway.tcp.size, 2);
  await new RawTcp(world, at(GATEWAY4, server.port)).connect();
  await new RawTcp(world, at(GATEWAY4, server.port)).connect();
  new RawTcp(world, at(GATEWAY4, server.port)).syn();
  t.is(world.counts()['tcp-table-full'], 1);
  t.is(world.gateway.tcp.size, 4);
});

needing(ownAddress)(
  'a client from elsewhere keeps its address; UDP answers leave from the address that was asked',
  async (t) => {
    const port = await closedPort();
    const world = new World({
      published: [
        { hostPort: port, guestPort: GUEST_PORT },
        { protocol: 'udp', hostPort: port, guestPort: 53 },
      ],
    });
    t.teardown(() => world.close());
    const address = ownAddress.address;
    const client = await dial(port, address);
    const guest = new Accepted(world);
    const { from } = await guest.syn();
    t.deepEqual([from.address.toString(), from.port], [address, client.localPort]);
    client.destroy();
    const socket = dgram.createSocket('udp4');
    t.teardown(() => socket.close());
    socket.connect(port, address);
    await once(socket, 'connect');
    socket.send('ask');
    const query = await world.take('a datagram', udpTo(53));
    t.is(query.src.toString(), address);
    const answered = once(socket, 'message');
    world.inject(udpFrame(at(GUEST4, 53), at(query.src, query.srcPort), text('answer')));
    const [message] = await answered;
    t.is(String(message), 'answer');
  },
);

for (const [name, host, guest, gateway, needs] of [
  ['IPv4', '127.0.0.1', GUEST4, GATEWAY4, []],
  ['IPv6', '::1', GUEST6, GATEWAY6, [ipv6Loopback]],
] as const) {
  needing(...needs)(`UDP over ${name}: a flow per client, answers to each`, async (t) => {
    const port = await closedPort();
    const world = new World({ published: [{ protocol: 'udp', hostPort: port, guestPort: 5353 }], udpFlows: 2 });
    t.teardown(() => world.close());
    const sockets = [0, 1, 2].map(() => dgram.createSocket(guest.isV4 ? 'udp4' : 'udp6'));
    t.teardown(() => sockets.forEach((socket) => socket.close()));
    for (const [i, socket] of sockets.entries()) {
      for (const word of ['one', '']) {
        socket.send(word, port, host);
        const query = await world.take('a datagram', udpTo(5353));
        t.is(textOf(query.payload), word);
        t.true(query.src.equals(gateway));
        t.is(query.srcPort, socket.address().port);
        const answered = once(socket, 'message');
        world.inject(udpFrame(at(guest, 5353), at(query.src, query.srcPort), text(`${word}${i}`)));
        const [message, from] = (await answered) as [Buffer, dgram.RemoteInfo];
        t.is(message.toString(), `${word}${i}`);
        t.deepEqual([from.address, from.port], [host, port]);
      }
    }
    t.is(world.gateway.udp.size, 2);
    const clients = world.messages.map((message) => (message.type === 'flow-opened' ? message.client : undefined));
    for (const socket of sockets) {
      t.true(clients.some((client) => client?.address === host && client.port === socket.address().port));
    }
    t.is(world.counts()['udp-published-evictions'], 1);
    t.is(world.counts()['udp-published'], 3);
    t.true(world.link.frames.every((frame) => icmpOf(frame) === undefined));
  });
}

test('a port that is taken, an address that is not ours: said with what to do, and nothing stays open', async (t) => {
  const port = await closedPort();
  const fd = bindListener('tcp', IpAddress.of('127.0.0.1'), port);
  t.teardown(() => closeSocket(fd));
  const free = await closedPort();
  const fields = { protocol: 'tcp', hostAddress: '127.0.0.1', guestPort: 80 } as const;
  const taken = t.throws(
    () =>
      openListeners([
        { ...fields, hostPort: free },
        { ...fields, hostPort: port },
      ]),
    { instanceOf: PublishError },
  );
  t.regex(taken.message, new RegExp(`port ${port}/tcp of 127.0.0.1 .* is taken: .*ss -tlnp`));
  const again = openListeners([{ ...fields, hostPort: free }]);
  t.is(again.length, 1);
  closeSocket(again[0]?.fd as number);
  t.throws(() => openListeners([{ ...fields, hostAddress: '192.0.2.77', hostPort: free }]), {
    message: /has no such address/,
  });
});

/** A server in the guest that speaks through `GuestStream`s. */
class GuestServer {
  readonly streams: GuestStream[] = [];
  readonly #listener: TcpEndpoint;
  constructor(world: StackWorld, address: IpAddress) {
    this.#listener = world.guest.listen(address, GUEST_PORT);
    const turn = world.turn.bind(world);
    world.turn = () => {
      turn();
      for (let endpoint = this.#listener.acceptPeek(); endpoint !== undefined; endpoint = this.#listener.acceptPeek()) {
        this.#listener.acceptCommit();
        const stream = new GuestStream(endpoint);
        this.streams.push(stream);
        world.streams.push(stream);
      }
    };
  }
}

const UP = pattern(700_000, 1);
const DOWN = pattern(700_000, 2);
interface Ends {
  readonly world: StackWorld;
  readonly guest: GuestStream;
  readonly client: net.Socket;
  readonly got: ReturnType<typeof collect>;
}
const orders: Record<string, (ends: Ends) => Promise<void>> = {
  'guest first': async ({ world, guest, client, got }) => {
    guest.send(UP);
    guest.end();
    await world.until('end at the client', () => got.ended);
    client.end(DOWN);
    await world.until('end at the guest', () => guest.ended);
  },
  'client first': async ({ world, guest, client, got }) => {
    client.end(DOWN);
    await world.until('end at the guest', () => guest.ended);
    guest.send(UP);
    guest.end();
    await world.until('end at the client', () => got.ended);
  },
  'both at once': async ({ world, guest, client, got }) => {
    guest.send(UP);
    guest.end();
    client.end(DOWN);
    await world.until('both ends', () => guest.ended && got.ended);
  },
};

for (const source of ['peek', 'queue'] as const) {
  for (const [name, host, address, needs] of [
    ['IPv4', '127.0.0.1', GUEST4, []],
    ['IPv6', '::1', GUEST6, [ipv6Loopback]],
  ] as const) {
    for (const [title, order] of Object.entries(orders)) {
      withSource(source, ...needs)(`${source}, ${name}: ${title}, every octet in order`, async (t) => {
        const port = await closedPort();
        const world = new StackWorld({ source, published: [{ hostPort: port, guestPort: GUEST_PORT }] });
        t.teardown(() => world.close());
        const server = new GuestServer(world, address);
        const client = await dial(port, host);
        const got = collect(client);
        await world.until('the connection', () => server.streams.length === 1);
        const guest = server.streams[0] as GuestStream;
        await order({ world, guest, client, got });
        t.true(got.octets.equals(UP));
        t.true(guest.octets.equals(DOWN));
        await world.until('the flow is forgotten', () => world.gateway.tcp.size === 0);
        t.is(got.error, undefined);
      });
    }
  }
  withSource(source)(`${source}: resets by either end, in mid stream`, async (t) => {
    const port = await closedPort();
    const world = new StackWorld({ source, published: [{ hostPort: port, guestPort: GUEST_PORT }] });
    t.teardown(() => world.close());
    const server = new GuestServer(world, GUEST4);
    const first = await dial(port, '127.0.0.1');
    await world.until('the connection', () => server.streams.length === 1);
    first.write('words');
    await world.until('words', () => server.streams[0]?.receivedOctets === 5);
    first.resetAndDestroy();
    await world.until('reset at the guest', () => server.streams[0]?.error !== undefined);
    t.is(server.streams[0]?.error, 'connection-reset');
    const second = await dial(port, '127.0.0.1');
    const got = collect(second);
    await world.until('the connection', () => server.streams.length === 2);
    const { endpoint } = server.streams[1] as GuestStream;
    endpoint.settings.lingerSeconds = 0;
    endpoint.close();
    await world.until('reset at the client', () => got.error !== undefined);
    t.is(got.error, 'ECONNRESET');
    t.is(world.gateway.tcp.size, 0);
  });
}

needing(ipv6Loopback)('a guest that listens on IPv4 alone is found by a client of ::1', async (t) => {
  const port = await closedPort();
  const world = new StackWorld({ published: [{ hostPort: port, guestPort: GUEST_PORT }] });
  t.teardown(() => world.close());
  const server = new GuestServer(world, GUEST4);
  const client = await dial(port, '::1');
  const got = collect(client);
  await world.until('the connection', () => server.streams.length === 1);
  server.streams[0]?.send(text('over IPv4'));
  await world.until('data', () => got.octets.length === 9);
  t.is(got.octets.toString(), 'over IPv4');
  client.destroy();
});

test('a client port used again while the guest’s end is in TIME-WAIT', async (t) => {
  const port = await closedPort();
  const world = new StackWorld({ published: [{ hostPort: port, guestPort: GUEST_PORT }] });
  t.teardown(() => world.close());
  const server = new GuestServer(world, GUEST4);
  let localPort: number | undefined;
  for (let round = 1; round <= 3; round++) {
    const client = net.connect({
      port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      ...(localPort === undefined ? {} : { localPort }),
    });
    const got = collect(client);
    await once(client, 'connect');
    localPort = client.localPort;
    await world.until('the connection', () => server.streams.length === round);
    const stream = server.streams[round - 1] as GuestStream;
    stream.send(text(`round ${round}`));
    stream.end();
    await world.until('the end', () => got.ended);
    client.end();
    await world.until('the flow is forgotten', () => world.gateway.tcp.size === 0);
    t.is(got.octets.toString(), `round ${round}`);
    t.is(stream.endpoint.state, 'TIME-WAIT');
  }
});
