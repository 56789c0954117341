import test from 'ava';
import { putU16, putU32, u16 } from '../../src/lib/bytes.ts';
import { seconds } from '../../src/lib/clock.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { ipv6Loopback, needing } from '../support/needs.ts';
import { closedPort, pattern, udpServer } from './servers.ts';
import {
  at,
  GATEWAY4,
  GATEWAY6,
  GUEST4,
  GUEST6,
  icmpOf,
  ipFrame,
  ipOf,
  sealed,
  text,
  textOf,
  udpFrame,
  udpTo,
  World,
} from './support.ts';

for (const [name, host, guest, gateway, needs] of [
  ['IPv4', '127.0.0.1', GUEST4, GATEWAY4, []],
  ['IPv6', '::1', GUEST6, GATEWAY6, [ipv6Loopback]],
] as const) {
  needing(...needs)(`${name}: an echo, the peer’s address kept, the flow counted`, async (t) => {
    const server = await udpServer((message, reply) => reply(Buffer.concat([message, message])), host);
    const world = new World({ hostPorts: [server.port] });
    t.teardown(() => (world.close(), server.close()));
    for (const word of ['one', 'two', '']) {
      world.inject(udpFrame(at(guest, 5000), at(gateway, server.port), text(word)));
      const reply = await world.take(`an answer to ${word}`, udpTo(5000));
      t.is(textOf(reply.payload), word + word);
      t.true(reply.src.equals(gateway));
      t.is(reply.srcPort, server.port);
    }
    t.is(world.gateway.udp.size, 1);
    t.like(world.messages[0], {
      type: 'flow-opened',
      protocol: 'udp',
      local: { address: guest.toString(), port: 5000 },
    });
    t.like(world.gateway.stats().flows, { udp: 1, udpOpen: 1 });
  });

  needing(...needs)(`${name}: a refused port comes back as ICMP that quotes the datagram`, async (t) => {
    const port = await closedPort();
    const world = new World({ hostPorts: [port] });
    t.teardown(() => world.close());
    for (let i = 0; i < 2; i++) {
      world.inject(udpFrame(at(guest, 5001), at(gateway, port), text('anyone?')));
      const error = await world.take('port unreachable', icmpOf);
      t.deepEqual([error.type, error.code], guest.isV4 ? [3, 3] : [1, 4]);
      t.true(error.src.equals(gateway));
      const quoted = error.body.subarray(guest.isV4 ? 20 : 40);
      t.deepEqual([u16(quoted, 0), u16(quoted, 2), u16(quoted, 4)], [5001, port, 15]);
    }
  });

  needing(...needs)(`${name}: a datagram beyond the MTU leaves in fragments`, async (t) => {
    const answer = pattern(4000);
    const server = await udpServer((_message, reply) => reply(answer), host);
    const world = new World({ hostPorts: [server.port], mtu: 1500 });
    t.teardown(() => (world.close(), server.close()));
    world.inject(udpFrame(at(guest, 5002), at(gateway, server.port), text('?')));
    await world.until('three fragments', () => world.link.frames.length >= 3);
    const parts = world.link.frames.map((frame) => ipOf(frame));
    const whole = Buffer.alloc(4008);
    const ids = new Set<number>();
    for (const part of parts) {
      if (part === undefined) continue;
      t.true(part.frame.bytes.length <= 1514);
      if (guest.isV4) {
        whole.set(part.data, (u16(part.frame.bytes, 20) & 0x1fff) * 8);
        ids.add(u16(part.frame.bytes, 18));
      } else {
        whole.set(part.data.subarray(8), u16(part.data, 2) & 0xfff8);
        ids.add(u16(part.data, 6));
      }
    }
    t.is(ids.size, 1);
    t.true(whole.subarray(8).equals(answer));
    t.is(whole.readUInt16BE(4), 4008);
    t.not(whole.readUInt16BE(6), 0);
  });
}

test('a closed host port and refused addresses never reach a socket', async (t) => {
  let reached = 0;
  const server = await udpServer(() => reached++);
  const world = new World();
  t.teardown(() => (world.close(), server.close()));
  const cases: [IpAddress, number | undefined][] = [
    [GATEWAY4, 3],
    [IpAddress.of('127.0.0.1'), 13],
    [IpAddress.of('169.254.169.254'), 13],
    [IpAddress.of('10.0.2.255'), undefined],
  ];
  for (const [address, code] of cases) {
    world.inject(udpFrame(at(GUEST4, 5003), at(address, server.port), text('no')));
    world.turn(5);
    t.is(world.rest.map((frame) => icmpOf(frame)?.code)[0], code);
    world.skip();
  }
  t.is(reached, 0);
  t.is(world.gateway.udp.size, 0);
});

