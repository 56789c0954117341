/** ioctl(2) about interfaces: netdevice(7). */
import { conformance, type Show, type System } from '../body.ts';
import { kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'ioctl';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const asIfreq: Show = (b) => {
  const name = Buffer.from(b.subarray(0, 16)).toString('latin1').replace(/\0.*$/s, '');
  return `${name} ${hex(b.subarray(16))}`;
};
/** struct ifreq whose union holds `union`, and 0xee behind it. */
function ifreq(sys: System, name: string, union: Uint8Array = new Uint8Array(0)): number {
  const at = sys.alloc(40, 'ifreq', asIfreq);
  sys.write(at, `${name}\0`);
  sys.write(at + 16, union);
  return at;
}
const sockaddr = (...octets: number[]): Uint8Array => Uint8Array.from([2, 0, 0, 0, ...octets]);
const int = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0);

const GENERAL = [
  c.SIOCGIFFLAGS,
  c.SIOCGIFMETRIC,
  c.SIOCGIFMTU,
  c.SIOCGIFHWADDR,
  c.SIOCGIFINDEX,
  c.SIOCGIFTXQLEN,
  c.SIOCGIFMAP,
  c.SIOCGIFSLAVE,
];
const ADDRESSES = [c.SIOCGIFADDR, c.SIOCGIFBRDADDR, c.SIOCGIFDSTADDR, c.SIOCGIFNETMASK];

conformance('ioctl: an interface by its name', { group }, (sys) => {
  const a = kit(sys);
  const { task } = a;
  for (const fd of [a.udp(), a.tcp(), a.udp(0, c.AF_INET6), task.call('socket', c.AF_NETLINK, c.SOCK_RAW, 0)]) {
    for (const request of [...GENERAL, ...ADDRESSES]) task.call('ioctl', fd, request, ifreq(sys, 'lo'));
  }
  const fd = a.udp();
  for (const request of [...GENERAL, ...ADDRESSES]) {
    task.call('ioctl', fd, request, ifreq(sys, 'nope'));
    task.call('ioctl', fd, request, ifreq(sys, 'lo:1'));
    task.call('ioctl', fd, request, ifreq(sys, ''));
  }
});

conformance('ioctl: the name may fill its room', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const at = ifreq(sys, 'lo');
  sys.write(at, 'abcdefghijklmnopqrst');
  a.task.call('ioctl', fd, c.SIOCGIFMTU, at);
});

conformance('ioctl: SIOCGIFADDR with an address in the request', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  for (const request of ADDRESSES) {
    a.task.call('ioctl', fd, request, ifreq(sys, 'lo', sockaddr(127, 0, 0, 1)));
    a.task.call('ioctl', fd, request, ifreq(sys, 'lo', sockaddr(9, 9, 9, 9)));
  }
});

conformance('ioctl: SIOCGIFNAME', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.udp(), a.tcp(0, c.AF_INET6)]) {
    for (const index of [1, 0, 9]) a.task.call('ioctl', fd, c.SIOCGIFNAME, ifreq(sys, 'longer name', int(index)));
  }
});

conformance('ioctl: SIOCGIFCONF', { group }, (sys) => {
  const a = kit(sys);
  const list = (fd: number, room: number, buf: number): void => {
    const at = sys.alloc(16, 'ifconf');
    sys.put(c.ifconf, at, { len: room, buf });
    a.task.call('ioctl', fd, c.SIOCGIFCONF, at);
  };
  for (const fd of [a.udp(), a.tcp(0, c.AF_INET6)]) {
    list(fd, 0, 0);
    list(fd, 1000, 0);
    for (const room of [-1, 0, 39, 40, 79, 400]) list(fd, room, sys.alloc(120, 'list'));
    list(fd, 400, 0x3fff_0000);
    list(fd, 39, 0x3fff_0000);
  }
});

conformance('ioctl: addresses that fault, requests that nobody knows', { group }, (sys) => {
  const a = kit(sys);
  const { task } = a;
  for (const fd of [a.udp(), a.tcp(), a.udp(0, c.AF_INET6)]) {
    for (const request of [c.SIOCGIFMTU, c.SIOCGIFNAME, c.SIOCGIFADDR, c.SIOCGIFCONF, c.SIOCETHTOOL, 0x8999, 0x891f]) {
      task.call('ioctl', fd, request, 0x3fff_0000);
    }
    for (const request of [0x8999, 0x891f, 0x8938, 0x8925]) task.call('ioctl', fd, request, ifreq(sys, 'lo'));
    task.call('ioctl', fd, 0x1234, 0x3fff_0000);
    task.call('ioctl', fd, c.SIOCGIFMTU, sys.fixed(Buffer.from(`lo${'\0'.repeat(38)}`), 'fixed'));
    task.call('ioctl', fd, c.SIOCGIFMTU, sys.edge(39, 'edge'));
  }
});

conformance('ioctl: SIOCETHTOOL looks at its command first', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const command = new Uint8Array(8);
  c.u64.put(command, 0, a.octets(Uint8Array.of(0xff, 0xff, 0, 0), 'command'));
  a.task.call('ioctl', fd, c.SIOCETHTOOL, ifreq(sys, 'nope', command));
  a.task.call('ioctl', fd, c.SIOCETHTOOL, ifreq(sys, 'lo', command));
  const readsOnly = 0x0e;
  c.u64.put(command, 0, a.octets(Uint8Array.of(readsOnly, 0, 0, 0), 'command'));
  a.task.call('ioctl', fd, c.SIOCETHTOOL, ifreq(sys, 'lo', command));
  c.u64.put(command, 0, 0x3fff_0000);
  a.task.call('ioctl', fd, c.SIOCETHTOOL, ifreq(sys, 'nope', command));
});
