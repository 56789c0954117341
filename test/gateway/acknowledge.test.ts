/** When the guest's octets are acknowledged: real host sockets, and a clock that stands still until it is moved. */
import test, { type ExecutionContext } from 'ava';
import { ACK_DELAY } from '../../src/gateway/tcp/waiting-acks.ts';
import { millis, since } from '../../src/lib/clock.ts';
import { Ack, Fin, Psh, RawTcp } from './raw-tcp.ts';
import { collect, pattern, type TcpServer, tcpServer } from './servers.ts';
import { StackWorld } from './stack-world.ts';
import { at, GATEWAY4, type Segment, tcpTo, text, World } from './support.ts';

interface Talk {
  readonly world: World;
  readonly server: TcpServer;
  readonly tcp: RawTcp;
  readonly got: ReturnType<typeof collect>;
}
async function talking(t: ExecutionContext, mtu = 65_520): Promise<Talk> {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port], mtu });
  t.teardown(() => (world.close(), server.close()));
  world.time = () => world.clock.now();
  return { ...(await again({ world, server })), world, server };
}
/** One more connection to the same server. */
async function again({ world, server }: Pick<Talk, 'world' | 'server'>): Promise<Pick<Talk, 'tcp' | 'got'>> {
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  const count = server.sockets.length;
  tcp.syn();
  const synAck = await tcp.segment('SYN-ACK');
  tcp.snd++;
  tcp.rcv = (synAck.seq + 1) | 0;
  tcp.shift = 7;
  tcp.window = 1 << 20;
  tcp.ack();
  await world.until('the connection', () => server.sockets.length === count + 1);
  return { tcp, got: collect(server.sockets[count] as NonNullable<(typeof server.sockets)[0]>) };
}
/** What the guest got since it last looked, in the order of coming. */
function heard({ world, tcp }: Pick<Talk, 'world' | 'tcp'>): Segment[] {
  const segments = world.rest.map(tcpTo(tcp.local.port)).filter((segment) => segment !== undefined);
  world.skip();
  for (const { payload, flags } of segments) tcp.rcv = (tcp.rcv + payload.length + (flags & Fin)) | 0;
  return segments;
}
const bare = (segments: Segment[]): number => segments.filter(({ payload }) => payload.length === 0).length;

/** The guest asks, the host hears, answers, the guest hears. Segments without octets by when they came. */
async function exchange(talk: Talk): Promise<{ before: number; after: number }> {
  const { world, tcp, got, server } = talk;
  tcp.send(text('ask'));
  await world.until('the question', () => got.octets.toString().endsWith('ask'));
  const before = bare(heard(talk));
  server.sockets.at(-1)?.write('answer');
  await world.until('the answer', () => world.rest.length > 0);
  const segments = heard(talk);
  tcp.ack();
  world.turn();
  return { before, after: bare(segments) + bare(heard(talk)) };
}
async function becomeDialogue(talk: Talk): Promise<void> {
  for (let i = 0; i < 2; i++) await exchange(talk);
}

test('[RFC1122 4.2.3.2] the first exchanges are acknowledged at once, later ones by the answer', async (t) => {
  const talk = await talking(t);
  t.deepEqual(await exchange(talk), { before: 1, after: 0 });
  t.deepEqual(await exchange(talk), { before: 1, after: 0 });
  for (let i = 0; i < 3; i++) t.deepEqual(await exchange(talk), { before: 0, after: 0 });
  talk.world.clock.advance(ACK_DELAY);
  talk.world.turn();
  t.is(heard(talk).length, 0, 'nothing is left to be acknowledged');
  const next = await again(talk);
  t.deepEqual(await exchange({ ...talk, ...next }), { before: 0, after: 0 }, 'the next connection is like the last');
});

test('an answer that does not come: one acknowledgment after the delay, then at once again', async (t) => {
  const talk = await talking(t);
  const { world, tcp, got } = talk;
  await becomeDialogue(talk);
  tcp.send(text('ask'));
  await world.until('the question', () => got.octets.length === 9);
  t.true(world.gateway.tcp.acks.isWaiting);
  world.clock.advance(millis(1));
  tcp.send(text('more'));
  await world.until('more of it', () => got.octets.length === 13);
  world.clock.advance(millis(0.999));
  world.turn();
  t.is(heard(talk).length, 0);
  world.clock.advance(millis(0.001));
  world.turn();
  const [late, ...others] = heard(talk);
  t.like(late, { ack: tcp.snd, flags: Ack });
  t.is(others.length, 0);
  tcp.send(text('ask'));
  world.turn();
  t.is(bare(heard(talk)), 1);
});

test('an acknowledgment that the guest waited for is not kept waiting: write, write, read', async (t) => {
  const talk = await talking(t);
  const { world, tcp, got, server } = talk;
  for (let i = 1; i <= 6; i++) {
    for (const part of ['first', 'second']) {
      tcp.send(text(part));
      world.turn();
      t.is(bare(heard(talk)), 1, `${part} of ${i}`);
    }
    await world.until('both', () => got.octets.length === 11 * i);
    server.sockets[0]?.write('answer');
    await world.until('the answer', () => world.rest.length > 0);
    heard(talk);
    tcp.ack();
  }
});

