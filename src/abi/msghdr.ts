/** Messages: include/linux/socket.h, include/uapi/linux/uio.h. */
import { i32, struct, type TypeOf, u32, u64 } from './struct.ts';

/** `struct iovec`: one guest buffer. */
export const iovec = struct('iovec', 16, { base: u64, len: u64 });
export type Iovec = TypeOf<typeof iovec>;

/** `struct user_msghdr`; the C library calls it `msghdr`. */
export const msghdr = struct('msghdr', 56, {
  /** Guest pointer, 0 if none. */
  name: u64,
  namelen: i32,
  iov: u64,
  /** Count of iovecs, not octets. */
  iovlen: u64,
  control: u64,
  /** Octets. */
  controllen: u64,
  /** Out only. */
  flags: u32,
});
export type Msghdr = TypeOf<typeof msghdr>;

/** `struct mmsghdr`: sendmmsg(2), recvmmsg(2). `len` is out only. */
export const mmsghdr = struct('mmsghdr', 64, { hdr: msghdr, len: u32 });
export type Mmsghdr = TypeOf<typeof mmsghdr>;
