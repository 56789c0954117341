/** struct ucred as AF_UNIX sockets pass it (unix(7) SCM_CREDENTIALS, SO_PEERCRED; include/net/scm.h scm_check_creds). */
import { Errno } from '../../abi/errno.ts';
import { ucred } from '../../abi/sockopt.ts';
import type { Credentials } from '../credentials.ts';

export interface Credential {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

export const credentialOf = ({ pid, uid, gid }: Credentials): Credential => ({ pid, uid, gid });

/** What a receiver sees where a sender told nothing: no process, and the overflow ids (fs.overflowuid, fs.overflowgid). */
export const NOBODY: Credential = { pid: 0, uid: 65_534, gid: 65_534 };
/** SO_PEERCRED without a peer. */
export const NO_PEER: Credential = { pid: 0, uid: 0xffff_ffff, gid: 0xffff_ffff };

export const isSameCredential = (a: Credential | undefined, b: Credential | undefined): boolean =>
  a === b || (a !== undefined && b !== undefined && a.pid === b.pid && a.uid === b.uid && a.gid === b.gid);

/** No user or group has it. */
const INVALID = 0xffff_ffff;

/**
 * Credentials that a sender claims, or a negative errno. The superuser has CAP_SYS_ADMIN, CAP_SETUID and CAP_SETGID and may claim any; but no process is known here except the one that
 * calls, so that another's id is ESRCH as for one that does not exist.
 */
export function claimed(control: Uint8Array, at: number, sender: Credentials): Credential | number {
  const claim = ucred.get(control, at);
  if (claim.uid === INVALID || claim.gid === INVALID) return -Errno.EINVAL;
  const isOwn = claim.pid === sender.pid && claim.uid === sender.uid && claim.gid === sender.gid;
  if (!isOwn && sender.uid !== 0) return -Errno.EPERM;
  return claim.pid === sender.pid ? claim : -Errno.ESRCH;
}
