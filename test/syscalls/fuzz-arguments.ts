/**
 * Arguments for calls, made from their declarations: mostly what a program might pass, with structs laid out in memory so that calls get far, and in between what none would:
 * addresses that fault, halfway or at once, counts and lengths at every limit, flags and numbers of no meaning, octets changed behind the layout's back.
 */
import { cmsghdr, iovec, mmsghdr, msghdr, pollfd } from '../../src/abi/index.ts';
import type { SeededRandom } from '../../src/lib/random.ts';
import type { Arg } from '../../src/syscalls/args.ts';

export const DATA = 0x10000;
export const DATA_OCTETS = 0x10000;
/** One past the mapping; the next page may not be touched. */
const EDGE = DATA + DATA_OCTETS;
export const READ_ONLY = 0x80000;
const NOWHERE = 0xdead_0000;

const FAMILIES = [2, 2, 2, 10, 10, 1, 1, 16, 17, 0, 40];
const TYPES = [1, 1, 1, 2, 2, 2, 3, 5, 4, 10];
const PROTOCOLS = [0, 0, 0, 0, 6, 17, 1, 58, 255, 262];
const LEVELS = [0, 1, 1, 6, 6, 17, 41, 58, 255, 263, 270, 77];
const LIMITS = [
  0, 1, 2, 15, 16, 17, 64, 128, 129, 1023, 1024, 1025, 4096, 65_507, 65_508, 65_536, 131_072, 0x7fff_ffff,
];
const PORTS = [0, 7, 1000, 1001, 1002, 40_000];
const OPEN_FLAGS = [0, 0o2000000, 0o4000, 0o2004000, 0o40000];
const SOCKET_IOCTLS = [0x541b, 0x5411, 0x5421, 0x5452, 0x5450, 0x5451, 0x8902, 0x8904, 0x8905, 0x8906, 0x8907, 0x894b];

export class Arguments {
  readonly #random: SeededRandom;
  readonly #memory: DataView;
  /** Low words, then high words follow each. */
  readonly registers = new Uint32Array(12);
  /** Descriptors of sockets. */
  sockets: readonly number[] = [];
  /** And of epolls. */
  epolls: readonly number[] = [];
  #at = 0;

  constructor(random: SeededRandom, memory: Uint8Array) {
    this.#random = random;
    this.#memory = new DataView(memory.buffer, memory.byteOffset, memory.length);
  }
  below(n: number): number {
    return this.#random.u32() % n;
  }
  /** One time in `n`. */
  rarely(n: number): boolean {
    return this.below(n) === 0;
  }
  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
  get word(): number {
    return this.#random.u32();
  }

