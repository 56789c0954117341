/**
 * Options of SOL_SOCKET for sockets without an internet endpoint (AF_UNIX, AF_NETLINK): those that mean the same on every socket, and what each such socket keeps for itself. What
 * has no effect here and would be forgotten is refused.
 */
import { Errno } from '../../abi/errno.ts';
import {
  SO_ACCEPTCONN,
  SO_BROADCAST,
  SO_DETACH_FILTER,
  SO_DOMAIN,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_NO_CHECK,
  SO_OOBINLINE,
  SO_PASSCRED,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_REUSEADDR,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_SNDLOWAT,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_TYPE,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { writeInt } from './row.ts';
import { capReceiveBuffer, capSendBuffer, SOCKET_LEVEL } from './socket-level.ts';
import type { OptionTarget } from './target.ts';

/** net.core.wmem_default and rmem_default. */
const DEFAULT_BUFFER = 212_992;

export class LocalOptions {
  receiveBuffer = DEFAULT_BUFFER;
  sendBuffer = DEFAULT_BUFFER;
  /** SO_PASSCRED. */
  passCredentials = false;
}

/** Rows of SOL_SOCKET that need no internet endpoint. */
const SHARED: readonly number[] = [
  SO_TYPE,
  SO_DOMAIN,
  SO_PROTOCOL,
  SO_ERROR,
  SO_ACCEPTCONN,
  SO_REUSEADDR,
  SO_BROADCAST,
  SO_KEEPALIVE,
  SO_OOBINLINE,
  SO_NO_CHECK,
  SO_LINGER,
  SO_RCVLOWAT,
  SO_SNDLOWAT,
  SO_RCVTIMEO,
  SO_RCVTIMEO_NEW,
  SO_SNDTIMEO,
  SO_SNDTIMEO_NEW,
  SO_DETACH_FILTER,
];
const shared = new Map(SOCKET_LEVEL.filter((row) => SHARED.includes(row.option)).map((row) => [row.option, row]));

export function setLocalOption(
  options: LocalOptions,
  target: OptionTarget,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  if (value.length < 4) return -Errno.EINVAL;
  const number = i32.get(value, 0);
  switch (option) {
    case SO_RCVBUF:
      options.receiveBuffer = capReceiveBuffer(number, false);
      return 0;
    case SO_SNDBUF:
      options.sendBuffer = capSendBuffer(number, false);
      return 0;
    case SO_RCVBUFFORCE:
      if (!credentials.netAdmin) return -Errno.EPERM;
      options.receiveBuffer = capReceiveBuffer(number, true);
      return 0;
    case SO_SNDBUFFORCE:
      if (!credentials.netAdmin) return -Errno.EPERM;
      options.sendBuffer = capSendBuffer(number, true);
      return 0;
    case SO_PASSCRED:
      options.passCredentials = number !== 0;
      return 0;
    default:
      return shared.get(option)?.set?.(target, value, credentials) ?? -Errno.ENOPROTOOPT;
  }
}

export function getLocalOption(options: LocalOptions, target: OptionTarget, option: number, out: Uint8Array): number {
  if (option === SO_RCVBUF) return writeInt(SOL_SOCKET, out, options.receiveBuffer);
  if (option === SO_SNDBUF) return writeInt(SOL_SOCKET, out, options.sendBuffer);
  if (option === SO_PASSCRED) return writeInt(SOL_SOCKET, out, options.passCredentials ? 1 : 0);
  return shared.get(option)?.get?.(target, out) ?? -Errno.ENOPROTOOPT;
}
