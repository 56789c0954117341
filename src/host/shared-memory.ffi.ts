/** The memory that the driver and the agents share, and the futex(2) calls by which they wake each other. */
import koffi from 'koffi';
import { addressOf, errno, HostError, must, native } from './libc.ffi.ts';

const memfdCreate = native<(name: string, flags: number) => number>(
  'int memfd_create(const char *name, unsigned int flags)',
);
const mmap = native<(addr: number, length: number, prot: number, flags: number, fd: number, offset: number) => number>(
  'uintptr_t mmap(uintptr_t addr, size_t length, int prot, int flags, int fd, int64_t offset)',
);
const ftruncate = native<(fd: number, length: number) => number>('int ftruncate(int fd, int64_t length)');
const futex = native<
  (number: number, word: number, op: number, value: number, timeout: number, word2: number, value3: number) => number
>('long syscall(long number, uintptr_t word, long op, long value, uintptr_t timeout, uintptr_t word2, long value3)');

const MFD_CLOEXEC = 1;
const PROT_READ_WRITE = 3;
const MAP_SHARED = 1;
const SYS_FUTEX = 202;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;

/** An anonymous file that lives as long as its descriptors. */
export const anonymousFile = (name: string): number => must(memfdCreate(name, MFD_CLOEXEC), 'memfd_create', name);

export class SharedMemory {
  readonly fd: number;
  readonly bytes: Uint8Array;
  readonly words: Int32Array;
  readonly #address: number;
  readonly #timeout = new BigInt64Array(2);
  readonly #timeoutAddress = addressOf(new Uint8Array(this.#timeout.buffer));

  constructor(octets: number) {
    this.fd = anonymousFile('conformance-arena');
    must(ftruncate(this.fd, octets), 'ftruncate');
    this.#address = mmap(0, octets, PROT_READ_WRITE, MAP_SHARED, this.fd, 0);
    if (this.#address > Number.MAX_SAFE_INTEGER) throw new HostError('mmap', errno(), `${octets} octets`);
    const buffer = koffi.view(this.#address, octets);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
  }

  /** Wakes the one who waits for the word at octet `at`. */
  wake(at: number): void {
    futex(SYS_FUTEX, this.#address + at, FUTEX_WAKE, 1, 0, 0, 0);
  }
  /** Returns at once if the word at octet `at` is not `value`, else when it is woken or after `micros`. */
  wait(at: number, value: number, micros: number): void {
    this.#timeout[0] = 0n;
    this.#timeout[1] = BigInt(Math.floor(micros) * 1000);
    futex(SYS_FUTEX, this.#address + at, FUTEX_WAIT, value, this.#timeoutAddress, 0, 0);
  }
}
