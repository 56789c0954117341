/** Tasks that make calls on AF_UNIX sockets: an emulator on virtual time with memory of its own. */
import type { ExecutionContext } from 'ava';
import * as abi from '../../../src/abi/index.ts';
import type { TimerHeap } from '../../../src/lib/clock.ts';
import type { Credentials } from '../../../src/socket/credentials.ts';
import type { EmulatedFdTable } from '../../../src/socket/emulated-fd-table.ts';
import { SocketFactory } from '../../../src/socket/factory.ts';
import { ArenaMemory, PAGE, Protection } from '../../../src/syscalls/arena-memory.ts';
import { type EmulatedTask, Emulator } from '../../../src/syscalls/emulator.ts';
import { FakeStack, ROOT } from '../fakes.ts';

const BASE = 0x10000;
const PAGES = 1024;
/** A page that can be read but not written. */
export const READ_ONLY = 0x8000;
const MSG = BASE + 0x100;
const IOV = BASE + 0x200;
const NAME = BASE + 0x300;
const CONTROL = BASE + 0x1000;
const DATA = BASE + 0x4000;

const i32Octets = (value: number): Uint8Array => {
  const octets = new Uint8Array(4);
  abi.i32.put(octets, 0, value);
  return octets;
};

export interface Received {
  readonly result: number;
  readonly text: string;
  readonly flags: number;
  /** Descriptors that came. */
  readonly fds: readonly number[];
  readonly credential: abi.Ucred | undefined;
}

export class Guest {
  readonly emulator: Emulator;
  readonly task: EmulatedTask;
  readonly #bytes: Uint8Array;
  readonly #memory: ArenaMemory;

