/**
 * Socket addresses. Each family reads its own struct out of the octets that the guest gave; `family` at offset 0 says which.
 * include/uapi/linux/in.h, in6.h, un.h, netlink.h, if_packet.h.
 */
import { be16, be32, i32, octets, struct, type TypeOf, u8, u16, u32 } from './struct.ts';

/** `struct sockaddr`: 16 octets, the least that bind(2) of AF_INET takes. */
export const sockaddr = struct('sockaddr', 16, { family: u16, data: octets(14) });
export const sockaddrIn = struct('sockaddr_in', 16, { family: u16, port: be16, addr: be32, zero: octets(8) });
export type SockaddrIn = TypeOf<typeof sockaddrIn>;
/** `flowinfo` is in network order, `scopeId` in host order. */
export const sockaddrIn6 = struct('sockaddr_in6', 28, {
  family: u16,
  port: be16,
  flowinfo: be32,
  addr: octets(16),
  scopeId: u32,
});
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
/** `sizeof(struct sockaddr_storage)`: a longer address is EINVAL in every call. */
export const SOCKADDR_STORAGE_SIZE = 128;
