import test from 'ava';
import { CAP } from '../../src/gateway/tcp/flow.ts';
import { arena, native } from '../../src/host/libc.ffi.ts';
import { ByteRing } from '../../src/lib/byte-ring.ts';
import { u16 } from '../../src/lib/bytes.ts';
import { seconds } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { ipv6Loopback, needing } from '../support/needs.ts';
import { ownAddress } from './own-address.ts';
import { Ack, Fin, Psh, RawTcp, Rst, Syn } from './raw-tcp.ts';
import { closedPort, collect, pattern, tcpServer } from './servers.ts';
import { withSource } from './sources.ts';
import {
  ALL_OFFLOADS,
  at,
  CountingSockets,
  GATEWAY4,
  GATEWAY6,
  GUEST4,
  GUEST6,
  icmpOf,
  tcpTo,
  text,
  textOf,
  World,
} from './support.ts';

for (const source of ['peek', 'queue'] as const) {
  withSource(source)(`${source}: octets both ways, then both ends close, guest first`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    const synAck = await tcp.connect();
    t.deepEqual([...synAck.options], [2, 4, 0xff, 0xc8, 1, 3, 3, 7]);
    await world.until('the connection', () => server.sockets.length === 1);
    const host = server.sockets[0] as NonNullable<(typeof server.sockets)[0]>;
    const got = collect(host);
    tcp.send(text('to the host'));
    await tcp.run('data at the host', () => got.octets.length === 11);
    host.write('to the guest');
    await tcp.run('data at the guest', () => tcp.received.length === 12);
    t.is(textOf(Uint8Array.from(tcp.received)), 'to the guest');
    tcp.fin();
    await tcp.run('end at the host', () => got.ended);
    t.false(tcp.finSeen);
    host.end('last words');
    await tcp.run('end at the guest', () => tcp.finSeen);
    t.is(textOf(Uint8Array.from(tcp.received)), 'to the guestlast words');
    await tcp.run('the flow is forgotten', () => world.gateway.tcp.size === 0);
    t.like(world.messages.at(-1), { type: 'flow-closed', reason: 'closed', octets: { fromGuest: 11, toGuest: 22 } });
    t.deepEqual(world.pool.available, { large: 64, small: 256 });
  });

  withSource(source)(`${source}: the host closes first, the guest still sends`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    const host = server.sockets[0] as NonNullable<(typeof server.sockets)[0]>;
    const got = collect(host);
    // Data and end of stream in one event.
    host.end('data with its end');
    await tcp.run('end at the guest', () => tcp.finSeen);
    t.is(tcp.received.length, 17);
    tcp.send(text('afterwards'), Fin);
    await tcp.run('end at the host', () => got.ended);
    t.is(got.octets.toString(), 'afterwards');
    await tcp.run('the flow is forgotten', () => world.gateway.tcp.size === 0);
    t.is(got.error, undefined);
  });

  withSource(source)(`${source}: the end of the host rides on its last octets, and is not read for`, async (t) => {
    const server = await tcpServer();
    const counting = new CountingSockets();
    const world = new World({ hostPorts: [server.port], source }, ALL_OFFLOADS, { sockets: counting.sockets });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    counting.take();
    await new Promise<void>((done) => server.sockets[0]?.end('last words', done));
    const segment = await tcp.segment('data');
    t.like(segment, { flags: Ack | Psh | Fin, seq: tcp.rcv });
    t.is(textOf(segment.payload), 'last words');
    for (let turns = 0; turns < 3; turns++) world.turn();
    t.is(counting.take().receives, 1);
    // Lost, and sent again: as before.
    world.skip();
    await tcp.run('both again', () => tcp.finSeen);
    t.is(textOf(Uint8Array.from(tcp.received)), 'last words');
    tcp.fin();
    await tcp.run('the flow is forgotten', () => world.gateway.tcp.size === 0);
    t.like(world.messages.at(-1), { reason: 'closed', octets: { fromGuest: 0, toGuest: 10 } });
    t.is(counting.shutdowns, 0, 'close(2) ends the other direction');
    await world.until(
      'the end at the host',
      () => server.sockets[0]?.readableEnded === true || server.sockets[0]?.destroyed,
    );
  });

  withSource(source)(`${source}: a reset by the host follows its data`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    server.sockets[0]?.write('before the reset');
    await tcp.run('data', () => tcp.received.length === 16);
    server.sockets[0]?.resetAndDestroy();
    await tcp.run('reset', () => tcp.resetSeen);
    t.is(tcp.received.length, 16);
    t.is(world.gateway.tcp.size, 0);
  });

  for (const insists of [true, false]) {
    const whose = insists ? 'sends on' : 'says nothing';
    withSource(source)(`${source}: a reset by the host over a closed window, of a guest that ${whose}`, async (t) => {
      const server = await tcpServer((socket) => socket.on('error', () => undefined));
      const world = new World({ hostPorts: [server.port], source });
      t.teardown(() => (world.close(), server.close()));
      const tcp = new RawTcp(world, at(GATEWAY4, server.port));
      await tcp.connect();
      await world.until('the connection', () => server.sockets.length === 1);
      tcp.window = 0;
      tcp.ack();
      server.sockets[0]?.write('before the reset');
      await world.until('a probe', () => (world.counts()['tcp-probes'] ?? 0) > 0);
      server.sockets[0]?.resetAndDestroy();
      await new Promise((resolve) => server.sockets[0]?.once('close', resolve));
      world.turn(100);
      const sent = tcp.snd;
      if (insists) for (let i = 0; i < 20; i++) tcp.send(pattern(1000));
      let acknowledged = sent;
      const reset = await world.take('RST', (frame) => {
        const segment = tcpTo(tcp.local.port)(frame);
        if (segment !== undefined) acknowledged = Math.max(acknowledged, segment.ack);
        return segment !== undefined && (segment.flags & Rst) !== 0 ? segment : undefined;
      });
      t.is(reset.seq, tcp.rcv);
      t.is(acknowledged, sent);
      t.like(world.messages.at(-1), { type: 'flow-closed', reason: 'reset by host' });
    });
  }

  withSource(source)(
    `${source}: a reset behind unread data: the guest gets the data, then RST, never FIN`,
    async (t) => {
      const server = await tcpServer();
      const world = new World({ hostPorts: [server.port], source });
      t.teardown(() => (world.close(), server.close()));
      const tcp = new RawTcp(world, at(GATEWAY4, server.port));
      await tcp.connect();
      await world.until('the connection', () => server.sockets.length === 1);
      tcp.window = 0;
      tcp.ack();
      const host = server.sockets[0] as NonNullable<(typeof server.sockets)[0]>;
      const sent = pattern(3000);
      await new Promise((done) => host.write(sent, done));
      host.resetAndDestroy();
      for (let i = 0; i < 5; i++) world.turn(2);
      tcp.window = 1 << 20;
      tcp.ack();
      await tcp.run('reset', () => tcp.resetSeen);
      t.deepEqual(Buffer.from(tcp.received), sent);
      t.false(tcp.finSeen);
    },
  );

  withSource(source)(`${source}: FIN, then RST while the guest is half open`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    server.sockets[0]?.end();
    await tcp.run('end', () => tcp.finSeen);
    server.sockets[0]?.resetAndDestroy();
    await tcp.run('reset', () => tcp.resetSeen);
    t.is(world.gateway.tcp.size, 0);
  });

  withSource(source)(`${source}: octets lost on the link are sent again from the first that is missing`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    const sent = pattern(200_000);
    server.sockets[0]?.end(sent);
    await tcp.run('some data', () => tcp.received.length > 1000);
    // Everything on its way now is lost; three duplicate acknowledgments follow.
    await world.until('more data', () => world.rest.length > 0);
    world.skip();
    for (let i = 0; i < 4; i++) tcp.ack();
    await tcp.run('all data', () => tcp.finSeen);
    t.deepEqual(Buffer.from(tcp.received), sent);
    t.true((world.counts()['tcp-rewinds'] ?? 0) >= 1);
  });

  withSource(source)(`${source}: a lost last segment is sent again by the timer`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    server.sockets[0]?.end('lost once');
    await world.take('FIN', (frame) => (((tcpTo(tcp.local.port)(frame)?.flags ?? 0) & Fin) !== 0 ? true : undefined));
    world.skip();
    await tcp.run('data again', () => tcp.finSeen);
    t.is(textOf(Uint8Array.from(tcp.received)), 'lost once');
    t.true((world.counts()['tcp-timeouts'] ?? 0) >= 1);
  });

  withSource(source)(`${source}: forged acknowledgments throw away nothing`, async (t) => {
    const server = await tcpServer();
    const world = new World({ hostPorts: [server.port], source });
    t.teardown(() => (world.close(), server.close()));
    const tcp = new RawTcp(world, at(GATEWAY4, server.port));
    await tcp.connect();
    await world.until('the connection', () => server.sockets.length === 1);
    tcp.raw(Ack, { ack: (tcp.rcv + 5000) | 0 });
    server.sockets[0]?.end('untouched');
    await tcp.run('data', () => tcp.finSeen);
    t.is(textOf(Uint8Array.from(tcp.received)), 'untouched');
  });
}

