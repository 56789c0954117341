import test from 'ava';
import * as fc from 'fast-check';
import type { FilterWorld } from '../../src/netstack/filter-extensions.ts';
import { PacketPool } from '../../src/netstack/packet.ts';
import { PacketFilter } from '../../src/netstack/packet-filter.ts';

type Instruction = readonly [code: number, jt: number, jf: number, k: number];
function octets(program: readonly Instruction[]): Uint8Array {
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  program.forEach(([code, jt, jf, k], i) => {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setInt32(i * 8 + 4, k | 0, true);
  });
  return bytes;
}
/** Draws the same number, and has the loopback alone. */
const world: FilterWorld = { random: { u32: () => 0x8000_0001 }, deviceType: () => 772 };
const pool = new PacketPool({ large: 2, small: 4 });
/** What the program says of a packet that begins with these octets. */
function run(program: readonly Instruction[], content: readonly number[]): number | undefined {
  const filter = PacketFilter.compile(octets(program), world);
  const packet = pool.alloc(content.length);
  if (packet === undefined) throw new Error('no packet');
  packet.bytes.set(content, packet.at);
  packet.end = packet.at + content.length;
  packet.l3 = packet.l4 = packet.at;
  const result = filter?.run(packet);
  packet.release();
  return result;
}
const A = 0x16;

const calculate = (code: number, a: number, k: number) =>
  run(
    [
      [0x00, 0, 0, a],
      [code, 0, 0, k],
      [A, 0, 0, 0],
    ],
    [],
  );

test('arithmetic is that of unsigned 32-bit words', (t) => {
  t.is(calculate(0x04, 0xffff_ffff, 2), 1);
  t.is(calculate(0x14, 1, 2), 0xffff_ffff);
  t.is(calculate(0x24, 0x1_0001, 0x1_0001), 0x2_0001);
  t.is(calculate(0x34, 0xffff_fffe, 2), 0x7fff_ffff);
  t.is(calculate(0x94, 0xffff_ffff, 10), 5);
  t.is(calculate(0x44, 0xf0, 0x0f), 0xff);
  t.is(calculate(0x54, 0xf0, 0x3c), 0x30);
  t.is(calculate(0xa4, 0xf0, 0x3c), 0xcc);
  t.is(calculate(0x64, 1, 31), 0x8000_0000);
  t.is(calculate(0x74, 0x8000_0000, 31), 1);
  t.is(calculate(0x84, 1, 0), 0xffff_ffff);
});

test('loads are in network order and end the program where there is nothing', (t) => {
  const content = [1, 2, 3, 4, 5];
  t.is(
    run(
      [
        [0x20, 0, 0, 1],
        [A, 0, 0, 0],
      ],
      content,
    ),
    0x0203_0405,
  );
  t.is(
    run(
      [
        [0x28, 0, 0, 3],
        [A, 0, 0, 0],
      ],
      content,
    ),
    0x0405,
  );
  t.is(
    run(
      [
        [0x30, 0, 0, 4],
        [A, 0, 0, 0],
      ],
      content,
    ),
    5,
  );
  t.is(
    run(
      [
        [0x20, 0, 0, 2],
        [0x06, 0, 0, 9],
      ],
      content,
    ),
    0,
  );
  t.is(
    run(
      [
        [0x30, 0, 0, -0x1001],
        [0x06, 0, 0, 9],
      ],
      content,
    ),
    0,
  );
  t.is(
    run(
      [
        [0x30, 0, 0, -0x200000],
        [0x06, 0, 0, 9],
      ],
      content,
    ),
    0,
    'nothing stands before the network header',
  );
  t.is(
    run(
      [
        [0xb1, 0, 0, 2],
        [0x87, 0, 0, 0],
        [A, 0, 0, 0],
      ],
      content,
    ),
    12,
  );
});

const ask = (offset: number): Instruction => [0x20, 0, 0, -0x1000 + offset];
const ATTRIBUTES = [5, 0, 1, 0, 9, 0, 0, 0, 12, 0, 2, 0x80, 5, 0, 3, 0, 9, 0, 0, 0];

test('every extension that Linux names may be asked, and no other', (t) => {
  for (let offset = 0; offset < 80; offset++) {
    const isKnown = offset < 64 && offset % 4 === 0;
    t.is(PacketFilter.compile(octets([ask(offset), [A, 0, 0, 0]]), world) !== undefined, isKnown, `${offset}`);
  }
});

test('extensions ask the world', (t) => {
  t.is(run([ask(56), [A, 0, 0, 0]], []), 0x8000_0001);
  t.is(run([ask(28), [A, 0, 0, 0]], []), 772);
});

const find = (offset: number, from: number, type: number) =>
  run([[0x00, 0, 0, from], [0x01, 0, 0, type], ask(offset), [A, 0, 0, 0]], ATTRIBUTES);
test('attributes of netlink are found, and nested ones', (t) => {
  t.is(find(12, 0, 2), 8);
  t.is(find(12, 0, 3), 0);
  t.is(find(12, 12, 3), 12);
  t.is(find(16, 8, 3), 12);
  t.is(find(16, 0, 3), 0);
  t.is(find(12, -4, 3), 0);
});

test('any program is refused or ends, whatever the packet', (t) => {
  const code = fc.oneof(
    fc.constantFrom(
      0x00,
      0x01,
      0x02,
      0x03,
      0x04,
      0x05,
      0x06,
      0x07,
      0x15,
      0x16,
      0x1d,
      0x20,
      0x25,
      0x28,
      0x30,
      0x35,
      0x40,
      0x45,
      0x48,
      0x50,
      0x60,
      0x61,
      0x80,
      0x87,
      0xb1,
    ),
    fc.integer({ min: 0, max: 0xffff }),
  );
  const small = fc.integer({ min: 0, max: 6 });
  const beside = fc.integer({ min: -0x1000, max: -0x1000 + 64 });
  const k = fc.oneof(small, beside, fc.integer({ min: -0x20_0010, max: 0x20_0000 }), fc.integer());
  const instruction = fc.tuple(code, small, small, k);
  const ret = fc.constantFrom<Instruction>([0x06, 0, 0, 7], [A, 0, 0, 0]);
  let ran = 0;
  fc.assert(
    fc.property(
      fc.array(instruction, { maxLength: 8 }),
      ret,
      fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 }),
      (body, end, content) => {
        const result = run([...body, end], content);
        if (result === undefined) return true;
        ran++;
        return Number.isInteger(result) && result >= 0 && result <= 0xffff_ffff;
      },
    ),
    { numRuns: 3000 },
  );
  t.true(ran > 100, `${ran} ran`);
});
