/**
 * Keyed hashes of the SipHash family (Aumasson and Bernstein, 2012), in 32-bit arithmetic.
 *
 * `SipHash24` is the pseudo-random function for what an attacker must not predict: initial sequence numbers (RFC 6528) and ephemeral
 * ports (RFC 6056). Its 64-bit words are kept as two int32 halves, because a bigint would allocate.
 * `HalfSipHash13` is its 32-bit sibling with fewer rounds, for hash tables that must not be flooded: it resists choosing
 * collisions without the key, and costs a few nanoseconds a word. It is the choice of the Linux kernel for that purpose (Documentation/security/siphash.rst).
 */
import type { Random } from './random.ts';

const rotl = (x: number, n: number): number => (x << n) | (x >>> (32 - n));
/** Little-endian word at `at`; octets at or past `end` read as 0. */
function word(b: Uint8Array, at: number, end: number): number {
  let x = 0;
  for (let i = 0; i < 4 && at + i < end; i++) x |= (b[at + i] as number) << (8 * i);
  return x;
}
/** Carry of the 32-bit sum `sum` = a + b. */
const carry = (sum: number, a: number): number => (sum >>> 0 < a >>> 0 ? 1 : 0);

/** 64-bit output, 128-bit key. One instance serves one caller at a time; hashing allocates nothing. */
export class SipHash24 {
  /** Halves of the last result, int32. */
  low = 0;
  high = 0;
  readonly #k0l: number;
  readonly #k0h: number;
  readonly #k1l: number;
  readonly #k1h: number;
  #v0l = 0;
  #v0h = 0;
  #v1l = 0;
  #v1h = 0;
  #v2l = 0;
  #v2h = 0;
  #v3l = 0;
  #v3h = 0;

  /** @param key 16 octets. */
  constructor(key: Uint8Array) {
    this.#k0l = word(key, 0, 16);
    this.#k0h = word(key, 4, 16);
    this.#k1l = word(key, 8, 16);
    this.#k1h = word(key, 12, 16);
  }
  static random(random: Random): SipHash24 {
    const key = new Uint8Array(16);
    new Uint32Array(key.buffer).set([random.u32(), random.u32(), random.u32(), random.u32()]);
    return new SipHash24(key);
  }

  /** Hashes `len` octets; returns the low half, and leaves both in `low` and `high`. */
  hash(bytes: Uint8Array, at: number, len: number): number {
    // "somepseudorandomlygeneratedbytes"
    this.#v0l = this.#k0l ^ 0x70736575;
    this.#v0h = this.#k0h ^ 0x736f6d65;
    this.#v1l = this.#k1l ^ 0x6e646f6d;
    this.#v1h = this.#k1h ^ 0x646f7261;
    this.#v2l = this.#k0l ^ 0x6e657261;
    this.#v2h = this.#k0h ^ 0x6c796765;
    this.#v3l = this.#k1l ^ 0x79746573;
    this.#v3h = this.#k1h ^ 0x74656462;
    const end = at + len;
    let i = at;
    for (; i + 8 <= end; i += 8) this.#block(word(bytes, i, end), word(bytes, i + 4, end));
    this.#block(word(bytes, i, end), word(bytes, i + 4, end) | (len << 24));
    this.#v2l ^= 0xff;
    for (let round = 0; round < 4; round++) this.#round();
    this.low = this.#v0l ^ this.#v1l ^ this.#v2l ^ this.#v3l;
    this.high = this.#v0h ^ this.#v1h ^ this.#v2h ^ this.#v3h;
    return this.low;
  }

