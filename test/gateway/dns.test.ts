import test from 'ava';
import dnsPacket from 'dns-packet';
import * as fc from 'fast-check';
import { emptyAnswer, parseQuery, Rcode, rcodeOf } from '../../src/gateway/dns-message.ts';
import { u16 } from '../../src/lib/bytes.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import { closedPort, udpServer } from './servers.ts';
import { at, DNS4, GUEST4, GUEST6, udpFrame, udpTo, World } from './support.ts';

const query = (name: string, type: dnsPacket.RecordType = 'A', id = 0x1234, udpPayloadSize?: number): Buffer =>
  dnsPacket.encode({
    type: 'query',
    id,
    flags: dnsPacket.RECURSION_DESIRED,
    questions: [{ type, name }],
    ...(udpPayloadSize === undefined
      ? {}
      : {
          additionals: [
            { type: 'OPT', name: '.', udpPayloadSize, flags: 0, options: [] } as unknown as dnsPacket.Answer,
          ],
        }),
  });

async function ask(world: World, octets: Uint8Array, server = at(DNS4, 53), guest = GUEST4) {
  world.inject(udpFrame(at(guest, 5353), server, octets));
  const { payload, src } = await world.take('an answer', udpTo(5353));
  return { octets: payload, src, rcode: rcodeOf(payload), message: dnsPacket.decode(Buffer.from(payload)) };
}
const resolver = (answer: (query: dnsPacket.DecodedPacket, octets: Buffer) => Uint8Array | undefined) =>
  udpServer((octets, reply) => {
    const response = answer(dnsPacket.decode(octets), octets);
    if (response !== undefined) reply(response);
  });
const respond = (q: dnsPacket.DecodedPacket, extra: Partial<dnsPacket.Packet> = {}): Buffer =>
  dnsPacket.encode({ type: 'response', id: q.id ?? 0, questions: q.questions ?? [], ...extra });

test('the host’s name is answered here, in the spelling it was asked', async (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const a = await ask(world, query('Host.Internal'));
  t.is(a.message.id, 0x1234);
  t.is(a.rcode, Rcode.NoError);
  t.like(a.message.answers?.[0], { name: 'Host.Internal', type: 'A', data: '10.0.2.2' });
  const aaaa = await ask(world, query('host.internal', 'AAAA'), at(IpAddress.of('fd00::3'), 53), GUEST6);
  t.like(aaaa.message.answers?.[0], { type: 'AAAA', data: 'fd00::2' });
  t.is(aaaa.src.toString(), 'fd00::3');
  const both = await ask(world, query('host.internal', 'ANY' as dnsPacket.RecordType));
  t.deepEqual(
    both.message.answers?.map(({ type, ...record }) => [type, 'data' in record && record.data]),
    [
      ['A', '10.0.2.2'],
      ['AAAA', 'fd00::2'],
    ],
  );
  t.true(both.message.flag_aa && both.message.flag_ra && both.message.flag_rd);
  const other = await ask(world, query('host.internal', 'MX'));
  t.is(other.rcode, Rcode.NoError);
  t.deepEqual(other.message.answers, []);
  t.is(world.counts()['dns-local-answers'], 4);
});

test('other names are forwarded with an id of our own; id, spelling and flags come back', async (t) => {
  const seen: number[] = [];
  const upstream = await resolver((q) => {
    seen.push(q.id ?? 0);
    const [question] = q.questions ?? [];
    const name = question?.name.toLowerCase() ?? '';
    return respond(
      { ...q, questions: [{ type: 'A', name }] },
      { flags: dnsPacket.RECURSION_AVAILABLE, answers: [{ type: 'A', name, ttl: 5, data: '192.0.2.9' }] },
    );
  });
  const world = new World({
    nameservers: ['127.0.0.1'],
    nameserverPort: upstream.port,
    guestNameservers: ['127.0.0.53'],
  });
  t.teardown(() => (world.close(), upstream.close()));
  for (const id of [1, 2, 3]) {
    const { message, octets } = await ask(world, query('WwW.Example.ORG', 'A', id));
    t.is(u16(octets, 0), id);
    t.is(message.questions?.[0]?.name, 'WwW.Example.ORG');
    t.like(message.answers?.[0], { data: '192.0.2.9' });
  }
  t.notDeepEqual(seen, [1, 2, 3]);
  // The address that the guest's resolv.conf names answers as well.
  const stub = await ask(world, query('example.org'), at(IpAddress.of('127.0.0.53'), 53));
  t.is(stub.src.toString(), '127.0.0.53');
  t.like(world.gateway.stats().flows, { dns: 4, dnsOpen: 0 });
});

