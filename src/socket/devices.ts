/**
 * Interfaces by ioctl(2), netdevice(7): net/core/dev_ioctl.c for every socket, net/ipv4/devinet.c for AF_INET alone. Facts come from the stack; what would
 * change it is refused to everyone, as Linux refuses it to the unprivileged. The caller copies struct ifreq in and out.
 */
import { Errno } from '../abi/errno.ts';
import {
  SIOCADDMULTI,
  SIOCADDRT,
  SIOCBONDENSLAVE,
  SIOCBONDINFOQUERY,
  SIOCBONDSLAVEINFOQUERY,
  SIOCBRADDBR,
  SIOCBRADDIF,
  SIOCBRDELBR,
  SIOCBRDELIF,
  SIOCDARP,
  SIOCDELMULTI,
  SIOCDELRT,
  SIOCDEVPRIVATE,
  SIOCDIFADDR,
  SIOCETHTOOL,
  SIOCGARP,
  SIOCGHWTSTAMP,
  SIOCGIFADDR,
  SIOCGIFBR,
  SIOCGIFBRDADDR,
  SIOCGIFCONF,
  SIOCGIFDSTADDR,
  SIOCGIFFLAGS,
  SIOCGIFHWADDR,
  SIOCGIFINDEX,
  SIOCGIFMAP,
  SIOCGIFMETRIC,
  SIOCGIFMTU,
  SIOCGIFNAME,
  SIOCGIFNETMASK,
  SIOCGIFPFLAGS,
  SIOCGIFSLAVE,
  SIOCGIFTXQLEN,
  SIOCGIFVLAN,
  SIOCGMIIPHY,
  SIOCGMIIREG,
  SIOCSARP,
  SIOCSHWTSTAMP,
  SIOCSIFADDR,
  SIOCSIFBR,
  SIOCSIFBRDADDR,
  SIOCSIFDSTADDR,
  SIOCSIFFLAGS,
  SIOCSIFHWADDR,
  SIOCSIFHWBROADCAST,
  SIOCSIFMAP,
  SIOCSIFMETRIC,
  SIOCSIFMTU,
  SIOCSIFNAME,
  SIOCSIFNETMASK,
  SIOCSIFPFLAGS,
  SIOCSIFSLAVE,
  SIOCSIFTXQLEN,
  SIOCSIFVLAN,
  SIOCSMIIREG,
  SIOCWANDEV,
} from '../abi/ioctl.ts';
import { ATF_COM, ATF_DONTPUB, ATF_NETMASK, ATF_PERM, ATF_PUBL, arpreq, IFNAMSIZ, ifreq } from '../abi/netlink.ts';
import { sockaddrIn } from '../abi/sockaddr.ts';
import { AF_INET, AF_INET6 } from '../abi/socket.ts';
import { i16, i32, u16 } from '../abi/struct.ts';
import type { InterfaceInfo, Netstack } from '../netstack/endpoint.ts';
import { broadcastOf, hardwareAddress, hardwareType, interfaceFlags } from './netlink/link-messages.ts';

type Own = InterfaceInfo['addresses'][number];
const IFRU = ifreq.offset.ifru;
const COLON = 0x3a;

/** Requests that change interfaces, of every socket and of AF_INET and AF_INET6 alone: EPERM. */
const CHANGES: readonly number[] = [
  SIOCSIFFLAGS,
  SIOCSIFMETRIC,
  SIOCSIFMTU,
  SIOCSIFHWADDR,
  SIOCSIFSLAVE,
  SIOCADDMULTI,
  SIOCDELMULTI,
  SIOCSIFHWBROADCAST,
  SIOCSIFNAME,
  SIOCSIFTXQLEN,
  SIOCSIFMAP,
  SIOCGMIIPHY,
  SIOCGMIIREG,
  SIOCSMIIREG,
  SIOCBONDENSLAVE,
  SIOCSHWTSTAMP,
];
const CHANGES_INET: readonly number[] = [
  SIOCSIFADDR,
  SIOCSIFBRDADDR,
  SIOCSIFNETMASK,
  SIOCSIFDSTADDR,
  SIOCADDRT,
  SIOCDELRT,
  SIOCSARP,
  SIOCDARP,
];
const CHANGES_INET6: readonly number[] = [SIOCSIFADDR, SIOCDIFADDR, SIOCADDRT, SIOCDELRT];
const ADDRESS_REQUESTS: readonly number[] = [SIOCGIFADDR, SIOCGIFBRDADDR, SIOCGIFDSTADDR, SIOCGIFNETMASK];

/** Requests to the driver of an interface, which none here knows: ENODEV or EOPNOTSUPP (dev_ifsioc). */
const DRIVER: readonly number[] = [SIOCGHWTSTAMP, SIOCWANDEV, SIOCBONDINFOQUERY, SIOCBONDSLAVEINFOQUERY];
const PRIVATE_COUNT = 16;
export const isDriverRequest = (request: number): boolean =>
  DRIVER.includes(request) || (request >= SIOCDEVPRIVATE && request < SIOCDEVPRIVATE + PRIVATE_COUNT);
