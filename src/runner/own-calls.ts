/** What the supervisor of `sandsock run` calls once its guest runs, beyond what any Node does (src/host/confinement.ts). It starts no program and has no socket of a network, unless the gateway runs in its loop. */
import { AF_INET, AF_INET6, AF_NETLINK, AF_UNIX } from '../abi/socket.ts';
import type { Confinement } from '../host/confinement.ts';

const CALLS = [
  // Guests: their descriptors, their memory, their ends and signals.
  'pidfd_open',
  'pidfd_getfd',
  'pidfd_send_signal',
  'process_vm_readv',
  'process_vm_writev',
  'waitid',
  'wait4',
  'kill',
  // When a guest has closed its last descriptor of a socket (pollers.ts, strict-plane.ts).
  'inotify_init1',
  'inotify_add_watch',
  'inotify_rm_watch',
  // Unix names: under the guest's root and working directory, as its user, with its umask (unix-names.ts); where connections are made for placeholders (rendezvous.ts).
  'openat2',
  'fchdir',
  'umask',
  'setfsuid',
  'setfsgid',
  'setresuid',
  'setresgid',
  'mkdir',
  'mkdirat',
  'rmdir',
  // Files that we speak for (spoken-files.ts), and transfers between files of the guest and its sockets (host-files.ts).
  'memfd_create',
  'fchmod',
  'splice',
  'tee',
  'sendfile',
] as const satisfies Confinement['calls'];

/** Where guests are traced for want of user notification (ptrace-trap.ts); limits of theirs are raised to get a descriptor in. */
const TRACING = ['ptrace', 'prlimit64'] as const satisfies Confinement['calls'];

interface Duties {
  /** The gateway runs in the supervisor's own loop, with its sockets. */
  readonly gateway: boolean;
  /** Guests are traced. */
  readonly tracing: boolean;
}

export const supervisorConfinement = ({ gateway, tracing }: Duties): Confinement => ({
  calls: tracing ? [...CALLS, ...TRACING] : CALLS,
  families: gateway ? [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] : [AF_UNIX],
  // It writes into guests, and signals them, and the filter cannot know which processes those are.
  isApart: false,
});