test('a refused port answers with RST, a closed host port likewise and without a connection', async (t) => {
  const refused = await closedPort();
  const server = await tcpServer();
  const world = new World({ hostPorts: [refused] });
  t.teardown(() => (world.close(), server.close()));
  for (const port of [refused, server.port]) {
    const tcp = new RawTcp(world, at(GATEWAY4, port));
    tcp.syn();
    const answer = await tcp.segment('RST');
    t.is(answer.flags, Rst | Ack);
    t.is(answer.ack, tcp.snd + 1);
    t.is(answer.seq, 0);
  }
  t.is(server.sockets.length, 0);
  t.is(world.counts()['host-closed'], 1);
  t.is(world.counts()['tcp-connect-refused'], 1);
  t.is(world.gateway.tcp.size, 0);
});

test('loopback, link-local, metadata and the host’s own addresses are closed', async (t) => {
  const server = await tcpServer(undefined, '0.0.0.0');
  const world = new World();
  t.teardown(() => (world.close(), server.close()));
  const cases: [string, string, 'rst' | 'icmp' | 'silence'][] = [
    ['127.0.0.1', 'loopback', 'icmp'],
    ['169.254.169.254', 'link-local', 'icmp'],
    ['100.100.100.200', 'metadata', 'icmp'],
    ['0.0.0.1', 'reserved', 'icmp'],
    ['250.1.2.3', 'reserved', 'icmp'],
    ['10.0.2.99', 'absent', 'icmp'],
    ['10.0.2.255', 'broadcast', 'silence'],
    ['255.255.255.255', 'broadcast', 'silence'],
    ['224.0.0.1', 'multicast', 'silence'],
    ['10.0.2.3', 'host-closed', 'rst'],
  ];
  for (const [address, reason, answer] of cases) {
    const before = world.counts()[reason] ?? 0;
    world.skip();
    const tcp = new RawTcp(world, at(IpAddress.of(address), server.port));
    tcp.syn();
    t.is(world.counts()[reason], before + 1, address);
    const frame = world.rest[0];
    if (answer === 'silence') t.is(frame, undefined, address);
    else if (frame === undefined) t.fail(`${address}: no answer`);
    else if (answer === 'rst') t.is((tcpTo(tcp.local.port)(frame)?.flags ?? 0) & Rst, Rst);
    else t.is(icmpOf(frame)?.type, 3, address);
  }
  t.is(server.sockets.length, 0);
  t.true(world.messages.every((message) => message.type === 'flow-refused'));
});