/** Requests of bridges and VLANs: ENOPKG, as where their modules are not there (br_ioctl_call, sock_ioctl). */
const PACKAGES: readonly number[] = [
  SIOCGIFBR,
  SIOCSIFBR,
  SIOCBRADDBR,
  SIOCBRDELBR,
  SIOCBRADDIF,
  SIOCBRDELIF,
  SIOCGIFVLAN,
  SIOCSIFVLAN,
];
export const needsPackage = (request: number): boolean => PACKAGES.includes(request);
/** Requests that AF_INET refuses by name (devinet_ioctl). */
const isInvalid = (domain: number, request: number): boolean =>
  domain === AF_INET && (request === SIOCGIFPFLAGS || request === SIOCSIFPFLAGS);

/** True for a request that would change the network. */
export function changesDevices(domain: number, request: number): boolean {
  if (CHANGES.includes(request)) return true;
  if (domain === AF_INET) return CHANGES_INET.includes(request);
  return domain === AF_INET6 && CHANGES_INET6.includes(request);
}

/** True for what `Devices` has an answer to on a socket of `domain`. */
export const isDeviceRequest = (domain: number, request: number): boolean =>
  request === SIOCGIFCONF ||
  request === SIOCGIFNAME ||
  request === SIOCETHTOOL ||
  (domain === AF_INET && request === SIOCGARP) ||
  FILLS.has(request) ||
  isDriverRequest(request) ||
  needsPackage(request) ||
  (domain === AF_INET && ADDRESS_REQUESTS.includes(request)) ||
  changesDevices(domain, request);

/** Commands of ethtool that need no CAP_NET_ADMIN: those that only read (net/ethtool/ioctl.c, dev_ethtool). */
const OPEN_COMMANDS: ReadonlySet<number> = new Set(
  '01 03 07 0a 0e 10 12 14 16 18 1b 1d 1e 20 21 23 25 27 29 2b 2d 2e 2f 30 37 38 3a 3c 41 44 46 48 4a 4c 4e 50'
    .split(' ')
    .map((command) => Number.parseInt(command, 16)),
);

export class Devices {
  readonly #stack: Netstack;

  constructor(stack: Netstack) {
    this.#stack = stack;
  }

  /** SIOCGIFCONF: a struct ifreq for each IPv4 address. */
  list(): Uint8Array {
    const out: number[] = [];
    for (const link of this.#stack.interfaces) {
      for (const own of link.addresses) {
        if (!own.address.isV4) continue;
        const entry = new Uint8Array(ifreq.size);
        putName(entry, link.name);
        putAddress(entry, own.address.w3);
        out.push(...entry);
      }
    }
    return Uint8Array.from(out);
  }

  /**
   * Answers a request on a socket of `domain` in place. 0 or a negative errno; -ENOTTY for what is not known.
   * @param buffer struct ifreq.
   */
  request(domain: number, request: number, buffer: Uint8Array): number {
    if (isInvalid(domain, request)) return -Errno.EINVAL;
    if (changesDevices(domain, request)) return -Errno.EPERM;
    if (request === SIOCGIFNAME) return this.#name(buffer);
    const isAddress = ADDRESS_REQUESTS.includes(request);
    if (isAddress && domain !== AF_INET) return -Errno.ENOTTY;
    const fill = isAddress ? undefined : FILLS.get(request);
    const isDriver = isDriverRequest(request);
    if (!isAddress && !isDriver && fill === undefined) return -Errno.ENOTTY;
    buffer[IFNAMSIZ - 1] = 0;
    const label = nameIn(buffer);
    // What follows a colon is an alias of old: the interface is named before it.
    const [name] = label.split(':');
    const link = this.#stack.interfaces.find((i) => i.name === name);
    if (isAddress) return address(request, buffer, link, label);
    if (link === undefined) return -Errno.ENODEV;
    if (isDriver) return -Errno.EOPNOTSUPP;
    return fill?.(buffer, link) ?? 0;
  }
  #name(buffer: Uint8Array): number {
    buffer[IFNAMSIZ - 1] = 0;
    const index = i32.get(buffer, IFRU);
    const link = this.#stack.interfaces.find((i) => i.index === index);
    if (link === undefined) return -Errno.ENODEV;
    // netdev_copy_name: the name with its end, what follows stays.
    for (let i = 0; i < link.name.length && i < IFNAMSIZ - 1; i++) buffer[i] = link.name.charCodeAt(i);
    buffer[Math.min(link.name.length, IFNAMSIZ - 1)] = 0;
    return 0;
  }
  /** SIOCGARP: the link address of a neighbour, in place (arp_ioctl, arp_req_get). */
  arp(request: Uint8Array): number {
    if (u16.get(request, 0) !== AF_INET) return -Errno.EPFNOSUPPORT;
    const flags = i32.get(request, arpreq.offset.flags);
    if ((flags & ATF_PUBL) === 0 && (flags & (ATF_NETMASK | ATF_DONTPUB)) !== 0) return -Errno.EINVAL;
    const device = nameIn(request, arpreq.offset.dev);
    const link = this.#stack.interfaces.find((i) => i.name === device);
    if (link === undefined) return -Errno.ENODEV;
    const { addr } = sockaddrIn.decode(request, 0);
    const neighbor = [...link.neighborEntries].find((n) => n.address.isV4 && n.address.w3 >>> 0 === addr);
    if (neighbor === undefined) return -Errno.ENXIO;
    u16.put(request, arpreq.offset.ha, hardwareType(link));
    request.set(neighbor.linkAddress, arpreq.offset.ha + 2);
    const isComplete = neighbor.state !== 'INCOMPLETE';
    i32.put(request, arpreq.offset.flags, (isComplete ? ATF_COM : 0) | (neighbor.state === 'PERMANENT' ? ATF_PERM : 0));
    return 0;
  }
  /** SIOCETHTOOL, its command read: no interface here has any. */
  ethtool(buffer: Uint8Array, command: number, netAdmin: boolean): number {
    buffer[IFNAMSIZ - 1] = 0;
    const [name] = nameIn(buffer).split(':');
    if (!this.#stack.interfaces.some((i) => i.name === name)) return -Errno.ENODEV;
    return netAdmin || OPEN_COMMANDS.has(command) ? -Errno.EOPNOTSUPP : -Errno.EPERM;
  }
}

