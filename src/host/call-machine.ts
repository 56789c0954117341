/**
 * A machine of twenty instructions that makes system calls from a table, for processes that must not run anything else: a process that shares Node's memory, or stands behind a filter, can run neither
 * JavaScript nor the C library, both of which hold locks and make calls of their own.
 *
 * A record of the table is twelve words of 64 bits: the call's number, its six arguments, its result (kept unless it is 0), and the records that follow a negative result, 0, and a positive one. So
 * all that a process does is data, and stands in TypeScript (src/runner/launch.ts). The machine uses registers alone: it needs no stack, and two processes may run the same table in the same memory.
 * The listings stand beside the octets that an assembler makes of them, which test/host/call-machine.test.ts compares.
 */
export const RECORD_OCTETS = 96;
/** Words of a record. */
export const Word = { Number: 0, Argument: 1, Result: 7, AfterNegative: 8, AfterZero: 9, AfterPositive: 10 } as const;

export interface MachineCode {
  readonly listing: string;
  /** In hexadecimal. */
  readonly octets: string;
}

/** The C library hands a new process its argument, the first record, in rdi. */
const X64: MachineCode = {
  listing: `
.intel_syntax noprefix
  mov rbx, rdi
next:
  mov rax, [rbx]
  mov rdi, [rbx+8]
  mov rsi, [rbx+16]
  mov rdx, [rbx+24]
  mov r10, [rbx+32]
  mov r8, [rbx+40]
  mov r9, [rbx+48]
  syscall
  test rax, rax
  jz zero
  mov [rbx+56], rax
  jns positive
  mov rbx, [rbx+64]
  jmp next
zero:
  mov rbx, [rbx+72]
  jmp next
positive:
  mov rbx, [rbx+80]
  jmp next
`,
  octets:
    '4889fb 488b03 488b7b08 488b7310 488b5318 4c8b5320 4c8b4328 4c8b4b30 0f05 4885c0 740c 48894338 790c 488b5b40 ebd2 488b5b48 ebcc 488b5b50 ebc6',
};

/** In x0. */
const ARM64: MachineCode = {
  listing: `
  mov x19, x0
next:
  ldr x8, [x19]
  ldp x0, x1, [x19, 8]
  ldp x2, x3, [x19, 24]
  ldp x4, x5, [x19, 40]
  svc 0
  cbz x0, zero
  str x0, [x19, 56]
  tbz x0, 63, positive
  ldr x19, [x19, 64]
  b next
zero:
  ldr x19, [x19, 72]
  b next
positive:
  ldr x19, [x19, 80]
  b next
`,
  octets:
    'f30300aa 680240f9 608640a9 628e41a9 649642a9 010000d4 a00000b4 601e00f9 a000f8b6 732240f9 f7ffff17 732640f9 f5ffff17 732a40f9 f3ffff17',
};

export const MACHINES = { x64: X64, arm64: ARM64 } as const;

export const octetsOf = ({ octets }: MachineCode): Uint8Array =>
  Uint8Array.from(octets.replaceAll(' ', '').match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
