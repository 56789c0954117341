/**
 * ptrace(2) and wait4(2) on x86_64, for threads that were seized (PTRACE_SEIZE). The kernel takes requests for a thread from the thread that seized it alone.
 *
 * Stops are collected with __WCLONE: that means every thread that we trace, and of our own children only those that tell their end by another signal than SIGCHLD, of which Node has none. So what
 * Node's own wait for its children would find is never taken from it (eligible_child() of kernel/exit.c; since Linux 4.7).
 */
import { arena, errno, native } from './libc.ffi.ts';

const syscall = native<(nr: number, a: number, b: number, c: number, d: number) => number>(
  'intptr_t syscall(intptr_t nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)',
);
const NR_WAIT4 = 61;
const NR_PTRACE = 101;
const NR_PRLIMIT64 = 302;

const CONT = 7;
const GETREGS = 12;
const SETREGS = 13;
const SYSCALL = 24;
const GETEVENTMSG = 0x4201;
const SEIZE = 0x4206;
const INTERRUPT = 0x4207;
const LISTEN = 0x4208;
const GETSIGMASK = 0x420a;
const SETSIGMASK = 0x420b;

const TRACESYSGOOD = 0x01;
const TRACEFORK = 0x02;
const TRACEVFORK = 0x04;
const TRACECLONE = 0x08;
const TRACEEXEC = 0x10;
const TRACESECCOMP = 0x80;
const EXITKILL = 0x10_0000;
const OPTIONS = TRACESYSGOOD | TRACEFORK | TRACEVFORK | TRACECLONE | TRACEEXEC | TRACESECCOMP | EXITKILL;

const WNOHANG = 1;
const WALL = 0x4000_0000;
const WCLONE = 0x8000_0000;
const ANY = -1;

/** `struct user_regs_struct` in words of 32 bits, low before high. */
export const REGISTER_WORDS = 54;
/** Where a register's low word is. */
export const Register = {
  r10: 14,
  r9: 16,
  r8: 18,
  rax: 20,
  rdx: 24,
  rsi: 26,
  rdi: 28,
  origRax: 30,
  rip: 32,
  rsp: 38,
} as const;

const SIGSET_OCTETS = 8;
const STATUS_AT = 256;
const MESSAGE_AT = 264;
const MASK_AT = 272;
const LIMIT_AT = 288;
const memory = arena(4096);
const { buffer } = memory.bytes;
const registers = new Uint32Array(buffer, 0, REGISTER_WORDS);
const status = new Int32Array(buffer, STATUS_AT, 1);
const message = new Uint32Array(buffer, MESSAGE_AT, 2);
const mask = new Uint32Array(buffer, MASK_AT, 2);
const limits = new BigUint64Array(buffer, LIMIT_AT, 2);

const ptrace = (request: number, tid: number, address: number, data: number): number =>
  syscall(NR_PTRACE, request, tid, address, data) < 0 ? -errno() : 0;

/** Traces that thread, and all that come of it. 0, or a negative errno: EPERM where it must not be traced, or is already. */
export const seize = (tid: number): number => ptrace(SEIZE, tid, 0, OPTIONS);
/** Lets it run on, with `signal` if that is not 0. As all below: 0, or a negative errno, ESRCH for a thread that was killed in its stop. */
export const proceed = (tid: number, signal: number): number => ptrace(CONT, tid, 0, signal);
/** As `proceed`, up to the next begin or end of a system call. */
export const proceedToCall = (tid: number): number => ptrace(SYSCALL, tid, 0, 0);
/** Leaves it in the stop of its process, of whose end we hear. */
export const listen = (tid: number): number => ptrace(LISTEN, tid, 0, 0);
/** It stops soon, wherever it is. */
export const interrupt = (tid: number): number => ptrace(INTERRUPT, tid, 0, 0);

export function getRegisters(tid: number, into: Uint32Array): number {
  const result = ptrace(GETREGS, tid, 0, memory.address);
  into.set(registers);
  return result;
}
export function setRegisters(tid: number, from: Uint32Array): number {
  registers.set(from);
  return ptrace(SETREGS, tid, 0, memory.address);
}
/** What goes with an event: for an execve(2) the id that the thread had. */
export function eventMessage(tid: number): number {
  ptrace(GETEVENTMSG, tid, 0, memory.address + MESSAGE_AT);
  return message[0] as number;
}
/** Signals that the thread holds back. */
export function getSignalMask(tid: number, into: Uint32Array): number {
  const result = ptrace(GETSIGMASK, tid, SIGSET_OCTETS, memory.address + MASK_AT);
  into.set(mask);
  return result;
}
export function setSignalMask(tid: number, from: Uint32Array): number {
  mask.set(from);
  return ptrace(SETSIGMASK, tid, SIGSET_OCTETS, memory.address + MASK_AT);
}

/** A traced thread that has stopped or ended since it was asked last, and how in `waitStatus()`; 0 if none has; a negative errno if none is traced. */
export function waitForAny(): number {
  const tid = syscall(NR_WAIT4, ANY, memory.address + STATUS_AT, WCLONE | WNOHANG, 0);
  return tid < 0 ? -errno() : tid;
}
/** The same of one thread. */
export function waitForThread(tid: number): number {
  const found = syscall(NR_WAIT4, tid, memory.address + STATUS_AT, WALL | WNOHANG, 0);
  return found < 0 ? -errno() : found;
}
export const waitStatus = (): number => status[0] as number;

const RLIMIT_NOFILE = 7;

/** The process's limit of descriptors, soft and hard. False where it cannot be had. */
export function fileLimit(tid: number, into: BigUint64Array): boolean {
  const failed = syscall(NR_PRLIMIT64, tid, RLIMIT_NOFILE, 0, memory.address + LIMIT_AT) !== 0;
  into.set(limits);
  return !failed;
}
/** 0, or a negative errno. */
export function setFileLimit(tid: number, soft: bigint, hard: bigint): number {
  limits[0] = soft;
  limits[1] = hard;
  return syscall(NR_PRLIMIT64, tid, RLIMIT_NOFILE, memory.address + LIMIT_AT, 0) < 0 ? -errno() : 0;
}
