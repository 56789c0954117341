/**
 * Control messages (cmsg(3)): a sequence of headers, each with its payload, aligned to 8 octets on 64-bit ABIs. include/linux/socket.h.
 *
 * `CmsgWalker` reads what a guest sent, by the rules of the kernel's for_each_cmsghdr and CMSG_OK: a header that does not fit ends the walk;
 * a length below the header's or beyond the buffer makes the whole call EINVAL. Lengths are compared as numbers, so that a 64-bit one cannot wrap.
 * `CmsgWriter` fills the guest's buffer as put_cmsg does (net/core/scm.c): what does not fit is cut, with cmsg_len what fitted, and MSG_CTRUNC set.
 */
import { MSG_CTRUNC } from './socket.ts';
import { i32, readI32, readU64, record, struct, type TypeOf, u64, withCodec, write32, write64 } from './struct.ts';

export const cmsghdr = withCodec(struct('cmsghdr', 16, { len: u64, level: i32, type: i32 }), {
  blank: record(function () {
    this.len = 0;
    this.level = 0;
    this.type = 0;
  }),
  put: (b, at, { len, level, type }) => {
    write64(b, at, len);
    write32(b, at + 8, level);
    write32(b, at + 12, type);
  },
  load: (into, b, at) => {
    into.len = readU64(b, at);
    into.level = readI32(b, at + 8);
    into.type = readI32(b, at + 12);
    return into;
  },
});
export type Cmsghdr = TypeOf<typeof cmsghdr>;
export const CMSG_HEADER = 16;

export const CMSG_ALIGN = (len: number): number => (len + 7) & ~7;
/** `cmsg_len` for a payload of `len` octets. */
export const CMSG_LEN = (len: number): number => CMSG_HEADER + len;
/** Octets that a payload of `len` octets occupies in the buffer. */
export const CMSG_SPACE = (len: number): number => CMSG_HEADER + CMSG_ALIGN(len);

const LEAST_OMITTED = 256;

function putHeader(bytes: Uint8Array, at: number, len: number, level: number, type: number): void {
  write64(bytes, at, len);
  write32(bytes, at + 8, level);
  write32(bytes, at + 12, type);
}

export class CmsgWalker {
  level = 0;
  type = 0;
  /** Where the payload of the current message begins in the buffer, and its octets: always inside the buffer. */
  data = 0;
  dataLength = 0;
  /** True once a header with an impossible length was met: the call is EINVAL. */
  malformed = false;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  #next = 0;

  /** Walks `length` octets from the beginning of `bytes`. */
  begin(bytes: Uint8Array, length: number): this {
    this.#bytes = bytes;
    this.#end = Math.min(length, bytes.length);
    this.#next = 0;
    this.malformed = false;
    return this;
  }
  /** Steps to the next message. False at the end or when `malformed`. */
  next(): boolean {
    const at = this.#next;
    if (this.malformed || at + CMSG_HEADER > this.#end) return false;
    const length = readU64(this.#bytes, at);
    if (length < CMSG_HEADER || length > this.#end - at) {
      this.malformed = true;
      return false;
    }
    this.level = readI32(this.#bytes, at + 8);
    this.type = readI32(this.#bytes, at + 12);
    this.data = at + CMSG_HEADER;
    this.dataLength = length - CMSG_HEADER;
    this.#next = at + CMSG_ALIGN(length);
    return true;
  }
}

export class CmsgWriter {
  /** Octets written so far: what msg_controllen becomes. */
  length = 0;
  /** MSG_CTRUNC once something did not fit, else 0. */
  flags = 0;
  /** The messages that did not fit, each in full, the one that was cut among them: where the guest turns out to have no memory for those before them they may fit after all. */
  omitted: Uint8Array = new Uint8Array(0);
  omittedLength = 0;
  /** Octets in front of the message that was cut; `length` where none was. */
  whole = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #capacity = 0;

  /** Writes to `bytes`, of which the guest has room for `capacity` octets. */
  begin(bytes: Uint8Array, capacity: number): this {
    this.#bytes = bytes;
    this.#capacity = Math.min(capacity, bytes.length);
    this.length = this.flags = this.whole = this.omittedLength = 0;
    return this;
  }
  /** put_cmsg: appends one message with the `len` octets at `payload[at..]`. */
  put(level: number, type: number, payload: Uint8Array, at: number, len: number): void {
    const room = this.#capacity - this.length;
    let written = CMSG_LEN(len);
    if (room < written) {
      this.omit(level, type, payload, at, len);
      if (room < CMSG_HEADER) return;
      written = room;
    }
    putHeader(this.#bytes, this.length, written, level, type);
    const to = this.length + CMSG_HEADER;
    for (let i = 0; i < written - CMSG_HEADER; i++) this.#bytes[to + i] = payload[at + i] as number;
    this.length += Math.min(CMSG_SPACE(len), room);
    if (this.flags === 0) this.whole = this.length;
  }
  /** There is no room for a message, or not for all of it. */
  omit(level: number, type: number, payload: Uint8Array, at: number, len: number): void {
    this.flags = MSG_CTRUNC;
    const from = this.omittedLength;
    this.omittedLength += CMSG_SPACE(len);
    if (this.omitted.length < this.omittedLength) {
      const longer = new Uint8Array(Math.max(2 * this.omittedLength, LEAST_OMITTED));
      longer.set(this.omitted);
      this.omitted = longer;
    }
    putHeader(this.omitted, from, CMSG_LEN(len), level, type);
    for (let i = 0; i < len; i++) this.omitted[from + CMSG_HEADER + i] = payload[at + i] as number;
  }
  /** As `put`, for a payload that is one int. */
  putInt(level: number, type: number, value: number): void {
    i32.put(this.#scratch, 0, value);
    this.put(level, type, this.#scratch, 0, 4);
  }
  readonly #scratch = new Uint8Array(4);
}
