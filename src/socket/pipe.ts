/**
 * Pipes and anonymous files of the emulated descriptor table (pipe(7), memfd_create(2)): what sendfile(2) and splice(2) move octets from and to where no kernel has any.
 *
 * A pipe holds octets, not pages: a kernel's pipe of sixteen pages is full earlier when small pieces were spliced into it. Left out: packet mode, F_SETPIPE_SZ, seals.
 */
import { Errno } from '../abi/errno.ts';
import { O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import { ByteRing } from '../lib/byte-ring.ts';
import { PipeEnd, SeekableFile } from './byte-file.ts';

/** Sixteen pages. */
const CAPACITY = 65_536;
/** Up to that many octets are written together or not at all, and a pipe is writable when they would be. */
export const PIPE_BUF = 4096;
const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM;

class End extends PipeEnd {
  readonly #ring: ByteRing;
  readonly #isWriter: boolean;
  other: End | undefined = undefined;

  constructor(ring: ByteRing, isWriter: boolean, statusFlags: number) {
    super((isWriter ? O_WRONLY : O_RDONLY) | statusFlags);
    this.#ring = ring;
    this.#isWriter = isWriter;
  }
  override poll(): number {
    if (this.#isWriter) {
      return (CAPACITY - this.#ring.length >= PIPE_BUF ? WRITABLE : 0) | (this.other === undefined ? POLLERR : 0);
    }
    return (this.#ring.length > 0 ? READABLE : 0) | (this.other === undefined ? POLLHUP : 0);
  }
  override peek(dst: Uint8Array, at: number, len: number): number {
    const there = Math.min(len, this.#ring.length);
    if (there === 0) return this.other === undefined ? 0 : -Errno.EAGAIN;
    this.#ring.read(0, dst, at, there);
    return there;
  }
  override take(len: number): number {
    const taken = Math.min(len, this.#ring.length);
    if (taken > 0) this.#ring.consume(taken);
    this.other?.waiters.wake(this.other.poll() & WRITABLE);
    return taken;
  }
  override put(src: Uint8Array, at: number, len: number): number {
    const room = this.room();
    if (room < 0) return room;
    const moved = Math.min(len, CAPACITY - this.#ring.length);
    this.#ring.reserve(CAPACITY);
    this.#ring.write(this.#ring.length, src, at, moved);
    this.#ring.append(moved);
    this.other?.waiters.wake(READABLE);
    return moved;
  }
  override room(): number {
    if (this.other === undefined) return -Errno.EPIPE;
    return this.#ring.length < CAPACITY ? CAPACITY - this.#ring.length : -Errno.EAGAIN;
  }
  override get queued(): number {
    return this.#ring.length;
  }
  override watch(): void {
    // `waiters` are told of everything already.
  }
  protected override released(): void {
    const { other } = this;
    this.other = undefined;
    if (other === undefined) return;
    other.other = undefined;
    other.waiters.wake(this.#isWriter ? READABLE | POLLHUP : WRITABLE | POLLERR);
  }
}

/** The two ends of a new pipe. */
export function makePipe(statusFlags: number): { readonly reader: PipeEnd; readonly writer: PipeEnd } {
  const ring = new ByteRing();
  const reader = new End(ring, false, statusFlags);
  const writer = new End(ring, true, statusFlags);
  reader.other = writer;
  writer.other = reader;
  return { reader, writer };
}

/** No anonymous file grows beyond. */
const FILE_LIMIT = 16 << 20;
/** F_GETFL shows it on 64-bit machines too. */
const O_LARGEFILE = 0x8000;

export class MemoryFile extends SeekableFile {
  #bytes = new Uint8Array(0);
  size = 0;
  #position = 0;

  constructor() {
    super(O_RDWR | O_LARGEFILE);
  }
  override poll(): number {
    return READABLE | WRITABLE;
  }
  override get canPoll(): boolean {
    return false;
  }
  override position(): number {
    return this.#position;
  }
  override seek(position: number): void {
    this.#position = position;
  }
  override readAt(offset: number, dst: Uint8Array, at: number, len: number): number {
    const there = Math.max(0, Math.min(len, this.size - offset));
    if (there > 0) dst.set(this.#bytes.subarray(offset, offset + there), at);
    return there;
  }
  /** Writes at `offset`: octets written, or -EFBIG. */
  writeAt(offset: number, src: Uint8Array, at: number, len: number): number {
    const end = offset + len;
    if (end > FILE_LIMIT) return -Errno.EFBIG;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.min(FILE_LIMIT, Math.max(end, this.#bytes.length * 2, PIPE_BUF)));
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes.set(src.subarray(at, at + len), offset);
    this.size = Math.max(this.size, end);
    return len;
  }
  protected override released(): void {
    this.#bytes = new Uint8Array(0);
  }
}