/** devinet_ioctl. With an address of the interface in the request, that one is meant, else the first. */
function address(request: number, buffer: Uint8Array, link: InterfaceInfo | undefined, label: string): number {
  const asked = sockaddrIn.decode(buffer, IFRU);
  buffer.fill(0, IFRU, IFRU + sockaddrIn.size);
  u16.put(buffer, IFRU, AF_INET);
  if (link === undefined) return -Errno.ENODEV;
  const owns = label.includes(String.fromCharCode(COLON)) ? [] : link.addresses.filter((own) => own.address.isV4);
  const named = asked.family === AF_INET ? owns.find((own) => own.address.w3 >>> 0 === asked.addr) : undefined;
  const own = named ?? owns[0];
  if (own === undefined) return -Errno.EADDRNOTAVAIL;
  putAddress(buffer, addressFor(request, link, own));
  return 0;
}
function addressFor(request: number, link: InterfaceInfo, own: Own): number {
  switch (request) {
    case SIOCGIFBRDADDR:
      return broadcastOf(link, own)?.w3 ?? 0;
    case SIOCGIFNETMASK:
      return own.prefix === 0 ? 0 : -1 << (32 - own.prefix);
    default:
      return own.address.w3;
  }
}

/** dev_ifsioc_locked: what each request writes; a negative errno, or nothing. */
const FILLS: ReadonlyMap<number, (buffer: Uint8Array, link: InterfaceInfo) => number | void> = new Map([
  [SIOCGIFFLAGS, (b, link) => i16.put(b, IFRU, interfaceFlags(link))],
  [SIOCGIFMETRIC, (b) => i32.put(b, IFRU, 0)],
  [SIOCGIFMTU, (b, link) => i32.put(b, IFRU, link.mtu)],
  [SIOCGIFINDEX, (b, link) => i32.put(b, IFRU, link.index)],
  [SIOCGIFTXQLEN, (b, link) => i32.put(b, IFRU, link.queueLimit)],
  [SIOCGIFHWADDR, putHardwareAddress],
  // No interface has memory, ports or interrupts: the fields of struct ifmap are zeros, and its padding is left.
  [SIOCGIFMAP, (b) => void b.fill(0, IFRU, IFRU + 21)],
  [SIOCGIFSLAVE, () => -Errno.EINVAL],
]);
/** dev_get_mac_address: octets beyond the address's length stay as they were. */
function putHardwareAddress(buffer: Uint8Array, link: InterfaceInfo): void {
  const mac = hardwareAddress(link);
  u16.put(buffer, IFRU, hardwareType(link));
  if (mac.length === 0) buffer.fill(0, IFRU + 2, IFRU + 16);
  else buffer.set(mac, IFRU + 2);
}

function nameIn(buffer: Uint8Array, at = 0): string {
  const octets = buffer.subarray(at, at + IFNAMSIZ);
  const end = octets.indexOf(0);
  return String.fromCharCode(...octets.subarray(0, end < 0 ? IFNAMSIZ : end));
}
function putName(buffer: Uint8Array, name: string): void {
  for (let i = 0; i < name.length && i < IFNAMSIZ - 1; i++) buffer[i] = name.charCodeAt(i);
}
function putAddress(buffer: Uint8Array, word: number): void {
  sockaddrIn.put(buffer, IFRU, { family: AF_INET, port: 0, addr: word >>> 0, zero: new Uint8Array(8) });
}
