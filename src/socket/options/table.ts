/**
 * The table of socket options. A new option is one row in the file of its level. What is not in the table gets Linux's refusal for an
 * option it does not know, so that nothing is ever accepted and forgotten; the caller counts it.
 */
import { Errno } from '../../abi/errno.ts';
import { IPPROTO_UDP } from '../../abi/in.ts';
import { AF_INET, AF_INET6, SOCK_STREAM, SOL_IP, SOL_IPV6, SOL_SOCKET, SOL_TCP, SOL_UDP } from '../../abi/socket.ts';
import type { Credentials } from '../credentials.ts';
import { IP_LEVEL } from './ip-level.ts';
import { IPV6_LEVEL } from './ipv6-level.ts';
import { type OptionRow, readsIntFirst } from './row.ts';
import { SOCKET_LEVEL } from './socket-level.ts';
import type { OptionTarget } from './target.ts';
import { TCP_LEVEL } from './tcp-level.ts';
import { UDP_LEVEL } from './udp-level.ts';

const byNumber = (rows: readonly OptionRow[]): ReadonlyMap<number, OptionRow> =>
  new Map(rows.map((row) => [row.option, row]));

/** Every option there is, by level and number. */
export const OPTIONS: ReadonlyMap<number, ReadonlyMap<number, OptionRow>> = new Map([
  [SOL_SOCKET, byNumber(SOCKET_LEVEL)],
  [SOL_TCP, byNumber(TCP_LEVEL)],
  [SOL_UDP, byNumber(UDP_LEVEL)],
  [SOL_IP, byNumber(IP_LEVEL)],
  [SOL_IPV6, byNumber(IPV6_LEVEL)],
]);

/** Levels that a socket's own protocol answers. */
export function hasLevel(socket: OptionTarget, level: number): boolean {
  switch (level) {
    case SOL_SOCKET:
    case SOL_IP:
      return true;
    case SOL_IPV6:
      return socket.domain === AF_INET6;
    case SOL_TCP:
      return socket.type === SOCK_STREAM;
    case SOL_UDP:
      return socket.protocol === IPPROTO_UDP;
    default:
      return false;
  }
}

/** Of an option that reads the buffer of getsockopt(2) before it writes there: how much. */
export const questionOf = (level: number, option: number): OptionRow['question'] =>
  OPTIONS.get(level)?.get(option)?.question;

export const isSparse = (level: number, option: number): boolean => OPTIONS.get(level)?.get(option)?.isSparse === true;

/** Octets that a value has at most, but for those of rows that say otherwise. */
export const VALUE_OCTETS = 512;
/** What is longer than this is cut: no option takes or gives more. */
export function longestValue(level: number, option: number): number {
  const row = OPTIONS.get(level)?.get(option);
  return row?.longest ?? row?.question?.most ?? VALUE_OCTETS;
}

/**
 * What setsockopt(2) refuses a length for, whatever the value: 0 or a negative errno. The level is one of the socket's own.
 * @param isKnown whether it is enough to have the option: an int that SOL_IPV6 has no room for
 */
export function refusedLength(
  level: number,
  option: number,
  octets: number,
  credentials: Credentials,
  isKnown = false,
): number {
  const lengths = OPTIONS.get(level)?.get(option)?.lengths;
  if (lengths !== undefined) return lengths(octets, credentials);
  return (readsIntFirst(level) || isKnown) && octets < 4 ? -Errno.EINVAL : 0;
}

function find(socket: OptionTarget, level: number, option: number): OptionRow | undefined {
  if (!hasLevel(socket, level)) return undefined;
  const row = OPTIONS.get(level)?.get(option);
  if (row?.only === undefined) return row;
  return (row.only === 'stream') === (socket.tcp !== undefined) ? row : undefined;
}

export function setOption(
  socket: OptionTarget,
  level: number,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  const row = find(socket, level, option);
  if (row?.set !== undefined) return row.set(socket, value, credentials);
  return hasLevel(socket, level) && readsIntFirst(level) && value.length < 4 ? -Errno.EINVAL : -Errno.ENOPROTOOPT;
}

export function getOption(
  socket: OptionTarget,
  level: number,
  option: number,
  out: Uint8Array,
  credentials?: Credentials,
): number {
  const row = find(socket, level, option);
  if (row?.get !== undefined) return row.get(socket, out, credentials);
  // A level that is nobody's: ip_getsockopt and ipv6_getsockopt disagree.
  return !hasLevel(socket, level) && socket.domain === AF_INET ? -Errno.EOPNOTSUPP : -Errno.ENOPROTOOPT;
}
