/** A thread that we trace: what is known of it between its stops, and the words of ptrace(2) for both who catch its calls and who make calls in it. */
import { REGISTER_WORDS, Register } from '../host/ptrace.ffi.ts';

export const SIGTRAP = 5;
/** Events of a stop, in the third octet of its status. */
export const EVENT_CLONE = 3;
export const EVENT_EXEC = 4;
export const EVENT_SECCOMP = 7;
export const EVENT_STOP = 128;
/** Set in the signal of a stop for a system call (PTRACE_O_TRACESYSGOOD). */
export const AT_CALL = 0x80;
/** In place of a call's number: none. */
export const NO_CALL = -1;
/** Octets of the syscall instruction. */
const INSTRUCTION = 2;

/** WIFSTOPPED. */
export const isStop = (status: number): boolean => (status & 0xff) === 0x7f;

/** The registers of a system call's arguments, in their order. */
export const ARGUMENTS = [Register.rdi, Register.rsi, Register.rdx, Register.r10, Register.r8, Register.r9] as const;

/** A number in a register, sign and all. */
export function put(registers: Uint32Array, at: number, value: number): void {
  registers[at] = value;
  registers[at + 1] = Math.floor(value / 2 ** 32);
}
/** The thread is behind its syscall instruction, and makes it again with call `nr`. */
export function behindAgain(registers: Uint32Array, nr: number): void {
  const behind = (registers[Register.rip] as number) + (registers[Register.rip + 1] as number) * 2 ** 32;
  put(registers, Register.rip, behind - INSTRUCTION);
  put(registers, Register.rax, nr);
}

/** Where a thread stands: ptrace-trap.ts draws the ways. */
export const Phase = { Running: 0, Caught: 1, Between: 2, Paused: 3, Leaving: 4, Signalled: 5 } as const;
type PhaseNumber = (typeof Phase)[keyof typeof Phase];

export class Tracee {
  readonly tid: number;
  phase: PhaseNumber = Phase.Running;
  /** Of the call that waits for its answer, or 0. */
  call = 0;
  /** As they were when it was caught. */
  readonly registers = new Uint32Array(REGISTER_WORDS);
  /** What it leaves with. */
  result = 0;
  /** Goes with it when it runs on. */
  signal = 0;
  /** Its process is stopped. */
  isGroupStopped = false;
  /** As `Stopped` has it. */
  hasExecuted = false;

  constructor(tid: number) {
    this.tid = tid;
  }
}
