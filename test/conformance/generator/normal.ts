/** Options whose values are the system's own: what of them can be compared, and how. */
import type { Show } from '../../../src/conformance/body.ts';
import { OPTIONS } from '../../../src/socket/options/table.ts';
import { REFUSED_ROWS } from '../../../src/socket/options/tcp-refused.ts';
import { show } from '../shows.ts';

/** Options that are not asked for, and why. */
const UNCOMPARED: Readonly<Record<string, string>> = {
  SO_SNDBUFFORCE: 'changes how much a buffer takes beyond what the host may allow',
  SO_RCVBUFFORCE: 'changes how much a buffer takes beyond what the host may allow',
  TCP_CONGESTION: 'which there are, and which is the default, is the host’s',
  TCP_CC_INFO: 'measured values',
  SO_PEERGROUPS: 'groups of the host',
  SO_PEERPIDFD: 'descriptors of processes are not served',
  SO_PASSPIDFD: 'descriptors of processes are not served',
  TCP_FASTOPEN_CONNECT: 'a cookie that the host has from an earlier sequence sends data with the SYN',
  IP_OPTIONS: 'none go into a header here: a value that is not empty is refused',
  IP_NODEFRAG: 'of raw sockets; elsewhere its value is read before it is refused',
  SO_MEMINFO: 'how much memory a queue takes is each system’s own',
  MCAST_MSFILTER: 'a question in the buffer, which is empty here',
  IP_MSFILTER: 'a question in the buffer, which is empty here',
  UDP_ENCAP: 'no tunnel ends here, as in a kernel without them',
  SO_INCOMING_CPU: 'a processor of the host',
};
/** What is refused here, as by a kernel without it or for want of a capability, is refused everywhere else. */
const REFUSED = new Set(REFUSED_ROWS.map(({ name }) => name));
/** A row with a note is refused, or does not do all that it does elsewhere: which of it is has bodies of its own, and it is only read here. */
const NOTED = new Set(
  [...OPTIONS.values()].flatMap((rows) =>
    [...rows.values()].filter(({ note }) => note !== undefined).map(({ name }) => name),
  ),
);
/** UDP_ENCAP: no tunnel ends here, so that none but the value 0 is taken. */
const UNSET = new Set(['UDP_ENCAP']);
export const isSet = (name: string): boolean => isCompared(name) && !NOTED.has(name) && !UNSET.has(name);
export const isCompared = (name: string): boolean => !(name in UNCOMPARED) && !REFUSED.has(name);

/** By the names of shows.ts. */
const SHOWN: Readonly<Record<string, string>> = {
  SO_COOKIE: 'cookie',
  SO_NETNS_COOKIE: 'cookie',
  TCP_INFO: 'tcpInfo',
  SO_PEERCRED: 'ucred',
  IP_PROTOCOL: 'port',
  TCP_TIMESTAMP: 'ticks',
};

export const optionShow = (name: string): Show => show(SHOWN[name] ?? 'octets');
