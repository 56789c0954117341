/**
 * The checksum kernel as a WebAssembly module, put together octet by octet here so that it can be read: no build step, no binary blob.
 * WebAssembly core specification 2.0, section 5 (binary format); SIMD opcodes carry the prefix 0xfd.
 *
 * `sum(at, len)` adds the 16-bit words of memory[at .. at+len), little endian, an odd last octet counting as a word's low half, and folds the total
 * to 16 bits. Loads may be unaligned. The total is kept in 32 bits, which holds 65,537 words of 0xffff: `len` is at most 131,072.
 */
const leb = (n: number): number[] => (n < 0x80 ? [n] : [(n & 0x7f) | 0x80, ...leb(n >>> 7)]);
/** Signed LEB128, for `i32.const`; small non-negative constants only. */
const sleb = (n: number): number[] => (n < 0x40 ? [n] : [(n & 0x7f) | 0x80, ...sleb(n >>> 7)]);
const code = (...parts: readonly (readonly number[])[]): number[] => parts.flat();
const vec = (items: readonly number[][]): number[] => [...leb(items.length), ...items.flat()];
const sized = (body: readonly number[]): number[] => [...leb(body.length), ...body];
const section = (id: number, body: readonly number[]): number[] => [id, ...sized(body)];
const text = (s: string): number[] => sized(Array.from(s, (c) => c.charCodeAt(0)));

const I32 = 0x7f;
const V128 = 0x7b;
const FUNC = 0x60;
const VOID = 0x40;

const block = (body: readonly number[]): number[] => [0x02, VOID, ...body, 0x0b];
const loop = (body: readonly number[]): number[] => [0x03, VOID, ...body, 0x0b];
const br = (depth: number): number[] => [0x0c, depth];
const brIf = (depth: number): number[] => [0x0d, depth];
const get = (local: number): number[] => [0x20, local];
const set = (local: number): number[] => [0x21, local];
const i32 = (n: number): number[] => [0x41, ...sleb(n)];
const LT_U = [0x49];
const ADD = [0x6a];
const SUB = [0x6b];
const AND = [0x71];
const OR = [0x72];
const SHL = [0x74];
const SHR_U = [0x76];
/** Alignment hints are log2 and 0 here: positions are arbitrary. */
const LOAD8_U = [0x2d, 0, 0];
const LOAD16_U = [0x2f, 0, 0];
const v128Load = (offset: number): number[] => [0xfd, 0x00, 0, ...leb(offset)];
/** Adds neighbouring pairs of the eight unsigned 16-bit lanes into four 32-bit lanes. */
const EXTADD_PAIRWISE_U = [0xfd, 0x7f];
const I32X4_ADD = [0xfd, ...leb(0xae)];
const lane = (n: number): number[] => [0xfd, 0x1b, n];

// Locals: the two parameters, the scalar total, four vector sums.
const AT = 0;
const LEN = 1;
const TOTAL = 2;
const ACC = [3, 4, 5, 6] as const;

const accumulate = (acc: number, offset: number): number[] => [
  ...get(acc),
  ...get(AT),
  ...v128Load(offset),
  ...EXTADD_PAIRWISE_U,
  ...I32X4_ADD,
  ...set(acc),
];
const advance = (octets: number): number[] => [
  ...code(get(AT), i32(octets), ADD, set(AT)),
  ...code(get(LEN), i32(octets), SUB, set(LEN)),
];
/** while (len >= octets) { body; at += octets; len -= octets } */
const whileLeft = (octets: number, body: readonly number[]): number[] =>
  block(loop([...get(LEN), ...i32(octets), ...LT_U, ...brIf(1), ...body, ...advance(octets), ...br(0)]));
const addToTotal = (value: readonly number[]): number[] => [...get(TOTAL), ...value, ...ADD, ...set(TOTAL)];
/** total = (total & 0xffff) + (total >>> 16) */
const FOLD = [...code(get(TOTAL), i32(0xffff), AND), ...code(get(TOTAL), i32(16), SHR_U), ...code(ADD, set(TOTAL))];

const body = [
  ...vec([
    [1, I32],
    [ACC.length, V128],
  ]),
  ...whileLeft(
    64,
    ACC.flatMap((acc, i) => accumulate(acc, i * 16)),
  ),
  ...whileLeft(16, accumulate(ACC[0], 0)),
  ...ACC.flatMap((acc) => [0, 1, 2, 3].flatMap((n) => addToTotal([...get(acc), ...lane(n)]))),
  ...whileLeft(2, addToTotal([...get(AT), ...LOAD16_U])),
  ...whileLeft(1, addToTotal([...get(AT), ...LOAD8_U])),
  ...FOLD,
  ...FOLD,
  // Little endian until here: swapped, it is the sum of the words in network order (RFC 1071 2(B)).
  ...code(get(TOTAL), i32(8), SHR_U),
  ...code(get(TOTAL), i32(0xff), AND, i32(8), SHL),
  ...OR,
  0x0b,
];

const MAGIC = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];

/** The module: imports `env.memory`, exports `sum`. */
export const CHECKSUM_WASM: Uint8Array = Uint8Array.from([
  ...MAGIC,
  ...section(1, vec([[FUNC, ...vec([[I32], [I32]]), ...vec([[I32]])]])),
  ...section(2, vec([[...text('env'), ...text('memory'), 0x02, 0x00, 1]])),
  ...section(3, vec([[0]])),
  ...section(7, vec([[...text('sum'), 0x00, 0]])),
  ...section(10, vec([sized(body)])),
]);
