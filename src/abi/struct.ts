/**
 * C structs stated once. A declaration gives the type, the size, the offset of each field, and reads and writes at any
 * position of a `Uint8Array`. Layout is that of the x86_64 and arm64 Linux ABIs (natural alignment, little endian); `expectSize` is the
 * kernel's `sizeof`, checked at import here and against the C headers in CI.
 *
 * 64-bit fields are numbers: exact up to 2^53, and anything above decodes to `Infinity`, which is larger than every limit and outside every
 * address space, so that it meets the errno Linux gives for it without a bigint on the way.
 *
 * A struct reads and writes field by field, which costs some 70 ns a field: V8 sees every struct at the same places of code and knows none of them. Those that each call
 * touches have a codec written out (`withCodec`), at some 3 ns a field; a test holds it to the declaration. Code is never made at run time, so this works where eval is forbidden.
 */
export interface Field<T> {
  readonly size: number;
  readonly align: number;
  /** C type as the headers spell it, for the generated ABI check. */
  readonly ctype: string;
  get(bytes: Uint8Array, at: number): T;
  /** Unchecked, for hot paths: what lies beyond the end of `bytes` is dropped, as a store beyond a typed array is. */
  put(bytes: Uint8Array, at: number, value: T): void;
  /** As `get`, into an object or octets that exist, so that nothing is allocated; a number is returned alone. */
  load(into: T, bytes: Uint8Array, at: number): T;
}

type Shape = Readonly<Record<string, Field<unknown>>>;
type ValueOf<S extends Shape> = { -readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never };

/** How values of a struct are read and written: `load` into an object, such as `blank` makes. */
export interface Codec<T> extends Pick<Field<T>, 'put' | 'load'> {
  /** A value whose every field is zero: `record`. */
  readonly blank: () => T;
}

export interface Struct<S extends Shape> extends Field<ValueOf<S>> {
  readonly name: string;
  readonly fields: S;
  /** Octet offset of every field, for calls that read or write one field (`msg_controllen`). */
  readonly offset: Readonly<Record<keyof S, number>>;
  /** The struct at `bytes[at..]`. @throws RangeError when it does not lie within `bytes` whole. */
  decode(bytes: Uint8Array, at?: number): ValueOf<S>;
  /** As `decode`, into an object that an earlier `decode` or `blank` made: no garbage. @throws RangeError */
  decodeInto(into: ValueOf<S>, bytes: Uint8Array, at?: number): ValueOf<S>;
  /** Octets of a struct. A field that is not named is zero, as in a C initializer. @throws TypeError for a name that is no field. */
  encode(value: Partial<ValueOf<S>>): Uint8Array;
  /** A value whose every field is zero. */
  readonly blank: () => ValueOf<S>;
}
/** TypeScript type of a struct: `type Msghdr = TypeOf<typeof msghdr>`. */
export type TypeOf<F> = F extends Field<infer T> ? T : never;

const WORD = 0x1_0000_0000;
/** A constant of ours: the global's value lies in a box, and V8 then boxes every result of a function that may return it, 16 octets of garbage a read. */
const ABOVE = Number.POSITIVE_INFINITY;
/** The number two 32-bit halves stand for; `Infinity` above 2^53 - 1. Used for registers as well. */
export const fromWords = (low: number, high: number): number => (high > 0x1f_ffff ? ABOVE : high * WORD + low);

export const readU8 = (b: Uint8Array, at: number): number => b[at] as number;
export const readU16 = (b: Uint8Array, at: number): number => (b[at] as number) | ((b[at + 1] as number) << 8);
export const readI16 = (b: Uint8Array, at: number): number => (readU16(b, at) << 16) >> 16;
export const readI32 = (b: Uint8Array, at: number): number =>
  (b[at] as number) | ((b[at + 1] as number) << 8) | ((b[at + 2] as number) << 16) | ((b[at + 3] as number) << 24);
