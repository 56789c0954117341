/** Messages: include/linux/socket.h, include/uapi/linux/uio.h. */
import {
  i32,
  readI32,
  readU32,
  readU64,
  record,
  struct,
  type TypeOf,
  u32,
  u64,
  withCodec,
  write32,
  write64,
} from './struct.ts';

/** `struct iovec`: one guest buffer. */
export const iovec = withCodec(struct('iovec', 16, { base: u64, len: u64 }), {
  blank: record(function () {
    this.base = 0;
    this.len = 0;
  }),
  put: (b, at, { base, len }) => {
    write64(b, at, base);
    write64(b, at + 8, len);
  },
  load: (into, b, at) => {
    into.base = readU64(b, at);
    into.len = readU64(b, at + 8);
    return into;
  },
});
export type Iovec = TypeOf<typeof iovec>;

/** `struct user_msghdr`; the C library calls it `msghdr`. */
export const msghdr = withCodec(
  struct('msghdr', 56, {
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
  }),
  {
    blank: record(function () {
      this.name = 0;
      this.namelen = 0;
      this.iov = 0;
      this.iovlen = 0;
      this.control = 0;
      this.controllen = 0;
      this.flags = 0;
    }),
    put: (b, at, { name, namelen, iov, iovlen, control, controllen, flags }) => {
      write64(b, at, name);
      write32(b, at + 8, namelen);
      write64(b, at + 16, iov);
      write64(b, at + 24, iovlen);
      write64(b, at + 32, control);
      write64(b, at + 40, controllen);
      write32(b, at + 48, flags);
    },
    load: (into, b, at) => {
      into.name = readU64(b, at);
      into.namelen = readI32(b, at + 8);
      into.iov = readU64(b, at + 16);
      into.iovlen = readU64(b, at + 24);
      into.control = readU64(b, at + 32);
      into.controllen = readU64(b, at + 40);
      into.flags = readU32(b, at + 48);
      return into;
    },
  },
);
export type Msghdr = TypeOf<typeof msghdr>;

/** `struct mmsghdr`: sendmmsg(2), recvmmsg(2). `len` is out only. */
export const mmsghdr = withCodec(struct('mmsghdr', 64, { hdr: msghdr, len: u32 }), {
  blank: record(function () {
    this.hdr = msghdr.blank();
    this.len = 0;
  }),
  put: (b, at, { hdr, len }) => {
    msghdr.put(b, at, hdr);
    write32(b, at + 56, len);
  },
  load: (into, b, at) => {
    msghdr.load(into.hdr, b, at);
    into.len = readU32(b, at + 56);
    return into;
  },
});
export type Mmsghdr = TypeOf<typeof mmsghdr>;
