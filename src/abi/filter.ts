/** Classic BPF programs of SO_ATTACH_FILTER: include/uapi/linux/filter.h, bpf_common.h. */
import { struct, type TypeOf, u8, u16, u32, u64 } from './struct.ts';

/** One instruction; `jt` and `jf` count instructions forward. */
export const sockFilter = struct('sock_filter', 8, { code: u16, jt: u8, jf: u8, k: u32 });
export type SockFilter = TypeOf<typeof sockFilter>;
/** The program: its instructions' count, and where they are. */
export const sockFprog = struct('sock_fprog', 16, { len: u16, filter: u64 });
export type SockFprog = TypeOf<typeof sockFprog>;
/** Most instructions of a program. */
export const BPF_MAXINSNS = 4096;

// Classes, in the low three bits of the code.
export const BPF_LD = 0x00;
export const BPF_LDX = 0x01;
export const BPF_ST = 0x02;
export const BPF_STX = 0x03;
export const BPF_ALU = 0x04;
export const BPF_JMP = 0x05;
export const BPF_RET = 0x06;
export const BPF_MISC = 0x07;
// Sizes and modes of loads.
export const BPF_W = 0x00;
export const BPF_H = 0x08;
export const BPF_B = 0x10;
export const BPF_IMM = 0x00;
export const BPF_ABS = 0x20;
export const BPF_IND = 0x40;
export const BPF_MEM = 0x60;
export const BPF_LEN = 0x80;
export const BPF_MSH = 0xa0;
// Operations of BPF_ALU and BPF_JMP, and their operand.
export const BPF_ADD = 0x00;
export const BPF_SUB = 0x10;
export const BPF_MUL = 0x20;
export const BPF_DIV = 0x30;
export const BPF_OR = 0x40;
export const BPF_AND = 0x50;
export const BPF_LSH = 0x60;
export const BPF_RSH = 0x70;
export const BPF_NEG = 0x80;
export const BPF_MOD = 0x90;
export const BPF_XOR = 0xa0;
export const BPF_JA = 0x00;
export const BPF_JEQ = 0x10;
export const BPF_JGT = 0x20;
export const BPF_JGE = 0x30;
export const BPF_JSET = 0x40;
export const BPF_K = 0x00;
export const BPF_X = 0x08;
export const BPF_A = 0x10;
export const BPF_TAX = 0x00;
export const BPF_TXA = 0x80;
/** Offsets of BPF_ABS that lead to facts beside the packet. */
export const SKF_AD_OFF = -0x1000;
export const SKF_NET_OFF = -0x100000;
export const SKF_LL_OFF = -0x200000;
