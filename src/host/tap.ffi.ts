/**
 * Opening a tap (Documentation/networking/tuntap.rst, linux/if_tun.h) the way a FramedLink wants it: whole frames behind a virtio_net_hdr of 10 octets,
 * with checksum and TCP segmentation offload both ways, nonblocking. Needs CAP_NET_ADMIN in the namespace's owner, or a tap made for this user.
 */
import { arena, close, errno, HostError, must, native } from './libc.ffi.ts';

const open = native<(path: string, flags: number) => number>('int open(const char *path, int flags)');
const ioctl = native<(fd: number, request: number, argument: number) => number>(
  'int ioctl(int fd, unsigned long request, uintptr_t argument)',
);

const O_RDWR = 2;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
/** TUN_F_CSUM, TUN_F_TSO4, TUN_F_TSO6. */
const OFFLOADS = 1 | 2 | 4;
const VNET_HDR_OCTETS = 10;
/** IFNAMSIZ, the terminating zero included. */
const NAME_OCTETS = 16;

/** TUNGETIFF fills a struct ifreq of 40 octets. */
const TUNGETIFF = 0x800454d2;
const SIOCGIFMTU = 0x8921;
const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const IFF_TUN_OR_TAP = 0x0003;
const socket = native<(family: number, type: number, protocol: number) => number>(
  'int socket(int family, int type, int protocol)',
);
const request = arena(4096);

function putName(bytes: Uint8Array, name: string): void {
  bytes.fill(0, 0, 40);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
}

/** MTU of an interface of this network namespace, or undefined if it has none of the name. */
export function interfaceMtu(name: string): number | undefined {
  if (name.length === 0 || name.length >= NAME_OCTETS) return undefined;
  const fd = must(socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0), 'socket', 'AF_INET');
  putName(request.bytes, name);
  const found = ioctl(fd, SIOCGIFMTU, request.address) === 0;
  close(fd);
  return found ? new DataView(request.bytes.buffer).getInt32(NAME_OCTETS, true) : undefined;
}

/** What a descriptor of /dev/net/tun is attached to; undefined for any other. */
export function attachedTo(
  fd: number,
): { readonly name: string; readonly isTap: boolean; readonly framing: boolean } | undefined {
  putName(request.bytes, '');
  if (ioctl(fd, TUNGETIFF, request.address) < 0) return undefined;
  const flags = new DataView(request.bytes.buffer).getUint16(NAME_OCTETS, true);
  const end = request.bytes.indexOf(0);
  const name = String.fromCharCode(...request.bytes.subarray(0, end));
  const isTap = (flags & IFF_TUN_OR_TAP) === IFF_TAP;
  return { name, isTap, framing: (flags & IFF_VNET_HDR) !== 0 && (flags & IFF_NO_PI) !== 0 };
}
/** Header length and offloads as `openTap` has them, on a tap that somebody else opened. @throws HostError */
export function prepareTap(fd: number): void {
  request.bytes.fill(0, 64, 68);
  request.bytes[64] = VNET_HDR_OCTETS;
  must(ioctl(fd, TUNSETVNETHDRSZ, request.address + 64), 'ioctl TUNSETVNETHDRSZ', `descriptor ${fd}`);
  must(ioctl(fd, TUNSETOFFLOAD, OFFLOADS), 'ioctl TUNSETOFFLOAD', `descriptor ${fd}`);
}

/** Attaches to the tap `name`, made if there is none. @returns the descriptor. @throws HostError */
export function openTap(name: string): number {
  if (name.length === 0 || name.length >= NAME_OCTETS) {
    throw new RangeError(`the name of a tap has 1 to 15 characters, not ${JSON.stringify(name)}`);
  }
  const fd = must(open('/dev/net/tun', O_RDWR | O_NONBLOCK | O_CLOEXEC), 'open', '/dev/net/tun');
  const { address, bytes } = arena(4096);
  for (let i = 0; i < name.length; i++) bytes[i] = name.charCodeAt(i);
  const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
  bytes[NAME_OCTETS] = flags;
  bytes[NAME_OCTETS + 1] = flags >>> 8;
  bytes[64] = VNET_HDR_OCTETS;
  const failed =
    (ioctl(fd, TUNSETIFF, address) < 0 && 'TUNSETIFF') ||
    (ioctl(fd, TUNSETVNETHDRSZ, address + 64) < 0 && 'TUNSETVNETHDRSZ') ||
    (ioctl(fd, TUNSETOFFLOAD, OFFLOADS) < 0 && 'TUNSETOFFLOAD');
  if (failed === false) return fd;
  const code = errno();
  close(fd);
  throw new HostError(`ioctl ${failed}`, code, `tap ${name}`);
}
