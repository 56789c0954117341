/**
 * SIGCHLD as a descriptor, which ptrace(2) has not: the stop of a traced thread is told by that signal alone. A signalfd(2) needs the signal held back in every thread of ours, and Node's are
 * not ours to ask. So the signal's handler writes to an eventfd, which is all that it does. The handler is machine code (x86_64), since the kernel calls it at any instruction and JavaScript cannot run there:
 *
 *   bf FD          mov  edi, FD
 *   48 8d 35 14    lea  rsi, [rip + 0x14]     the number 1, behind the code
 *   ba 8           mov  edx, 8
 *   b8 1           mov  eax, 1                write(2); errno is the C library's, which is not called
 *   0f 05          syscall
 *   c3             ret
 *
 * Node waits for its children in its own handler of the same signal, which is called from here when one of them has ended.
 */
import koffi from 'koffi';
import { EPOLLIN, EventFd } from './epoll.ffi.ts';
import { eventsOf } from './file.ffi.ts';
import { arena, must, native } from './libc.ffi.ts';

const sigaction = native<(signal: number, action: number, old: number) => number>(
  'int sigaction(int signal, uintptr_t action, uintptr_t old)',
);
const mprotect = native<(address: number, len: number, protection: number) => number>(
  'int mprotect(uintptr_t address, size_t len, int protection)',
);
const waitid = native<(type: number, id: number, info: number, options: number) => number>(
  'int waitid(int type, unsigned int id, uintptr_t info, int options)',
);
const handlerType = koffi.proto('void sandsock_signal_handler(int signal)');

const SIGCHLD = 17;
const SA_RESTART = 0x1000_0000;
const PROT_READ_EXEC = 5;
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
const PAGE = 4096;
/** SIG_DFL and SIG_IGN are no functions. */
const FIRST_FUNCTION = 2n;

/** The C library's `struct sigaction`: the handler, its mask, its flags. */
const FLAGS_AT = 136;
/** Where they stand in one page. */
const NEW_AT = 0;
const OLD_AT = 256;
const INFO_AT = 512;

const ignore = (): void => undefined;

function handlerFor(fd: number): number {
  const page = arena(PAGE);
  const one = 32;
  page.bytes.set([0xbf, fd, fd >>> 8, fd >>> 16, fd >>> 24]);
  page.bytes.set([0x48, 0x8d, 0x35, one - 12, 0, 0, 0], 5);
  page.bytes.set([0xba, 8, 0, 0, 0], 12);
  page.bytes.set([0xb8, 1, 0, 0, 0], 17);
  page.bytes.set([0x0f, 0x05, 0xc3], 22);
  page.bytes[one] = 1;
  must(mprotect(page.address, PAGE, PROT_READ_EXEC), 'mprotect', 'code for a signal handler');
  return page.address;
}

export class ChildSignal {
  readonly #event = new EventFd();
  readonly #page = arena(PAGE);
  readonly #words = new BigUint64Array(this.#page.bytes.buffer, 0, PAGE / 8);
  readonly #info = new Uint32Array(this.#page.bytes.buffer, INFO_AT, 8);
  #before = 0n;

  /** Takes the signal over. Node would take it back for the first child that it starts, unless it has it for something already. @throws HostError */
  take(): void {
    process.on('SIGCHLD', ignore);
    const { address } = this.#page;
    this.#words[NEW_AT / 8] = BigInt(handlerFor(this.#event.fd));
    this.#words[(NEW_AT + FLAGS_AT) / 8] = BigInt(SA_RESTART);
    must(sigaction(SIGCHLD, address + NEW_AT, address + OLD_AT), 'sigaction', 'SIGCHLD');
    this.#before = this.#words[OLD_AT / 8] as bigint;
  }
  /** Readable once the signal has come since `clear`. */
  get fd(): number {
    return this.#event.fd;
  }
  /** As if it had come. */
  raise(): void {
    this.#event.signal();
  }
  /** Until it has come, but no longer than `ms`. */
  wait(ms: number): void {
    eventsOf(this.#event.fd, EPOLLIN, ms);
  }
  /** Before what it tells of is looked for. */
  clear(): void {
    this.#event.drain();
  }
  /** Node is told if a child of its own has ended. */
  passOn(): void {
    this.#info.fill(0);
    if (this.#before < FIRST_FUNCTION) return;
    const found = waitid(P_ALL, 0, this.#page.address + INFO_AT, WEXITED | WNOHANG | WNOWAIT);
    if (found === 0 && this.#info[0] === SIGCHLD) koffi.call(this.#before, handlerType, SIGCHLD);
  }
  /** Gives the signal back. The code stays: a thread may be in it. */
  close(): void {
    if (this.#words[NEW_AT / 8] !== 0n) sigaction(SIGCHLD, this.#page.address + OLD_AT, 0);
    this.passOn();
    process.off('SIGCHLD', ignore);
    this.#event.close();
  }
}
