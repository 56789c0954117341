/** Every option that is served, on every kind of socket, set to values at the edges and read back. */
import { OPTIONS } from '../../socket/options/table.ts';
import { conformance } from '../body.ts';
import { kit } from '../kit.ts';
import * as c from '../linux.ts';
import { showOctets } from '../session.ts';

const VALUES = [0, 1, 2, 64, 127, 128, 255, 256, 32_767, 32_768, -1, -2, 0x7fff_ffff, -0x8000_0000];
/** Options whose values need not agree, and why. */
const EXCEPT: Readonly<Record<string, string>> = {
  SO_SNDBUF: 'bounded by a sysctl; has a body of its own',
  SO_RCVBUF: 'bounded by a sysctl; has a body of its own',
  SO_RCVLOWAT: 'bounded by a sysctl (tcp_rmem)',
  SO_COOKIE: 'any unique number',
  SO_SNDBUFFORCE: 'needs a capability in the first user namespace',
  SO_RCVBUFFORCE: 'needs a capability in the first user namespace',
  TCP_CONGESTION: 'the default is a sysctl',
  TCP_INFO: 'measured values',
  UDP_ENCAP: 'tunnels are refused here; has a body of its own',
  IP_OPTIONS: 'refused here',
  SO_TIMESTAMPING: 'on streams, times of what is sent are refused here',
  SO_TIMESTAMPING_NEW: 'on streams, times of what is sent are refused here',
  SO_DEBUG: 'needs a capability in the first user namespace',
  SO_PREFER_BUSY_POLL: 'needs a capability in the first user namespace',
  SO_BUSY_POLL_BUDGET: 'needs a capability in the first user namespace',
  SO_ZEROCOPY: 'to turn it on is refused here',
  SO_ATTACH_BPF: 'a number may be that of a descriptor of the host process',
  SO_ATTACH_REUSEPORT_EBPF: 'a number may be that of a descriptor of the host process',
  SO_NETNS_COOKIE: 'any number',
  TCP_TIMESTAMP: 'a clock',
  TCP_CC_INFO: 'depends on the congestion control',
  TCP_AO_REPAIR: 'to read it takes CAP_NET_ADMIN, whose holder gets ENOPROTOOPT here',
  TCP_REPAIR: 'refused here, as without CAP_NET_ADMIN',
  TCP_ZEROCOPY_RECEIVE: 'refused here',
};
const KINDS = [
  { name: 'TCP over IPv4', family: c.AF_INET, type: c.SOCK_STREAM },
  { name: 'UDP over IPv4', family: c.AF_INET, type: c.SOCK_DGRAM },
  { name: 'TCP over IPv6', family: c.AF_INET6, type: c.SOCK_STREAM },
  { name: 'UDP over IPv6', family: c.AF_INET6, type: c.SOCK_DGRAM },
];

for (const [level, rows] of OPTIONS) {
  for (const { option, name, only } of rows.values()) {
    if (name in EXCEPT) continue;
    // On the other kind of socket it may be refused here although Linux keeps a value that nothing uses.
    const kinds = KINDS.filter(({ type }) => only === undefined || (only === 'stream') === (type === c.SOCK_STREAM));
    conformance(`${name} (${level}/${option}) at the edges`, { group: 'option-sweep' }, (sys) => {
      const a = kit(sys);
      for (const kind of kinds) {
        sys.record('on', kind.name);
        const fd = a.task.call('socket', kind.family, kind.type, 0);
        const read = () => {
          const value = sys.alloc(32, 'value', (b) => showOctets(b).replace(/(?:ee)+$/, ''));
          a.task.call('getsockopt', fd, level, option, value, a.int(32, 'len'));
        };
        read();
        for (const value of VALUES) {
          a.setInt(fd, level, option, value);
          read();
        }
      }
    });
  }
}
