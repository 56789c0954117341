/** The gateway in its caller's loop: what one round leaves to do is done in rounds that follow at once, or is named in `next`; and its ends. */
import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { InlineGateway } from '../../src/gateway/inline.ts';
import { monotonic } from '../../src/host/clock.ts';
import { TimerHeap } from '../../src/lib/clock.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { Guest, type GuestStream } from './guest.ts';
import { closedPort, collect, pattern, tcpServer } from './servers.ts';
import { GATEWAY4 } from './support.ts';

/** More than a link that counts as full holds. */
const FLOWS = 40;

const openDescriptors = (): number => readdirSync('/proc/self/fd').length;

class InlineWorld {
  readonly clock = new TimerHeap(monotonic());
  readonly gateway: InlineGateway;
  readonly guest: Guest;
  readonly streams: GuestStream[] = [];

  constructor(port: number) {
    const pool = new PacketPool();
    this.gateway = new InlineGateway({ hostPorts: [port] }, pool, () => undefined);
    this.guest = new Guest(this.clock, pool, this.gateway.link);
  }
  /** As the sentry's loop does it. True when there is more to do at once. */
  round(now: ReturnType<typeof monotonic>): boolean {
    this.clock.moveTo(now);
    this.guest.stack.step(now);
    this.gateway.begin(now);
    this.gateway.dispatch();
    this.gateway.receive();
    this.guest.stack.step();
    for (const stream of this.streams) stream.pump();
    this.guest.stack.step();
    const brought = this.gateway.pass();
    const { next } = this.gateway;
    return brought || (next !== undefined && next <= now);
  }
  async until(done: () => boolean): Promise<void> {
    while (!done()) {
      this.round(monotonic());
      await sleep(1);
    }
  }
  connect(port: number): GuestStream {
    const stream = this.guest.tcp(GATEWAY4, port);
    this.streams.push(stream);
    return stream;
  }
  close(): void {
    this.gateway.closeLink();
    this.gateway.close();
  }
}

test('what many hosts say at once reaches the guest without waiting for a timer', async (t) => {
  const server = await tcpServer();
  const world = new InlineWorld(server.port);
  t.teardown(() => (world.close(), server.close()));
  for (let i = 0; i < FLOWS; i++) world.connect(server.port);
  await world.until(() => server.sockets.length === FLOWS && world.streams.every((stream) => stream.connected));
  for (const { endpoint } of world.streams) {
    // Its acknowledgments wait for what it says next.
    endpoint.quickAcknowledge(0);
  }
  const spoken = server.sockets.map((socket) => new Promise((resolve) => socket.write('a', resolve)));
  await Promise.all(spoken);
  const now = monotonic();
  for (let rounds = 0; rounds < FLOWS && world.round(now); rounds++);
  t.is(world.streams.filter((stream) => stream.receivedOctets === 1).length, FLOWS);
});

test('what a guest sent before the link closed arrives though nobody turns the loop', async (t) => {
  const server = await tcpServer((socket) => socket.pause());
  const world = new InlineWorld(server.port);
  t.teardown(() => (world.gateway.close(), server.close()));
  const stream = world.connect(server.port);
  const part = pattern(1 << 18);
  let parts = 0;
  // More than the host takes.
  while (world.gateway.stats().events['tcp-holds'] === undefined) {
    stream.send(part);
    parts++;
    await world.until(() => stream.unsent === 0);
  }
  stream.end();
  await world.until(() => stream.endpoint.state === 'FIN-WAIT-2');
  world.gateway.closeLink();
  t.true(world.gateway.isLingering);
  const [socket] = server.sockets;
  if (socket === undefined) throw new Error('no connection');
  const got = collect(socket);
  socket.resume();
  while (world.gateway.isLingering || !got.ended) {
    world.gateway.linger();
    await sleep(1);
  }
  t.deepEqual([got.octets.length, got.error], [parts * part.length, undefined]);
});

test.serial('one that cannot start leaves no descriptor', async (t) => {
  const port = await closedPort();
  const published = [port, port].map((hostPort) => ({ hostAddress: '127.0.0.1', hostPort, guestPort: 80 }));
  const start = (): unknown => new InlineGateway({ published }, new PacketPool(), () => undefined);
  t.throws(start);
  const before = openDescriptors();
  t.throws(start);
  t.is(openDescriptors(), before);
});
