import test from 'ava';
import { IpAddress } from '../../src/netstack/address.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { PacketFilter } from '../../src/netstack/packet-filter.ts';
import { foundGroup, isSister, joinGroup, leaveGroup, type ReuseGroup } from '../../src/netstack/reuse-group.ts';

const world = { random: { u32: () => 0 }, deviceType: () => 0 };
/** `ldb [0]`, `ret a`: the first octet behind the header is the index. */
const BY_FIRST_OCTET = PacketFilter.compile(Uint8Array.of(0x30, 0, 0, 0, 0, 0, 0, 0, 0x16, 0, 0, 0, 0, 0, 0, 0), world);
const pool = new PacketPool({ large: 1, small: 2 });

class Sharer {
  readonly family: number = 4;
  readonly settings = { reusePort: true, v6Only: false, boundInterface: 0 };
  readonly binding = { address: IpAddress.LOOPBACK4 };
  reuseGroup: ReuseGroup<Sharer> | undefined = undefined;
}
function chosenBy(group: ReuseGroup<Sharer>, octet: number): Sharer | undefined {
  const packet = pool.alloc(9);
  if (packet === undefined) throw new Error('no packet');
  packet.end = packet.at + 9;
  packet.bytes.fill(0xff, packet.at, packet.end);
  packet.bytes[packet.at + 8] = octet;
  const { at } = packet;
  const chosen = group.choose(packet, at + 8);
  if (packet.at !== at) throw new Error('moved');
  packet.release();
  return chosen;
}

test('members stand in the order in which they came, the last takes the place of who leaves', (t) => {
  const [a, b, c] = [new Sharer(), new Sharer(), new Sharer()];
  const group = foundGroup(a);
  t.is(foundGroup(a), group);
  joinGroup(b, a);
  joinGroup(c, b);
  t.is(c.reuseGroup, group);
  t.is(chosenBy(group, 0), undefined, 'no program');
  group.program = BY_FIRST_OCTET;
  t.deepEqual(
    [0, 1, 2, 3, 255].map((octet) => chosenBy(group, octet)),
    [a, b, c, undefined, undefined],
  );
  leaveGroup(a);
  t.is(a.reuseGroup, undefined);
  t.is(chosenBy(group, 0), c);
  t.is(chosenBy(group, 1), b);
  leaveGroup(b);
  leaveGroup(b);
  t.is(chosenBy(group, 0), c);
  t.is(chosenBy(group, 1), undefined);
});

test('a socket that finds nobody founds a group', (t) => {
  const one = new Sharer();
  joinGroup(one, undefined);
  const group = one.reuseGroup;
  joinGroup(one, undefined);
  t.is(one.reuseGroup, group);
});

test('sisters have the same family, address, interface and IPV6_V6ONLY, and share', (t) => {
  const one = new Sharer();
  const other = new Sharer();
  t.true(isSister(one, other));
  t.false(isSister(one, one));
  for (const key of ['reusePort', 'v6Only'] as const) {
    other.settings[key] = !other.settings[key];
    t.false(isSister(one, other), key);
    other.settings[key] = !other.settings[key];
  }
  other.settings.boundInterface = 2;
  t.false(isSister(one, other));
  other.settings.boundInterface = 0;
  other.binding.address = IpAddress.ANY4;
  t.false(isSister(one, other));
});