  constructor(emulator: Emulator, credentials: Credentials, files?: EmulatedFdTable) {
    this.emulator = emulator;
    this.#bytes = new Uint8Array(PAGES * PAGE);
    this.#memory = new ArenaMemory();
    this.#memory.map(BASE, this.#bytes);
    this.#memory.map(READ_ONLY, new Uint8Array(PAGE), Protection.Read);
    this.task = emulator.task({ memory: this.#memory, credentials, ...(files === undefined ? {} : { files }) });
  }
  put(addr: number, octets: Uint8Array): number {
    this.#bytes.set(octets, addr - BASE);
    return addr;
  }
  at(addr: number, len: number): Uint8Array {
    return this.#bytes.slice(addr - BASE, addr - BASE + len);
  }
  int(addr: number): number {
    return abi.i32.get(this.#bytes, addr - BASE);
  }
  /** A call that returns at once; NaN if it blocks, or if its answer was not taken. */
  call(name: string, ...args: number[]): number {
    return this.emulator.call(this.task, name, ...args) ?? Number.NaN;
  }
  get blocked(): boolean {
    return !this.task.idle;
  }

  socket(type: number, flags = 0): number {
    return this.call('socket', abi.AF_UNIX, type | flags, 0);
  }
  pair(type: number = abi.SOCK_STREAM, flags = 0): [number, number] {
    const result = this.call('socketpair', abi.AF_UNIX, type | flags, 0, DATA);
    if (result !== 0) throw new Error(`socketpair returned ${result}`);
    return [this.int(DATA), this.int(DATA + 4)];
  }
  #un(path: string): number {
    const octets = Uint8Array.from([1, 0, ...Buffer.from(path, 'latin1')]);
    this.put(NAME, octets);
    return octets.length;
  }
  bind(fd: number, path: string): number {
    return this.call('bind', fd, NAME, this.#un(path));
  }
  connect(fd: number, path: string): number {
    return this.call('connect', fd, NAME, this.#un(path));
  }
  listening(type: number, path: string, backlog = 8): number {
    const fd = this.socket(type);
    this.bind(fd, path);
    this.call('listen', fd, backlog);
    return fd;
  }
  nameOf(fd: number): string {
    this.put(NAME, i32Octets(128));
    const result = this.call('getsockname', fd, NAME + 8, NAME);
    return result < 0 ? String(result) : Buffer.from(this.at(NAME + 10, this.int(NAME) - 2)).toString('latin1');
  }
  send(fd: number, text: string, flags = 0): number {
    return this.call('sendto', fd, this.put(DATA, Buffer.from(text, 'latin1')), text.length, flags, 0, 0);
  }
  sendTo(fd: number, text: string, path: string, flags = 0): number {
    const len = this.#un(path);
    return this.call('sendto', fd, this.put(DATA, Buffer.from(text, 'latin1')), text.length, flags, NAME, len);
  }
  receive(fd: number, octets = 100, flags: number = abi.MSG_DONTWAIT): string | number {
    const result = this.call('recvfrom', fd, DATA, octets, flags, 0, 0);
    return result < 0 ? result : this.text(result);
  }
  text(octets: number): string {
    return Buffer.from(this.at(DATA, octets)).toString('latin1');
  }
  /** Control messages for a send, as (type, octets). */
  #control(messages: readonly (readonly [type: number, data: Uint8Array])[]): number {
    let at = 0;
    for (const [type, data] of messages) {
      const header = abi.cmsghdr.encode({ len: abi.CMSG_LEN(data.length), level: abi.SOL_SOCKET, type });
      this.put(CONTROL + at, header);
      this.put(CONTROL + at + 16, data);
      at += abi.CMSG_SPACE(data.length);
    }
    return at;
  }
  #header(octets: number, control: number, controllen: number): number {
    this.put(IOV, abi.iovec.encode({ base: DATA, len: octets }));
    const header = { name: 0, namelen: 0, iov: IOV, iovlen: 1, control, controllen, flags: 0 };
    return this.put(MSG, abi.msghdr.encode(header));
  }
  pass(fd: number, text: string, fds: readonly number[], credential?: abi.Ucred, flags = 0): number {
    const messages: (readonly [number, Uint8Array])[] = [];
    if (fds.length > 0) messages.push([abi.SCM_RIGHTS, new Uint8Array(Int32Array.from(fds).buffer)]);
    if (credential !== undefined) messages.push([abi.SCM_CREDENTIALS, abi.ucred.encode(credential)]);
    const len = this.#control(messages);
    this.put(DATA, Buffer.from(text, 'latin1'));
    return this.call('sendmsg', fd, this.#header(text.length, CONTROL, len), flags);
  }
  get(fd: number, room = 1200, flags: number = abi.MSG_DONTWAIT, octets = 100, control = CONTROL): Received {
    const result = this.call('recvmsg', fd, this.#header(octets, control, room), flags);
    return this.got(result);
  }
  /** What a recvmsg has left in memory. */
  got(result: number): Received {
    const header = abi.msghdr.decode(this.at(MSG, abi.msghdr.size));
    const control = this.at(CONTROL, result < 0 ? 0 : header.controllen);
    const walker = new abi.CmsgWalker().begin(control, control.length);
    const fds: number[] = [];
    let credential: abi.Ucred | undefined;
    while (walker.next()) {
      const data = control.slice(walker.data, walker.data + walker.dataLength);
      if (walker.type === abi.SCM_CREDENTIALS) credential = abi.ucred.decode(data);
      if (walker.type === abi.SCM_RIGHTS) fds.push(...new Int32Array(data.buffer, 0, data.length >> 2));
    }
    return { result, text: this.text(Math.max(0, result)), flags: header.flags, fds, credential };
  }
  poll(fd: number): number {
    this.put(DATA, abi.pollfd.encode({ fd, events: 0x7fff, revents: 0 }));
    this.call('poll', DATA, 1, 0);
    return abi.pollfd.decode(this.at(DATA, 8)).revents;
  }
  setInt(fd: number, option: number, value: number): number {
    return this.call('setsockopt', fd, abi.SOL_SOCKET, option, this.put(DATA, i32Octets(value)), 4);
  }
  getInt(fd: number, option: number): number {
    this.put(DATA, i32Octets(4));
    const result = this.call('getsockopt', fd, abi.SOL_SOCKET, option, DATA + 8, DATA);
    return result < 0 ? result : this.int(DATA + 8);
  }
  count(fd: number, request: number): number {
    const result = this.call('ioctl', fd, request, DATA);
    return result < 0 ? result : this.int(DATA);
  }
  /** Memory for a message that lies elsewhere. */
  get data(): number {
    return DATA;
  }
}

export interface World {
  readonly clock: TimerHeap;
  readonly emulator: Emulator;
  readonly factory: SocketFactory;
  /** A process of its own. */
  process(credentials?: Credentials): Guest;
  /** A thread of that guest. */
  thread(of: Guest): Guest;
}

export function world(t: ExecutionContext): World {
  const stack = new FakeStack();
  const factory = new SocketFactory(stack);
  const { clock } = stack;
  const emulator = new Emulator({ clock, sockets: factory });
  t.teardown(() => {
    const [crash] = emulator.crashes;
    if (crash !== undefined) throw new Error(`${crash.call} threw`, { cause: crash.error });
  });
  return {
    clock,
    emulator,
    factory,
    process: (credentials = ROOT) => new Guest(emulator, credentials),
    thread: (of) => new Guest(emulator, of.task.credentials, of.task.files.share()),
  };
}
