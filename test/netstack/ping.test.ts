import test from 'ava';
import { seconds } from '../../src/lib/clock.ts';
import type { Family } from '../../src/netstack/address.ts';
import type { UdpEndpoint } from '../../src/netstack/endpoint.ts';
import { ALL_CAPABILITIES } from '../../src/netstack/link/pair.ts';
import { Readiness } from '../../src/netstack/readiness.ts';
import type { Stack } from '../../src/netstack/stack.ts';
import { frame, half, icmpMessage, inject, ip, octetsOf, packet4, packet6, sentByB, World } from '../support/stacks.ts';

const ID = 0x1234;
const request = (family: Family, ...data: number[]): number[] => [family === 4 ? 8 : 128, 0, 9, 9, 8, 8, 0, 7, ...data];

function bound(stack: Stack, family: Family, address: string, id = ID): UdpEndpoint {
  const e = stack.createPing(family);
  const failure = e.bind(ip(address), id);
  if (failure !== undefined) throw new Error(`bind ${address} ${id}: ${failure}`);
  return e;
}
function send(e: UdpEndpoint, octets: readonly number[], to: string): string | undefined {
  const packet = e.prepare(ip(to), 0, octets.length, undefined);
  if (typeof packet === 'string') return packet;
  packet.bytes.set(octets, packet.at);
  e.transmit(packet, 1);
  return undefined;
}
function receive(e: UdpEndpoint): { readonly octets: number[]; readonly from: string } | undefined {
  const datagram = e.peek(0);
  if (datagram === undefined) return undefined;
  const got = { octets: [...octetsOf(datagram.packet)], from: `${datagram.source.toString()} ${datagram.sourcePort}` };
  e.consume(1);
  return got;
}

