/** An emulator with one task, memory at known addresses, and sockets that the test hands out. */
import { TimerHeap } from '../../src/lib/clock.ts';
import type { OpenFile } from '../../src/socket/file.ts';
import { ArenaMemory, PAGE, Protection } from '../../src/syscalls/arena-memory.ts';
import { type EmulatedTask, Emulator } from '../../src/syscalls/emulator.ts';
import type { Architecture } from '../../src/syscalls/table.ts';
import { FakeSocket } from './fake-socket.ts';

export const BASE = 0x10000;
/** One page that is mapped but may not be touched follows the memory. */
export const END = BASE + 16 * PAGE;
export const READ_ONLY = 0x80000;

export interface World {
  readonly emulator: Emulator;
  readonly task: EmulatedTask;
  readonly memory: ArenaMemory;
  readonly bytes: Uint8Array;
  readonly clock: TimerHeap;
  /** What socket() returns, in order. */
  readonly made: (FakeSocket | number)[];
  /** A descriptor for a socket. */
  fd(file: OpenFile): number;
  /** A further thread. */
  thread(): EmulatedTask;
  put(addr: number, octets: Uint8Array | string): number;
  at(addr: number, len: number): Uint8Array;
  text(addr: number, len: number): string;
  int(addr: number): number;
  call(name: string, ...args: (number | bigint)[]): number | undefined;
}

export function world(architecture: Architecture = 'x86_64'): World {
  const bytes = new Uint8Array(17 * PAGE).fill(0xee);
  const memory = new ArenaMemory();
  memory.map(BASE, bytes);
  memory.protect(END, PAGE, Protection.None);
  memory.map(READ_ONLY, new Uint8Array(PAGE), Protection.Read);
  const clock = new TimerHeap();
  const made: (FakeSocket | number)[] = [];
  const emulator = new Emulator({ clock, architecture, sockets: { create: () => made.shift() ?? new FakeSocket() } });
  const task = emulator.task({ memory });
  const at = (addr: number, len: number): Uint8Array => bytes.slice(addr - BASE, addr - BASE + len);
  return {
    emulator,
    task,
    memory,
    bytes,
    clock,
    made,
    fd: (file) => task.files.install(file, false),
    thread: () => emulator.task({ memory, files: task.files.share() }),
    put: (addr, octets) => {
      bytes.set(typeof octets === 'string' ? Buffer.from(octets) : octets, addr - BASE);
      return addr;
    },
    at,
    text: (addr, len) => Buffer.from(at(addr, len)).toString('latin1'),
    int: (addr) => new DataView(bytes.buffer).getInt32(addr - BASE, true),
    call: (name, ...args) => emulator.call(task, name, ...args),
  };
}
