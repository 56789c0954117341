/**
 * Messages of the guest on its unix sockets, sent here on a copy of its descriptor. The kernel must not perform sendmsg(2) itself, of whatever type the descriptor was when
 * we looked: another thread can put a datagram socket in its place by dup2, and the kernel would read the name from memory and send to a socket of the host.
 *
 * The header, the name and the control messages are read once. Descriptors are fetched from the guest and sent as ours; credentials are sent if they are the caller's, as the kernel would
 * check. Where the supervisor may (root), every message carries the caller's credentials, since the kernel would otherwise show the supervisor's to a receiver with SO_PASSCRED. Without
 * root the kernel lets it speak for no process but itself: a message with credentials is then EPERM, and a receiver of one without sees the supervisor's process id.
 *
 * A stream's data is read piece by piece as the socket takes it, as the kernel does, so a message of any length costs one piece. A blocking one that is partly sent waits for
 * room; if a signal takes the call away meanwhile and the kernel restarts it, it ends with what was sent (unix-names.ts).
 */
import { Errno } from '../abi/errno.ts';
import { fromWords } from '../abi/struct.ts';
import { close } from '../host/libc.ffi.ts';
import { MAX_DESCRIPTORS, sendUnixMessage, type Ucred } from '../host/unix-message.ffi.ts';
import type { GuestMemory } from '../socket/guest-memory.ts';
import type { GuestTask } from './guest-task.ts';

/** `struct user_msghdr`, `struct iovec`, `struct cmsghdr`; the largest name that the kernel copies in (struct sockaddr_storage). */
export const MSGHDR_OCTETS = 56;
/** With msg_len and its padding behind it. */
export const MMSGHDR_OCTETS = 64;
const IOVEC_OCTETS = 16;
const CMSGHDR_OCTETS = 16;
export const STORAGE_OCTETS = 128;
export const UIO_MAXIOV = 1024;
/** Linux's own limit is net.core.optmem_max. */
const MAX_CONTROL = 20_480;
const MAX_DATAGRAM = 4 * 1024 * 1024;
const PIECE = 256 * 1024;
/** MAX_RW_COUNT of include/linux/fs.h: no call moves more. */
const MAX_TRANSFER = 0x7fff_f000;

/** (uid_t)-1: nobody's. */
const NO_ID = 0xffff_ffff;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
const MSG_OOB = 1;

/** Where the data lies: address and length in turn. */
export type Vector = readonly number[];

export interface Header {
  readonly name: Uint8Array;
  readonly vector: Vector;
  readonly total: number;
  readonly controlAt: number;
  readonly controlLen: number;
}

/** Reads `struct user_msghdr` at `at`, its name and its iovecs; a negative errno where the kernel would refuse them. */
export function readHeader(memory: GuestMemory, at: number): Header | number {
  const header = new Uint32Array(MSGHDR_OCTETS / 4);
  if (!readInto(memory, at, header)) return -Errno.EFAULT;
  const field = (word: number): number => fromWords(header[word] as number, header[word + 1] as number);
  const nameLen = field(0) === 0 ? 0 : (header[2] as number) | 0;
  if (nameLen < 0) return -Errno.EINVAL;
  const name = new Uint8Array(Math.min(nameLen, STORAGE_OCTETS));
  if (memory.read(field(0), name, 0, name.length) < name.length) return -Errno.EFAULT;
  const vector = readVector(memory, field(4), field(6));
  if (typeof vector === 'number') return vector;
  return { name, ...vector, controlAt: field(8), controlLen: field(8) === 0 ? 0 : field(10) };
}

function readInto(memory: GuestMemory, at: number, words: Uint32Array): boolean {
  const bytes = new Uint8Array(words.buffer);
  return memory.read(at, bytes, 0, bytes.length) === bytes.length;
}
function readVector(memory: GuestMemory, at: number, count: number): { vector: Vector; total: number } | number {
  if (count > UIO_MAXIOV) return -Errno.EMSGSIZE;
  const words = new Uint32Array((count * IOVEC_OCTETS) / 4);
  if (!readInto(memory, at, words)) return -Errno.EFAULT;
  const vector: number[] = [];
  let total = 0;
  for (let word = 0; word < words.length; word += 4) {
    const len = Math.min(
      fromWords(words[word + 2] as number, words[word + 3] as number),
      // A length with the sign bit is EINVAL; one beyond what a call moves is cut.
      (words[word + 3] as number) >= 0x8000_0000 ? -1 : MAX_TRANSFER - total,
    );
    if (len < 0) return -Errno.EINVAL;
    vector.push(fromWords(words[word] as number, words[word + 1] as number), len);
    total += len;
  }
  return { vector, total };
}

interface Control {
  readonly descriptors: number[];
  credentials: Ucred | undefined;
}

