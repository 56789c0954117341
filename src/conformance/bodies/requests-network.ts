/** ioctl(2) that would change the network or reaches into it: interfaces, addresses, routes, neighbours, bridges, VLANs, bonds, wireless. */
import { conformance, type Show, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const group = 'requests';

const asIfreq: Show = (b) => {
  const name = Buffer.from(b.subarray(0, 16)).toString('latin1').replace(/\0.*$/s, '');
  return `${name} ${Buffer.from(b.subarray(16)).toString('hex')}`;
};
function ifreq(sys: System, name: string, union: Uint8Array = new Uint8Array(24)): number {
  const at = sys.alloc(40, 'ifreq', asIfreq);
  sys.write(at, `${name}\0`);
  sys.write(at + 16, union);
  return at;
}
const sockets = (a: Kit): readonly number[] => [a.udp(), a.tcp(0, c.AF_INET6)];
const INET = 2;
const FACTS = [c.SIOCGIFPFLAGS, c.SIOCGIFMEM, c.SIOCGIFENCAP, c.SIOCGIFCOUNT, c.SIOCGRARP];

conformance('requests: facts that no interface has', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of sockets(a)) {
    for (const request of FACTS) {
      a.task.call('ioctl', fd, request, ifreq(sys, 'lo'));
      a.task.call('ioctl', fd, request, ifreq(sys, 'nope'));
    }
  }
});

/** Whoever may not change the network is refused, but a bad pointer is found first. */
conformance('requests: pointers that fault, of requests that would change the network', { group }, (sys) => {
  const a = kit(sys);
  const requests = [
    c.SIOCSIFFLAGS,
    c.SIOCSIFMETRIC,
    c.SIOCSIFMTU,
    c.SIOCSIFHWADDR,
    c.SIOCSIFSLAVE,
    c.SIOCADDMULTI,
    c.SIOCDELMULTI,
    c.SIOCSIFHWBROADCAST,
    c.SIOCSIFNAME,
    c.SIOCSIFTXQLEN,
    c.SIOCSIFMAP,
    c.SIOCGMIIPHY,
    c.SIOCGMIIREG,
    c.SIOCSMIIREG,
    c.SIOCSIFADDR,
    c.SIOCSIFBRDADDR,
    c.SIOCSIFNETMASK,
    c.SIOCSIFDSTADDR,
    c.SIOCSIFPFLAGS,
    c.SIOCSIFMEM,
    c.SIOCSIFLINK,
    c.SIOCSIFENCAP,
    c.SIOCADDRT,
    c.SIOCDELRT,
    c.SIOCRTMSG,
    c.SIOCBONDENSLAVE,
    c.SIOCSHWTSTAMP,
  ];
  for (const fd of sockets(a)) {
    for (const request of requests) a.task.call('ioctl', fd, request, NOWHERE);
    a.task.call('ioctl', fd, c.SIOCSIFPFLAGS, ifreq(sys, 'lo'));
    a.task.call('ioctl', fd, c.SIOCSIFMEM, ifreq(sys, 'lo'));
    a.task.call('ioctl', fd, c.SIOCSIFLINK, ifreq(sys, 'lo'));
    a.task.call('ioctl', fd, c.SIOCSIFENCAP, ifreq(sys, 'lo'));
    a.task.call('ioctl', fd, c.SIOCRTMSG, ifreq(sys, 'lo'));
  }
});

conformance('requests: neighbours by SIOCGARP and its kin', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of sockets(a)) {
    for (const request of [c.SIOCGARP]) {
      a.task.call('ioctl', fd, request, NOWHERE);
      for (const [family, flags, device] of [
        [INET, 0, ''],
        [INET, 0, 'lo'],
        [INET, 0, 'nope'],
        [10, 0, 'lo'],
        [INET, 2, 'lo'],
        [INET, 8, ''],
      ] as const) {
        const at = sys.alloc(68, 'arpreq');
        const bytes = new Uint8Array(68);
        bytes.set([family, 0, 0, 0, 127, 0, 0, 1]);
        c.i32.put(bytes, 32, flags);
        bytes.set(Buffer.from(device), 52);
        sys.write(at, bytes);
        a.task.call('ioctl', fd, request, at);
      }
    }
  }
});

/** SIOCGIWNAME, SIOCSIWESSID and SIOCSIWCOMMIT of linux/wireless.h are among them. */
conformance('requests: bonds, wireless, hardware time stamps and private requests', { group }, (sys) => {
  const a = kit(sys);
  const requests = [
    c.SIOCBONDINFOQUERY,
    c.SIOCBONDSLAVEINFOQUERY,
    0x8b01,
    0x8b1a,
    0x8b00,
    c.SIOCGHWTSTAMP,
    c.SIOCDEVPRIVATE,
    c.SIOCDEVPRIVATE + 15,
    c.SIOCPROTOPRIVATE,
    c.SIOCPROTOPRIVATE + 15,
    c.SIOCWANDEV,
  ];
  for (const fd of sockets(a)) {
    for (const request of requests) {
      a.task.call('ioctl', fd, request, NOWHERE);
      a.task.call('ioctl', fd, request, ifreq(sys, 'lo'));
      a.task.call('ioctl', fd, request, ifreq(sys, 'nope'));
    }
  }
});

conformance('requests: SIOCETHTOOL with commands and interfaces of all sorts', { group }, (sys) => {
  const a = kit(sys);
  const command = (value: number): number => {
    const at = sys.alloc(64, 'command');
    const bytes = new Uint8Array(64);
    c.u32.put(bytes, 0, value);
    sys.write(at, bytes);
    return at;
  };
  const ask = (fd: number, name: string, pointer: number): void => {
    const union = new Uint8Array(24);
    c.u64.put(union, 0, pointer);
    a.task.call('ioctl', fd, c.SIOCETHTOOL, ifreq(sys, name, union));
  };
  for (const fd of sockets(a)) {
    // ETHTOOL_SGSO is no question; ETHTOOL_GWOL, GRINGPARAM, GPAUSEPARAM and 0x999 nobody has on loopback.
    for (const value of [0x05, 0x10, 0x12, 0x999]) {
      ask(fd, 'lo', command(value));
      ask(fd, 'nope', command(value));
    }
    ask(fd, 'lo', NOWHERE);
    ask(fd, 'lo', 0);
  }
});