  #block(low: number, high: number): void {
    this.#v3l ^= low;
    this.#v3h ^= high;
    this.#round();
    this.#round();
    this.#v0l ^= low;
    this.#v0h ^= high;
  }
  #round(): void {
    this.#mix01(13);
    this.#swap0();
    this.#mix23(16);
    this.#mix03();
    this.#mix21();
    this.#swap2();
  }
  /** v0 += v1; v1 = rotl(v1, n) ^ v0. */
  #mix01(n: number): void {
    const low = (this.#v0l + this.#v1l) | 0;
    this.#v0h = (this.#v0h + this.#v1h + carry(low, this.#v0l)) | 0;
    this.#v0l = low;
    const l = (this.#v1l << n) | (this.#v1h >>> (32 - n));
    this.#v1h = ((this.#v1h << n) | (this.#v1l >>> (32 - n))) ^ this.#v0h;
    this.#v1l = l ^ this.#v0l;
  }
  /** v2 += v3; v3 = rotl(v3, n) ^ v2. */
  #mix23(n: number): void {
    const low = (this.#v2l + this.#v3l) | 0;
    this.#v2h = (this.#v2h + this.#v3h + carry(low, this.#v2l)) | 0;
    this.#v2l = low;
    const l = (this.#v3l << n) | (this.#v3h >>> (32 - n));
    this.#v3h = ((this.#v3h << n) | (this.#v3l >>> (32 - n))) ^ this.#v2h;
    this.#v3l = l ^ this.#v2l;
  }
  /** v0 += v3; v3 = rotl(v3, 21) ^ v0. */
  #mix03(): void {
    const low = (this.#v0l + this.#v3l) | 0;
    this.#v0h = (this.#v0h + this.#v3h + carry(low, this.#v0l)) | 0;
    this.#v0l = low;
    const l = (this.#v3l << 21) | (this.#v3h >>> 11);
    this.#v3h = ((this.#v3h << 21) | (this.#v3l >>> 11)) ^ this.#v0h;
    this.#v3l = l ^ this.#v0l;
  }
  /** v2 += v1; v1 = rotl(v1, 17) ^ v2. */
  #mix21(): void {
    const low = (this.#v2l + this.#v1l) | 0;
    this.#v2h = (this.#v2h + this.#v1h + carry(low, this.#v2l)) | 0;
    this.#v2l = low;
    const l = (this.#v1l << 17) | (this.#v1h >>> 15);
    this.#v1h = ((this.#v1h << 17) | (this.#v1l >>> 15)) ^ this.#v2h;
    this.#v1l = l ^ this.#v2l;
  }
  /** Rotations by 32 change places. */
  #swap0(): void {
    const t = this.#v0l;
    this.#v0l = this.#v0h;
    this.#v0h = t;
  }
  #swap2(): void {
    const t = this.#v2l;
    this.#v2l = this.#v2h;
    this.#v2h = t;
  }
}

/** 32-bit output, 64-bit key, over 32-bit words: `begin()`, `add()` each, `finish()`. */
export class HalfSipHash13 {
  readonly #k0: number;
  readonly #k1: number;
  #v0 = 0;
  #v1 = 0;
  #v2 = 0;
  #v3 = 0;
  #octets = 0;

  constructor(k0: number, k1: number) {
    this.#k0 = k0 | 0;
    this.#k1 = k1 | 0;
  }
  static random(random: Random): HalfSipHash13 {
    return new HalfSipHash13(random.u32(), random.u32());
  }

  begin(): void {
    this.#v0 = this.#k0;
    this.#v1 = this.#k1;
    this.#v2 = this.#k0 ^ 0x6c796765;
    this.#v3 = this.#k1 ^ 0x74656462;
    this.#octets = 0;
  }
  add(m: number): void {
    this.#octets += 4;
    this.#v3 ^= m;
    this.#round();
    this.#v0 ^= m;
  }
  /** int32. */
  finish(): number {
    const last = this.#octets << 24;
    this.#v3 ^= last;
    this.#round();
    this.#v0 ^= last;
    this.#v2 ^= 0xff;
    this.#round();
    this.#round();
    this.#round();
    return this.#v1 ^ this.#v3;
  }

  #round(): void {
    let v0 = (this.#v0 + this.#v1) | 0;
    let v1 = rotl(this.#v1, 5) ^ v0;
    v0 = rotl(v0, 16);
    let v2 = (this.#v2 + this.#v3) | 0;
    let v3 = rotl(this.#v3, 8) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = rotl(v3, 7) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = rotl(v1, 13) ^ v2;
    this.#v0 = v0;
    this.#v1 = v1;
    this.#v2 = rotl(v2, 16);
    this.#v3 = v3;
  }
}
