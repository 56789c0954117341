/**
 * The agent: a program of 166 octets of machine code that executes system calls on command. It has no C library, no event loop and no
 * descriptor but the arena's, so its descriptor table, its threads and its signals are exactly what a body makes of them.
 *
 * A task is a thread (or process) of it with one slot in shared memory. The stack pointer stands on the slot for the task's whole life; signal frames
 * grow down from it, and nothing else uses a stack. So a thread or process made by clone(2) needs no code of its own: its stack argument
 * is its slot, and it returns from the call into the same loop.
 *
 *   slot + 0  u32 sequence: the driver adds one to command a call     + 16 .. 63  six arguments
 *        + 4  u32 done: the sequence of the last call that returned   + 64  result
 *        + 8  u64 number of the call
 */
export const CONTROL_BASE = 0x1000_0000;
export const CONTROL_OCTETS = 0x20_0000;
/** Counts of caught signals, u32 by number. */
export const SIGNALS_AT = 0;
export const SLOT_COUNT = 16;
/** Room for the largest signal frame (AMX state included) below each slot. */
const SLOT_STRIDE = 0x1_0000;
export const slotAt = (index: number): number => (index + 1) * SLOT_STRIDE;
export const Slot = { sequence: 0, done: 4, number: 8, args: 16, result: 64 } as const;

/** Descriptor at which the agent finds the shared memory. */
export const ARENA_FD = 3;

const le32 = (x: number): number[] => [x & 255, (x >>> 8) & 255, (x >>> 16) & 255, (x >>> 24) & 255];
const FUTEX = 202;
const MMAP = 9;
const RT_SIGRETURN = 15;
const SYSCALL = [0x0f, 0x05];

const START = [
  [0xbf, ...le32(CONTROL_BASE)], // mov edi, CONTROL_BASE
  [0xbe, ...le32(CONTROL_OCTETS)], // mov esi, CONTROL_OCTETS
  [0xba, ...le32(3)], // mov edx, PROT_READ | PROT_WRITE
  [0x41, 0xba, ...le32(0x11)], // mov r10d, MAP_SHARED | MAP_FIXED
  [0x41, 0xb8, ...le32(ARENA_FD)], // mov r8d, ARENA_FD
  [0x45, 0x31, 0xc9], // xor r9d, r9d
  [0xb8, ...le32(MMAP)], // mov eax, mmap
  SYSCALL,
  [0xbc, ...le32(CONTROL_BASE + slotAt(0))], // mov esp, first slot
  [0x45, 0x31, 0xe4], // xor r12d, r12d: the last sequence seen
].flat();
const LOOP = [
  [0x8b, 0x04, 0x24], // mov eax, [rsp]
  [0x44, 0x39, 0xe0], // cmp eax, r12d
  [0x75, 0x14], // jne RUN
  [0x48, 0x89, 0xe7], // mov rdi, rsp
  [0x31, 0xf6], // xor esi, esi: FUTEX_WAIT
  [0x44, 0x89, 0xe2], // mov edx, r12d
  [0x45, 0x31, 0xd2], // xor r10d, r10d: no timeout
  [0xb8, ...le32(FUTEX)], // mov eax, futex
  SYSCALL,
  [0xeb, 0xe4], // jmp LOOP
].flat();
const RUN = [
  [0x41, 0x89, 0xc4], // mov r12d, eax
  [0x48, 0x8b, 0x44, 0x24, Slot.number], // mov rax, [rsp + 8]
  [0x48, 0x8b, 0x7c, 0x24, Slot.args], // mov rdi, [rsp + 16]
  [0x48, 0x8b, 0x74, 0x24, Slot.args + 8], // mov rsi, [rsp + 24]
  [0x48, 0x8b, 0x54, 0x24, Slot.args + 16], // mov rdx, [rsp + 32]
  [0x4c, 0x8b, 0x54, 0x24, Slot.args + 24], // mov r10, [rsp + 40]
  [0x4c, 0x8b, 0x44, 0x24, Slot.args + 32], // mov r8, [rsp + 48]
  [0x4c, 0x8b, 0x4c, 0x24, Slot.args + 40], // mov r9, [rsp + 56]
  SYSCALL,
  [0x48, 0x89, 0x44, 0x24, Slot.result], // mov [rsp + 64], rax
  [0x44, 0x89, 0x64, 0x24, Slot.done], // mov [rsp + 4], r12d
  [0x48, 0x8d, 0x7c, 0x24, Slot.done], // lea rdi, [rsp + 4]
  [0xbe, ...le32(1)], // mov esi, FUTEX_WAKE
  [0xba, ...le32(1)], // mov edx, 1
  [0x45, 0x31, 0xd2], // xor r10d, r10d
  [0xb8, ...le32(FUTEX)], // mov eax, futex
  SYSCALL,
  [0xeb, 0x97], // jmp LOOP
].flat();
const HANDLER = [
  [0xf0, 0xff, 0x04, 0xbd, ...le32(CONTROL_BASE + SIGNALS_AT)], // lock inc dword [rdi * 4 + SIGNALS]
  [0xc3], // ret, to the restorer
].flat();
const RESTORER = [
  [0xb8, ...le32(RT_SIGRETURN)], // mov eax, rt_sigreturn
  SYSCALL,
].flat();

const HEADERS = 64 + 56;
const LOAD_BASE = 0x40_0000;
const ENTRY = LOAD_BASE + HEADERS;
/** Where the agent's signal handler and restorer stand, for rt_sigaction. */
export const HANDLER_ADDRESS = ENTRY + START.length + LOOP.length + RUN.length;
export const RESTORER_ADDRESS = HANDLER_ADDRESS + HANDLER.length;

/** The agent as an executable: one header, one loadable segment (elf(5)). */
export function agentExecutable(): Uint8Array {
  const code = [...START, ...LOOP, ...RUN, ...HANDLER, ...RESTORER];
  const image = new Uint8Array(HEADERS + code.length);
  const view = new DataView(image.buffer);
  image.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]); // ELF, 64 bits, little endian, version 1
  view.setUint16(16, 2, true); // ET_EXEC
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  view.setUint32(24, ENTRY, true);
  view.setUint32(32, 64, true); // program header offset
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true); // PT_LOAD
  view.setUint32(68, 5, true); // PF_R | PF_X
  view.setUint32(80, LOAD_BASE, true);
  view.setUint32(88, LOAD_BASE, true);
  view.setUint32(96, image.length, true);
  view.setUint32(104, image.length, true);
  view.setUint32(112, 0x1000, true);
  image.set(code, HEADERS);
  return image;
}
