/**
 * The C library, the one door to the machine. Every native function is declared in a `*.ffi.ts` file of this folder with `native`. Pointers are
 * declared `uintptr_t` and passed as numbers (bench/parts.ts: 46 ns a call against 87 for a view); `addressOf` gives the number for memory of ours.
 */
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');

/** Declares a C function, e.g. `native<(fd: number) => number>('int close(int fd)')`: the caller states the type, since koffi cannot. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- F is the whole point
export const native = <F extends (...args: never[]) => unknown>(prototype: string): F =>
  libc.func(prototype) as unknown as F;

/** Where a C function is, for the kernel to call. */
export const addressOfFunction = (name: string): number => Number(libc.symbol(name) as bigint);

/** errno of the last native call on this thread; read it before any other native call. */
export const errno = (): number => koffi.errno();

const bases = new WeakMap<ArrayBufferLike, number>();
/** Buffers whose address was given out stay alive for the life of the process: koffi does not root them. Ask only for long-lived memory. */
const rooted = new Set<ArrayBufferLike>();

/** As `addressOf`, for the length of one native call: the caller holds `bytes` until it returns, and nothing is kept alive. */
export function borrowAddress(bytes: Uint8Array): number {
  const base = bases.get(bytes.buffer) ?? learn(bytes.buffer);
  return base + bytes.byteOffset;
}

function learn(buffer: ArrayBufferLike): number {
  const base = Number(koffi.address(new Uint8Array(buffer)));
  bases.set(buffer, base);
  return base;
}

/** Address of the first octet of `bytes`. The underlying buffer is kept for ever, so use it for slabs, rings and arenas only. */
export function addressOf(bytes: Uint8Array): number {
  rooted.add(bytes.buffer);
  return borrowAddress(bytes);
}

const mmap = native<(addr: number, length: number, prot: number, flags: number, fd: number, offset: number) => number>(
  'uintptr_t mmap(uintptr_t addr, size_t length, int prot, int flags, int fd, int64_t offset)',
);

const PROT_READ_WRITE = 3;
const MAP_PRIVATE_ANONYMOUS = 0x22;

/** Anonymous memory outside V8's heap, never freed: the address is stable and the bytes are a view of it. */
export function arena(octets: number): { readonly address: number; readonly bytes: Uint8Array } {
  const address = mmap(0, octets, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (address < 0 || address > Number.MAX_SAFE_INTEGER) throw new HostError('mmap', errno(), `${octets} octets`);
  return { address, bytes: new Uint8Array(koffi.view(address, octets)) };
}

/** `EADDRINUSE` for 98. */
export const errnoName = (code: number): string => {
  const entry = Object.entries(koffi.os.errno).find(([, value]) => value === code);
  return entry?.[0] ?? `errno ${code}`;
};

/** A native call that must not fail did. `code` is stable: the errno's name. */
export class HostError extends Error {
  override readonly name = 'HostError';
  readonly call: string;
  readonly errno: number;
  readonly code: string;
  constructor(call: string, code: number, what: string) {
    super(`${call} failed with ${errnoName(code)}: ${what}`);
    this.call = call;
    this.errno = code;
    this.code = errnoName(code);
  }
}

/** Passes a non-negative result through and turns -1 into a HostError. */
export function must(result: number, call: string, what = ''): number {
  if (result < 0) throw new HostError(call, errno(), what);
  return result;
}

export const close = native<(fd: number) => number>('int close(int fd)');
/** Returns octets, or -1. */
export const read = native<(fd: number, address: number, len: number) => number>(
  'intptr_t read(int fd, uintptr_t address, size_t len)',
);
export const write = native<(fd: number, address: number, len: number) => number>(
  'intptr_t write(int fd, uintptr_t address, size_t len)',
);
export const fcntl = native<(fd: number, command: number, argument: number) => number>(
  'int fcntl(int fd, int command, intptr_t argument)',
);
