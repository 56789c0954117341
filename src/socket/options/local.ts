/**
 * Options of SOL_SOCKET for sockets without an internet endpoint (AF_UNIX, AF_NETLINK): those that mean the same on every socket, and what each such socket keeps for itself. What
 * has no effect here and would be forgotten is refused.
 */
import { Errno } from '../../abi/errno.ts';
import {
  SO_ATTACH_REUSEPORT_CBPF,
  SO_DETACH_REUSEPORT_BPF,
  SO_MEMINFO,
  SO_PASSCRED,
  SO_PASSSEC,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SOCK_RCVBUF_LOCK,
  SOCK_SNDBUF_LOCK,
  SOL_SOCKET,
} from '../../abi/socket.ts';
import { i32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { capReceiveBuffer, capSendBuffer, setBufferLocks, writeMemoryInfo } from './buffers.ts';
import { writeInt } from './row.ts';
import { SOCKET_LEVEL } from './socket-level.ts';
import type { OptionTarget } from './target.ts';

/** net.core.wmem_default and rmem_default. */
const DEFAULT_BUFFER = 212_992;

export class LocalOptions {
  receiveBuffer = DEFAULT_BUFFER;
  sendBuffer = DEFAULT_BUFFER;
  /** SO_PASSCRED. */
  passCredentials = false;
  /** SO_PASSSEC: no security module labels anything, so no message ever brings a label. */
  passSecurity = false;
}

/** Rows of SOL_SOCKET that need no internet endpoint. */
const shared = new Map(SOCKET_LEVEL.filter((row) => row.internet !== true).map((row) => [row.option, row]));

export function setLocalOption(
  options: LocalOptions,
  target: OptionTarget,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  // The row has its own idea of the length (SO_BINDTODEVICE).
  if (value.length < 4) return shared.get(option)?.set?.(target, value, credentials) ?? -Errno.EINVAL;
  const number = i32.get(value, 0);
  switch (option) {
    case SO_RCVBUF:
    case SO_SNDBUF:
      setBuffer(options, target, option === SO_SNDBUF, number, false);
      return 0;
    case SO_RCVBUFFORCE:
    case SO_SNDBUFFORCE:
      if (!credentials.netAdmin) return -Errno.EPERM;
      setBuffer(options, target, option === SO_SNDBUFFORCE, number, true);
      return 0;
    case SO_PASSCRED:
      options.passCredentials = number !== 0;
      return 0;
    case SO_PASSSEC:
      options.passSecurity = number !== 0;
      return 0;
    default:
      return setShared(target, option, value, credentials);
  }
}
/** Of a group that shares a port, in which such a socket never is. */
const GROUP_OPTIONS: readonly number[] = [SO_ATTACH_REUSEPORT_CBPF, SO_DETACH_REUSEPORT_BPF];
function setShared(target: OptionTarget, option: number, value: Uint8Array, credentials: Credentials): number {
  if (GROUP_OPTIONS.includes(option)) return -Errno.EINVAL;
  return shared.get(option)?.set?.(target, value, credentials) ?? -Errno.ENOPROTOOPT;
}
function setBuffer(options: LocalOptions, target: OptionTarget, sends: boolean, size: number, force: boolean): void {
  if (sends) options.sendBuffer = capSendBuffer(size, force);
  else options.receiveBuffer = capReceiveBuffer(size, force);
  setBufferLocks(target, target.options.bufferLocks | (sends ? SOCK_SNDBUF_LOCK : SOCK_RCVBUF_LOCK));
}

export function getLocalOption(options: LocalOptions, target: OptionTarget, option: number, out: Uint8Array): number {
  if (option === SO_RCVBUF) return writeInt(SOL_SOCKET, out, options.receiveBuffer);
  if (option === SO_SNDBUF) return writeInt(SOL_SOCKET, out, options.sendBuffer);
  if (option === SO_PASSCRED) return writeInt(SOL_SOCKET, out, options.passCredentials ? 1 : 0);
  if (option === SO_PASSSEC) return writeInt(SOL_SOCKET, out, options.passSecurity ? 1 : 0);
  if (option === SO_MEMINFO) return writeMemoryInfo(out, options.receiveBuffer, options.sendBuffer, 0, 0);
  return shared.get(option)?.get?.(target, out) ?? -Errno.ENOPROTOOPT;
}