/** Fetches what the control messages name; what was fetched until an error is in `control` as well. Returns 0 or a negative errno (__scm_send of net/core/scm.c). */
function readControl(task: GuestTask, { controlAt, controlLen }: Header, control: Control): number {
  if (controlLen > MAX_CONTROL) return -Errno.ENOBUFS;
  const bytes = new Uint8Array(controlLen);
  if (task.foreignMemory.read(controlAt, bytes, 0, controlLen) < controlLen) return -Errno.EFAULT;
  const view = new DataView(bytes.buffer);
  for (let at = 0; at + CMSGHDR_OCTETS <= controlLen; ) {
    const len = fromWords(view.getUint32(at, true), view.getUint32(at + 4, true));
    if (len < CMSGHDR_OCTETS || len > controlLen - at) return -Errno.EINVAL;
    const payload = new DataView(bytes.buffer, at + CMSGHDR_OCTETS, len - CMSGHDR_OCTETS);
    const refused =
      view.getInt32(at + 8, true) === SOL_SOCKET ? take(task, view.getInt32(at + 12, true), payload, control) : 0;
    if (refused < 0) return refused;
    at += (len + 7) & ~7;
  }
  return 0;
}
function take(task: GuestTask, type: number, payload: DataView, control: Control): number {
  if (type === SCM_RIGHTS) return takeDescriptors(task, payload, control.descriptors);
  return type === SCM_CREDENTIALS ? takeCredentials(task, payload, control) : -Errno.EINVAL;
}
function takeDescriptors(task: GuestTask, payload: DataView, descriptors: number[]): number {
  const count = payload.byteLength >> 2;
  if (descriptors.length + count > MAX_DESCRIPTORS) return -Errno.EINVAL;
  for (let i = 0; i < count; i++) {
    const copy = task.descriptors.copyOf(payload.getInt32(i * 4, true));
    if (copy < 0) return copy;
    descriptors.push(copy);
  }
  return 0;
}
function takeCredentials({ process }: GuestTask, payload: DataView, control: Control): number {
  if (payload.byteLength !== 12) return -Errno.EINVAL;
  const [pid, uid, gid] = [payload.getInt32(0, true), payload.getUint32(4, true), payload.getUint32(8, true)];
  if (pid !== process.innerPid) return -Errno.EPERM;
  if (!process.uids.includes(uid) && !process.setUid) return -Errno.EPERM;
  if (!process.gids.includes(gid) && !process.setGid) return -Errno.EPERM;
  if (uid === NO_ID || gid === NO_ID) return -Errno.EINVAL;
  control.credentials = { pid: process.pid, uid, gid };
  return 0;
}

export interface SendOptions {
  readonly copy: number;
  readonly flags: number;
  readonly isStream: boolean;
  /** The supervisor may speak for others (CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID). */
  readonly mayImpersonate: boolean;
}

/** One message on its way. */
export class Outgoing {
  /** Octets that the socket has taken. */
  sent = 0;
  /** The name to send to, which the caller may replace by one that leads to the same socket. */
  name: Uint8Array;
  /** Time has passed since the call was received: whether its thread still waits in it. */
  stillWaits: () => boolean = () => true;
  readonly #memory: GuestMemory;
  readonly #header: Header;
  readonly #options: SendOptions;
  readonly #control: Control;

  private constructor(task: GuestTask, header: Header, options: SendOptions, control: Control) {
    this.#memory = task.foreignMemory;
    this.#header = header;
    this.#options = options;
    this.#control = control;
    this.name = header.name;
  }
  /** Fetches what goes with the message; a negative errno where the kernel would refuse it. */
  static of(task: GuestTask, header: Header, options: SendOptions): Outgoing | number {
    const { process } = task;
    const [uid = 0, gid = 0] = [process.uids[1], process.gids[1]];
    const own = options.mayImpersonate ? { pid: process.pid, uid, gid } : undefined;
    const control: Control = { descriptors: [], credentials: own };
    const outgoing = new Outgoing(task, header, options, control);
    let refused = readControl(task, header, control);
    if (refused === 0 && !options.isStream && header.total > MAX_DATAGRAM) refused = -Errno.EMSGSIZE;
    if (refused === 0) return outgoing;
    outgoing.close();
    return refused;
  }
  /** Sends as much as the socket takes: octets sent when all are, -EAGAIN while some are left, another errno if none could be. */
  attempt(): number {
    const { isStream, flags, copy } = this.#options;
    const { total } = this.#header;
    for (;;) {
      const len = isStream ? Math.min(PIECE, total - this.sent) : total;
      const data = this.#read(len);
      if (data === undefined) return this.sent > 0 ? this.sent : -Errno.EFAULT;
      // The octet out of band is the message's last one.
      const now = this.sent + len < total ? flags & ~MSG_OOB : flags;
      const n = sendUnixMessage(copy, data, now, {
        name: this.name,
        descriptors: this.#control.descriptors,
        credentials: this.#control.credentials,
      });
      if (n < 0) return n === -Errno.EAGAIN || this.sent === 0 ? n : this.sent;
      this.sent += n;
      this.close();
      if (!isStream || this.sent === total) return this.sent;
    }
  }
  /** The next `len` octets; undefined where the guest has no such memory, or is gone. */
  #read(len: number): Uint8Array | undefined {
    const data = new Uint8Array(len);
    const { vector } = this.#header;
    let [skip, at] = [this.sent, 0];
    for (let i = 0; i < vector.length && at < len; i += 2) {
      const [base = 0, size = 0] = [vector[i], vector[i + 1]];
      const now = Math.min(size - skip, len - at);
      if (now > 0) {
        if (this.#memory.read(base + skip, data, at, now) < now) return undefined;
        at += now;
        skip = 0;
      } else skip -= size;
    }
    return this.stillWaits() ? data : undefined;
  }
  /** The descriptors go with the first octet alone. */
  close(): void {
    for (const fd of this.#control.descriptors.splice(0)) close(fd);
  }
}
