import test from 'ava';
import { ByteRing } from '../../../src/lib/byte-ring.ts';
import { IpAddress } from '../../../src/netstack/address.ts';
import { FLOOR, RingMemory } from '../../../src/netstack/tcp/ring-memory.ts';
import { TcpLayer } from '../../../src/netstack/tcp/tcp-layer.ts';
import { World } from '../../support/stacks.ts';
import { world } from './world.ts';

const KIB = 1024;

test('an empty ring gives back what an idle connection does not need, and the next one gets it', (t) => {
  const memory = new RingMemory(256 * KIB);
  const [a, b, c] = [new ByteRing(), new ByteRing(), new ByteRing()];
  t.true(memory.reserve(a, 100 * KIB));
  t.is(memory.used, 128 * KIB);
  const { bytes } = a;
  memory.rest(a);
  t.is(memory.used, 0);
  t.true(memory.reserve(b, 128 * KIB));
  t.is(b.bytes, bytes, 'used again');
  t.true(memory.reserve(c, 10));
  memory.rest(c);
  t.is(memory.used, 132 * KIB, 'a small ring stays');
  memory.release(c);
  memory.release(b);
  t.is(memory.used, 0);
});

test('a ring that runs empty gets at once what it needed last time, unless memory is short or it needed less', (t) => {
  const memory = new RingMemory(1024 * KIB);
  const ring = new ByteRing();
  const fill = (octets: number): number => {
    t.true(memory.reserve(ring, octets));
    return ring.bytes.length;
  };
  t.deepEqual(
    [64, 128, 200].map((kib) => fill(kib * KIB)),
    [64 * KIB, 128 * KIB, 256 * KIB],
  );
  memory.rest(ring);
  t.is(fill(10), 4 * KIB, 'a message needs no more');
  t.is(fill(20 * KIB), 256 * KIB);
  t.is(memory.used, 256 * KIB);
  memory.rest(ring);
  t.is(memory.used, 0);
  const other = new ByteRing();
  t.true(memory.reserve(other, 512 * KIB));
  fill(60 * KIB);
  t.is(ring.bytes.length, 64 * KIB, 'under pressure, and it had needed 20 KiB');
  t.true(memory.underPressure);
  memory.release(other);
  memory.rest(ring);
  t.is(fill(20 * KIB), 64 * KIB);
});

test('what the ring holds survives the leap', (t) => {
  const memory = new RingMemory(1024 * KIB);
  const ring = new ByteRing();
  memory.reserve(ring, 100 * KIB);
  memory.rest(ring);
  memory.reserve(ring, 10);
  const octets = Uint8Array.from({ length: 3000 }, (_, i) => i);
  ring.write(0, octets, 0, 3000);
  ring.append(3000);
  ring.consume(2000);
  memory.reserve(ring, 4000);
  ring.write(1000, octets, 0, 3000);
  ring.append(3000);
  memory.reserve(ring, 50 * KIB);
  t.is(ring.bytes.length, 128 * KIB);
  const out = new Uint8Array(4000);
  ring.read(0, out, 0, 4000);
  t.deepEqual(out, Uint8Array.from([...octets.subarray(2000), ...octets]));
});

test('at the limit a ring gets no more than the floor; from half of it on there is pressure', (t) => {
  const memory = new RingMemory(64 * KIB);
  const rings = Array.from({ length: 8 }, () => new ByteRing());
  t.true(
    rings.every((ring) => memory.reserve(ring, FLOOR)),
    'the floor goes beyond the limit',
  );
  t.is(memory.used, 8 * FLOOR);
  t.true(memory.underPressure);
  t.false(memory.reserve(rings[0] as ByteRing, FLOOR + 1));
  t.is(memory.refusals, 1);
});

test('hundreds of idle connections that once moved much leave room for the next one', (t) => {
  let layer: TcpLayer | undefined;
  const w = new World({ tcp: (env) => (layer = new TcpLayer(env, { memory: 4096 * KIB })) });
  const listener = w.a.createTcp(4);
  listener.bind(IpAddress.ANY4, 80);
  listener.listen(500);
  const octets = 256 * KIB;
  const open = [];
  for (let i = 0; i < 60; i++) {
    const client = w.a.createTcp(4);
    client.connect(IpAddress.LOOPBACK4, 80);
    w.settle();
    const server = listener.acceptPeek();
    if (server === undefined) throw new Error('nothing to accept');
    listener.acceptCommit();
    let received = 0;
    for (let sent = 0; sent < octets || received < octets; ) {
      const n = Math.min(client.sendSpace(octets - sent), octets - sent);
      client.commitSend(n, 1, false, false);
      sent += n;
      w.settle();
      const got = server.receivable;
      server.consume(got);
      received += got;
      w.settle();
      if (n === 0 && got === 0) break;
    }
    t.is(received, octets, `connection ${i}`);
    open.push(client, server);
  }
  t.true((layer?.rings.used ?? Infinity) <= open.length * FLOOR);
  for (const endpoint of open) endpoint.abort();
});

test('under pressure one octet at the edge of the window claims nothing', (t) => {
  const w = world(t, { limits: { memory: 7 * KIB } });
  const endpoint = w.connected();
  w.peer.send('P. 1:4002(4001) ack 1');
  w.peer.drain();
  const before = w.tcp.rings.used;
  w.peer.send('P. 60001:60002(1) ack 1');
  w.peer.expect('. 1:1(0) ack 4002');
  t.is(w.tcp.ext.TCPOFODrop, 1);
  t.is(w.tcp.rings.used, before);
  endpoint.abort();
});