export const readU32 = (b: Uint8Array, at: number): number => readI32(b, at) >>> 0;
/** Above 2^53 - 1 it reads as `Infinity`. */
export const readU64 = (b: Uint8Array, at: number): number => fromWords(readU32(b, at), readU32(b, at + 4));
/** Outside ±2^53 it reads as `Infinity` or `-Infinity`. */
export function readI64(b: Uint8Array, at: number): number {
  const high = readI32(b, at + 4);
  if (high >= 0) return fromWords(readU32(b, at), high);
  return high < -0x20_0000 ? -ABOVE : high * WORD + readU32(b, at);
}
export const readBe16 = (b: Uint8Array, at: number): number => ((b[at] as number) << 8) | (b[at + 1] as number);
export const readBe32 = (b: Uint8Array, at: number): number =>
  (((b[at] as number) << 24) | ((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number)) >>>
  0;

export function write16(b: Uint8Array, at: number, x: number): void {
  b[at] = x;
  b[at + 1] = x >>> 8;
}
export function write32(b: Uint8Array, at: number, x: number): void {
  b[at] = x;
  b[at + 1] = x >>> 8;
  b[at + 2] = x >>> 16;
  b[at + 3] = x >>> 24;
}
/** Signed or unsigned. `Infinity` is what reads as it: all ones. */
export function write64(b: Uint8Array, at: number, x: number): void {
  if (x === ABOVE) {
    write32(b, at, -1);
    write32(b, at + 4, -1);
    return;
  }
  // A remainder of doubles is a call into C, forty times as slow.
  const high = Math.floor(x / WORD);
  write32(b, at, (x - high * WORD) | 0);
  write32(b, at + 4, high | 0);
}
export function writeBe16(b: Uint8Array, at: number, x: number): void {
  b[at] = x >>> 8;
  b[at + 1] = x;
}
export function writeBe32(b: Uint8Array, at: number, x: number): void {
  b[at] = x >>> 24;
  b[at + 1] = x >>> 16;
  b[at + 2] = x >>> 8;
  b[at + 3] = x;
}

const integer = (size: number, ctype: string, get: Field<number>['get'], put: Field<number>['put']): Field<number> => ({
  size,
  align: size,
  ctype,
  get,
  put,
  load: (_into, b, at) => get(b, at),
});
export const u8 = integer(1, 'unsigned char', readU8, (b, at, x) => {
  b[at] = x;
});
export const u16 = integer(2, 'unsigned short', readU16, write16);
export const i16 = integer(2, 'short', readI16, write16);
export const i32 = integer(4, 'int', readI32, write32);
export const u32 = integer(4, 'unsigned int', readU32, write32);
/** Unsigned; above 2^53 - 1 it reads as `Infinity`. */
export const u64 = integer(8, 'unsigned long', readU64, write64);
/** Signed; outside ±2^53 it reads as `Infinity` or `-Infinity`, which are written as the largest and the least. */
export const i64 = integer(8, 'long', readI64, (b, at, x) => {
  if (x !== ABOVE && x !== -ABOVE) {
    write64(b, at, x);
    return;
  }
  write32(b, at, x > 0 ? -1 : 0);
  write32(b, at + 4, x > 0 ? 0x7fff_ffff : -0x8000_0000);
});
/** Network byte order: `__be16`. */
export const be16 = integer(2, 'unsigned short', readBe16, writeBe16);
/** Network byte order: `__be32`. Unsigned. */
export const be32 = integer(4, 'unsigned int', readBe32, writeBe32);

/** Copies `size` octets, fewer where `from` has fewer. For the short ones of structs, where a loop is faster than a call. */
export function copyOctets(to: Uint8Array, at: number, from: Uint8Array, start: number, size: number): void {
  const end = Math.min(size, from.length - start);
  for (let i = 0; i < end; i++) to[at + i] = from[start + i] as number;
}
/** `unsigned char[size]`; reading copies. */
export const octets = (size: number): Field<Uint8Array> => ({
  size,
  align: 1,
  ctype: `unsigned char[${size}]`,
  get: (b, at) => b.slice(at, at + size),
  put: (b, at, x) => copyOctets(b, at, x, 0, size),
  load: (into, b, at) => {
    copyOctets(into, 0, b, at, size);
    return into;
  },
});

/** Octets in the place of something that C aligns. */
export const alignedOctets = (size: number, align: number): Field<Uint8Array> => ({ ...octets(size), align });
/** A `__u64` that nobody here computes with (epoll_data): 8 octets, aligned as the integer is. */
export const alignedOctets8 = alignedOctets(8, 8);

/** `T[count]`. */
export const array = <T>(of: Field<T>, count: number): Field<T[]> => ({
  size: of.size * count,
  align: of.align,
  ctype: `${of.ctype}[${count}]`,
  get: (b, at) => Array.from({ length: count }, (_, i) => of.get(b, at + i * of.size)),
  put: (b, at, x) => {
    for (let i = 0; i < count && i < x.length; i++) of.put(b, at + i * of.size, x[i] as T);
  },
  load: (into, b, at) => {
    for (let i = 0; i < count; i++) into[i] = of.load(into[i] as T, b, at + i * of.size);
    return into;
  },
});

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

  const none = new Uint8Array(size);
  const blank = (): ValueOf<S> => {
    const out: Record<string, unknown> = {};
    for (const key of keys) out[key] = (fields[key] as Field<unknown>).get(none, offset[key]);
    return out as ValueOf<S>;
  };
  const put = (b: Uint8Array, at: number, value: ValueOf<S>): void => {
    for (const key of keys) (fields[key] as Field<unknown>).put(b, at + offset[key], value[key]);
  };
  const load = (into: ValueOf<S>, b: Uint8Array, at: number): ValueOf<S> => {
    const out = into as Record<string, unknown>;
    for (const key of keys) out[key] = (fields[key] as Field<unknown>).load(out[key], b, at + offset[key]);
    return into;
  };
  const encode = (value: Partial<ValueOf<S>>): Uint8Array => {
    const stranger = Object.keys(value).find((key) => !Object.hasOwn(fields, key));
    if (stranger !== undefined) throw new TypeError(`struct ${name} has no ${stranger}, but ${keys.join(', ')}`);
    const b = new Uint8Array(size);
    for (const key of keys) {
      if (value[key] !== undefined) (fields[key] as Field<unknown>).put(b, offset[key], value[key]);
    }
    return b;
  };
  return withMethods({ name, fields, size, align, ctype: `struct ${name}`, offset, encode }, { blank, put, load });
}