needing(ipv6Loopback)('IPv6: the same way to ::1', async (t) => {
  const server = await tcpServer((socket) => socket.end('six'), '::1');
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY6, server.port), GUEST6);
  const synAck = await tcp.connect();
  t.is(u16(synAck.options, 2), 65_520 - 60);
  await tcp.run('data', () => tcp.finSeen);
  t.is(textOf(Uint8Array.from(tcp.received)), 'six');
});

test('checksums and segments are complete where the link offloads nothing', async (t) => {
  const sent = pattern(20_000);
  const server = await tcpServer((socket) => socket.end(sent));
  const world = new World({ hostPorts: [server.port], mtu: 1500 }, 0);
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await tcp.run('data', () => tcp.finSeen);
  t.deepEqual(Buffer.from(tcp.received), sent);
  for (const frame of world.link.frames) t.true(frame.bytes.length <= 1514 && !frame.partial && frame.gsoSize === 0);
});

test('a large frame carries whole segments of the guest’s MSS', async (t) => {
  const server = await tcpServer((socket) => socket.end(pattern(300_000)));
  const world = new World({ hostPorts: [server.port], mtu: 1500 });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await tcp.run('data', () => tcp.finSeen);
  const sizes = world.link.frames
    .map((frame) => tcpTo(tcp.local.port)(frame))
    .filter((s) => (s?.payload.length ?? 0) > 1460);
  t.true(sizes.length > 0);
  for (const segment of sizes) {
    t.is(segment?.gsoSize, 1460);
    t.true((segment?.payload.length ?? 0) <= 65_535 - 60);
  }
});

