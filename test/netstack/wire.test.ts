import test from 'ava';
import * as fc from 'fast-check';
import * as arp from '../../src/netstack/wire/arp.ts';
import * as ethernet from '../../src/netstack/wire/ethernet.ts';
import * as icmpv4 from '../../src/netstack/wire/icmpv4.ts';
import * as icmpv6 from '../../src/netstack/wire/icmpv6.ts';
import * as ipv4 from '../../src/netstack/wire/ipv4.ts';
import * as ipv6 from '../../src/netstack/wire/ipv6.ts';
import * as tcp from '../../src/netstack/wire/tcp.ts';
import * as udp from '../../src/netstack/wire/udp.ts';
import * as virtio from '../../src/netstack/wire/virtio.ts';

const header = fc.uint8Array({ minLength: 60, maxLength: 60 });
/** Runs `check` on random octets at a random place, beside a DataView of them. */
function fields(check: (b: Uint8Array, at: number, view: DataView) => readonly (readonly [unknown, unknown])[]) {
  return fc.property(header, fc.nat({ max: 9 }), (octets, at) => {
    const b = new Uint8Array(at + octets.length + 4);
    b.set(octets, at);
    return check(b, at, new DataView(b.buffer, at)).every(([got, want]) => Object.is(got, want));
  });
}

test('fields are read where the RFCs put them', (t) => {
  fc.assert(
    fields((b, at, v) => [
      [ethernet.etherType(b, at), v.getUint16(12)],
      [ethernet.isGroup(b, at), (v.getUint8(0) & 1) === 1],
      [arp.operation(b, at), v.getUint16(6)],
      [arp.senderAddress(b, at), v.getInt32(14)],
      [arp.targetAddress(b, at), v.getInt32(24)],
      [ipv4.headerLen(b, at), (v.getUint8(0) & 15) * 4],
      [ipv4.tos(b, at), v.getUint8(1)],
      [ipv4.totalLen(b, at), v.getUint16(2)],
      [ipv4.id(b, at), v.getUint16(4)],
      [ipv4.dontFragment(b, at), (v.getUint16(6) & 0x4000) !== 0],
      [ipv4.moreFragments(b, at), (v.getUint16(6) & 0x2000) !== 0],
      [ipv4.fragmentOffset(b, at), (v.getUint16(6) & 0x1fff) * 8],
      [ipv4.ttl(b, at), v.getUint8(8)],
      [ipv4.protocol(b, at), v.getUint8(9)],
      [ipv4.source(b, at), v.getInt32(12)],
      [ipv4.destination(b, at), v.getInt32(16)],
    ]),
  );
  fc.assert(
    fields((b, at, v) => [
      [ipv6.trafficClass(b, at), (v.getUint32(0) >>> 20) & 255],
      [ipv6.payloadLen(b, at), v.getUint16(4)],
      [ipv6.nextHeader(b, at), v.getUint8(6)],
      [ipv6.hopLimit(b, at), v.getUint8(7)],
      [ipv6.extensionLen(b, at), (v.getUint8(1) + 1) * 8],
      [ipv6.segmentsLeft(b, at), v.getUint8(3)],
      [ipv6.fragmentOffset(b, at), (v.getUint16(2) >>> 3) * 8],
      [ipv6.moreFragments(b, at), (v.getUint16(2) & 1) === 1],
      [ipv6.fragmentId(b, at), v.getUint32(4)],
      [udp.sourcePort(b, at), v.getUint16(0)],
      [udp.destinationPort(b, at), v.getUint16(2)],
      [udp.length(b, at), v.getUint16(4)],
      [udp.checksum(b, at), v.getUint16(6)],
    ]),
  );
  fc.assert(
    fields((b, at, v) => [
      [tcp.sourcePort(b, at), v.getUint16(0)],
      [tcp.destinationPort(b, at), v.getUint16(2)],
      [tcp.sequence(b, at), v.getInt32(4)],
      [tcp.acknowledgment(b, at), v.getInt32(8)],
      [tcp.headerLen(b, at), (v.getUint8(12) >>> 4) * 4],
      [tcp.flags(b, at), v.getUint8(13)],
      [tcp.window(b, at), v.getUint16(14)],
      [tcp.checksum(b, at), v.getUint16(16)],
      [tcp.urgentPointer(b, at), v.getUint16(18)],
      [icmpv4.type(b, at), v.getUint8(0)],
      [icmpv4.code(b, at), v.getUint8(1)],
      [icmpv4.identifier(b, at), v.getUint16(4)],
      [icmpv4.nextHopMtu(b, at), v.getUint16(6)],
      [icmpv6.type(b, at), v.getUint8(0)],
      [icmpv6.code(b, at), v.getUint8(1)],
      [icmpv6.word(b, at), v.getUint32(4)],
      [virtio.flags(b, at), v.getUint8(0)],
      [virtio.gsoType(b, at), v.getUint8(1)],
      [virtio.headerLen(b, at), v.getUint16(2, true)],
      [virtio.gsoSize(b, at), v.getUint16(4, true)],
      [virtio.csumStart(b, at), v.getUint16(6, true)],
      [virtio.csumOffset(b, at), v.getUint16(8, true)],
    ]),
  );
  t.pass();
});

