/**
 * Pipes and anonymous files of the emulated descriptor table (pipe(7), memfd_create(2)): what sendfile(2) and splice(2) move octets from and to where no kernel has any.
 *
 * A pipe is a queue of slots, each a piece of a page (fs/pipe.c). A write goes on in the last slot if what exceeds whole pages fits there, else it takes new ones; what was spliced in has slots of its own that
 * nothing is added to. The pipe is full when its slots are in use, however little is in them. In packet mode (O_DIRECT) a slot is a packet, of which a read takes one and drops what it has no room for.
 * Left out: seals, and that pages which vmsplice(2) brought in show what is written to them later.
 */
import { Errno } from '../abi/errno.ts';
import { O_DIRECT, O_NONBLOCK, O_RDONLY, O_RDWR, O_WRONLY } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/poll.ts';
import { PipeEnd, SeekableFile } from './byte-file.ts';

/** PIPE_DEF_BUFFERS. */
const DEFAULT_SLOTS = 16;
export const PAGE = 4096;
/** fs.pipe-max-size: who is not privileged asks for no more. */
const MAX_SIZE = 1 << 20;
/** round_pipe_size: beyond is no size. */
const SIZE_LIMIT = 2 ** 31;
const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM;

interface Slot {
  readonly bytes: Uint8Array;
  offset: number;
  len: number;
  /** The octets behind it are free to be written. */
  readonly mayGrow: boolean;
  readonly isPacket: boolean;
}
/** What both ends share. */
interface Shared {
  readonly slots: Slot[];
  limit: number;
}

export class PipeFile extends PipeEnd {
  readonly #shared: Shared;
  readonly #isWriter: boolean;
  /** The other end, while it is open. */
  other: PipeFile | undefined = undefined;