test('5 MB against a paused host reader: everything is held or refused by window, and arrives', async (t) => {
  const server = await tcpServer((socket) => socket.pause());
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const all = pattern(5_000_000);
  const first = tcp.snd;
  let offset = 0;
  let stalls = 0;
  const got = collect(server.sockets[0] as NonNullable<(typeof server.sockets)[0]>);
  server.sockets[0]?.pause();
  await tcp.run(
    'all sent',
    () => {
      const room = (): number => (tcp.edge - first - offset) | 0;
      for (let i = 0; i < 64 && room() > 0 && offset < all.length; i++) {
        const len = Math.min(65_000, room(), all.length - offset);
        tcp.send(all.subarray(offset, offset + len));
        offset += len;
      }
      if (room() <= 0 && stalls++ === 20) server.sockets[0]?.resume();
      return offset === all.length;
    },
    20_000,
  );
  t.true(stalls > 20);
  t.false(tcp.edgeMovedBack);
  await tcp.run('all received', () => got.octets.length === all.length, 20_000);
  t.true(got.octets.equals(all));
  t.true((world.counts()['tcp-holds'] ?? 0) > 0);
  t.is(world.counts()['tcp-timeouts'], undefined);
});

test('octets beyond the window and old ones are cut off, gaps acknowledged', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const got = collect(server.sockets[0] as NonNullable<(typeof server.sockets)[0]>);
  const start = tcp.snd;
  tcp.raw(Ack | Psh, { seq: start + 4, payload: text('gap') });
  world.turn();
  t.is((await tcp.segment('ACK')).ack, start);
  tcp.raw(Ack | Psh, { payload: text('abcd') });
  tcp.raw(Ack | Psh, { seq: start + 2, payload: text('cdef') });
  tcp.raw(Ack | Psh, { seq: start, payload: text('old') });
  // A keep-alive gets an answer too.
  world.turn();
  world.skip();
  tcp.raw(Ack, { seq: start + 5 });
  world.turn();
  t.is((await tcp.segment('answer to a keep-alive')).ack, start + 6);
  await world.until('data', () => got.octets.length >= 6);
  t.is(got.octets.toString(), 'abcdef');
});

test('blind resets: only the exact sequence number ends the connection', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const got = collect(server.sockets[0] as NonNullable<(typeof server.sockets)[0]>);
  tcp.raw(Rst, { seq: tcp.snd + 10 });
  world.turn();
  t.is((await tcp.segment('challenge')).ack, tcp.snd);
  tcp.raw(Rst, { seq: tcp.snd - 10 });
  tcp.raw(Syn, { seq: tcp.snd + 10 });
  world.turn();
  t.is((await tcp.segment('challenge')).flags, Ack);
  t.is(world.gateway.tcp.size, 1);
  tcp.raw(Rst, { seq: tcp.snd });
  t.is(world.gateway.tcp.size, 0);
  await world.until('the host’s reset', () => got.error !== undefined);
  t.is(got.error, 'ECONNRESET');
});

test('a zero window is probed, and what waits follows its update', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  tcp.window = 0;
  tcp.ack();
  await world.until('the connection', () => server.sockets.length === 1);
  const sent = pattern(200);
  server.sockets[0]?.write(sent);
  const probe = await tcp.segment('a probe');
  t.is(probe.seq, (tcp.rcv - 1) | 0);
  t.is(probe.payload.length, 0);
  tcp.window = 128;
  tcp.ack();
  await tcp.run('as much as fits', () => tcp.received.length === 128);
  tcp.window = 1 << 20;
  tcp.ack();
  await tcp.run('the rest', () => tcp.received.length === 200);
  t.deepEqual(Buffer.from(tcp.received), sent);
});

test('a flow whose guest says nothing to the SYN-ACK gets it again', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  tcp.syn();
  const first = await tcp.segment('SYN-ACK');
  tcp.syn();
  const second = await tcp.segment('SYN-ACK again');
  t.is(second.seq, first.seq);
  t.is(second.flags, Syn | Ack);
  tcp.raw(Ack, { seq: tcp.snd + 1, ack: first.seq });
  t.is((await tcp.segment('RST')).flags, Rst);
});