test('a late answer is no dialogue', async (t) => {
  const talk = await talking(t);
  const { world, tcp, got, server } = talk;
  for (let i = 1; i <= 4; i++) {
    tcp.send(text('ask'));
    world.turn();
    t.is(bare(heard(talk)), 1);
    await world.until('the question', () => got.octets.length === 3 * i);
    world.clock.advance(millis(3));
    server.sockets[0]?.write('answer');
    await world.until('the answer', () => world.rest.length > 0);
    heard(talk);
    tcp.ack();
  }
});

test('[RFC9293 MUST-58] a full-size segment is acknowledged at once, smaller ones once they are as much', async (t) => {
  const talk = await talking(t, 1500);
  const { world, tcp } = talk;
  await becomeDialogue(talk);
  tcp.send(pattern(1460));
  world.turn();
  t.is(bare(heard(talk)), 1);
  await becomeDialogue(talk);
  tcp.send(pattern(700));
  world.turn();
  t.is(heard(talk).length, 0);
  tcp.send(pattern(760));
  world.turn();
  t.is(bare(heard(talk)), 1);
});

test('a gap and a probe are answered at once', async (t) => {
  const talk = await talking(t);
  const { world, tcp } = talk;
  await becomeDialogue(talk);
  for (const seq of [tcp.snd + 5, tcp.snd - 1]) {
    tcp.raw(Ack | Psh, { seq, payload: seq > tcp.snd ? text('gap') : new Uint8Array(0) });
    world.turn();
    t.is(bare(heard(talk)), 1);
  }
});

test('memory short: nothing waits', async (t) => {
  const talk = await talking(t);
  const { world, tcp } = talk;
  await becomeDialogue(talk);
  const { budget } = world.gateway.tcp;
  budget.used += budget.limit;
  tcp.send(text('ask'));
  world.turn();
  t.is(bare(heard(talk)), 1);
  budget.used -= budget.limit;
});

test('the end of the guest is acknowledged by that of the host, or after the delay', async (t) => {
  const talk = await talking(t);
  const { world, tcp, got, server } = talk;
  tcp.fin();
  await world.until('the end at the host', () => got.ended);
  t.is(heard(talk).length, 0);
  server.sockets[0]?.end();
  await world.until('the end at the guest', () => world.rest.length > 0);
  t.like(heard(talk), { 0: { flags: Fin | Ack, ack: tcp.snd }, length: 1 });

  const other = { ...talk, ...(await again(talk)) };
  other.tcp.fin();
  await world.until('the end at the host', () => other.got.ended);
  t.is(heard(other).length, 0);
  world.clock.advance(ACK_DELAY);
  world.turn();
  t.like(heard(other), { 0: { flags: Ack, ack: other.tcp.snd }, length: 1 });
});

test('the host ended first: the end of the guest is acknowledged at once', async (t) => {
  const talk = await talking(t);
  const { world, tcp, server } = talk;
  server.sockets[0]?.end();
  await world.until('the end at the guest', () => world.rest.length > 0);
  heard(talk);
  tcp.fin();
  world.turn();
  t.like(heard(talk), { 0: { flags: Ack, ack: tcp.snd }, length: 1 });
  t.is(world.gateway.tcp.size, 0);
});

test('many wait, one alarm: each in its own time, a closed one not at all', async (t) => {
  const talk = await talking(t);
  await becomeDialogue(talk);
  const { world } = talk;
  const talks = [talk];
  for (let i = 0; i < 4; i++) talks.push({ ...talk, ...(await again(talk)) });
  for (const each of talks) {
    each.tcp.send(text('ask'));
    world.turn();
    world.clock.advance(millis(0.1));
  }
  (talks[1] as Talk).tcp.raw(0x14);
  t.is(world.gateway.tcp.size, 4);
  world.clock.advance(millis(1.5));
  const came: number[] = [];
  for (let i = 0; i < 5; i++) {
    world.turn();
    came.push(world.rest.length);
    world.skip();
    world.clock.advance(millis(0.1));
  }
  t.deepEqual(came, [1, 0, 1, 1, 1]);
});

test('a guest with Nagle’s algorithm that writes twice and reads waits once for the delay, then never', async (t) => {
  const server = await tcpServer();
  const world = new StackWorld({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  world.time = () => world.clock.now();
  const guest = world.connect(GATEWAY4, server.port);
  await world.until('the connection', () => guest.connected && server.sockets.length === 1);
  const host = server.sockets[0] as NonNullable<(typeof server.sockets)[0]>;
  const got = collect(host);
  let heardSoFar = 0;
  let answers = 0;
  const say = async (part: string): Promise<void> => {
    guest.send(text(part));
    heardSoFar += part.length;
    for (let i = 0; i < 3; i++) world.turn();
  };
  const answer = async (): Promise<void> => {
    await world.until('the question', () => got.octets.length === heardSoFar);
    host.write('answer');
    answers++;
    await world.until('the answer', () => guest.receivedOctets === 6 * answers);
  };
  for (let i = 0; i < 4; i++) {
    await say('whole');
    await answer();
  }
  guest.endpoint.settings.noDelay = false;
  const delays: number[] = [];
  for (let i = 0; i < 5; i++) {
    const from = world.clock.now();
    await say('first');
    await say('second');
    await world.until('the first half', () => got.octets.length >= heardSoFar - 6);
    while (world.gateway.tcp.acks.isWaiting) {
      world.clock.advance(millis(0.5));
      world.turn();
    }
    await answer();
    delays.push(since(world.clock.now(), from));
  }
  t.deepEqual(delays, [ACK_DELAY, 0, 0, 0, 0]);
});