test('a silent resolver is left for the next, one that refuses at once', async (t) => {
  let asked = 0;
  const upstream = await udpServer((octets, reply) => {
    // The first address of two stays silent once.
    if (asked++ === 0) return;
    reply(respond(dnsPacket.decode(octets), { answers: [{ type: 'A', name: 'a.test', data: '192.0.2.1' }] }));
  });
  const world = new World({
    nameservers: ['127.0.0.1', '127.0.0.1'],
    nameserverPort: upstream.port,
    dnsTimeoutMs: 100,
  });
  t.teardown(() => (world.close(), upstream.close()));
  const { message } = await ask(world, query('a.test'));
  t.is(message.answers?.length, 1);
  t.is(world.counts()['dns-timeouts'], 1);
});

test('SERVFAIL when nobody answers, when nobody listens and when there is nobody', async (t) => {
  const silent = await udpServer(() => undefined);
  t.teardown(() => silent.close());
  for (const config of [
    { nameservers: ['127.0.0.1'], nameserverPort: silent.port, dnsTimeoutMs: 50 },
    { nameservers: ['127.0.0.1', '127.0.0.1'], nameserverPort: await closedPort() },
    { nameservers: [] },
  ]) {
    const world = new World(config);
    const { message, rcode } = await ask(world, query('nobody.test', 'A', 77));
    t.is(message.id, 77);
    t.is(rcode, Rcode.ServFail);
    t.is(message.questions?.[0]?.name, 'nobody.test');
    t.is(world.counts()['dns-failures'], 1);
    world.close();
  }
});

test('the last resolver’s own failure is passed on', async (t) => {
  const upstream = await resolver((q) => {
    const octets = respond(q);
    octets[3] = 5;
    return octets;
  });
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: upstream.port });
  t.teardown(() => (world.close(), upstream.close()));
  const { rcode } = await ask(world, query('refused.test'));
  t.is(rcode, Rcode.Refused);
});

test('answers to another question, or under another id, are forged', async (t) => {
  const upstream = await udpServer((octets, reply) => {
    const q = dnsPacket.decode(octets);
    reply(respond({ ...q, id: ((q.id ?? 0) + 1) & 0xffff }));
    reply(respond({ ...q, questions: [{ type: 'A', name: 'evil.test' }] }));
    reply(octets);
    reply(respond(q, { answers: [{ type: 'A', name: 'true.test', data: '192.0.2.2' }] }));
  });
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: upstream.port });
  t.teardown(() => (world.close(), upstream.close()));
  const { message } = await ask(world, query('true.test'));
  t.like(message.answers?.[0], { data: '192.0.2.2' });
  t.is(world.counts()['dns-forged'], 3);
});

test('an answer larger than the client takes is cut to TC', async (t) => {
  const data = Array.from({ length: 10 }, (_, i) => `${i}`.repeat(100));
  const upstream = await resolver((q) => respond(q, { answers: [{ type: 'TXT', name: 'big.test', data }] }));
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: upstream.port });
  t.teardown(() => (world.close(), upstream.close()));
  const small = await ask(world, query('big.test', 'TXT'));
  t.true(small.message.flag_tc);
  t.is(small.message.answers?.length, 0);
  const large = await ask(world, query('big.test', 'TXT', 2, 4096));
  t.false(large.message.flag_tc);
  t.is(large.message.answers?.length, 1);
});

