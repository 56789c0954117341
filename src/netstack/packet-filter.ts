/**
 * Classic BPF socket filters: the machine of McCanne and Jacobson, with Linux's extensions (Documentation/networking/filter.rst, net/core/filter.c).
 *
 * A program is checked once, when it is attached: known instructions, jumps that lead forward and inside, no division by zero, no cell of memory read before it was
 * written on every way there, and a return at its end. So running it always ends, and needs no bounds but those of the packet: a load from outside ends it with 0.
 * What it returns is how many octets of the packet the socket gets; 0 drops it.
 *
 * What else a program may ask stands in filter-extensions.ts.
 */
import { i32, u16 } from '../lib/bytes.ts';
import { extension, type FilterWorld, isExtension, isKnownExtension } from './filter-extensions.ts';
import type { Packet } from './packet.ts';

/** BPF_MAXINSNS. */
export const FILTER_INSTRUCTIONS_MAX = 4096;
const MEMORY_WORDS = 16;
/** SKF_NET_OFF and SKF_LL_OFF: negative offsets that do not count from the transport header. */
const NET_OFFSET = -0x10_0000;
const LINK_OFFSET = -0x20_0000;

// Instruction classes, sizes, modes and operations (include/uapi/linux/bpf_common.h).
const LD = 0x00;
const LDX = 0x01;
const ST = 0x02;
const STX = 0x03;
const ALU = 0x04;
const JMP = 0x05;
const RET = 0x06;
const MISC = 0x07;
const W = 0x00;
const H = 0x08;
const B = 0x10;
const IMM = 0x00;
const ABS = 0x20;
const IND = 0x40;
const MEM = 0x60;
const LEN = 0x80;
const MSH = 0xa0;
const K = 0x00;
const X = 0x08;
const A = 0x10;
const ADD = 0x00;
const SUB = 0x10;
const MUL = 0x20;
const DIV = 0x30;
const OR = 0x40;
const AND = 0x50;
const LSH = 0x60;
const RSH = 0x70;
const NEG = 0x80;
const MOD = 0x90;
const XOR = 0xa0;
const JA = 0x00;
const JEQ = 0x10;
const JGT = 0x20;
const JGE = 0x30;
const JSET = 0x40;
const TAX = 0x00;
const TXA = 0x80;

const OPERATIONS = [ADD, SUB, MUL, DIV, OR, AND, LSH, RSH, MOD, XOR];
const KNOWN: ReadonlySet<number> = new Set([
  ...OPERATIONS.flatMap((operation) => [ALU | operation | K, ALU | operation | X]),
  ALU | NEG,
  ...[W, H, B].flatMap((size) => [LD | size | ABS, LD | size | IND]),
  LD | W | LEN,
  LD | IMM,
  LD | MEM,
  LDX | W | LEN,
  LDX | B | MSH,
  LDX | IMM,
  LDX | MEM,
  ST,
  STX,
  MISC | TAX,
  MISC | TXA,
  RET | K,
  RET | A,
  JMP | JA,
  ...[JEQ, JGT, JGE, JSET].flatMap((condition) => [JMP | condition | K, JMP | condition | X]),
]);

const usesMemory = (code: number): boolean =>
  code === (LD | MEM) || code === (LDX | MEM) || code === ST || code === STX;

/** Instructions as they came: 8 octets each, `struct sock_filter`. */
export class PacketFilter {
  /** As attached, for SO_GET_FILTER. */
  readonly octets: Uint8Array;
  readonly #world: FilterWorld;
  readonly #code: Uint16Array;
  readonly #ifTrue: Uint8Array;
  readonly #ifFalse: Uint8Array;
  readonly #k: Int32Array;
  readonly #memory = new Int32Array(MEMORY_WORDS);
  /** Accumulator and index register. */
  #a = 0;
  #x = 0;

