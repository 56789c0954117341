/** DNS over TCP: connections to the name server's address end in the gateway. */
import type net from 'node:net';
import test from 'ava';
import dnsPacket from 'dns-packet';
import { Rcode, rcodeOf } from '../../src/gateway/dns-message.ts';
import type { HostSockets } from '../../src/gateway/host.ts';
import { localHost } from '../../src/gateway/process.ts';
import { EventPoller } from '../../src/host/event-poller.ts';
import { seconds } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { RawTcp } from './raw-tcp.ts';
import { closedPort, pattern, tcpServer } from './servers.ts';
import { at, DNS4, GUEST6, World } from './support.ts';

const query = (name: string, id = 1, type: dnsPacket.RecordType = 'A'): Buffer =>
  dnsPacket.encode({ type: 'query', id, flags: dnsPacket.RECURSION_DESIRED, questions: [{ type, name }] });
const framed = (octets: Uint8Array): Buffer => Buffer.concat([Buffer.of(octets.length >>> 8, octets.length), octets]);

/** The messages that stand whole in a stream. */
function messages(octets: readonly number[]): Buffer[] {
  const all: Buffer[] = [];
  let rest = Buffer.from(octets);
  while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
    const end = 2 + rest.readUInt16BE(0);
    all.push(rest.subarray(2, end));
    rest = rest.subarray(end);
  }
  return all;
}

/** A resolver over TCP, one query a connection; it may answer in pieces, with a connection's end, or not at all. */
const resolver = (answer: (query: dnsPacket.DecodedPacket, socket: net.Socket) => Buffer | undefined, host?: string) =>
  tcpServer((socket) => {
    let octets = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      octets = Buffer.concat([octets, chunk]);
      for (const message of messages([...octets])) {
        const reply = answer(dnsPacket.decode(message), socket);
        if (reply !== undefined) socket.write(framed(reply));
      }
    });
  }, host);
const respond = (q: dnsPacket.DecodedPacket, answers: dnsPacket.Answer[] = []): Buffer =>
  dnsPacket.encode({ type: 'response', id: q.id ?? 0, questions: q.questions ?? [], answers });

async function connected(world: World, server = at(DNS4, 53), guest?: IpAddress): Promise<RawTcp> {
  const tcp = new RawTcp(world, server, guest);
  await tcp.connect();
  return tcp;
}
const answered = (tcp: RawTcp, count: number) =>
  tcp.run(`${count} answers`, () => messages(tcp.received).length >= count).then(() => messages(tcp.received));

test('the host’s name over both families, and both ends close', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  for (const [server, guest, type, data] of [
    ['10.0.2.3', undefined, 'A', '10.0.2.2'],
    ['fd00::3', GUEST6, 'AAAA', 'fd00::2'],
  ] as const) {
    const tcp = await connected(world, at(IpAddress.of(server), 53), guest);
    tcp.send(framed(query('host.internal', 9, type)));
    const [answer] = await answered(tcp, 1);
    t.like(dnsPacket.decode(answer as Buffer), { id: 9 });
    t.like(dnsPacket.decode(answer as Buffer).answers?.[0], { data });
    tcp.fin();
    await tcp.run('the end', () => tcp.finSeen);
    await tcp.run('the flow is forgotten', () => world.gateway.tcp.size === 0);
  }
  t.is(world.counts()['dns-streams'], 2);
});

test('a large answer comes whole, in the asker’s spelling, from the second resolver', async (t) => {
  const data = Array.from({ length: 240 }, (_, i) => `${i % 10}`.repeat(200));
  const upstream = await resolver((q) =>
    respond({ ...q, questions: [{ type: 'TXT', name: 'big.test' }] }, [{ type: 'TXT', name: 'big.test', data }]),
  );
  // ::1 refuses: the server listens on 127.0.0.1 alone.
  const world = new World({ nameservers: ['::1', '127.0.0.1'], nameserverPort: upstream.port });
  t.teardown(() => (world.close(), upstream.close()));
  const tcp = await connected(world);
  tcp.send(framed(query('BIG.test', 77, 'TXT')));
  const [answer] = await answered(tcp, 1);
  const message = dnsPacket.decode(answer as Buffer);
  t.is(message.id, 77);
  t.is(message.questions?.[0]?.name, 'BIG.test');
  t.false(message.flag_tc);
  const [record] = message.answers ?? [];
  t.is(record?.type === 'TXT' ? record.data.length : 0, 240);
  t.is(world.gateway.stats().flows.dnsOpen, 0);
});

