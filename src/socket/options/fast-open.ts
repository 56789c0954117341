/** SOL_TCP options of TCP Fast Open (RFC 7413): do_tcp_setsockopt, tcp_fastopen_reset_cipher. */
import { Errno } from '../../abi/errno.ts';
import { SOL_TCP, SOMAXCONN } from '../../abi/socket.ts';
import { TCP_FASTOPEN, TCP_FASTOPEN_CONNECT, TCP_FASTOPEN_KEY, TCP_FASTOPEN_NO_COOKIE } from '../../abi/transport.ts';
import type { TcpEndpoint, TcpSettings } from '../../netstack/endpoint.ts';
import { int, type OptionRow, writeOctets } from './row.ts';

/** TCP_FASTOPEN_KEY_LENGTH. */
const KEY_OCTETS = 16;
const isKeyLength = (octets: number): boolean => octets === KEY_OCTETS || octets === 2 * KEY_OCTETS;

/** An int that is EINVAL out of its bounds, and once the socket is connected. */
const choice = (
  option: number,
  name: string,
  most: number,
  get: (settings: TcpSettings) => number,
  set: (settings: TcpSettings, value: number) => void,
  allows: (endpoint: TcpEndpoint) => boolean,
): OptionRow =>
  int(SOL_TCP, option, name, {
    only: 'stream',
    get: ({ tcp }) => (tcp === undefined ? 0 : get(tcp.settings)),
    set: ({ tcp }, value) => {
      if (tcp === undefined || value < 0 || value > most || !allows(tcp)) return -Errno.EINVAL;
      return set(tcp.settings, value);
    },
  });

const isFresh = ({ state }: TcpEndpoint): boolean => state === 'CLOSED';
const isUnconnected = ({ state }: TcpEndpoint): boolean => state === 'CLOSED' || state === 'LISTEN';

export const FAST_OPEN_ROWS: readonly OptionRow[] = [
  choice(
    TCP_FASTOPEN,
    'TCP_FASTOPEN',
    0x7fff_ffff,
    (s) => s.fastOpenQueue,
    (s, value) => {
      s.fastOpenQueue = Math.min(value, SOMAXCONN);
    },
    isUnconnected,
  ),
  choice(
    TCP_FASTOPEN_CONNECT,
    'TCP_FASTOPEN_CONNECT',
    1,
    (s) => Number(s.fastOpenConnect),
    (s, value) => {
      s.fastOpenConnect = value === 1;
    },
    isFresh,
  ),
  choice(
    TCP_FASTOPEN_NO_COOKIE,
    'TCP_FASTOPEN_NO_COOKIE',
    1,
    (s) => Number(s.fastOpenNoCookie),
    (s, value) => {
      s.fastOpenNoCookie = value === 1;
    },
    isUnconnected,
  ),
  {
    option: TCP_FASTOPEN_KEY,
    name: 'TCP_FASTOPEN_KEY',
    only: 'stream',
    lengths: (octets) => (isKeyLength(octets) ? 0 : -Errno.EINVAL),
    get: ({ tcp }, out) => writeOctets(out, tcp?.settings.fastOpenKey ?? new Uint8Array(0)),
    set: ({ tcp }, value) => {
      if (tcp === undefined || !isKeyLength(value.length)) return -Errno.EINVAL;
      tcp.settings.fastOpenKey = value.slice();
      return 0;
    },
  },
];
