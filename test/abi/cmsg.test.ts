import test from 'ava';
import * as fc from 'fast-check';
import {
  CMSG_LEN,
  CMSG_SPACE,
  CmsgWalker,
  CmsgWriter,
  cmsghdr,
  IP_PKTINFO,
  IP_TTL,
  MSG_CTRUNC,
  SOL_IP,
} from '../../src/abi/index.ts';

const walk = (bytes: Uint8Array, length = bytes.length): { found: [number, number, number][]; malformed: boolean } => {
  const walker = new CmsgWalker().begin(bytes, length);
  const found: [number, number, number][] = [];
  while (walker.next()) {
    if (walker.data + walker.dataLength > length) throw new Error('outside the buffer');
    found.push([walker.level, walker.type, walker.dataLength]);
  }
  return { found, malformed: walker.malformed };
};

const header = (len: number, level = SOL_IP, type = IP_TTL): Uint8Array => cmsghdr.encode({ len, level, type });
const join = (...parts: Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((p) => [...p]));

test('sizes', (t) => {
  t.is(CMSG_LEN(4), 20);
  t.is(CMSG_SPACE(4), 24);
  t.is(CMSG_SPACE(0), 16);
});

test('control data shorter than a header holds nothing and is no error', (t) => {
  for (let n = 0; n < 16; n++) t.deepEqual(walk(header(16), n), { found: [], malformed: false });
});

test('a length below the header or beyond the buffer is malformed', (t) => {
  t.deepEqual(walk(header(15)), { found: [], malformed: true });
  t.deepEqual(walk(header(0)), { found: [], malformed: true });
  t.deepEqual(walk(header(17)), { found: [], malformed: true });
  const huge = header(16);
  huge.fill(0xff, 0, 8);
  t.deepEqual(walk(huge), { found: [], malformed: true });
});

test('the last message needs no padding behind it, and a rest that holds no header ends the walk', (t) => {
  t.deepEqual(walk(join(header(20), new Uint8Array(4))), { found: [[SOL_IP, IP_TTL, 4]], malformed: false });
  t.deepEqual(walk(join(header(20), new Uint8Array(8 + 15))), { found: [[SOL_IP, IP_TTL, 4]], malformed: false });
  t.deepEqual(walk(join(header(20), new Uint8Array(8 + 16))).malformed, true);
});

test('random control data never leads outside the buffer, and the walk ends', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(220), (bytes, length) => {
      const { found } = walk(bytes, Math.min(length, bytes.length));
      t.true(found.length <= bytes.length / 16);
    }),
  );
});

const messages = fc.array(
  fc.record({ level: fc.nat(300), type: fc.nat(300), data: fc.uint8Array({ maxLength: 40 }) }),
  { maxLength: 6 },
);

test('what the writer writes the walker finds', (t) => {
  fc.assert(
    fc.property(messages, (list) => {
      const bytes = new Uint8Array(1000);
      const writer = new CmsgWriter().begin(bytes, bytes.length);
      for (const m of list) writer.put(m.level, m.type, m.data, 0, m.data.length);
      t.is(writer.flags, 0);
      t.is(
        writer.length,
        list.reduce((sum, m) => sum + CMSG_SPACE(m.data.length), 0),
      );
      const walker = new CmsgWalker().begin(bytes, writer.length);
      for (const m of list) {
        t.true(walker.next());
        t.deepEqual([walker.level, walker.type], [m.level, m.type]);
        t.deepEqual(bytes.slice(walker.data, walker.data + walker.dataLength), m.data);
      }
      t.false(walker.next());
      t.false(walker.malformed);
    }),
  );
});

/** Length out, flags and cmsg_len of each message, by room. */
const expected = (capacity: number): [number, number, number[]] => {
  if (capacity < 16) return [0, MSG_CTRUNC, []];
  if (capacity < 28) return [capacity, MSG_CTRUNC, [capacity]];
  if (capacity < 48) return [Math.min(capacity, 32), MSG_CTRUNC, [28]];
  if (capacity < 52) return [capacity, MSG_CTRUNC, [28, capacity - 32]];
  return [Math.min(capacity, 56), 0, [28, 20]];
};

test('truncation with IP_PKTINFO and IP_TTL pending, as measured on Linux', (t) => {
  for (let capacity = 0; capacity <= 60; capacity++) {
    const bytes = new Uint8Array(64).fill(0xaa);
    const writer = new CmsgWriter().begin(bytes, capacity);
    writer.put(SOL_IP, IP_PKTINFO, new Uint8Array(12), 0, 12);
    writer.putInt(SOL_IP, IP_TTL, 64);
    const [length, flags, lengths] = expected(capacity);
    t.is(writer.length, length, `length at ${capacity}`);
    t.is(writer.flags, flags, `flags at ${capacity}`);
    const found: number[] = [];
    for (let at = 0; at + 16 <= writer.length; at += CMSG_SPACE((found.at(-1) ?? 16) - 16)) {
      found.push(cmsghdr.decode(bytes, at).len);
    }
    t.deepEqual(found, lengths, `lengths at ${capacity}`);
    t.true(
      bytes.subarray(capacity).every((octet) => octet === 0xaa),
      `nothing beyond ${capacity}`,
    );
  }
});
