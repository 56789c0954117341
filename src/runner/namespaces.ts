/**
 * How the guest is walled in: which namespaces this host permits, and the chain of small programs that enters them.
 *
 *   setpriv --pdeathsig KILL unshare [--user --map-current-user] --net --pid --fork --kill-child --mount-proc
 *     [setpriv --bounding-set ...] sh -c KEEPER sh CMD ARGS
 *
 * - The death of the supervisor kills `unshare` (parent-death signal), which kills the namespace's first process, with which the kernel kills all that is in it.
 * - CMD is not the first process itself: to that one, signals whose action is the default would do nothing. The keeper is: a shell that waits, reaps orphans, ignores the terminal's
 *   signals (they reach CMD, which shares the foreground process group, directly) and passes the status on as 128 + signal. Its own messages go nowhere. After CMD it goes on as long as the supervisor says so
 *   (remnants.ts), which it asks by kill(0, 0), twice, since a signal may end the call on kernels before 5.19; after each answer a subshell's end makes it wait, and so reap. Before it goes it ignores one
 *   signal more, by a call that the supervisor sees: without that farewell it did not end by itself, which unshare's status cannot tell (2.38 makes 1 of SIGKILL).
 * - The part in brackets is for a supervisor that is root, whose guest has no user namespace. Before the keeper runs, the supervisor takes the kernel's own files out of its hands as well (kernel-files.ts).
 * - A program that joins a sandbox enters the walls that the keeper holds: setpriv --pdeathsig KILL nsenter --target KEEPER [--user --preserve-credentials] --net --pid --mount
 *   [setpriv --bounding-set ...] sh -c ENTER sh DIRECTORY CMD ARGS. nsenter waits for its child outside of them and ends as that did.
 * - The subshell `(exec "$@")` keeps the name as typed for argv[0], never runs a builtin, and says itself what cannot be executed.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { findHelper } from './command.ts';
import { RunError } from './errors.ts';

export interface Isolation {
  /** An empty network namespace: no network but ours, and abstract unix names of our own. */
  readonly network: boolean;
  /** A PID namespace: nothing of the guest outlives us. */
  readonly processes: boolean;
  /** Through a user namespace, so without privilege on the host. */
  readonly user: boolean;
}

const CANDIDATES: readonly Isolation[] = [
  { network: true, processes: true, user: false },
  { network: true, processes: true, user: true },
  { network: true, processes: false, user: false },
  { network: true, processes: false, user: true },
];
const SHELL = '/bin/sh';
const NONE: Isolation = { network: false, processes: false, user: false };

const unshareArguments = (isolation: Isolation): string[] => [
  ...(isolation.user ? ['--user', '--map-current-user'] : []),
  ...(isolation.network ? ['--net'] : []),
  ...(isolation.processes ? ['--pid', '--fork', '--kill-child', '--mount-proc'] : []),
];

const permits = (isolation: Isolation): Promise<boolean> =>
  new Promise((resolve, reject) => {
    execFile(findHelper('unshare'), [...unshareArguments(isolation), SHELL, '-c', ':'], (error, _out, text) => {
      // unshare(1) whose child was killed may end with 1, but not without a word on it; a refusal says what was refused.
      const isKilled = error !== null && (typeof error.signal === 'string' || text.includes('sigprocmask'));
      if (!isKilled) return resolve(error === null);
      reject(new RunError('E_LAUNCH', 'the look at what this host permits was killed', 'run it again'));
    });
  });

/** The strongest isolation that this host permits to this user, found by trying. @throws RunError when a trial was killed: weaker walls must not come of that */
export async function strongestIsolation(isRoot: boolean): Promise<Isolation> {
  for (const candidate of CANDIDATES) {
    if (!isRoot && !candidate.user) continue;
    if (await permits(candidate)) return candidate;
  }
  return NONE;
}

/** One line on what is missing and what that means; undefined when nothing is. */
export function weakness(isolation: Isolation): string | undefined {
  if (isolation.processes) return undefined;
  const remedy =
    "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone, AppArmor's restriction) or run as root";
  if (isolation.network)
    return `weaker isolation: no PID namespace here, so processes of the guest may outlive sandsock and reach those of the same user, sandsock's own too; ${remedy}`;
  return `weaker isolation: no network and PID namespaces here, so abstract unix names are refused, and processes of the guest may outlive sandsock and reach those of the same user, sandsock's own too; ${remedy}`;
}

