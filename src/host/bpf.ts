/**
 * Classic BPF as seccomp runs it (include/uapi/linux/filter.h, seccomp.h): a small assembler, and an interpreter so that programs can be tested without
 * giving a thread up. A program is a list of instructions; a test carries the instructions that run if it holds and skips them if not.
 */
export interface Instruction {
  readonly code: number;
  /** Instructions to skip if the comparison holds, and if not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

const LD_W_ABS = 0x20;
const ALU_AND_K = 0x54;
const JMP_JEQ_K = 0x15;
const JMP_JGE_K = 0x35;
const JMP_JSET_K = 0x45;
const RET_K = 0x06;

/** What becomes of a call, SECCOMP_RET_*. */
export const Verdict = {
  Allow: 0x7fff_0000,
  Notify: 0x7fc0_0000,
  Trace: 0x7ff0_0000,
  KillProcess: 0x8000_0000,
  /** Refuses the call with an errno. */
  errno: (code: number): number => 0x0005_0000 | code,
} as const;

/** Offsets in `struct seccomp_data`, 64 octets. */
export const DATA_NR = 0;
export const DATA_ARCH = 4;
/** Low word of argument `i`: both architectures are little endian. */
export const dataArgument = (i: number): number => 16 + i * 8;

export const load = (at: number): Instruction => ({ code: LD_W_ABS, jt: 0, jf: 0, k: at });
export const and = (mask: number): Instruction => ({ code: ALU_AND_K, jt: 0, jf: 0, k: mask });
export const give = (verdict: number): Instruction => ({ code: RET_K, jt: 0, jf: 0, k: verdict });

function test(code: number, k: number, then: readonly Instruction[]): Instruction[] {
  return [{ code, jt: 0, jf: skip(then), k }, ...then];
}
function skip(then: readonly Instruction[]): number {
  if (then.length > 255) throw new RangeError(`a test can skip 255 instructions, not ${then.length}`);
  return then.length;
}
export const whenEqual = (k: number, ...then: readonly Instruction[]): Instruction[] => test(JMP_JEQ_K, k, then);
export const whenAtLeast = (k: number, ...then: readonly Instruction[]): Instruction[] => test(JMP_JGE_K, k, then);
export const whenAnyBit = (k: number, ...then: readonly Instruction[]): Instruction[] => test(JMP_JSET_K, k, then);
export const unlessEqual = (k: number, ...then: readonly Instruction[]): Instruction[] => [
  { code: JMP_JEQ_K, jt: skip(then), jf: 0, k },
  ...then,
];

export const unlessAtLeast = (k: number, ...then: readonly Instruction[]): Instruction[] => [
  { code: JMP_JGE_K, jt: skip(then), jf: 0, k },
  ...then,
];

/** BPF_MAXINSNS. */
const MAX_INSTRUCTIONS = 4096;

/** An array of `struct sock_filter`. */
export function assemble(program: readonly Instruction[]): Uint8Array {
  if (program.length === 0 || program.length > MAX_INSTRUCTIONS) throw new RangeError(`${program.length} instructions`);
  const bytes = new Uint8Array(program.length * 8);
  const view = new DataView(bytes.buffer);
  for (const [i, { code, jt, jf, k }] of program.entries()) {
    view.setUint16(i * 8, code, true);
    view.setUint8(i * 8 + 2, jt);
    view.setUint8(i * 8 + 3, jf);
    view.setUint32(i * 8 + 4, k, true);
  }
  return bytes;
}

/** `program` with one verdict in the place of another. */
export const withVerdict = (program: readonly Instruction[], from: number, to: number): Instruction[] =>
  program.map((one) => (one.code === RET_K && one.k === from ? give(to) : one));

/** Runs `program` on a `struct seccomp_data` and returns its verdict. @throws RangeError where the kernel would refuse to load the program */
export function interpret(program: Uint8Array, data: Uint8Array): number {
  const code = new DataView(program.buffer, program.byteOffset, program.byteLength);
  const input = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let a = 0;
  for (let at = 0; at < program.length; at += 8) {
    const k = code.getUint32(at + 4, true);
    const op = code.getUint16(at, true);
    if (op === RET_K) return k;
    if (op === LD_W_ABS) a = input.getUint32(k, true);
    else if (op === ALU_AND_K) a = (a & k) >>> 0;
    else at += code.getUint8(at + (holds(op, a, k) ? 2 : 3)) * 8;
  }
  throw new RangeError('the program ends without a verdict');
}

function holds(op: number, a: number, k: number): boolean {
  if (op === JMP_JEQ_K) return a === k;
  if (op === JMP_JGE_K) return a >= k;
  if (op === JMP_JSET_K) return (a & k) !== 0;
  throw new RangeError(`instruction ${op.toString(16)} is not known`);
}