  private constructor(octets: Uint8Array, world: FilterWorld) {
    const count = octets.length >> 3;
    this.octets = octets;
    this.#world = world;
    this.#code = new Uint16Array(count);
    this.#ifTrue = new Uint8Array(count);
    this.#ifFalse = new Uint8Array(count);
    this.#k = new Int32Array(count);
    for (let i = 0, at = 0; i < count; i++, at += 8) {
      this.#code[i] = (octets[at] as number) | ((octets[at + 1] as number) << 8);
      this.#ifTrue[i] = octets[at + 2] as number;
      this.#ifFalse[i] = octets[at + 3] as number;
      this.#k[i] =
        (octets[at + 4] as number) |
        ((octets[at + 5] as number) << 8) |
        ((octets[at + 6] as number) << 16) |
        ((octets[at + 7] as number) << 24);
    }
  }

  /** Undefined if the program is not one that may run. */
  static compile(octets: Uint8Array, world: FilterWorld): PacketFilter | undefined {
    const count = octets.length >> 3;
    if (count === 0 || count > FILTER_INSTRUCTIONS_MAX) return undefined;
    const filter = new PacketFilter(octets.slice(0, count << 3), world);
    return filter.#isSound() ? filter : undefined;
  }

  #isSound(): boolean {
    const count = this.#code.length;
    for (let i = 0; i < count; i++) {
      if (!KNOWN.has(this.#code[i] as number) || !this.#isInstructionSound(i)) return false;
    }
    const last = this.#code[count - 1] as number;
    return (last === (RET | K) || last === (RET | A)) && this.#readsOnlyWhatWasWritten();
  }
  #isInstructionSound(i: number): boolean {
    const code = this.#code[i] as number;
    const k = this.#k[i] as number;
    const rest = this.#code.length - i - 1;
    if (code === (JMP | JA)) return k >>> 0 < rest;
    if ((code & 7) === JMP) return (this.#ifTrue[i] as number) < rest && (this.#ifFalse[i] as number) < rest;
    if (code === (ALU | DIV | K) || code === (ALU | MOD | K)) return k !== 0;
    if (code === (ALU | LSH | K) || code === (ALU | RSH | K)) return k >>> 0 < 32;
    if (usesMemory(code)) return k >>> 0 < MEMORY_WORDS;
    return (code & 0xe7) !== (LD | ABS) || !isExtension(k) || isKnownExtension(k);
  }
  /** check_load_and_stores: which cells were written on every way to each instruction. Jumps lead forward, so one pass does. */
  #readsOnlyWhatWasWritten(): boolean {
    const count = this.#code.length;
    const written = new Uint16Array(count).fill(0xffff);
    let now = 0;
    for (let i = 0; i < count; i++) {
      now &= written[i] as number;
      const k = this.#k[i] as number;
      const pass = (to: number): void => {
        written[to] = (written[to] as number) & now;
      };
      switch (this.#code[i] as number) {
        case ST:
        case STX:
          now |= 1 << k;
          break;
        case LD | MEM:
        case LDX | MEM:
          if ((now & (1 << k)) === 0) return false;
          break;
        case JMP | JA:
          pass(i + 1 + k);
          now = 0xffff;
          break;
        default:
          if (((this.#code[i] as number) & 7) !== JMP) break;
          pass(i + 1 + (this.#ifTrue[i] as number));
          pass(i + 1 + (this.#ifFalse[i] as number));
          now = 0xffff;
      }
    }
    return true;
  }

  /** How many octets from `packet.at` on the socket gets, 0 for none. Offsets count from `packet.at`. */
  run(packet: Packet): number {
    this.#a = this.#x = 0;
    for (let i = 0; ; i++) {
      const code = this.#code[i] as number;
      const k = this.#k[i] as number;
      switch (code & 7) {
        case RET:
          return (code === (RET | A) ? this.#a : k) >>> 0;
        case LD:
        case LDX:
          if (!this.#loadRegister(packet, code, k)) return 0;
          break;
        case ALU:
          if (!this.#calculate(code, k)) return 0;
          break;
        case JMP:
          i += this.#jump(i, code, k);
          break;
        default:
          this.#move(code, k);
      }
    }
  }
  #loadRegister(packet: Packet, code: number, k: number): boolean {
    const value = this.#load(packet, code, k);
    if (value === OUTSIDE) return false;
    if ((code & 7) === LD) this.#a = value;
    else this.#x = value;
    return true;
  }
  #calculate(code: number, k: number): boolean {
    const operand = (code & X) === 0 ? k : this.#x;
    if (operand === 0 && isDivision(code)) return false;
    this.#a = operate(code & 0xf0, this.#a, operand);
    return true;
  }
  #jump(i: number, code: number, k: number): number {
    if (code === (JMP | JA)) return k;
    const holds = compare(code & 0x70, this.#a, (code & X) === 0 ? k : this.#x);
    return (holds ? this.#ifTrue[i] : this.#ifFalse[i]) as number;
  }
  #move(code: number, k: number): void {
    if (code === ST) this.#memory[k] = this.#a;
    else if (code === STX) this.#memory[k] = this.#x;
    else if (code === (MISC | TAX)) this.#x = this.#a;
    else this.#a = this.#x;
  }

  #load(packet: Packet, code: number, k: number): number {
    switch (code & 0xe0) {
      case IMM:
        return k;
      case MEM:
        return this.#memory[k] as number;
      case LEN:
        return packet.length;
      case MSH: {
        const octet = load(packet, k, B);
        return octet === OUTSIDE ? OUTSIDE : (octet & 0xf) << 2;
      }
      case ABS:
        if (isExtension(k)) return extension(this.#world, packet, k, this.#a, this.#x);
        return load(packet, k, code & 0x18);
      default:
        return load(packet, (k + this.#x) | 0, code & 0x18);
    }
  }
}

/** No 32-bit value. */
const OUTSIDE = 2 ** 40;

function load(packet: Packet, offset: number, size: number): number {
  const len = size === W ? 4 : size === H ? 2 : 1;
  let at = packet.at + offset;
  let from = packet.at;
  if (offset < 0) {
    // What stands before the network header is not kept here.
    if (offset < LINK_OFFSET || offset < NET_OFFSET) return OUTSIDE;
    from = packet.l3;
    at = packet.l3 + (offset - NET_OFFSET);
  }
  if (at < from || at + len > packet.end) return OUTSIDE;
  if (size === W) return i32(packet.bytes, at);
  return size === H ? u16(packet.bytes, at) : (packet.bytes[at] as number);
}

const isDivision = (code: number): boolean => (code & 0xf0) === DIV || (code & 0xf0) === MOD;

function operate(operation: number, a: number, operand: number): number {
  switch (operation) {
    case ADD:
      return (a + operand) | 0;
    case SUB:
      return (a - operand) | 0;
    case MUL:
      return Math.imul(a, operand);
    case DIV:
      return ((a >>> 0) / (operand >>> 0)) | 0;
    case MOD:
      return ((a >>> 0) % (operand >>> 0)) | 0;
    case OR:
      return a | operand;
    case AND:
      return a & operand;
    case XOR:
      return a ^ operand;
    case LSH:
      return a << (operand & 31);
    case RSH:
      return (a >>> (operand & 31)) | 0;
    default:
      return -a | 0;
  }
}
function compare(condition: number, a: number, operand: number): boolean {
  switch (condition) {
    case JEQ:
      return a === operand;
    case JGT:
      return a >>> 0 > operand >>> 0;
    case JGE:
      return a >>> 0 >= operand >>> 0;
    default:
      return (a & operand) !== 0;
  }
}

/** SO_ATTACH_FILTER: it sees the datagram with its header, and says how much of that there is to have (sk_filter_trim_cap). False drops it. */
export function trim(packet: Packet, filter: PacketFilter, headerLen: number): boolean {
  packet.push(headerLen);
  const octets = filter.run(packet);
  packet.end = Math.min(packet.end, packet.at + Math.max(octets, headerLen));
  packet.pull(headerLen);
  return octets > 0;
}