type Described<S extends Shape> = Omit<Struct<S>, 'get' | 'put' | 'load' | 'decode' | 'decodeInto' | 'blank'>;
function withMethods<S extends Shape>(of: Described<S>, { blank, put, load }: Codec<ValueOf<S>>): Struct<S> {
  const { size, ctype } = of;
  const within = (b: Uint8Array, at: number): void => {
    // Not of the constructor: octets may come from another realm.
    if (at >= 0 && at + size <= b.length) return;
    throw new RangeError(`${ctype} takes ${size} octets from ${at} on, and there are ${b.length}`);
  };
  return {
    ...of,
    blank,
    put,
    load,
    get: (b, at) => load(blank(), b, at),
    decode: (b, at = 0) => {
      within(b, at);
      return load(blank(), b, at);
    },
    decodeInto: (into, b, at = 0) => {
      within(b, at);
      return load(into, b, at);
    },
  };
}

/**
 * Makes plain objects, by a constructor of their own: object literals with the same names share their shape in V8, the one that declares the fields of a struct too, which holds
 * objects; then numbers above 2^31 go into boxes, 16 octets of garbage for each that is loaded.
 */
export function record<T extends object>(init: (this: T) => void): () => T {
  const Constructor = init as unknown as { new (): T; prototype: object };
  Constructor.prototype = Object.prototype;
  return () => new Constructor();
}

/** The same struct, read and written by code of its own, which must do what the declaration says. */
export const withCodec = <S extends Shape>(of: Struct<S>, codec: Codec<ValueOf<S>>): Struct<S> =>
  withMethods(of, codec);