test('the table is bounded: the flow idle longest makes room', async (t) => {
  const server = await udpServer((message, reply) => reply(message));
  const world = new World({ hostPorts: [server.port], udpFlows: 2 });
  t.teardown(() => (world.close(), server.close()));
  const send = async (port: number): Promise<void> => {
    world.inject(udpFrame(at(GUEST4, port), at(GATEWAY4, server.port), text('x')));
    await world.take(`answer to ${port}`, udpTo(port));
  };
  await send(6001);
  await send(6002);
  await send(6001);
  await send(6003);
  t.is(world.counts()['udp-evictions'], 1);
  t.is(world.gateway.udp.size, 2);
  const closed = world.messages.find((message) => message.type === 'flow-closed');
  t.like(closed, { reason: 'evicted', local: { port: 6002 }, octets: { fromGuest: 1, toGuest: 1 } });
});

test('flows end by themselves: a one-shot after 30 s, one in use after 180 s', async (t) => {
  const server = await udpServer((message, reply) => reply(message));
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  for (const [port, times] of [
    [6001, 1],
    [6002, 3],
  ] as const) {
    for (let i = 0; i < times; i++) {
      world.inject(udpFrame(at(GUEST4, port), at(GATEWAY4, server.port), text('x')));
      await world.take('answer', udpTo(port));
    }
  }
  world.clock.advance(seconds(29));
  t.is(world.gateway.udp.size, 2);
  world.clock.advance(seconds(10));
  t.is(world.gateway.udp.size, 1);
  world.clock.advance(seconds(140));
  t.is(world.gateway.udp.size, 1);
  world.clock.advance(seconds(10));
  t.is(world.gateway.udp.size, 0);
});

test('a bad checksum is dropped, none is fine on IPv4 and not on IPv6', async (t) => {
  let reached = 0;
  const server = await udpServer(() => reached++);
  const world = new World({ hostPorts: [server.port] });
  t.teardown(() => (world.close(), server.close()));
  const frame = udpFrame(at(GUEST4, 5000), at(GATEWAY4, server.port), text('sum'));
  const spoiled = frame.slice();
  spoiled[spoiled.length - 1] = 0;
  world.inject(spoiled);
  const none = frame.slice();
  none.set([0, 0], 14 + 20 + 6);
  world.inject(none);
  const none6 = udpFrame(at(GUEST6, 5000), at(GATEWAY6, server.port), text('sum'));
  none6.set([0, 0], 14 + 40 + 6);
  world.inject(none6);
  await world.until('one datagram', () => reached === 1);
  t.is(world.counts()['udp-checksum'], 2);
});

needing(ipv6Loopback)('fragments of the guest are put together, in any order, of both families', async (t) => {
  const got: string[] = [];
  const sent = pattern(3000);
  const record = (message: Buffer): void => void got.push(message.equals(sent) ? 'whole' : 'spoiled');
  const servers = [await udpServer(record), await udpServer(record, '::1')];
  const world = new World({ hostPorts: servers.map((server) => server.port) });
  t.teardown(() => {
    world.close();
    for (const server of servers) server.close();
  });
  const whole4 = udpFrame(at(GUEST4, 5000), at(GATEWAY4, servers[0]?.port ?? 0), sent).slice(34);
  const piece4 = (from: number, to: number): Uint8Array => {
    const b = ipFrame(GUEST4, GATEWAY4, 17, whole4.slice(from, to));
    putU16(b, 18, 77);
    putU16(b, 20, (from >>> 3) | (to < whole4.length ? 0x2000 : 0));
    putU16(b, 24, 0);
    const header = sealed(GUEST4, GATEWAY4, 1, b.slice(14, 34), 10);
    b.set(header, 14);
    return b;
  };
  const whole6 = udpFrame(at(GUEST6, 5000), at(GATEWAY6, servers[1]?.port ?? 0), sent).slice(54);
  const piece6 = (from: number, to: number): Uint8Array => {
    const b = new Uint8Array(8 + to - from);
    b[0] = 17;
    putU16(b, 2, from | (to < whole6.length ? 1 : 0));
    putU32(b, 4, 99);
    b.set(whole6.subarray(from, to), 8);
    return ipFrame(GUEST6, GATEWAY6, 44, b);
  };
  world.inject(piece4(1400, 2800));
  world.inject(piece4(2800, whole4.length));
  world.inject(piece4(0, 1400));
  await world.until('the IPv4 datagram', () => got.length === 1);
  world.inject(piece6(1400, 2800));
  world.inject(piece6(0, 1400));
  world.inject(piece6(2800, whole6.length));
  await world.until('the IPv6 datagram', () => got.length === 2);
  t.deepEqual(got, ['whole', 'whole']);
  t.is(world.counts()['ip-reassembled'], 2);
  world.inject(piece6(0, 1399));
  t.is(world.counts()['ip-fragment'], 1);
  t.deepEqual(world.pool.available, { large: 64, small: 256 });
});
