/**
 * kill(2) of the caller's own process group, where that is a group of processes outside. The guest starts in the group of who called sandsock, so that the terminal's signals and job control reach it as any
 * command; a PID namespace hides that group's number (it reads as 0), but kill(0, signal) needs no number, and the kernel would pass the signal on to all of the group: the caller's script, its
 * other jobs, and the walls of the sandbox. So the supervisor sends it, to those of the group that are inside.
 *
 * A group that has a number inside is the guest's own, and the kernel does it: nobody inside can go back to one without a number (setpgid(2)), so nothing can change that after the look.
 * The first process of the namespace is left out, as the kernel leaves it out for what it has no handler for. A process that is made while the others are told may be missed, and si_pid is 0.
 */
import { Errno } from '../abi/errno.ts';
import { close } from '../host/libc.ffi.ts';
import { pidfdOpen, pidfdSignal } from '../host/process.ffi.ts';
import { ProcCredentials } from './guest-task.ts';
import { below } from './holders.ts';

const LAST_SIGNAL = 64;
const SIGCONT = 18;
/** Each costs some files of /proc, while which the guest's calls wait. */
const MAX_PROCESSES = 4096;
const NOT_MEANT = 1;

/** kill_ok_by_cred() of the kernel. */
function mayKill(sender: ProcCredentials, target: ProcCredentials, signal: number): boolean {
  if (sender.mayKill || (signal === SIGCONT && sender.sessions[0] === target.sessions[0])) return true;
  const [realUser, , savedUser] = target.uids;
  return sender.uids.slice(0, 2).some((uid) => uid === realUser || uid === savedUser);
}

function signalProcess(pid: number, signal: number): number {
  const pidfd = pidfdOpen(pid);
  if (pidfd < 0) return pidfd;
  try {
    return pidfdSignal(pidfd, signal);
  } finally {
    close(pidfd);
  }
}

export interface Group {
  /** Process ids of the heads of the launch chains. */
  readonly heads: readonly number[];
  /** Signals do not take calls away. */
  readonly killable: boolean;
}

/** kill(0, signal) of `sender`: 'resume' where it is the kernel's to do, or its result. */
export function signalGroup({ heads, killable }: Group, sender: ProcCredentials, signal: number): 'resume' | number {
  const { groups } = sender;
  // One that ends while it is looked at must not be let through.
  if (groups.length === 0) return -Errno.ESRCH;
  if (groups.at(-1) !== 0) return 'resume';
  if (signal < 0 || signal > LAST_SIGNAL) return -Errno.EINVAL;
  const sendTo = (target: ProcCredentials, pid: number): number => {
    if (!mayKill(sender, target, signal)) return -Errno.EPERM;
    if (killable || pid !== sender.pid) return signalProcess(pid, signal);
    // The kernel would take the call back, and begin it again behind the handler, for ever.
    queueMicrotask(() => signalProcess(pid, signal));
    return 0;
  };
  let told = 0;
  let failure: number = -Errno.ESRCH;
  const isMeant = (target: ProcCredentials): boolean =>
    target.groups.length >= groups.length && target.innerPid !== 1 && target.groups[0] === groups[0];
  const tell = (pid: number): undefined => {
    const target = new ProcCredentials(pid);
    const result = isMeant(target) ? sendTo(target, pid) : NOT_MEANT;
    if (result === 0) told++;
    else if (result !== NOT_MEANT) failure = result;
  };
  below(heads, tell, MAX_PROCESSES);
  return told > 0 ? 0 : failure;
}
