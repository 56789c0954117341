/**
 * Arguments of the requests of netdevice(7) and of routes by ioctl(2): include/uapi/linux/if.h, route.h, ethtool.h.
 *
 * `struct ifreq` is a name and a union. `ifreq` in netlink.ts has the union as octets; here it stands once for each arm that a request reads or writes, all of the same size.
 */
import { IFNAMSIZ } from './netlink.ts';
import { sockaddr } from './sockaddr.ts';
import { i16, i32, octets, struct, type TypeOf, u8, u16, u32, u64 } from './struct.ts';

/** Device parameters: SIOCGIFMAP. */
export const ifmap = struct('ifmap', 24, { memStart: u64, memEnd: u64, baseAddr: u16, irq: u8, dma: u8, port: u8 });
export type Ifmap = TypeOf<typeof ifmap>;

const name = octets(IFNAMSIZ);
/** SIOCGIFADDR, SIOCGIFDSTADDR, SIOCGIFBRDADDR, SIOCGIFNETMASK, SIOCGIFHWADDR and what sets them. */
export const ifreqAddr = struct('ifreq', 40, { name, addr: sockaddr, rest: octets(8) });
export type IfreqAddr = TypeOf<typeof ifreqAddr>;
/** SIOCGIFFLAGS: the low 16 bits of IFF_*. */
export const ifreqFlags = struct('ifreq', 40, { name, flags: i16, rest: octets(22) });
export type IfreqFlags = TypeOf<typeof ifreqFlags>;
/** SIOCGIFINDEX, SIOCGIFMTU, SIOCGIFMETRIC, SIOCGIFTXQLEN: an int. */
export const ifreqInt = struct('ifreq', 40, { name, value: i32, rest: octets(20) });
export type IfreqInt = TypeOf<typeof ifreqInt>;
/** SIOCGIFMAP. */
export const ifreqMap = struct('ifreq', 40, { name, map: ifmap });
export type IfreqMap = TypeOf<typeof ifreqMap>;
/** SIOCSIFNAME, SIOCGIFSLAVE: a second name. */
export const ifreqNewname = struct('ifreq', 40, { name, newname: octets(IFNAMSIZ), rest: octets(8) });
export type IfreqNewname = TypeOf<typeof ifreqNewname>;
/** SIOCETHTOOL, SIOCSHWTSTAMP: a pointer. */
export const ifreqData = struct('ifreq', 40, { name, data: u64, rest: octets(16) });
export type IfreqData = TypeOf<typeof ifreqData>;

/** SIOCADDRT, SIOCDELRT of AF_INET. The pads are never read. */
export const rtentry = struct('rtentry', 120, {
  pad1: u64,
  dst: sockaddr,
  gateway: sockaddr,
  genmask: sockaddr,
  flags: u16,
  pad2: i16,
  pad3: u64,
  pad4: u64,
  metric: i16,
  dev: u64,
  mtu: u64,
  window: u64,
  irtt: u16,
});
export type Rtentry = TypeOf<typeof rtentry>;
export const RTF_UP = 0x1;
export const RTF_GATEWAY = 0x2;
export const RTF_HOST = 0x4;
export const RTF_REINSTATE = 0x8;
export const RTF_DYNAMIC = 0x10;
export const RTF_MODIFIED = 0x20;
export const RTF_MTU = 0x40;
export const RTF_WINDOW = 0x80;
export const RTF_IRTT = 0x100;
export const RTF_REJECT = 0x200;

/** SIOCETHTOOL: what ifr_data points to, for the commands that tell or set one word. */
export const ethtoolValue = struct('ethtool_value', 8, { cmd: u32, data: u32 });
export type EthtoolValue = TypeOf<typeof ethtoolValue>;