  /** Registers for a call of those declarations; `onEpoll` if its first descriptor is one. */
  fill(kinds: readonly Arg[], onEpoll: boolean): Uint32Array {
    this.registers.fill(0);
    for (let i = 0; i < 6; i++) this.#set(i, 0);
    this.#at = this.below(DATA_OCTETS >> 1) & ~7;
    for (let i = 0; i < kinds.length; i++) i += this.#makers[(kinds[i] as Arg).kind](i);
    if (onEpoll && this.epolls.length > 0 && !this.rarely(6)) this.#set(0, this.of(this.epolls));
    for (let i = 0; i < 6; i++) if (this.rarely(24)) this.#spoil(i);
    if (this.rarely(12))
      for (let n = this.below(8); n >= 0; n--) this.#memory.setUint8(this.below(DATA_OCTETS), this.word);
    return this.registers;
  }
  #set(i: number, value: number): 0 {
    this.registers[i * 2] = value;
    // Sign extended, as a C library passes an int.
    this.registers[i * 2 + 1] = value < 0 ? 0xffff_ffff : Math.floor(value / 0x1_0000_0000);
    return 0;
  }
  #spoil(i: number): void {
    if (this.rarely(2)) this.#set(i, this.#size());
    else this.registers[i * 2 + this.below(2)] = this.of([this.word, 0, 0xffff_ffff, 0x8000_0000, 1]);
  }

  #fd(): number {
    const kind = this.below(20);
    if (kind < 12 && this.sockets.length > 0) return this.of(this.sockets);
    if (kind < 17) return this.below(24);
    return kind < 18 ? -1 : kind < 19 ? this.of([1023, 1024, 1_048_576]) : this.word | 0;
  }
  #size(): number {
    const kind = this.below(8);
    if (kind < 5) return this.below(300);
    return kind < 7 ? this.of(LIMITS) : this.of([-1, 0x8000_0000, 2 ** 40, 2 ** 53 - 1]);
  }
  #int(): number {
    return this.rarely(4) ? this.#size() : this.below(32) - 2;
  }
  #flags(most: number): number {
    return this.rarely(8) ? this.word : (1 << this.below(most)) | (this.rarely(2) ? 1 << this.below(most) : 0);
  }
  /** Where something of `octets` is to lie, mostly in memory that is there. */
  #place(octets: number): number {
    if (this.rarely(16)) return EDGE - this.below(octets + 8);
    if (this.rarely(40)) return this.of([0, 8, READ_ONLY, NOWHERE, EDGE]);
    this.#at = (this.#at + 7) & ~7;
    if (this.#at + octets > DATA_OCTETS) this.#at = 0;
    const address = DATA + this.#at;
    this.#at += octets;
    return address;
  }
  #offset(address: number, octets: number): number {
    const offset = address - DATA;
    return offset >= 0 && offset + octets <= DATA_OCTETS ? offset : -1;
  }
  #int32(address: number, value: number): void {
    const at = this.#offset(address, 4);
    if (at >= 0) this.#memory.setInt32(at, value, true);
  }

  /** Sets argument `i`; returns how many arguments behind it were set too. */
  readonly #makers: Readonly<Record<Arg['kind'], (i: number) => number>> = {
    fd: (i) => this.#set(i, this.#fd()),
    family: (i) => this.#set(i, this.rarely(20) ? this.word : this.of(FAMILIES)),
    socketType: (i) => this.#set(i, this.of(TYPES) | (this.rarely(2) ? 0o4000 : 0) | (this.rarely(4) ? 0o2000000 : 0)),
    protocol: (i) => this.#set(i, this.rarely(20) ? this.word : this.of(PROTOCOLS)),
    socketFlags: (i) => this.#openFlags(i),
    openFlags: (i) => this.#openFlags(i),
    epollFlags: (i) => this.#openFlags(i),
    shutdownHow: (i) => this.#set(i, this.below(4)),
    messageFlags: (i) => this.#set(i, this.rarely(3) ? this.#flags(17) : this.of([0, 0x40, 0x4000, 0x4040])),
    address: (i) => this.#address(i),
    addressOut: (i) => this.#set(i, this.rarely(4) ? 0 : this.#place(128)),
    lengthInOut: (i) => this.#set(i, this.#length()),
    level: (i) => this.#set(i, this.of(LEVELS)),
    option: (i) => this.#set(i, this.rarely(20) ? this.word : this.below(80)),
    optionValue: (i) => this.#option(i, true),
    optionValueOut: (i) => this.#option(i, false),
    bufferIn: (i) => this.#buffer(i),
    bufferOut: (i) => this.#buffer(i),
    vectorIn: (i) => this.#vector(i),
    vectorOut: (i) => this.#vector(i),
    messageIn: (i) => this.#set(i, this.#message(this.#place(56))),
    messageOut: (i) => this.#set(i, this.#message(this.#place(56))),
    messagesIn: (i) => this.#messages(i),
    messagesOut: (i) => this.#messages(i),
    timespec: (i) => this.#set(i, this.rarely(3) ? 0 : this.#time()),
    timeval: (i) => this.#set(i, this.rarely(3) ? 0 : this.#time()),
    fdSet: (i) => this.#set(i, this.rarely(3) ? 0 : this.#words(16)),
    pollFds: (i) => this.#pollFds(i),
    epollOperation: (i) => this.#set(i, this.below(5)),
    epollEvent: (i) => this.#set(i, this.#epollEvent()),
    epollEventsOut: (i) => this.#events(i),
    ioctlRequest: (i) => this.#set(i, this.rarely(4) ? 0x8900 + this.below(256) : this.of(SOCKET_IOCTLS)),
    ioctlArgument: (i) => this.#set(i, this.rarely(6) ? 0 : this.#words(10)),
    pointer: (i) => this.#set(i, this.rarely(6) ? 0 : this.#words(10)),
    fcntlCommand: (i) => this.#set(i, this.rarely(6) ? this.#int() : this.of([0, 1, 2, 3, 4, 1030, 1031, 1032])),
    fcntlArgument: (i) => this.#set(i, this.rarely(4) ? this.#flags(22) : this.of([0, 1, 0o4000])),
    size: (i) => this.#set(i, this.#int()),
    uint: (i) => this.#set(i, this.#int()),
    int: (i) => this.#set(i, this.#int()),
  };
  #openFlags(i: number): number {
    return this.#set(i, this.rarely(10) ? this.word : this.of(OPEN_FLAGS));
  }
  #length(): number {
    const address = this.#place(4);
    this.#int32(address, this.rarely(4) ? this.#int() : this.of([16, 28, 110, 128, 4]));
    return address;
  }
  #events(i: number): number {
    this.#set(i, this.#place(120));
    this.#set(i + 1, this.rarely(6) ? this.#int() : 1 + this.below(8));
    return 1;
  }

  #address(i: number): number {
    this.#set(i, this.rarely(6) ? 0 : this.#name(this.#place(128)));
    this.#set(i + 1, this.rarely(6) ? this.#int() : this.of([16, 16, 28, 28, 110, 12, 2]));
    return 1;
  }
  /** A struct sockaddr. */
  #name(address: number): number {
    const at = this.#offset(address, 128);
    if (at < 0) return address;
    const m = this.#memory;
    const family = this.rarely(20) ? this.word & 0xffff : this.of(FAMILIES);
    for (let k = 0; k < 32; k++) m.setUint32(at + k * 4, 0);
    m.setUint16(at, family, true);
    m.setUint16(at + 2, this.of(PORTS));
    if (family === 1) {
      m.setUint8(at + 2, this.rarely(2) ? 0 : 0x61);
      m.setUint8(at + 3, 0x61 + this.below(4));
    } else if (family === 2)
      m.setUint32(at + 4, this.of([0x7f00_0001, 0x7f00_0001, 0, 0x7f00_0002, 0xe000_0001, 0x0a00_0001, 0xffff_ffff]));
    else if (family === 10) {
      m.setUint8(at + 23, this.below(2));
      if (this.rarely(4)) m.setUint32(at + 20, 0x7f00_0001);
      if (this.rarely(4)) m.setUint16(at + 18, 0xffff);
      if (this.rarely(12)) m.setUint8(at + 8, 0xff);
    }
    return address;
  }
  #option(i: number, isIn: boolean): number {
    const address = this.#words(4);
    this.#set(i, address);
    if (isIn) this.#set(i + 1, this.rarely(4) ? this.#size() : this.of([4, 4, 4, 8, 12, 16, 1, 0]));
    else {
      const length = this.#place(4);
      this.#int32(length, this.rarely(6) ? this.#int() : this.of([4, 4, 16, 128, 300, 1, 0]));
      this.#set(i + 1, length);
    }
    return 1;
  }
  /** Words of a small number, a limit or an address each. */
  #words(count: number): number {
    const address = this.#place(count * 8);
    for (let k = 0; k < count; k++) {
      const at = this.#offset(address + k * 8, 8);
      if (at < 0) break;
      this.#memory.setUint32(at, this.rarely(4) ? this.word : this.rarely(3) ? this.of(LIMITS) : this.below(4), true);
      this.#memory.setUint32(at + 4, this.rarely(8) ? this.word : 0, true);
    }
    return address;
  }
  #buffer(i: number): number {
    const len = this.rarely(12) ? this.#size() : this.below(2000);
    this.#set(i, this.#place(Math.min(2000, Math.max(len, 0))));
    this.#set(i + 1, len);
    return 1;
  }
  #vector(i: number): number {
    const count = this.rarely(10) ? this.#int() : this.below(5);
    this.#set(i, this.#iovecs(Math.max(0, Math.min(count, 40))));
    this.#set(i + 1, count);
    return 1;
  }
  #iovecs(count: number): number {
    const address = this.#place(count * 16);
    for (let k = 0; k < count; k++) {
      const len = this.rarely(20) ? this.#size() : this.below(600);
      const at = this.#offset(address + k * 16, 16);
      if (at >= 0)
        iovec.put(this.#bytes, at, { base: this.#place(Math.min(600, Math.max(0, len))), len: Math.max(0, len) });
    }
    return address;
  }
  get #bytes(): Uint8Array {
    return new Uint8Array(this.#memory.buffer, this.#memory.byteOffset, this.#memory.byteLength);
  }
  #message(address: number): number {
    const at = this.#offset(address, 56);
    if (at < 0) return address;
    const iovlen = this.rarely(10) ? this.of([0, 1024, 1025, 40]) : 1 + this.below(3);
    const controllen = this.rarely(2) ? 0 : this.#controlLength();
    msghdr.put(this.#bytes, at, {
      name: this.rarely(2) ? 0 : this.#name(this.#place(128)),
      namelen: this.rarely(8) ? this.#int() | 0 : this.of([16, 28, 110, 128, 0]),
      iov: this.#iovecs(Math.min(iovlen, 40)),
      iovlen,
      control: controllen === 0 && this.rarely(2) ? 0 : this.#control(),
      controllen,
      flags: 0,
    });
    return address;
  }
  #controlLength(): number {
    return this.rarely(6) ? this.of([1, 15, 17, 65_536, 131_073, 200_000]) : this.of([16, 20, 24, 28, 32, 40, 48, 64]);
  }
  /** Two control messages that may follow each other. */
  #control(): number {
    const address = this.#place(96);
    let offset = 0;
    for (let k = 0; k < 2; k++) {
      const at = this.#offset(address + offset, 40);
      if (at < 0) break;
      const len = this.rarely(10) ? this.below(80) : this.of([16, 17, 18, 20, 24, 28, 36]);
      cmsghdr.put(this.#bytes, at, { len, level: this.of(LEVELS), type: this.below(80) });
      for (let w = 16; w < 36; w += 4) this.#memory.setInt32(at + w, this.rarely(6) ? this.word : this.below(24), true);
      offset += Math.max(16, (len + 7) & ~7);
      if (offset > 56) break;
    }
    return address;
  }
  #messages(i: number): number {
    const count = this.rarely(10) ? this.of([0, 1024, 1025, 0x7fff_ffff]) : 1 + this.below(4);
    const laid = Math.min(count, 4);
    const address = this.#place(laid * mmsghdr.size);
    for (let k = 0; k < laid; k++) this.#message(address + k * mmsghdr.size);
    this.#set(i, address);
    this.#set(i + 1, count);
    return 1;
  }
  #time(): number {
    const address = this.#place(16);
    const at = this.#offset(address, 16);
    if (at < 0) return address;
    this.#memory.setBigInt64(at, BigInt(this.rarely(8) ? this.word | 0 : 0), true);
    this.#memory.setBigInt64(at + 8, BigInt(this.rarely(8) ? this.word : this.of([0, 0, 1, 1000, 1_000_000])), true);
    return address;
  }
  #pollFds(i: number): number {
    const count = this.rarely(12) ? this.of([0, 1024, 1025, 0x7fff_ffff]) : 1 + this.below(6);
    const laid = Math.min(count, 40);
    const address = this.#place(laid * 8);
    for (let k = 0; k < laid; k++) {
      const at = this.#offset(address + k * 8, 8);
      if (at >= 0) pollfd.put(this.#bytes, at, { fd: this.#fd(), events: this.word & 0x7fff, revents: 0 });
    }
    this.#set(i, address);
    this.#set(i + 1, count);
    return 1;
  }
  #epollEvent(): number {
    const address = this.#place(16);
    const at = this.#offset(address, 16);
    if (at < 0) return address;
    const edges = this.of([0, 0x8000_0000, 0x4000_0000, 0x1000_0000, 0x2000_0000]);
    this.#memory.setUint32(at, (this.of([1, 4, 5, 0x2001, 0x201d]) | edges) >>> 0, true);
    this.#memory.setUint32(at + 4, this.word, true);
    return address;
  }
}