/** Docker's default capabilities; all others leave the bounding set, so that root in the sandbox is as weak as in a container. */
const BOUNDING_SET = [
  'chown',
  'dac_override',
  'fsetid',
  'fowner',
  'mknod',
  'net_raw',
  'setgid',
  'setuid',
  'setfcap',
  'setpcap',
  'net_bind_service',
  'sys_chroot',
  'kill',
  'audit_write',
];

/** A shell of ours is the last step of the chain; its exec marks the end of what the chain may do. No other step has this spelling of its name. */
export const KEEPER_PROGRAM = '/./bin/sh';

/** SIGUSR1: the signal that the keeper ignores as its farewell. */
export const FAREWELL = 10;

const restoreLimit = (softFiles: number | undefined): string =>
  softFiles === undefined ? '' : `ulimit -S -n ${softFiles} 2>/dev/null; `;

/** Descriptor 9 is the guest's stderr while the keeper's own is silenced. */
const keep = (softFiles: number | undefined): string =>
  `${restoreLimit(softFiles)}exec 9>&2 2>/dev/null; trap : INT TERM HUP QUIT; (exec "$@" 2>&9 9>&-); status=$?; while kill -0 0 || kill -0 0; do (:); done; trap '' USR1; exit $status`;
const replace = (softFiles: number | undefined): string => `${restoreLimit(softFiles)}exec "$@"`;

/** $1 is the directory: joining a mount namespace leads to its root. */
const enter = (softFiles: number | undefined): string =>
  `${restoreLimit(softFiles)}cd -- "$1" || exit 126; shift; exec "$@"`;

const boundingSet = (): string[] => [
  findHelper('setpriv'),
  `--bounding-set=-all,${BOUNDING_SET.map((name) => `+${name}`).join(',')}`,
];

const nsenterArguments = (isolation: Isolation): string[] => [
  ...(isolation.user ? ['--user', '--preserve-credentials'] : []),
  ...(isolation.network ? ['--net'] : []),
  ...(isolation.processes ? ['--pid', '--mount'] : []),
];

export interface ChainSettings {
  readonly dropCapabilities: boolean;
  readonly softFiles: number | undefined;
}

/** The argument vector that starts `command` in `cwd` behind the walls that `keeper`, a process of the first chain, holds. */
export function joinChain(
  isolation: Isolation,
  keeper: number,
  cwd: string,
  command: readonly string[],
  { dropCapabilities, softFiles }: ChainSettings,
): string[] {
  const walls = nsenterArguments(isolation);
  return [
    findHelper('setpriv'),
    '--pdeathsig',
    'KILL',
    ...(walls.length === 0 ? [] : [findHelper('nsenter'), '--target', String(keeper), ...walls]),
    ...(dropCapabilities ? boundingSet() : []),
    KEEPER_PROGRAM,
    '-c',
    enter(softFiles),
    'sh',
    cwd,
    ...command,
  ];
}

/** The argument vector that starts `command` inside `isolation`. */
export function launchChain(isolation: Isolation, command: readonly string[], options: ChainSettings): string[] {
  const setpriv = findHelper('setpriv');
  const walls = unshareArguments(isolation);
  const keeper = isolation.processes ? keep(options.softFiles) : replace(options.softFiles);
  return [
    setpriv,
    '--pdeathsig',
    'KILL',
    ...(walls.length === 0 ? [] : [findHelper('unshare'), ...walls]),
    ...(options.dropCapabilities ? boundingSet() : []),
    KEEPER_PROGRAM,
    '-c',
    keeper,
    'sh',
    ...command,
  ];
}

/** Node raises its own soft limit of descriptors to the hard one. The caller's is the parent process's, which is left as it was unless it is a Node as well. */
export function callersSoftFileLimit(): number | undefined {
  try {
    const soft = /^Max open files\s+(\d+)\s/m.exec(readFileSync(`/proc/${process.ppid}/limits`, 'utf8'))?.[1];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
