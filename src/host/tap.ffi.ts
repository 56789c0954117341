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