test('segments of no connection are answered with RST, resets with nothing', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const tcp = new RawTcp(world, at(GATEWAY4, 1));
  tcp.raw(Ack, { ack: 4711 });
  const answer = await tcp.segment('RST');
  t.like(answer, { flags: Rst, seq: 4711 });
  tcp.raw(Fin, { payload: text('xyz') });
  t.like(await tcp.segment('RST'), { flags: Rst | Ack, ack: tcp.snd + 4 });
  tcp.raw(Rst);
  t.is(world.rest.length, 0);
});

test('the table is bounded, and says so', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port], tcpFlows: 2 });
  t.teardown(() => (world.close(), server.close()));
  for (let i = 0; i < 3; i++) new RawTcp(world, at(GATEWAY4, server.port)).syn();
  t.is(world.gateway.tcp.size, 2);
  t.is(world.counts()['tcp-table-full'], 1);
});

test('a host that cannot watch another socket refuses the connection and lives on', async (t) => {
  const server = await tcpServer();
  let full = true;
  const world: World = new World({ hostPorts: [server.port] }, undefined, {
    poller: {
      watch: (fd, owner) => (full ? -28 : world.poller.watch(fd, owner)),
      forget: (owner) => world.poller.forget(owner),
    },
  });
  t.teardown(() => (world.close(), server.close()));
  const refused = new RawTcp(world, at(GATEWAY4, server.port));
  refused.syn();
  t.like(await refused.segment('RST'), { flags: Rst | Ack });
  t.is(world.gateway.tcp.size, 0);
  full = false;
  await new RawTcp(world, at(GATEWAY4, server.port)).connect();
});

test('with the link full nothing is peeked, and all follows when it has drained', async (t) => {
  const server = await tcpServer((socket) => socket.end('patience'));
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  world.link.queued = 1000;
  for (let i = 0; i < 10; i++) world.turn(2);
  t.is(tcp.received.length, 0);
  world.link.queued = 0;
  await tcp.run('data', () => tcp.finSeen);
  t.is(textOf(Uint8Array.from(tcp.received)), 'patience');
});

test('when the link closes, host connections end with RST', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const got = collect(server.sockets[0] as NonNullable<(typeof server.sockets)[0]>);
  world.link.close();
  await world.until('the reset', () => got.error !== undefined);
  t.is(got.error, 'ECONNRESET');
  t.is(world.gateway.step(), undefined);
});

test('memory short: what is held counts by its storage', async (t) => {
  const server = await tcpServer((socket) => socket.pause());
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const { budget, rings } = world.gateway.tcp;
  // One that was full once keeps its storage until it is empty.
  const spare = new ByteRing();
  spare.reserve(CAP);
  rings.take = () => spare;
  budget.used += budget.limit;
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await tcp.run('something to be held', () => {
    const room = (tcp.edge - tcp.snd) | 0;
    if (room > 0) tcp.send(pattern(Math.min(room, 60_000)));
    return (world.counts()['tcp-holds'] ?? 0) > 0;
  });
  world.turn();
  t.is(spare.bytes.length, CAP);
  t.true(spare.length > 0 && spare.length < 1 << 17);
  t.is(budget.used - budget.limit, CAP);
});

test('when the link closes, what an ended connection still holds is delivered', async (t) => {
  const server = await tcpServer((socket) => socket.pause());
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const all = pattern(6_000_000);
  let offset = 0;
  // Until the host takes no more and something is held.
  await tcp.run('a held octet', () => {
    const len = Math.min((tcp.edge - tcp.snd) | 0, 60_000, all.length - offset);
    if (len > 0) tcp.send(all.subarray(offset, offset + len));
    offset += Math.max(len, 0);
    return (world.counts()['tcp-holds'] ?? 0) > 3;
  });
  tcp.fin();
  await tcp.run('the end is taken', () => world.rest.length === 0);
  world.link.close();
  t.true(world.gateway.isLingering);
  const got = collect(server.sockets[0] as NonNullable<(typeof server.sockets)[0]>);
  server.sockets[0]?.resume();
  await world.until('the end', () => got.ended);
  t.true(got.octets.equals(all.subarray(0, offset)));
  t.is(got.error, undefined);
  t.false(world.gateway.isLingering);
  t.is(world.gateway.step(), undefined);
});