test('malformed queries get an error or nothing; responses get nothing', async (t) => {
  const world = new World({ nameservers: [] });
  t.teardown(() => world.close());
  const send = (octets: Uint8Array): void => world.inject(udpFrame(at(GUEST4, 5353), at(DNS4, 53), octets));
  send(Buffer.alloc(5));
  const response = query('x.test');
  response[2] = (response[2] as number) | 0x80;
  send(response);
  t.is(world.link.frames.length, 0);
  const twoQuestions = query('x.test');
  twoQuestions[5] = 2;
  t.is((await ask(world, twoQuestions)).rcode, Rcode.FormErr);
  const status = query('x.test');
  status[2] = 2 << 3;
  t.is((await ask(world, status)).rcode, Rcode.NotImp);
  const pointer = Buffer.from('123401000001000000000000c00c00010001', 'hex');
  t.is((await ask(world, pointer)).rcode, Rcode.FormErr);
  t.is(world.counts()['dns-malformed'], 5);
});

test('records that nobody here knows are forwarded as they are, and OPT is found among them', async (t) => {
  const seen: string[] = [];
  const upstream = await udpServer((octets, reply) => {
    seen.push(octets.subarray(2).toString('hex'));
    const answer = Buffer.alloc(1000);
    octets.copy(answer, 0, 0, question.length);
    answer[2] = 0x80;
    reply(answer);
  });
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: upstream.port });
  t.teardown(() => (world.close(), upstream.close()));
  const question = query('signed.test');
  // TSIG (RFC 8945 4.2) without the octets that it should have, and an option of length 3 in OPT's data of 9.
  const tsig = Buffer.from('047a656e6f00 00fa 00ff 00000000 0001 ff'.replaceAll(' ', ''), 'hex');
  const opt = Buffer.from('00 0029 1000 00000000 0009 fde9 0003 616263 0001'.replaceAll(' ', ''), 'hex');
  for (const [tail, count, limit] of [
    [tsig, 1, 512],
    [opt, 1, 4096],
    [Buffer.concat([tsig, opt]), 2, 4096],
    [Buffer.from('c0', 'hex'), 1, 512],
    [Buffer.from('0000290000', 'hex'), 1, 512],
  ] as const) {
    const signed = Buffer.concat([question, tail]);
    signed[11] = count;
    world.inject(udpFrame(at(GUEST4, 5353), at(DNS4, 53), signed));
    const { payload } = await world.take('an answer', udpTo(5353));
    t.is(seen.pop(), signed.subarray(2).toString('hex'));
    t.is(payload.length, limit > 1000 ? 1000 : question.length, tail.toString('hex'));
  }
});

test('a label with a dot in it is not the host’s name', (t) => {
  const name = Buffer.from('host.internal');
  const octets = Buffer.concat([query('x').subarray(0, 12), Buffer.of(name.length), name, Buffer.of(0, 0, 1, 0, 1)]);
  t.like(parseQuery(octets), { name: 'host\\.internal' });
});

test('the table of queries is bounded, a repeated query takes no second place', async (t) => {
  const silent = await udpServer(() => undefined);
  const world = new World({ nameservers: ['127.0.0.1'], nameserverPort: silent.port, dnsQueries: 2 });
  t.teardown(() => (world.close(), silent.close()));
  const send = (id: number): void => world.inject(udpFrame(at(GUEST4, 5353), at(DNS4, 53), query('x.test', 'A', id)));
  for (const id of [1, 1, 2, 3]) send(id);
  t.like(world.counts(), { 'dns-repeated': 1, 'dns-table-full': 1, 'dns-failures': 1 });
  t.is(world.gateway.stats().flows.dnsOpen, 2);
});

test('no octets make the parser throw, and what it accepts has a question to answer with', (t) => {
  const base = query('fuzz.example', 'TXT', 1, 1232);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 80 }),
        fc.array(fc.tuple(fc.nat(base.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
          const b = Uint8Array.from(base);
          for (const [i, x] of changes) b[i] = x;
          return b;
        }),
      ),
      (octets) => {
        const parsed = parseQuery(octets);
        if (typeof parsed !== 'object') return true;
        return emptyAnswer(octets, parsed.questionEnd, 2).length === parsed.questionEnd;
      },
    ),
    { numRuns: 2000 },
  );
  t.pass();
});