for (const [family, a, b, any] of [
  [4, '10.0.0.1', '10.0.0.2', '0.0.0.0'],
  [6, 'fd00::1', 'fd00::2', '::'],
] as const) {
  const v = family === 4 ? 'ICMP' : 'ICMPv6';
  const v6 = (src: string, dst: string) => (family === 6 ? { src, dst } : undefined);
  /** An ICMP message to host b. */
  const toB = (message: number[]): Uint8Array =>
    family === 4
      ? frame(0x0800, packet4({ protocol: 1, src: a, dst: b }, message))
      : frame(0x86dd, packet6({ next: 58, src: a, dst: b }, message));
  /** An error about what `quoted` says host b sent to host a. */
  const errorAbout = (type: number, code: number, quoted: number[]): Uint8Array => {
    const about =
      family === 4 ? packet4({ protocol: 1, src: b, dst: a }, quoted) : packet6({ next: 58, src: b, dst: a }, quoted);
    return toB(icmpMessage([type, code, 0, 0, 0, 0, 0, 0, ...about], v6(a, b)));
  };
  const unreachable: readonly [number, number] = family === 4 ? [3, 1] : [1, 3];
  const refused: readonly [number, number] = family === 4 ? [3, 3] : [1, 4];
  const reply = (id: number, ...data: number[]): Uint8Array =>
    toB(icmpMessage([family === 4 ? 0 : 129, 0, 0, 0, ...half(id), 0, 7, ...data], v6(a, b)));

  for (const capabilities of [0, ALL_CAPABILITIES]) {
    test(`${v}: a request leaves with the socket's id and a checksum of its own, and is answered (capabilities ${capabilities})`, (t) => {
      const w = new World({ capabilities });
      const e = bound(w.a, family, any);
      t.is(send(e, request(family, 1, 2, 3), b), undefined);
      w.settle();
      const answer = icmpMessage([family === 4 ? 0 : 129, 0, 0, 0, ...half(ID), 0, 7, 1, 2, 3], v6(b, a));
      t.deepEqual(receive(e), { octets: answer, from: `${b} 0` });
      t.is(receive(e), undefined);
      const { Icmp, Icmp6 } = w.a.stats;
      const counted = family === 4 ? Icmp : Icmp6;
      t.deepEqual([counted.OutEchos, counted.InEchoReps], [1, 1]);
      t.is(w.leaks(), 0);
    });
  }

  test(`${v}: a request longer than the link's packets is cut and answered whole`, (t) => {
    const w = new World();
    const e = bound(w.a, family, any);
    const data = Array.from({ length: 5000 }, (_, i) => (i * 7) & 255);
    t.is(send(e, request(family, ...data), b), undefined);
    w.settle();
    t.deepEqual(receive(e)?.octets.slice(8), data);
    t.is(send(e, request(family, ...Array<number>(65_536).fill(0)), b), 'message-size');
    t.is(w.leaks(), 0);
  });

  test(`${v}: replies go to the newest socket of their id and address, others are left`, (t) => {
    const w = new World();
    const first = bound(w.b, family, any);
    const second = bound(w.b, family, b);
    const elsewhere = bound(w.b, family, family === 4 ? '127.0.0.1' : '::1');
    const otherFamily = bound(w.b, family === 4 ? 6 : 4, family === 4 ? '::' : '0.0.0.0');
    inject(w, reply(ID, 1));
    inject(w, reply(ID + 1, 1));
    t.deepEqual(
      [first, second, elsewhere, otherFamily].map((e) => e.queued),
      [0, 1, 0, 0],
    );
    second.close();
    inject(w, reply(ID, 2));
    t.is(first.queued, 1);
    first.settings.boundInterface = 1;
    inject(w, reply(ID, 3));
    t.is(first.queued, 1);
    first.close();
    t.is(w.leaks(), 0);
  });

  test(`${v}: unread replies are bounded by the receive buffer`, (t) => {
    const w = new World();
    const e = bound(w.b, family, any);
    e.settings.receiveBuffer = 2000;
    for (let i = 0; i < 10; i++) inject(w, reply(ID, i));
    t.is(e.queued, 3);
    e.close();
    t.is(w.leaks(), 0);
  });

  test(`${v}: an error about a request is kept with the request, or is the error of a connected socket`, (t) => {
    const w = new World();
    const e = bound(w.b, family, any);
    const quoted = [...request(family).slice(0, 4), ...half(ID), 0, 7, 5, 6];
    inject(w, errorAbout(...unreachable, quoted));
    t.is(e.error, undefined);
    e.settings.receiveErrors = e.settings.receiveErrors6 = true;
    for (const other of [ID + 1, ID]) {
      inject(w, errorAbout(...unreachable, [...request(family).slice(0, 4), ...half(other), 0, 7, 5, 6]));
    }
    t.not(e.readiness() & Readiness.Err, 0);
    const error = e.peekError();
    t.deepEqual([error?.error, error?.type, error?.code], ['host-unreachable', ...unreachable]);
    t.deepEqual([error?.offender?.toString(), error?.destination?.toString(), error?.destinationPort], [a, a, 0]);
    t.deepEqual([...(error?.payload ?? [])], quoted);
    e.consumeError();
    t.is(e.peekError(), undefined);
    e.settings.receiveErrors = e.settings.receiveErrors6 = false;
    t.is(e.connect(ip(a), 0), undefined);
    inject(w, errorAbout(...refused, quoted));
    t.is(e.takeError(), 'connection-refused');
    t.is(w.leaks(), 0);
  });

  test(`${v}: errors about anything but an echo request are nobody's`, (t) => {
    const w = new World();
    const e = bound(w.b, family, any);
    e.settings.receiveErrors = e.settings.receiveErrors6 = true;
    const sent = sentByB(w);
    for (const [type, code] of [
      [family === 4 ? 0 : 129, 0],
      [family === 4 ? 8 : 128, 1],
    ] as const) {
      inject(w, errorAbout(...unreachable, [type, code, 0, 0, ...half(ID), 0, 7]));
    }
    t.is(e.peekError(), undefined);
    t.deepEqual(sent, []);
    t.is(w.leaks(), 0);
  });
}

test('ids: shared unless one of the two declines, whatever their addresses; groups are none to bind to', (t) => {
  const w = new World();
  bound(w.a, 4, '10.0.0.1');
  bound(w.a, 6, '::');
  const alone = w.a.createPing(4);
  alone.settings.reuseAddress = false;
  t.is(alone.bind(ip('127.0.0.1'), ID), 'address-in-use');
  t.is(alone.bind(ip('224.0.0.1'), 5), 'address-not-available');
  t.is(alone.bind(ip('10.0.0.255'), 5), 'address-not-available');
  t.is(alone.bind(ip('10.9.9.9'), 5), 'address-not-available');
  alone.settings.freeBind = true;
  t.is(alone.bind(ip('224.0.0.1'), 5), 'address-not-available');
  t.is(alone.bind(ip('10.9.9.9'), 5), undefined);
  t.is(w.a.createPing(4).bind(ip('10.0.0.1'), 5), 'address-in-use');
  const chosen = w.a.createPing(4);
  t.is(chosen.autobind(), undefined);
  t.true(chosen.localPort > 0);
});

test('a neighbour that does not answer is told as an error about the request', (t) => {
  const w = new World();
  const e = bound(w.a, 4, '0.0.0.0');
  e.settings.receiveErrors = true;
  t.is(send(e, request(4, 1), '10.0.0.77'), undefined);
  w.run(seconds(10));
  t.is(e.peekError()?.error, 'host-unreachable');
  t.is(w.leaks(), 0);
});