test('queries in pieces and many at once; answers in the order in which they come', async (t) => {
  const waiting: (() => void)[] = [];
  const upstream = await resolver((q, socket) => {
    const name = q.questions?.[0]?.name ?? '';
    const reply = respond(q, [{ type: 'A', name, data: '192.0.2.1' }]);
    if (name !== 'slow.test') return reply;
    waiting.push(() => socket.write(framed(reply)));
    return undefined;
  });
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: upstream.port });
  t.teardown(() => (world.close(), upstream.close()));
  const tcp = await connected(world);
  const all = Buffer.concat([
    framed(query('slow.test', 1)),
    ...Array.from({ length: 20 }, (_, i) => framed(query(`n${i}.test`, 100 + i))),
  ]);
  for (const [from, to] of [
    [0, 1],
    [1, 30],
    [30, all.length],
  ] as const) {
    tcp.send(all.subarray(from, to));
    world.turn();
  }
  const first = await answered(tcp, 20);
  t.deepEqual(
    first.map((octets) => octets.readUInt16BE(0)).toSorted((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => 100 + i),
  );
  // The guest may end first: what is under way is still answered.
  tcp.fin();
  for (let i = 0; i < 5; i++) world.turn(1);
  t.false(tcp.finSeen);
  waiting[0]?.();
  const last = await answered(tcp, 21);
  t.is(last.at(-1)?.readUInt16BE(0), 1);
  await tcp.run('the end', () => tcp.finSeen);
});

test('SERVFAIL when no resolver answers: none, closed, silent, ending early, of another question', async (t) => {
  const early = await tcpServer((socket) => socket.once('data', () => socket.end(Buffer.of(0))));
  const silent = await tcpServer();
  const other = await resolver((q) => respond({ ...q, questions: [{ type: 'A', name: 'evil.test' }] }));
  t.teardown(() => [early, silent, other].forEach((server) => server.close()));
  for (const config of [
    { nameservers: [] },
    { nameservers: ['127.0.0.1'], nameserverPort: await closedPort() },
    { nameservers: ['127.0.0.1'], nameserverPort: early.port },
    { nameservers: ['127.0.0.1'], nameserverPort: other.port },
    { nameservers: ['127.0.0.1'], nameserverPort: silent.port, dnsTimeoutMs: 50 },
  ]) {
    const world = new World(config);
    const tcp = await connected(world);
    tcp.send(framed(query('nobody.test')));
    const [answer] = await answered(tcp, 1);
    t.is(rcodeOf(answer as Buffer), Rcode.ServFail);
    world.close();
  }
});

test('an answer in many pieces: each read asks for what is missing, and no more', async (t) => {
  const upstream = await resolver((q, socket) => {
    const answer = respond(q, [
      { type: 'TXT', name: 'big.test', data: Array.from({ length: 250 }, () => pattern(250)) },
    ]);
    const octets = framed(answer);
    for (let i = 0; i < octets.length; i += i < 5 ? 1 : 7001) {
      const piece = octets.subarray(i, i + (i < 5 ? 1 : 7001));
      setTimeout(() => socket.write(piece), 2 + Math.min(i, 10 + i / 1000));
    }
    return undefined;
  });
  const poller = new EventPoller();
  const { sockets } = localHost(poller);
  poller.close();
  const asked: number[] = [];
  let took = 0;
  const receive: HostSockets['receive'] = (fd, address, len, flags) => {
    const n = sockets.receive(fd, address, len, flags);
    if (n > 0) took += n;
    asked.push(len + took - Math.max(n, 0));
    return n;
  };
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: upstream.port }, undefined, {
    sockets: { ...sockets, receive },
  });
  t.teardown(() => (world.close(), upstream.close()));
  const tcp = await connected(world);
  tcp.send(framed(query('big.test', 3, 'TXT')));
  const [answer] = await answered(tcp, 1);
  t.is((answer as Buffer).length + 2, took);
  t.like(dnsPacket.decode(answer as Buffer).answers?.[0], { type: 'TXT' });
  t.true(took > 62_000);
  // The length, and then the end of the message, from wherever it stood.
  t.deepEqual([...new Set(asked)], [2, took]);
});

test('what is no query resets the connection', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const response = query('x.test');
  response[2] = (response[2] as number) | 0x80;
  for (const octets of [Buffer.of(0, 0), Buffer.of(0xff, 0xff, 1), framed(response), pattern(5000)]) {
    const tcp = await connected(world);
    tcp.send(octets);
    await tcp.run('reset', () => tcp.resetSeen);
    t.is(world.gateway.tcp.size, 0);
  }
});

test('connections are bounded, and end after ten seconds without a query', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const streams: RawTcp[] = [];
  for (let i = 0; i < 64; i++) streams.push(await connected(world));
  const more = new RawTcp(world, at(DNS4, 53));
  more.syn();
  await more.run('reset', () => more.resetSeen);
  t.is(world.counts()['dns-streams-full'], 1);
  world.clock.advance(seconds(11));
  const [first] = streams as [RawTcp];
  await first.run('the end', () => first.finSeen);
});