test('… but not for ever', async (t) => {
  const server = await tcpServer((socket) => socket.pause());
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  const some = pattern(60_000);
  await tcp.run('a held octet', () => {
    if (((tcp.edge - tcp.snd) | 0) >= some.length) tcp.send(some);
    return (world.counts()['tcp-holds'] ?? 0) > 3;
  });
  tcp.fin();
  world.link.close();
  t.true(world.gateway.isLingering);
  world.clock.advance(seconds(11));
  t.false(world.gateway.isLingering);
  t.like(world.messages.at(-1), { type: 'flow-closed', reason: 'link closed, octets undelivered' });
});

needing(ownAddress)('the host’s own addresses: closed, and open at the ports that are', async (t) => {
  const own = ownAddress.address;
  const server = await tcpServer((socket) => socket.end('own'), '0.0.0.0');
  t.teardown(() => server.close());
  const closed = new World();
  const refused = new RawTcp(closed, at(IpAddress.of(own), server.port));
  refused.syn();
  t.is((await refused.segment('RST')).flags, Rst | Ack);
  t.is(closed.counts()['host-closed'], 1);
  closed.close();
  const open = new World({ hostPorts: [server.port] });
  t.teardown(() => open.close());
  const tcp = new RawTcp(open, at(IpAddress.of(own), server.port));
  await tcp.connect();
  await tcp.run('data', () => tcp.finSeen);
  t.is(server.sockets.length, 1);
});

test('a server that resets at once: connected, then reset, as on the host', async (t) => {
  const server = await tcpServer((socket) => socket.resetAndDestroy());
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await tcp.run('reset', () => tcp.resetSeen);
  t.is(world.gateway.tcp.size, 0);
});

test('a SYN with another sequence number starts anew while the first still connects', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  tcp.syn();
  tcp.snd += 7000;
  await tcp.connect();
  t.is(world.gateway.tcp.size, 1);
  t.like(
    world.messages.find((message) => message.type === 'flow-closed'),
    { reason: 'abandoned by guest' },
  );
});

test('urgent octets arrive in line, once', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  await world.until('the connection', () => server.sockets.length === 1);
  // Node has no MSG_OOB: the descriptor is written to by hand.
  const { fd } = Reflect.get(server.sockets[0] as object, '_handle') as { fd: number };
  const memory = arena(4096);
  const sendOutOfBand = native<(fd: number, address: number, len: number, flags: number) => number>(
    'intptr_t send(int fd, uintptr_t address, size_t len, int flags)',
  );
  const put = (octets: string, flags: number): void => {
    memory.bytes.set(text(octets));
    t.is(sendOutOfBand(fd, memory.address, octets.length, flags), octets.length);
  };
  put('0123456789', 0);
  put('!', 1);
  put('abcdefghij', 0);
  await tcp.run('all', () => tcp.received.length >= 21);
  for (let i = 0; i < 5; i++) world.turn(2);
  tcp.drain();
  t.is(textOf(Uint8Array.from(tcp.received)), '0123456789!abcdefghij');
});

test('an idle connection is asked whether its guest still lives, and given up when it does not answer', async (t) => {
  const server = await tcpServer();
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const tcp = new RawTcp(world, at(GATEWAY4, server.port));
  await tcp.connect();
  world.turn();
  world.skip();
  world.clock.advance(seconds(7300));
  const probe = await tcp.segment('keep-alive');
  t.is(probe.seq, (tcp.rcv - 1) | 0);
  tcp.ack();
  world.turn();
  world.skip();
  world.clock.advance(seconds(100));
  t.is(world.gateway.tcp.size, 1);
  t.is(world.rest.length, 0, 'answered');
  world.clock.advance(seconds(7600));
  t.is(world.gateway.tcp.size, 0);
  t.like(world.messages.at(-1), { type: 'flow-closed', reason: 'guest does not answer' });
});

needing(ipv6Loopback)('a server on one of the loopbacks only is reached at either address', async (t) => {
  for (const [host, gateway, guest] of [
    ['127.0.0.1', GATEWAY6, GUEST6],
    ['::1', GATEWAY4, GUEST4],
  ] as const) {
    const server = await tcpServer((socket) => socket.end('here'), host);
    const world = new World({ hostPorts: [server.port] });
    const tcp = new RawTcp(world, at(gateway, server.port), guest);
    await tcp.connect();
    await tcp.run('data', () => tcp.finSeen);
    t.is(textOf(Uint8Array.from(tcp.received)), 'here');
    t.is(world.counts()['tcp-other-loopback'], 1);
    t.is(world.counts()['tcp-connect-refused'], undefined);
    world.close();
    server.close();
  }
});
