/** SOL_SOCKET: who and what stands behind a socket. Identity of the socket, its namespace and its peer; what travels over AF_UNIX only is refused here as Linux does. */
import { Errno } from '../../abi/errno.ts';
import {
  SO_ACCEPTCONN,
  SO_COOKIE,
  SO_DOMAIN,
  SO_ERROR,
  SO_NETNS_COOKIE,
  SO_PASSCRED,
  SO_PASSPIDFD,
  SO_PASSRIGHTS,
  SO_PASSSEC,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SO_PEERNAME,
  SO_PEERPIDFD,
  SO_PROTOCOL,
  SO_TYPE,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { ucred } from '../../abi/sockopt.ts';
import { u64 } from '../../abi/struct.ts';
import { int, type OptionRow, refused, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';

const row = (option: number, name: string, get: (socket: OptionTarget) => number): OptionRow =>
  int(SOL_SOCKET, option, name, { get });

const NAME_CAPACITY = 128;
/** Every socket of a sandbox is in the same namespace. */
const NAMESPACE = 1;

/** Sockets without an endpoint are numbered as they are asked: above any endpoint's id. */
const cookies = new WeakMap<OptionTarget, number>();
let lastCookie = 2 ** 40;
function cookieOf(socket: OptionTarget): number {
  const id = socket.tcp?.id ?? socket.udp?.id ?? cookies.get(socket);
  if (id !== undefined) return id;
  cookies.set(socket, ++lastCookie);
  return lastCookie;
}

const peerName: OptionRow = {
  option: SO_PEERNAME,
  name: 'SO_PEERNAME',
  get: (socket, out) => {
    const name = new Uint8Array(NAME_CAPACITY);
    const len = socket.getName(name, true, true);
    if (len < 0) return -Errno.ENOTCONN;
    return len < out.length ? -Errno.EINVAL : writeOctets(out, name.subarray(0, out.length));
  },
};

const OF_UNIX = 'travels over AF_UNIX only';

export const PEER_ROWS: readonly OptionRow[] = [
  row(SO_TYPE, 'SO_TYPE', ({ type }) => type),
  row(SO_DOMAIN, 'SO_DOMAIN', ({ domain }) => domain),
  row(SO_PROTOCOL, 'SO_PROTOCOL', ({ protocol }) => protocol),
  row(SO_ERROR, 'SO_ERROR', (socket) => socket.takeErrno()),
  row(SO_ACCEPTCONN, 'SO_ACCEPTCONN', ({ tcp }) => (tcp?.state === 'LISTEN' ? 1 : 0)),
  {
    option: SO_COOKIE,
    name: 'SO_COOKIE',
    get: (socket, out) => {
      if (out.length < u64.size) return -Errno.EINVAL;
      u64.put(out, 0, cookieOf(socket));
      return u64.size;
    },
  },
  {
    option: SO_NETNS_COOKIE,
    name: 'SO_NETNS_COOKIE',
    get: (_socket, out) => {
      if (out.length !== u64.size) return -Errno.EINVAL;
      u64.put(out, 0, NAMESPACE);
      return u64.size;
    },
  },
  peerName,
  {
    // No peer of an internet socket has credentials: {0, -1, -1}.
    option: SO_PEERCRED,
    name: 'SO_PEERCRED',
    get: (_socket, out) => writeOctets(out, ucred.encode({ pid: 0, uid: 0xffff_ffff, gid: 0xffff_ffff })),
  },
  { option: SO_PEERGROUPS, name: 'SO_PEERGROUPS', note: OF_UNIX, get: () => -Errno.ENODATA },
  { option: SO_PEERPIDFD, name: 'SO_PEERPIDFD', note: OF_UNIX, get: () => -Errno.ENODATA },
  { ...refused(SO_PASSCRED, 'SO_PASSCRED', Errno.EOPNOTSUPP, OF_UNIX), internet: true },
  { ...refused(SO_PASSSEC, 'SO_PASSSEC', Errno.EOPNOTSUPP, OF_UNIX), internet: true },
  refused(SO_PASSPIDFD, 'SO_PASSPIDFD', Errno.EOPNOTSUPP, `${OF_UNIX}, and is not served there`),
  refused(SO_PASSRIGHTS, 'SO_PASSRIGHTS', Errno.EOPNOTSUPP, OF_UNIX),
];
