/**
 * Socket addresses. Each family reads its own struct out of the octets that the guest gave; `family` at offset 0 says which.
 * include/uapi/linux/in.h, in6.h, un.h, netlink.h, if_packet.h.
 */
import {
  alignedOctets,
  be16,
  be32,
  copyOctets,
  i32,
  octets,
  readBe16,
  readBe32,
  readU16,
  readU32,
  record,
  struct,
  type TypeOf,
  u8,
  u16,
  u32,
  withCodec,
  write16,
  write32,
  writeBe16,
  writeBe32,
} from './struct.ts';

/** `struct sockaddr`: 16 octets, the least that bind(2) of AF_INET takes. */
export const sockaddr = struct('sockaddr', 16, { family: u16, data: octets(14) });
export type Sockaddr = TypeOf<typeof sockaddr>;
/** `zero` may be left out of what is encoded. */
export const sockaddrIn = withCodec(
  struct('sockaddr_in', 16, { family: u16, port: be16, addr: be32, zero: octets(8) }),
  {
    blank: record(function () {
      this.family = 0;
      this.port = 0;
      this.addr = 0;
      this.zero = new Uint8Array(8);
    }),
    put: (b, at, { family, port, addr, zero }) => {
      write16(b, at, family);
      writeBe16(b, at + 2, port);
      writeBe32(b, at + 4, addr);
      copyOctets(b, at + 8, zero, 0, 8);
    },
    load: (into, b, at) => {
      into.family = readU16(b, at);
      into.port = readBe16(b, at + 2);
      into.addr = readBe32(b, at + 4);
      copyOctets(into.zero, 0, b, at + 8, 8);
      return into;
    },
  },
);
export type SockaddrIn = TypeOf<typeof sockaddrIn>;
/** `flowinfo` is in network order, `scopeId` in host order. */
export const sockaddrIn6 = withCodec(
  struct('sockaddr_in6', 28, { family: u16, port: be16, flowinfo: be32, addr: octets(16), scopeId: u32 }),
  {
    blank: record(function () {
      this.family = 0;
      this.port = 0;
      this.flowinfo = 0;
      this.addr = new Uint8Array(16);
      this.scopeId = 0;
    }),
    put: (b, at, { family, port, flowinfo, addr, scopeId }) => {
      write16(b, at, family);
      writeBe16(b, at + 2, port);
      writeBe32(b, at + 4, flowinfo);
      copyOctets(b, at + 8, addr, 0, 16);
      write32(b, at + 24, scopeId);
    },
    load: (into, b, at) => {
      into.family = readU16(b, at);
      into.port = readBe16(b, at + 2);
      into.flowinfo = readBe32(b, at + 4);
      copyOctets(into.addr, 0, b, at + 8, 16);
      into.scopeId = readU32(b, at + 24);
      return into;
    },
  },
);
export type SockaddrIn6 = TypeOf<typeof sockaddrIn6>;
/** RFC 2133's sockaddr_in6, without the scope id: the shortest that Linux accepts (SIN6_LEN_RFC2133). */
export const SIN6_LEN_RFC2133 = 24;

export const UNIX_PATH_MAX = 108;
export const sockaddrUn = struct('sockaddr_un', 110, { family: u16, path: octets(UNIX_PATH_MAX) });
export type SockaddrUn = TypeOf<typeof sockaddrUn>;
export const sockaddrNl = struct('sockaddr_nl', 12, { family: u16, pad: u16, pid: u32, groups: u32 });
export type SockaddrNl = TypeOf<typeof sockaddrNl>;
export const sockaddrLl = struct('sockaddr_ll', 20, {
  family: u16,
  protocol: be16,
  ifindex: i32,
  hatype: u16,
  pkttype: u8,
  halen: u8,
  addr: octets(8),
});
export type SockaddrLl = TypeOf<typeof sockaddrLl>;
/** vsock(7): include/uapi/linux/vm_sockets.h. */
export const sockaddrVm = struct('sockaddr_vm', 16, {
  family: u16,
  reserved1: u16,
  port: u32,
  cid: u32,
  flags: u8,
  zero: octets(3),
});
export type SockaddrVm = TypeOf<typeof sockaddrVm>;
export const VMADDR_CID_ANY = 0xffffffff;
export const VMADDR_PORT_ANY = 0xffffffff;
export const VMADDR_CID_HYPERVISOR = 0;
export const VMADDR_CID_LOCAL = 1;
export const VMADDR_CID_HOST = 2;
export const VMADDR_FLAG_TO_HOST = 1;
/** Room for the address of any family, aligned for each: what the options of multicast groups hold. */
export const sockaddrStorage = alignedOctets(128, 8);
/** `sizeof(struct sockaddr_storage)`: a longer address is EINVAL in every call. */
export const SOCKADDR_STORAGE_SIZE = 128;
