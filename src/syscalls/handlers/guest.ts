/**
 * Copies between guest memory and the arguments of calls, with the kernel's checks. Each returns 0 or a negative errno, and reads what it reads once.
 */
import { Errno } from '../../abi/errno.ts';
import { iovec, msghdr } from '../../abi/msghdr.ts';
import { SOCKADDR_STORAGE_SIZE } from '../../abi/sockaddr.ts';
import { MAX_RW_COUNT, UIO_MAXIOV } from '../../abi/socket.ts';
import { i32, u64 } from '../../abi/struct.ts';
import type { IoVector } from '../../socket/io-vector.ts';
import type { CallContext } from '../task.ts';

/** access_ok(): false for ranges that no user mapping can cover. Says nothing about what is mapped. */
export const accessOk = (ctx: CallContext, addr: number, len: number): boolean => addr + len <= ctx.userEnd;

/** What copies need of a call. */
type MemoryContext = Pick<CallContext, 'memory'>;

/** copy_from_user of `len` octets into `dst` (whose beginning is used). */
export const copyIn = (ctx: MemoryContext, addr: number, dst: Uint8Array, len: number): number =>
  ctx.memory.read(addr, dst, 0, len) === len ? 0 : -Errno.EFAULT;
export const copyOut = (ctx: MemoryContext, addr: number, src: Uint8Array, len: number): number =>
  ctx.memory.write(addr, src, 0, len) === len ? 0 : -Errno.EFAULT;

const WORD = new Uint8Array(8);
/** put_user of an int. */
export function putInt(ctx: MemoryContext, addr: number, value: number): number {
  i32.put(WORD, 0, value);
  return putWhole(ctx, addr, 4);
}
const PAGE = 4096;
const LAST = new Uint8Array(1);
/** put_user writes all or nothing: where the value crosses a page its last octet is tried first. */
function putWhole(ctx: MemoryContext, addr: number, len: number): number {
  const last = addr + len - 1;
  const crosses = addr % PAGE > PAGE - len;
  if (crosses && (copyIn(ctx, last, LAST, 1) !== 0 || copyOut(ctx, last, LAST, 1) !== 0)) return -Errno.EFAULT;
  return copyOut(ctx, addr, WORD, len);
}
export function putLong(ctx: CallContext, addr: number, value: number): number {
  u64.put(WORD, 0, value);
  return putWhole(ctx, addr, 8);
}

/** move_addr_to_kernel (net/socket.c): `len` octets of struct sockaddr to `dst`. */
export function addressIn(ctx: CallContext, addr: number, len: number, dst: Uint8Array): number {
  if (len < 0 || len > SOCKADDR_STORAGE_SIZE) return -Errno.EINVAL;
  return len === 0 ? 0 : copyIn(ctx, addr, dst, len);
}

/**
 * move_addr_to_user: the address `name`, `fullLength` octets long, for a guest with a buffer at `addr` and its length at `lengthAt`.
 * The full length is written first, then as much of the address as fits.
 */
export function addressOut(
  ctx: CallContext,
  name: Uint8Array,
  fullLength: number,
  addr: number,
  lengthAt: number,
): number {
  if (copyIn(ctx, lengthAt, WORD, 4) !== 0) return -Errno.EFAULT;
  return addressOutSized(ctx, name, fullLength, addr, lengthAt, i32.get(WORD, 0));
}
/** As `addressOut`, with the guest's length already read. */
export function addressOutSized(
  ctx: CallContext,
  name: Uint8Array,
  fullLength: number,
  addr: number,
  lengthAt: number,
  room: number,
): number {
  const len = Math.min(room, fullLength);
  if (len < 0) return -Errno.EINVAL;
  const stored = putInt(ctx, lengthAt, fullLength);
  return stored !== 0 || len === 0 ? stored : copyOut(ctx, addr, name, len);
}

/** import_ubuf: one buffer. */
export function importBuffer(ctx: CallContext, addr: number, size: number): number {
  const len = Math.min(size, MAX_RW_COUNT);
  if (!accessOk(ctx, addr, len)) return -Errno.EFAULT;
  ctx.message.iov.push(addr, len);
  return 0;
}

const VECTOR = new Uint8Array(UIO_MAXIOV * iovec.size);
/** import_iovec: `count` <= UIO_MAXIOV vectors at `addr`. A negative length is EINVAL; what exceeds MAX_RW_COUNT in all is cut off. */
export function importVector(ctx: CallContext, iov: IoVector, addr: number, count: number): number {
  if (count === 0) return 0;
  if (copyIn(ctx, addr, VECTOR, count * iovec.size) !== 0) return -Errno.EFAULT;
  for (let i = 0; i < count; i++) {
    // ssize_t: the top bit makes it negative.
    if ((VECTOR[i * iovec.size + 15] as number) >= 0x80) return -Errno.EINVAL;
  }
  for (let i = 0; i < count; i++) {
    const base = u64.get(VECTOR, i * iovec.size);
    const len = u64.get(VECTOR, i * iovec.size + 8);
    // A single vector is cut first and then checked, several are checked whole (__import_iovec_ubuf, __import_iovec).
    if (!accessOk(ctx, base, count === 1 ? Math.min(len, MAX_RW_COUNT) : len)) return -Errno.EFAULT;
    iov.push(base, Math.min(len, MAX_RW_COUNT - iov.total));
  }
  return 0;
}

/**
 * copy_msghdr_from_user: fills `ctx.header` and the vectors of `ctx.message`; for a send (`withName`) the address too.
 * iovlen beyond UIO_MAXIOV is EMSGSIZE here.
 */
export function importHeader(ctx: CallContext, address: number, withName: boolean): number {
  const { header, message, scratch } = ctx;
  message.clear();
  if (copyIn(ctx, address, scratch, msghdr.size) !== 0) return -Errno.EFAULT;
  header.address = address;
  header.name = u64.get(scratch, msghdr.offset.name);
  header.nameLength = header.name === 0 ? 0 : i32.get(scratch, msghdr.offset.namelen);
  header.control = u64.get(scratch, msghdr.offset.control);
  header.controlLength = u64.get(scratch, msghdr.offset.controllen);
  header.flags = i32.get(scratch, msghdr.offset.flags);
  const iov = u64.get(scratch, msghdr.offset.iov);
  const count = u64.get(scratch, msghdr.offset.iovlen);
  if (header.nameLength < 0) return -Errno.EINVAL;
  if (withName && header.nameLength > 0) {
    const len = Math.min(header.nameLength, SOCKADDR_STORAGE_SIZE);
    if (copyIn(ctx, header.name, message.name, len) !== 0) return -Errno.EFAULT;
    message.nameLength = len;
  }
  if (count > UIO_MAXIOV) return -Errno.EMSGSIZE;
  return importVector(ctx, message.iov, iov, count);
}
