/**
 * C structs stated once. A declaration gives the type, the size, the offset of each field, and reads and writes at any
 * position of a `Uint8Array`. Layout is that of the x86_64 and arm64 Linux ABIs (natural alignment, little endian); `expectSize` is the
 * kernel's `sizeof`, checked at import here and against the C headers in CI.
 *
 * 64-bit fields are numbers: exact up to 2^53, and anything above decodes to `Infinity`, which is larger than every limit and outside every
 * address space, so that it meets the errno Linux gives for it without a bigint on the way.
 */
export interface Field<T> {
  readonly size: number;
  readonly align: number;
  /** C type as the headers spell it, for the generated ABI check. */
  readonly ctype: string;
  get(bytes: Uint8Array, at: number): T;
  put(bytes: Uint8Array, at: number, value: T): void;
}

type Shape = Readonly<Record<string, Field<unknown>>>;
type ValueOf<S extends Shape> = { -readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never };

export interface Struct<S extends Shape> extends Field<ValueOf<S>> {
  readonly name: string;
  readonly fields: S;
  /** Octet offset of every field, for calls that read or write one field (`msg_controllen`). */
  readonly offset: Readonly<Record<keyof S, number>>;
  decode(bytes: Uint8Array, at?: number): ValueOf<S>;
  encode(value: ValueOf<S>): Uint8Array;
}
/** TypeScript type of a struct: `type Msghdr = TypeOf<typeof msghdr>`. */
export type TypeOf<F> = F extends Field<infer T> ? T : never;

const octet = (b: Uint8Array, at: number): number => b[at] as number;

export const u8: Field<number> = {
  size: 1,
  align: 1,
  ctype: 'unsigned char',
  get: octet,
  put: (b, at, x) => {
    b[at] = x;
  },
};
export const u16: Field<number> = {
  size: 2,
  align: 2,
  ctype: 'unsigned short',
  get: (b, at) => octet(b, at) | (octet(b, at + 1) << 8),
  put: (b, at, x) => {
    b[at] = x;
    b[at + 1] = x >>> 8;
  },
};
export const i16: Field<number> = { ...u16, ctype: 'short', get: (b, at) => (u16.get(b, at) << 16) >> 16 };
export const i32: Field<number> = {
  size: 4,
  align: 4,
  ctype: 'int',
  get: (b, at) => octet(b, at) | (octet(b, at + 1) << 8) | (octet(b, at + 2) << 16) | (octet(b, at + 3) << 24),
  put: (b, at, x) => {
    b[at] = x;
    b[at + 1] = x >>> 8;
    b[at + 2] = x >>> 16;
    b[at + 3] = x >>> 24;
  },
};
export const u32: Field<number> = { ...i32, ctype: 'unsigned int', get: (b, at) => i32.get(b, at) >>> 0 };

const WORD = 0x1_0000_0000;
/** Unsigned; above 2^53 - 1 it reads as `Infinity`. */
export const u64: Field<number> = {
  size: 8,
  align: 8,
  ctype: 'unsigned long',
  get: (b, at) => fromWords(u32.get(b, at), u32.get(b, at + 4)),
  put: (b, at, x) => {
    i32.put(b, at, (x % WORD) | 0);
    i32.put(b, at + 4, Math.floor(x / WORD) | 0);
  },
};
/** Signed; outside ±2^53 it reads as `Infinity` or `-Infinity`. */
export const i64: Field<number> = {
  size: 8,
  align: 8,
  ctype: 'long',
  get: (b, at) => {
    const high = i32.get(b, at + 4);
    if (high >= 0) return fromWords(u32.get(b, at), high);
    return high < -0x20_0000 ? -Infinity : high * WORD + u32.get(b, at);
  },
  put: (b, at, x) => {
    u64.put(b, at, x < 0 ? x - Math.floor(x / WORD) * WORD : x);
    i32.put(b, at + 4, Math.floor(x / WORD) | 0);
  },
};
/** Network byte order: `__be16`. */
export const be16: Field<number> = {
  ...u16,
  get: (b, at) => (octet(b, at) << 8) | octet(b, at + 1),
  put: (b, at, x) => {
    b[at] = x >>> 8;
    b[at + 1] = x;
  },
};
/** Network byte order: `__be32`. Unsigned. */
export const be32: Field<number> = {
  ...u32,
  get: (b, at) => ((octet(b, at) << 24) | (octet(b, at + 1) << 16) | (octet(b, at + 2) << 8) | octet(b, at + 3)) >>> 0,
  put: (b, at, x) => {
    b[at] = x >>> 24;
    b[at + 1] = x >>> 16;
    b[at + 2] = x >>> 8;
    b[at + 3] = x;
  },
};

/** `unsigned char[size]`; reading copies. */
export const octets = (size: number): Field<Uint8Array> => ({
  size,
  align: 1,
  ctype: `unsigned char[${size}]`,
  get: (b, at) => b.slice(at, at + size),
  put: (b, at, x) => b.set(x.subarray(0, size), at),
});

/** A `__u64` that nobody here computes with (epoll_data): 8 octets, aligned as the integer is. */
export const alignedOctets8: Field<Uint8Array> = { ...octets(8), align: 8 };

/** The number two 32-bit halves stand for; `Infinity` above 2^53 - 1. Used for registers as well. */
export const fromWords = (low: number, high: number): number => (high > 0x1f_ffff ? Infinity : high * WORD + low);

const roundUp = (n: number, to: number): number => Math.ceil(n / to) * to;

/** Lays fields out with C padding. @param pack 1 for `__attribute__((packed))`. @throws RangeError when the size is not the kernel's. */
export function struct<const S extends Shape>(name: string, expectSize: number, fields: S, pack?: 1): Struct<S> {
  const keys = Object.keys(fields) as (keyof S & string)[];
  const offset = {} as Record<keyof S, number>;
  let size = 0;
  let align = 1;
  for (const key of keys) {
    const field = fields[key] as Field<unknown>;
    offset[key] = pack === 1 ? size : roundUp(size, field.align);
    size = offset[key] + field.size;
    align = pack === 1 ? 1 : Math.max(align, field.align);
  }
  size = roundUp(size, align);
  if (size !== expectSize) throw new RangeError(`struct ${name} is ${size} octets here, ${expectSize} in the kernel`);

  const get = (b: Uint8Array, at: number): ValueOf<S> => {
    const out: Record<string, unknown> = {};
    for (const key of keys) out[key] = (fields[key] as Field<unknown>).get(b, at + offset[key]);
    return out as ValueOf<S>;
  };
  const put = (b: Uint8Array, at: number, value: ValueOf<S>): void => {
    for (const key of keys) (fields[key] as Field<unknown>).put(b, at + offset[key], value[key]);
  };
  return {
    name,
    fields,
    size,
    align,
    ctype: `struct ${name}`,
    offset,
    get,
    put,
    decode: (b, at = 0) => get(b, at),
    encode: (value) => {
      const b = new Uint8Array(size);
      put(b, 0, value);
      return b;
    },
  };
}
