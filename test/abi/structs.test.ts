/** Every struct that is exported: what it puts it gets, and those with code of their own do what their declaration says. */
import test from 'ava';
import * as fc from 'fast-check';
import * as abi from '../../src/abi/index.ts';

type AnyStruct = abi.Struct<Record<string, abi.Field<unknown>>>;
const isStruct = (value: unknown): value is AnyStruct =>
  typeof value === 'object' && value !== null && 'offset' in value && 'fields' in value;
const structs = Object.entries(abi as Readonly<Record<string, unknown>>).filter((entry): entry is [string, AnyStruct] =>
  isStruct(entry[1]),
);
/** The same without the code of its own. */
const plain = (of: AnyStruct): AnyStruct =>
  abi.struct(
    of.name,
    of.size,
    of.fields,
    of.align === 1 && of.size % 4 === 0 && of.name === 'epoll_event' ? 1 : undefined,
  );

/** Octets in which no 64-bit field is above what a number holds: those read as Infinity and are not written back. */
function octetsFor(of: AnyStruct, random: Uint8Array): Uint8Array {
  const bytes = random.slice(0, of.size);
  const tame = (fields: AnyStruct['fields'], offset: Readonly<Record<string, number>>, at: number): void => {
    for (const [name, field] of Object.entries(fields)) {
      const start = at + (offset[name] as number);
      if (isStruct(field)) tame(field.fields, field.offset, start);
      else if (field.ctype.includes('struct')) bytes.fill(0, start, start + field.size);
      else if (/long/.test(field.ctype))
        for (let i = 6; i < field.size; i += 8) bytes.fill(0, start + i, start + i + 2);
    }
  };
  tame(of.fields, of.offset, 0);
  return bytes;
}
const random = fc.uint8Array({ minLength: 400, maxLength: 400 });

test('there are many', (t) => {
  t.true(structs.length > 80, `${structs.length}`);
});

test('what is decoded encodes to the same, but for padding, which is zero', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...structs), random, fc.nat(7), ([name, of], octets, at) => {
      const bytes = new Uint8Array(of.size + 16);
      bytes.set(octetsFor(of, octets), at);
      const value = of.decode(bytes, at);
      const again = of.encode(value);
      t.is(again.length, of.size, name);
      t.deepEqual(of.decode(again), value, name);
      const put = new Uint8Array(of.size + 16);
      of.put(put, at, value);
      t.deepEqual(put.subarray(at, at + of.size), again, name);
      t.true(put.subarray(0, at).every((x) => x === 0) && put.subarray(at + of.size).every((x) => x === 0), name);
    }),
    { numRuns: 400 },
  );
});

test('code of its own agrees with the declaration, Infinity included', (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...structs), random, ([name, of], octets) => {
      const slow = plain(of);
      t.is(slow.align, of.align);
      const value = slow.get(octets, 3);
      t.deepEqual(of.get(octets, 3), value, name);
      t.deepEqual(of.load(of.blank(), octets, 3), value, name);
      const tame = of.decode(octetsFor(of, octets));
      t.deepEqual(of.encode(tame), slow.encode(tame), name);
      const [a, b] = [new Uint8Array(of.size), new Uint8Array(of.size)];
      of.put(a, 0, tame);
      slow.put(b, 0, tame);
      t.deepEqual(a, b, name);
    }),
    { numRuns: 400 },
  );
});

test('decodeInto fills the object it was given and what hangs on it', (t) => {
  const into = abi.mmsghdr.blank();
  const { hdr } = into;
  const bytes = abi.mmsghdr.encode({ hdr: { ...abi.msghdr.blank(), namelen: 16, iovlen: 2 }, len: 9 });
  t.is(abi.mmsghdr.decodeInto(into, bytes), into);
  t.is(into.hdr, hdr);
  t.deepEqual([hdr.namelen, hdr.iovlen, into.len], [16, 2, 9]);
  const name = abi.sockaddrIn6.blank();
  const { addr } = name;
  abi.sockaddrIn6.decodeInto(name, abi.sockaddrIn6.encode({ family: 10, addr: new Uint8Array(16).fill(7) }));
  t.is(name.addr, addr);
  t.deepEqual(addr, new Uint8Array(16).fill(7));
});

test('a field that is not named is zero', (t) => {
  t.deepEqual(
    abi.sockaddrIn.encode({ family: abi.AF_INET, port: 80 }),
    Uint8Array.of(2, 0, 0, 80, ...new Uint8Array(12)),
  );
  t.deepEqual(abi.tcpInfo.encode({}), new Uint8Array(abi.tcpInfo.size));
});

test('values above 2^53 and below zero, as the kernel would have them', (t) => {
  const { u64, i64 } = abi;
  const bytes = new Uint8Array(8);
  for (const [value, octets] of [
    [2 ** 53 - 1, [255, 255, 255, 255, 255, 255, 31, 0]],
    [2 ** 32, [0, 0, 0, 0, 1, 0, 0, 0]],
    [0xffffffff, [255, 255, 255, 255, 0, 0, 0, 0]],
  ] as const) {
    u64.put(bytes, 0, value);
    t.deepEqual([...bytes], [...octets]);
    t.is(u64.get(bytes, 0), value);
  }
  i64.put(bytes, 0, -1);
  t.deepEqual(
    [...bytes],
    Array.from({ length: 8 }, () => 255),
  );
  t.is(u64.get(bytes, 0), Infinity);
  t.is(i64.get(bytes, 0), -1);
});

test('an array is its elements', (t) => {
  const of = abi.array(abi.be32, 2);
  const bytes = new Uint8Array(8);
  of.put(bytes, 0, [1, 2]);
  t.deepEqual([...bytes], [0, 0, 0, 1, 0, 0, 0, 2]);
  t.deepEqual(of.get(bytes, 0), [1, 2]);
  of.put(bytes, 0, [3, 4, 5]);
  t.deepEqual(of.load([0, 0], bytes, 0), [3, 4]);
  t.is(of.ctype, 'unsigned int[2]');
  t.is(abi.scmTimestamping.blank().ts.length, 3);
});

test('sizes of lists of sources', (t) => {
  t.is(abi.IP_MSFILTER_SIZE(0), 16);
  t.is(abi.IP_MSFILTER_SIZE(3), 28);
  t.is(abi.GROUP_FILTER_SIZE(2), 144 + 256);
});

test('sets of signals', (t) => {
  const set = abi.sigset(abi.SIGHUP, abi.SIGURG, 64, 0, 65);
  t.deepEqual([...set], [1, 0, 0x40, 0, 0, 0, 0, 0x80]);
  t.deepEqual(
    [0, 1, 2, 23, 64, 65].map((signal) => abi.sigismember(set, signal)),
    [false, true, false, true, true, false],
  );
});
