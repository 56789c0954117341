import test from 'ava';
import { u16 } from '../../src/lib/bytes.ts';
import { IpAddress } from '../../src/netstack/address.ts';
import {
  arpRequest,
  ethernetFrame,
  GATEWAY_MAC,
  GATEWAY4,
  GATEWAY6,
  GUEST4,
  GUEST6,
  icmpOf,
  ipFrame,
  ipOf,
  sealed,
  World,
} from './support.ts';

const solicit = (source: IpAddress, target: IpAddress, hops = 255): Uint8Array => {
  const b = new Uint8Array(24);
  b[0] = 135;
  target.write6(b, 8);
  const to = new IpAddress(0xff020000, 0, 1, 0xff000000 | (target.w3 & 0xffffff));
  return ipFrame(source, to, 58, sealed(source, to, 58, b, 2), hops);
};

test('ARP: every address but the guest’s own is answered with the gateway’s', (t) => {
  const world = new World();
  t.teardown(() => world.close());
  for (const target of [GATEWAY4, IpAddress.of('10.0.2.3'), IpAddress.of('10.0.2.77')]) {
    world.inject(arpRequest(GUEST4.w3, target.w3));
    const reply = world.link.frames.at(-1)?.bytes as Uint8Array;
    t.is(u16(reply, 12), 0x0806);
    t.is(u16(reply, 20), 2);
    t.deepEqual(reply.subarray(22, 28), GATEWAY_MAC);
    t.true(IpAddress.read4(reply, 28).equals(target));
    t.true(IpAddress.read4(reply, 38).equals(GUEST4));
  }
  world.inject(arpRequest(GUEST4.w3, GUEST4.w3));
  world.inject(arpRequest(GATEWAY4.w3, GUEST4.w3));
  t.is(world.link.frames.length, 3);
});

test('ARP: a probe is answered only for the gateway’s addresses', (t) => {
  const world = new World();
  t.teardown(() => world.close());
  world.inject(arpRequest(0, IpAddress.of('10.0.2.77').w3));
  t.is(world.link.frames.length, 0);
  world.inject(arpRequest(0, GATEWAY4.w3));
  t.is(world.link.frames.length, 1);
});

test('NDP: a solicitation is answered, duplicate detection leaves the guest its addresses', (t) => {
  const world = new World();
  t.teardown(() => world.close());
  world.inject(solicit(GUEST6, GATEWAY6));
  const reply = ipOf(world.link.frames[0] as never);
  t.is(reply?.data[0], 136);
  t.is((reply?.data[4] as number) >>> 5, 0b111);
  t.true(IpAddress.read6(reply?.data as Uint8Array, 8).equals(GATEWAY6));
  t.deepEqual(reply?.data.slice(26, 32), GATEWAY_MAC);
  t.is(reply?.frame.bytes[21], 255);
  world.inject(solicit(IpAddress.ANY6, GUEST6));
  world.inject(solicit(IpAddress.ANY6, IpAddress.of('fe80::15')));
  world.inject(solicit(GUEST6, GATEWAY6, 64));
  t.is(world.link.frames.length, 1);
  t.is(world.counts()['ndp-malformed'], 1);
  world.inject(solicit(IpAddress.ANY6, GATEWAY6));
  const defense = ipOf(world.link.frames[1] as never);
  t.is(defense?.dst.toString(), 'ff02::1');
});

test('echo requests to the gateway are answered, others are counted', (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const v4 = Uint8Array.of(8, 0, 0, 0, 0x12, 0x34, 0, 1, 1, 2, 3);
  world.inject(ipFrame(GUEST4, GATEWAY4, 1, sealed(GUEST4, GATEWAY4, 1, v4.slice(), 2)));
  const v6 = Uint8Array.of(128, 0, 0, 0, 0x12, 0x34, 0, 1, 1, 2, 3);
  world.inject(ipFrame(GUEST6, GATEWAY6, 58, sealed(GUEST6, GATEWAY6, 58, v6.slice(), 2)));
  const [first, second] = world.link.frames.map((frame) => icmpOf(frame));
  t.like(first, { type: 0, code: 0 });
  t.deepEqual(first?.body, Uint8Array.of(1, 2, 3));
  t.like(second, { type: 129, code: 0 });
  const timestamp = Uint8Array.of(13, 0, 0, 0, 0x12, 0x34, 0, 1, ...new Uint8Array(12));
  world.inject(ipFrame(GUEST4, GATEWAY4, 1, sealed(GUEST4, GATEWAY4, 1, timestamp, 2)));
  t.is(world.link.frames.length, 2);
  t.is(world.counts()['icmp-other'], 1);
});

test('malformed and foreign frames are dropped, each under its reason', (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const good = ipFrame(GUEST4, GATEWAY4, 17, new Uint8Array(12));
  const spoiled = (change: (b: Uint8Array) => void): Uint8Array => {
    const b = good.slice();
    change(b);
    return b;
  };
  const cases: [string, Uint8Array][] = [
    ['frame-short', good.slice(0, 13)],
    ['frame-unknown-type', ethernetFrame(0x88cc, new Uint8Array(20))],
    ['frame-other-station', spoiled((b) => b.set([2, 2, 2, 2, 2, 2], 0))],
    ['ip-malformed', good.slice(0, 20)],
    ['ip-malformed', spoiled((b) => (b[14] = 0x41))],
    ['ip-malformed', spoiled((b) => (b[16] = 0xff))],
    ['ip-checksum', spoiled((b) => (b[22] = 1))],
    ['ip-source', ipFrame(IpAddress.of('10.0.2.16'), GATEWAY4, 17, new Uint8Array(12))],
    ['ip-source', ipFrame(IpAddress.of('fd00::99'), GATEWAY6, 17, new Uint8Array(12))],
    ['ip-protocol', ipFrame(GUEST4, GATEWAY4, 99, new Uint8Array(12))],
    ['udp-malformed', good],
    ['tcp-malformed', ipFrame(GUEST4, GATEWAY4, 6, new Uint8Array(12))],
    [
      'tcp-checksum',
      ipFrame(GUEST4, GATEWAY4, 6, Uint8Array.of(0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 2, 0, 0, 1, 1, 0, 0)),
    ],
    ['icmp-checksum', ipFrame(GUEST4, GATEWAY4, 1, new Uint8Array(8).fill(8))],
    ['arp-malformed', ethernetFrame(0x0806, new Uint8Array(10))],
    ['ip-malformed', ipFrame(GUEST6, GATEWAY6, 0, new Uint8Array(4))],
    ['ip-malformed', ipFrame(GUEST6, GATEWAY6, 43, Uint8Array.of(17, 200, 0, 0, 0, 0, 0, 0))],
  ];
  for (const [reason, frame] of cases) {
    const before = world.counts()[reason] ?? 0;
    world.inject(frame);
    t.is(world.counts()[reason], before + 1, reason);
  }
  t.is(world.link.frames.length, 0);
  t.deepEqual(world.pool.available, { large: 64, small: 256 });
});

test('an IPv6 packet to an IPv4-mapped address does not reach IPv4', (t) => {
  const world = new World();
  t.teardown(() => world.close());
  const b = ipFrame(GUEST6, GATEWAY6, 17, new Uint8Array(12));
  IpAddress.of('127.0.0.1').write6(b, 14 + 24);
  world.inject(b);
  t.is(world.counts()['ip-martian'], 1);
});