  constructor(shared: Shared, isWriter: boolean, statusFlags: number) {
    super((isWriter ? O_WRONLY : O_RDONLY) | statusFlags);
    this.#shared = shared;
    this.#isWriter = isWriter;
  }
  override get ownFlags(): number {
    return O_DIRECT;
  }
  override poll(): number {
    if (this.#isWriter) return (this.freeSlots > 0 ? WRITABLE : 0) | (this.other === undefined ? POLLERR : 0);
    return (this.isEmpty ? 0 : READABLE) | (this.other === undefined ? POLLHUP : 0);
  }
  get isEmpty(): boolean {
    return this.#shared.slots.length === 0;
  }
  /** Not below 0 while a pipe has more than it would be given room for now. */
  get freeSlots(): number {
    return Math.max(0, this.#shared.limit - this.#shared.slots.length);
  }
  override get queued(): number {
    return this.#shared.slots.reduce((sum, { len }) => sum + len, 0);
  }
  /** True if both are ends of one pipe. */
  isSamePipe(end: PipeFile): boolean {
    return end.#shared === this.#shared;
  }
  /** F_GETPIPE_SZ. */
  get size(): number {
    return this.#shared.limit * PAGE;
  }
  /** F_SETPIPE_SZ: the size there is now, or -EINVAL, -EPERM, -EBUSY (pipe_set_size). */
  resize(octets: number, isPrivileged: boolean): number {
    if (octets > SIZE_LIMIT) return -Errno.EINVAL;
    const size = Math.max(PAGE, 2 ** Math.ceil(Math.log2(Math.max(1, octets))));
    const slots = size / PAGE;
    if (slots > this.#shared.limit && size > MAX_SIZE && !isPrivileged) return -Errno.EPERM;
    if (slots < this.#shared.slots.length) return -Errno.EBUSY;
    const wasFull = this.freeSlots === 0;
    this.#shared.limit = slots;
    this.#roomRose(wasFull);
    return size;
  }

  override peek(dst: Uint8Array, at: number, len: number): number {
    if (this.isEmpty) return this.other === undefined ? 0 : -Errno.EAGAIN;
    let done = 0;
    for (const slot of this.#shared.slots) {
      const piece = Math.min(len - done, slot.len);
      dst.set(slot.bytes.subarray(slot.offset, slot.offset + piece), at + done);
      done += piece;
      if (done === len || slot.isPacket) break;
    }
    return done;
  }
  override take(len: number): number {
    return this.#drop(len, false);
  }
  /** As `take`, by read(2): the rest of a packet goes too. */
  takeRead(len: number): number {
    return this.#drop(len, true);
  }
  /** Of the first `len` octets those in slots that are read whole: what a read takes behind which its memory faults (pipe_read). */
  wholeSlots(len: number): number {
    let done = 0;
    for (const slot of this.#shared.slots) {
      if (done + slot.len > len) break;
      done += slot.len;
    }
    return done;
  }
  #drop(len: number, wholePackets: boolean): number {
    const { slots } = this.#shared;
    const wasFull = this.freeSlots === 0;
    let left = len;
    for (let slot = slots[0]; slot !== undefined && left > 0; slot = slots[0]) {
      const piece = Math.min(left, slot.len);
      slot.offset += piece;
      slot.len -= piece;
      left -= piece;
      if (slot.len === 0 || (wholePackets && slot.isPacket)) slots.shift();
    }
    this.#roomRose(wasFull);
    return len - left;
  }
  #roomRose(wasFull: boolean): void {
    const writer = this.#isWriter ? this : this.other;
    if (wasFull && this.freeSlots > 0) writer?.waiters.wake(WRITABLE);
  }

  /** Octets that a write can put in now. `head` is what of the whole call exceeds whole pages: it may go on in the last slot. */
  writable(head: number): number {
    return (this.#fits(head) ? head : 0) + this.freeSlots * PAGE;
  }
  #fits(head: number): boolean {
    const last = this.#shared.slots.at(-1);
    return head > 0 && last !== undefined && last.mayGrow && last.offset + last.len + head <= PAGE;
  }
  /** What is kept of `len` octets behind which the writer's memory faults: those of the last slot or page are dropped with it. */
  wholeOf(len: number, head: number): number {
    const first = this.#fits(head) ? head : 0;
    return len < first ? 0 : len - ((len - first) % PAGE);
  }
  /** Puts in what `writable` said there is room for. */
  write(src: Uint8Array, len: number, head: number): void {
    let at = 0;
    const last = this.#shared.slots.at(-1);
    if (last !== undefined && this.#fits(head) && len >= head) {
      last.bytes.set(src.subarray(0, head), last.offset + last.len);
      last.len += head;
      at = head;
    }
    const isPacket = (this.statusFlags & O_DIRECT) !== 0;
    for (; at < len; at += PAGE) {
      const bytes = new Uint8Array(PAGE);
      const piece = Math.min(PAGE, len - at);
      bytes.set(src.subarray(at, at + piece));
      this.#shared.slots.push({ bytes, offset: 0, len: piece, mayGrow: !isPacket, isPacket });
    }
    this.wakeReader();
  }
  override put(src: Uint8Array, at: number, len: number): number {
    const room = this.room();
    if (room < 0) return room;
    let done = 0;
    while (done < len && this.freeSlots > 0) {
      const piece = Math.min(PAGE, len - done);
      this.putSlot(src.slice(at + done, at + done + piece));
      done += piece;
    }
    return done;
  }
  /** A slot of its own, at most a page. There must be one free. */
  putSlot(bytes: Uint8Array): void {
    this.#shared.slots.push({ bytes, offset: 0, len: bytes.length, mayGrow: false, isPacket: false });
  }
  override wakeReader(): void {
    (this.#isWriter ? this.other : this)?.waiters.wake(READABLE);
  }
  /** Moves slots from another pipe, or copies them (tee(2)): octets, as far as there are any and there is room. */
  moveFrom(from: PipeFile, len: number, copies: boolean): number {
    const source = from.#shared.slots;
    const target = this.#shared.slots;
    const wasFull = from.freeSlots === 0;
    let done = 0;
    for (let i = 0; done < len && this.freeSlots > 0; ) {
      const slot = source[i];
      if (slot === undefined) break;
      const piece = Math.min(slot.len, len - done);
      const isWhole = piece === slot.len && !copies;
      target.push(isWhole ? slot : { ...slot, len: piece, mayGrow: false });
      done += piece;
      if (copies) i++;
      else if (isWhole) source.shift();
      else {
        slot.offset += piece;
        slot.len -= piece;
      }
    }
    if (done > 0) this.wakeReader();
    if (!copies) from.#roomRose(wasFull);
    return done;
  }

  override room(): number {
    if (this.other === undefined) return -Errno.EPIPE;
    return this.freeSlots > 0 ? 1 : -Errno.EAGAIN;
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

/** The two ends of a new pipe. Packet mode is the writer's. */
export function makePipe(statusFlags: number): { readonly reader: PipeFile; readonly writer: PipeFile } {
  const shared: Shared = { slots: [], limit: DEFAULT_SLOTS };
  const reader = new PipeFile(shared, false, statusFlags & O_NONBLOCK);
  const writer = new PipeFile(shared, true, statusFlags);
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
      const grown = new Uint8Array(Math.min(FILE_LIMIT, Math.max(end, this.#bytes.length * 2, PAGE)));
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