test('TCP headers are written as they are read', (t) => {
  const b = new Uint8Array(80).fill(0xff);
  tcp.setPorts(b, 7, 1234, 65_535);
  tcp.setNumbers(b, 7, -5, 2_000_000_000);
  tcp.setControl(b, 7, 32, tcp.Flag.Syn | tcp.Flag.Ack, 40_000);
  t.deepEqual(
    [tcp.sourcePort(b, 7), tcp.destinationPort(b, 7), tcp.sequence(b, 7), tcp.acknowledgment(b, 7)],
    [1234, 65_535, -5, 2_000_000_000],
  );
  t.deepEqual([tcp.headerLen(b, 7), tcp.flags(b, 7), tcp.window(b, 7), tcp.checksum(b, 7)], [32, 18, 40_000, 0]);
  tcp.setUrgentPointer(b, 7, 9);
  t.is(tcp.urgentPointer(b, 7), 9);
  t.is(tcp.parse(b, 7, 7 + 32), undefined);
  t.is(tcp.parse(b, 7, 7 + 31), 'bad-length');
  t.is(tcp.parse(b, 7, 7 + 19), 'truncated');
  tcp.setControl(b, 7, 16, 0, 0);
  t.is(tcp.parse(b, 7, 80), 'bad-length');
});

test('what no parse may accept', (t) => {
  const b = new Uint8Array(60);
  t.is(ethernet.parse(b, 0, 13), 'truncated');
  t.is(udp.parse(b, 0, 7), 'truncated');
  t.is(udp.parse(b, 0, 8), 'bad-length');
  udp.emit(b, 0, 1, 2, 9);
  t.is(udp.parse(b, 0, 8), 'bad-length');
  t.is(udp.parse(b, 0, 9), undefined);
  udp.setChecksum(b, 0, 0);
  t.is(udp.checksum(b, 0), 0xffff);
  t.is(ipv4.parse(b, 0, 19), 'truncated');
  t.is(ipv4.parse(b, 0, 60), 'bad-version');
  ipv4.emit(b, 0, 40, 6);
  t.is(ipv4.parse(b, 0, 40), undefined);
  t.is(ipv4.parse(b, 0, 39), 'bad-length');
  ipv4.setTotalLen(b, 0, 19);
  t.is(ipv4.parse(b, 0, 40), 'bad-length');
  t.is(ipv6.parse(b, 0, 39), 'truncated');
  t.is(ipv6.parse(b, 0, 60), 'bad-version');
  ipv6.emit(b, 0, 20, 6, 0xab, 7);
  t.is(ipv6.parse(b, 0, 60), undefined);
  t.is(ipv6.parse(b, 0, 59), 'bad-length');
  t.deepEqual([ipv6.trafficClass(b, 0), ipv6.hopLimit(b, 0), ipv6.nextHeader(b, 0)], [0xab, 7, 6]);
});

test('Ethernet addresses: groups, broadcast, text', (t) => {
  t.deepEqual([...ethernet.groupAddress(true, 0xe0ff_0001 | 0)], [1, 0, 0x5e, 0x7f, 0, 1]);
  t.deepEqual([...ethernet.groupAddress(false, 0xff00_0002 | 0)], [0x33, 0x33, 0xff, 0, 0, 2]);
  t.true(ethernet.isBroadcast(ethernet.BROADCAST, 0));
  t.false(ethernet.isBroadcast(ethernet.groupAddress(true, 1), 0));
  t.is(ethernet.formatAddress(Uint8Array.of(2, 0, 0, 0, 0, 0x0a)), '02:00:00:00:00:0a');
});

test('options of Neighbor Discovery', (t) => {
  const b = Uint8Array.of(5, 1, 0, 0, 0, 0, 5, 220, 1, 1, 2, 0, 0, 0, 0, 9);
  t.is(icmpv6.findOption(b, 0, 16, icmpv6.Option.SourceLinkAddress), 8);
  t.is(icmpv6.findOption(b, 0, 16, icmpv6.Option.TargetLinkAddress), 0);
  t.is(icmpv6.findOption(b, 0, 9, 1), 'truncated');
  t.is(icmpv6.findOption(b, 0, 15, 1), 'bad-length');
  t.is(icmpv6.findOption(Uint8Array.of(1, 0, 0), 0, 3, 1), 'bad-length');
});
