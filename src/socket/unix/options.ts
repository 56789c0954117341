/** Options of AF_UNIX sockets: SOL_SOCKET alone (unix(7)); any other level is EOPNOTSUPP, for the family has no options of its own (do_sock_setsockopt). */
import { Errno } from '../../abi/errno.ts';
import { SO_ACCEPTCONN, SO_PASSRIGHTS, SO_PEEK_OFF, SO_PEERCRED, SOL_SOCKET } from '../../abi/socket.ts';
import { ucred } from '../../abi/sockopt.ts';
import { i32 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { getLocalOption, LocalOptions, setLocalOption } from '../options/local.ts';
import { writeInt, writeOctets } from '../options/row.ts';
import type { OptionTarget } from '../options/target.ts';
import { type Credential, NO_PEER } from './credential.ts';

export class UnixOptions extends LocalOptions {
  /** SO_PASSRIGHTS: who sends descriptors where they are not wanted gets EPERM. */
  passRights = true;
  /** SO_PEEK_OFF: where MSG_PEEK begins, negative for the head. */
  peekOffset = -1;

  /** MSG_PEEK has looked at `octets`. */
  peeked(octets: number): void {
    if (this.peekOffset >= 0) this.peekOffset += octets;
  }
  /** Octets have left the head. */
  taken(octets: number): void {
    if (this.peekOffset >= 0) this.peekOffset = Math.max(0, this.peekOffset - octets);
  }
}

/** What the options are about. */
export interface UnixOptionTarget extends OptionTarget {
  readonly own: UnixOptions;
  readonly isListening: boolean;
  readonly peerCredential: Credential | undefined;
}

export function setUnixOption(
  target: UnixOptionTarget,
  level: number,
  option: number,
  value: Uint8Array,
  credentials: Credentials,
): number {
  if (level !== SOL_SOCKET) return -Errno.EOPNOTSUPP;
  if (value.length < 4) return setLocalOption(target.own, target, option, value, credentials);
  const number = i32.get(value, 0);
  if (option === SO_PASSRIGHTS) target.own.passRights = number !== 0;
  else if (option === SO_PEEK_OFF) target.own.peekOffset = number;
  else return setLocalOption(target.own, target, option, value, credentials);
  return 0;
}

export function getUnixOption(target: UnixOptionTarget, level: number, option: number, out: Uint8Array): number {
  if (level !== SOL_SOCKET) return -Errno.EOPNOTSUPP;
  switch (option) {
    case SO_PASSRIGHTS:
      return writeInt(level, out, target.own.passRights ? 1 : 0);
    case SO_PEEK_OFF:
      return writeInt(level, out, target.own.peekOffset);
    case SO_ACCEPTCONN:
      return writeInt(level, out, target.isListening ? 1 : 0);
    case SO_PEERCRED:
      return writeOctets(out, ucred.encode(target.peerCredential ?? NO_PEER));
    default:
      return getLocalOption(target.own, target, option, out);
  }
}
