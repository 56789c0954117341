/**
 * epoll(7), eventfd(2) and timerfd_create(2). One epoll descriptor is the heart of each loop. What a loop waits for is registered once with a
 * key; keys carry a generation chosen by the owner, because events of a closed descriptor whose number was used again may still stand in the same batch.
 */
import { addressOf, arena, close, errno, HostError, must, native, read, write } from './libc.ffi.ts';

export const EPOLLIN = 0x001;
export const EPOLLPRI = 0x002;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;
export const EPOLLET = 0x8000_0000;

const EPOLL_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EINTR = 4;
/** `struct epoll_event` is packed on x86_64 only: 12 octets there, 16 on arm64. */
const EVENT_OCTETS = process.arch === 'x64' ? 12 : 16;
const DATA_AT = process.arch === 'x64' ? 4 : 8;

const epollCreate1 = native<(flags: number) => number>('int epoll_create1(int flags)');
const epollCtl = native<(epfd: number, op: number, fd: number, event: number) => number>(
  'int epoll_ctl(int epfd, int op, int fd, uintptr_t event)',
);
const epollWait = native<(epfd: number, events: number, max: number, timeout: number) => number>(
  'int epoll_wait(int epfd, uintptr_t events, int max, int timeout)',
);
const eventfd = native<(initial: number, flags: number) => number>('int eventfd(unsigned int initial, int flags)');
const timerfdCreate = native<(clock: number, flags: number) => number>('int timerfd_create(int clock, int flags)');
const timerfdSettime = native<(fd: number, flags: number, value: number, old: number) => number>(
  'int timerfd_settime(int fd, int flags, uintptr_t value, uintptr_t old)',
);

export class Epoll {
  readonly fd: number;
  readonly #events: Uint32Array;
  readonly #address: number;
  readonly #one: Uint32Array;
  readonly #oneAddress: number;
  readonly #max: number;

  constructor(maxEvents = 512) {
    this.fd = must(epollCreate1(EPOLL_CLOEXEC), 'epoll_create1');
    this.#max = maxEvents;
    const memory = arena(maxEvents * EVENT_OCTETS + 16);
    this.#events = new Uint32Array(memory.bytes.buffer, 0, (maxEvents * EVENT_OCTETS) >> 2);
    this.#address = memory.address;
    this.#one = new Uint32Array(memory.bytes.buffer, maxEvents * EVENT_OCTETS, 4);
    this.#oneAddress = memory.address + maxEvents * EVENT_OCTETS;
  }

  /** @param key and generation come back with each event. @throws HostError */
  add(fd: number, events: number, key: number, generation = 0): void {
    this.#control(EPOLL_CTL_ADD, fd, events, key, generation);
  }
  modify(fd: number, events: number, key: number, generation = 0): void {
    this.#control(EPOLL_CTL_MOD, fd, events, key, generation);
  }
  /** A descriptor that is about to be closed and has no duplicate need not be removed. */
  remove(fd: number): void {
    epollCtl(this.fd, EPOLL_CTL_DEL, fd, 0);
  }
  #control(op: number, fd: number, events: number, key: number, generation: number): void {
    this.#one[0] = events;
    this.#one[DATA_AT >> 2] = key;
    this.#one[(DATA_AT >> 2) + 1] = generation;
    must(epollCtl(this.fd, op, fd, this.#oneAddress), 'epoll_ctl', `descriptor ${fd}`);
  }

  /** Waits up to `timeoutMs` (-1 for ever, 0 not at all) and returns the count of events, read with the accessors below. After a signal those are all that there are by then. */
  wait(timeoutMs: number): number {
    const n = epollWait(this.fd, this.#address, this.#max, timeoutMs);
    if (n >= 0) return n;
    const code = errno();
    if (code === EINTR) return timeoutMs === 0 ? 0 : this.wait(0);
    throw new HostError('epoll_wait', code, '');
  }
  eventsOf(i: number): number {
    return this.#events[(i * EVENT_OCTETS) >> 2] as number;
  }
  keyOf(i: number): number {
    return this.#events[(i * EVENT_OCTETS + DATA_AT) >> 2] as number;
  }
  generationOf(i: number): number {
    return this.#events[(i * EVENT_OCTETS + DATA_AT + 4) >> 2] as number;
  }
  close(): void {
    close(this.fd);
  }
}

const addition = arena(4096);
const additionWords = new Uint32Array(addition.bytes.buffer, 0, 4);

/** Adds `fd` to the epoll behind `epfd`, whoever made it. 0, or -1 with errno. */
export function epollCtlAdd(epfd: number, fd: number, events: number, key: number, generation: number): number {
  additionWords[0] = events;
  additionWords[DATA_AT >> 2] = key;
  additionWords[(DATA_AT >> 2) + 1] = generation;
  return epollCtl(epfd, EPOLL_CTL_ADD, fd, addition.address);
}

const EFD_CLOEXEC_NONBLOCK = 0o2004000;

/** A counter that another thread or process writes to wake a loop. */
export class EventFd {
  readonly fd: number;
  readonly #cell = arena(4096);

  constructor() {
    this.fd = must(eventfd(0, EFD_CLOEXEC_NONBLOCK), 'eventfd');
  }
  signal(): void {
    new Uint32Array(this.#cell.bytes.buffer, 8, 2).set([1, 0]);
    write(this.fd, this.#cell.address + 8, 8);
  }
  /** Clears it. */
  drain(): void {
    read(this.fd, this.#cell.address, 8);
  }
  close(): void {
    close(this.fd);
  }
}

const CLOCK_MONOTONIC = 1;
const TFD_TIMER_ABSTIME = 1;

/** A one-shot timer on CLOCK_MONOTONIC that wakes an epoll at an absolute time. */
export class TimerFd {
  readonly fd: number;
  readonly #spec = new Uint8Array(4096);
  readonly #words = new BigInt64Array(this.#spec.buffer);
  readonly #address = addressOf(this.#spec);
  #armedFor = -1;

  constructor() {
    this.fd = must(timerfdCreate(CLOCK_MONOTONIC, EFD_CLOEXEC_NONBLOCK), 'timerfd_create');
  }
  /** @param atMicros microseconds of CLOCK_MONOTONIC, or undefined to disarm. Setting the same time again costs nothing. */
  set(atMicros: number | undefined): void {
    const at = atMicros === undefined ? 0 : Math.max(1, Math.ceil(atMicros));
    if (at === this.#armedFor) return;
    this.#armedFor = at;
    this.#words[2] = BigInt(Math.floor(at / 1e6));
    this.#words[3] = BigInt((at % 1e6) * 1000);
    must(timerfdSettime(this.fd, TFD_TIMER_ABSTIME, this.#address, 0), 'timerfd_settime');
  }
  /** Clears its readiness after it fired. */
  drain(): void {
    this.#armedFor = -1;
    read(this.fd, this.#address + 64, 8);
  }
  close(): void {
    close(this.fd);
  }
}
