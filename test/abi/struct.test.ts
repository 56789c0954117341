import test from 'ava';
import * as fc from 'fast-check';
import * as abi from '../../src/abi/index.ts';

const { u8, u16, u32, u64, i16, i32, i64, be16, be32, octets, struct } = abi;

test('fields agree with DataView', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 9, maxLength: 9 }), (b) => {
      const view = new DataView(b.buffer, b.byteOffset);
      t.is(u8.get(b, 1), view.getUint8(1));
      t.is(u16.get(b, 1), view.getUint16(1, true));
      t.is(i16.get(b, 1), view.getInt16(1, true));
      t.is(i32.get(b, 1), view.getInt32(1, true));
      t.is(u32.get(b, 1), view.getUint32(1, true));
      t.is(be16.get(b, 1), view.getUint16(1));
      t.is(be32.get(b, 1), view.getUint32(1));
      const big = view.getBigUint64(1, true);
      t.is(u64.get(b, 1), big > 2n ** 53n - 1n ? Infinity : Number(big));
      const signed = view.getBigInt64(1, true);
      if (signed > 2n ** 53n - 1n) t.is(i64.get(b, 1), Infinity);
      else if (signed < -(2n ** 53n)) t.is(i64.get(b, 1), -Infinity);
      else t.is(i64.get(b, 1), Number(signed));
    }),
  );
});

test('what a field puts it gets', (t) => {
  const b = new Uint8Array(16);
  const check = (field: abi.Field<number>, numbers: fc.Arbitrary<number>): void =>
    fc.assert(
      fc.property(numbers, fc.nat(8), (x, at) => {
        field.put(b, at, x);
        t.is(field.get(b, at), x);
      }),
    );
  check(u8, fc.nat(255));
  check(u16, fc.nat(0xffff));
  check(be16, fc.nat(0xffff));
  check(i16, fc.integer({ min: -0x8000, max: 0x7fff }));
  check(i32, fc.integer());
  check(u32, fc.nat(0xffffffff));
  check(be32, fc.nat(0xffffffff));
  check(u64, fc.maxSafeNat());
  check(i64, fc.maxSafeInteger());
});

test('a struct decodes what it encodes, at any position', (t) => {
  const inner = struct('inner', 8, { a: u8, b: u32 });
  const outer = struct('outer', 24, { x: u16, inner, name: octets(3), n: u64 });
  t.deepEqual(outer.offset, { x: 0, inner: 4, name: 12, n: 16 });
  const value = { x: 7, inner: { a: 1, b: 2 }, name: Uint8Array.of(1, 2, 3), n: 2 ** 40 };
  t.deepEqual(outer.decode(outer.encode(value)), value);
  const b = new Uint8Array(40).fill(0xee);
  outer.put(b, 5, value);
  t.deepEqual(outer.get(b, 5), value);
  t.is(b[4], 0xee);
  t.is(b[5 + 24], 0xee);
});

test('a declaration of the wrong size does not pass', (t) => {
  t.throws(() => struct('wrong', 12, { a: u32, b: u64 }), {
    instanceOf: RangeError,
    message: /wrong is 16 octets here, 12/,
  });
});

test('offsets that calls write back to', (t) => {
  t.is(abi.msghdr.offset.namelen, 8);
  t.is(abi.msghdr.offset.controllen, 40);
  t.is(abi.msghdr.offset.flags, 48);
  t.is(abi.mmsghdr.offset.len, 56);
  t.is(abi.epollEventAmd64.offset.data, 4);
  t.is(abi.epollEventArm64.offset.data, 8);
});

test('addresses', (t) => {
  const in4 = abi.sockaddrIn.encode({ family: abi.AF_INET, port: 0x1234, addr: 0x7f000001, zero: new Uint8Array(8) });
  t.deepEqual([...in4], [2, 0, 0x12, 0x34, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
  const in6 = abi.sockaddrIn6.encode({
    family: abi.AF_INET6,
    port: 80,
    flowinfo: 1,
    addr: new Uint8Array(16).fill(9),
    scopeId: 2,
  });
  t.deepEqual([...in6.subarray(0, 9)], [10, 0, 0, 80, 0, 0, 0, 1, 9]);
  t.deepEqual([...in6.subarray(24)], [2, 0, 0, 0]);
});

test('errno names', (t) => {
  t.is(abi.errnoName(111), 'ECONNREFUSED');
  t.is(abi.errnoName(-11), 'EAGAIN');
  t.is(abi.errnoName(-512), 'ERESTARTSYS');
  t.is(abi.errnoName(4000), 'errno 4000');
  t.true(abi.isError(-1));
  t.true(abi.isError(-4095));
  t.false(abi.isError(-4096));
  t.false(abi.isError(0));
});

test('numbers of the two architectures name the same calls, but for the legacy ones', (t) => {
  for (const name of Object.keys(abi.NR_ARM64)) t.true(name in abi.NR_AMD64, name);
  t.is(abi.NR_AMD64.socket, 41);
  t.is(abi.NR_ARM64.socket, 198);
  t.false('dup2' in abi.NR_ARM64);
});

test('what does not fit, and names that are no fields, are errors', (t) => {
  t.throws(() => abi.msghdr.decode(new Uint8Array(55)), {
    instanceOf: RangeError,
    message: 'struct msghdr takes 56 octets from 0 on, and there are 55',
  });
  t.throws(() => abi.msghdr.decode(new Uint8Array(60), 8), { instanceOf: RangeError });
  t.throws(() => abi.msghdr.decode(new Uint8Array(60), -4), { instanceOf: RangeError });
  t.throws(() => abi.msghdr.decodeInto(abi.msghdr.blank(), new Uint8Array(3)), { instanceOf: RangeError });
  t.throws(() => abi.msghdr.encode({ msg_name: 5 } as never), {
    instanceOf: TypeError,
    message: /has no msg_name, but name, /,
  });
});

test('Infinity is written as what reads as it', (t) => {
  const ones = new Uint8Array(16).fill(0xff);
  t.deepEqual(abi.iovec.encode(abi.iovec.decode(ones)), ones);
  const bytes = new Uint8Array(8);
  abi.i64.put(bytes, 0, Number.NEGATIVE_INFINITY);
  t.deepEqual([...bytes], [0, 0, 0, 0, 0, 0, 0, 0x80]);
  t.is(abi.i64.get(bytes, 0), Number.NEGATIVE_INFINITY);
  abi.i64.put(bytes, 0, Number.POSITIVE_INFINITY);
  t.is(abi.i64.get(bytes, 0), Number.POSITIVE_INFINITY);
});
