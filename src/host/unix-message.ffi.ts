/**
 * sendmsg(2) on a copy of a guest's unix socket, with descriptors and credentials of ours to choose (unix(7), cmsg(3)). Never waits and raises no
 * signal. Returns octets sent or a negative errno.
 */
import { arena, borrowAddress, errno, native } from './libc.ffi.ts';

const sendmsg = native<(fd: number, message: number, flags: number) => number>(
  'intptr_t sendmsg(int fd, uintptr_t message, int flags)',
);

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const SCM_CREDENTIALS = 2;
/** SCM_MAX_FD of net/core/scm.h: more descriptors are EINVAL. */
export const MAX_DESCRIPTORS = 253;

/** `struct cmsghdr`. */
const CMSGHDR_OCTETS = 16;
const NAME_AT = 128;
const CONTROL_AT = 256;
const memory = arena(4096);
const words = new Uint32Array(memory.bytes.buffer, 0, 1024);

/** `struct ucred`. */
export interface Ucred {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export interface UnixMessage {
  /** A whole `struct sockaddr_un` of at most 128 octets; empty for none. */
  readonly name: Uint8Array;
  /** Descriptors of ours to pass. */
  readonly descriptors: readonly number[];
  readonly credentials: Ucred | undefined;
}

function putAddress(word: number, address: number): void {
  words[word] = address >>> 0;
  words[word + 1] = Math.floor(address / 0x1_0000_0000);
}
/** Puts a control message whose payload of `values` are 32-bit words; returns the offset behind it. */
function putControl(at: number, type: number, values: readonly number[]): number {
  const word = at >> 2;
  putAddress(word, CMSGHDR_OCTETS + values.length * 4);
  words[word + 2] = SOL_SOCKET;
  words[word + 3] = type;
  for (const [i, value] of values.entries()) words[word + 4 + i] = value;
  return (at + CMSGHDR_OCTETS + values.length * 4 + 7) & ~7;
}

export function sendUnixMessage(
  fd: number,
  data: Uint8Array,
  flags: number,
  { name, descriptors, credentials }: UnixMessage,
): number {
  let end = CONTROL_AT;
  if (credentials !== undefined) {
    end = putControl(end, SCM_CREDENTIALS, [credentials.pid, credentials.uid, credentials.gid]);
  }
  if (descriptors.length > 0) end = putControl(end, SCM_RIGHTS, descriptors);
  memory.bytes.set(name, NAME_AT);
  // struct msghdr, with its one iovec behind it at 64.
  putAddress(0, name.length === 0 ? 0 : memory.address + NAME_AT);
  putAddress(2, name.length);
  putAddress(4, memory.address + 64);
  putAddress(6, 1);
  putAddress(8, end === CONTROL_AT ? 0 : memory.address + CONTROL_AT);
  putAddress(10, end - CONTROL_AT);
  putAddress(12, 0);
  putAddress(16, data.length === 0 ? 0 : borrowAddress(data));
  putAddress(18, data.length);
  const sent = sendmsg(fd, memory.address, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent >= 0 ? sent : -errno();
}
