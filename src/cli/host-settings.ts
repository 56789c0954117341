/** What of a host's settings decides for sandsock, each with the setting that changes it. What can be tried is tried by doctor.ts as well; this says why it failed. */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import type { Finding } from './doctor.ts';

export interface HostSettings {
  readonly isRoot: boolean;
  /** A file's text; undefined where it is not there. */
  readonly read: (file: string) => string | undefined;
  /** The errno's name, or undefined where the file could be opened for reading and writing. */
  readonly refusal: (file: string) => string | undefined;
}

const number = ({ read }: HostSettings, file: string): number | undefined => {
  const text = read(`/proc/sys/${file}`);
  return text === undefined ? undefined : Number(text);
};
const ok = (name: string, detail: string): Finding => ({ name, state: 'ok', detail, remedy: '' });
const weaker = (name: string, detail: string, remedy: string): Finding => ({ name, state: 'weaker', detail, remedy });

/** Why a plain user may have no user namespaces, each with what to do. */
function userNamespaces(host: HostSettings): Finding {
  const name = 'user namespaces';
  if (host.isRoot) return ok(name, 'not needed: root enters namespaces without one');
  if (number(host, 'user/max_user_namespaces') === 0)
    return weaker(name, 'user.max_user_namespaces is 0', 'set sysctl user.max_user_namespaces=15000');
  if (number(host, 'kernel/unprivileged_userns_clone') === 0)
    return weaker(name, 'kernel.unprivileged_userns_clone is 0', 'set sysctl kernel.unprivileged_userns_clone=1');
  if (number(host, 'kernel/apparmor_restrict_unprivileged_userns') === 1) {
    const remedy =
      'give unshare(1) an AppArmor profile with "userns,", or set sysctl kernel.apparmor_restrict_unprivileged_userns=0';
    return weaker(name, 'AppArmor restricts those of unprivileged programs', remedy);
  }
  return ok(name, 'no setting forbids them to plain users');
}

const SCOPES = ['every process of the user', 'descendants', 'holders of CAP_SYS_PTRACE', 'nobody'] as const;

function yama(host: HostSettings): Finding {
  const scope = number(host, 'kernel/yama/ptrace_scope');
  if (scope === undefined) return ok('Yama', 'not in this kernel');
  const detail = `ptrace_scope ${scope}: ${SCOPES[scope] ?? 'unknown'} may be traced`;
  // Guests are descendants.
  if (scope < 2 || (scope === 2 && host.isRoot)) return ok('Yama', detail);
  const until = scope === 3 ? ' at boot: 3 holds until then' : '';
  return weaker('Yama', detail, `set sysctl kernel.yama.ptrace_scope=1${until}`);
}

function tun({ refusal }: HostSettings): Finding {
  const name = '/dev/net/tun';
  const errno = refusal(name);
  if (errno === undefined) return ok(name, 'can be opened: --link tap:NAME has what it needs');
  const remedy =
    errno === 'ENOENT' || errno === 'ENODEV'
      ? 'load the module (modprobe tun); in a container pass the device (docker run --device /dev/net/tun)'
      : 'run as root, or let the user open it (chmod 0666 /dev/net/tun); the tap itself is his by ip tuntap add user';
  return weaker(name, `${errno}: --link tap:NAME does not work, the gateway does`, remedy);
}

/** What whoever started sandsock has put on it. */
function inherited({ read }: HostSettings): Finding[] {
  const status = read('/proc/self/status') ?? '';
  const field = (name: string): string => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(status)?.[1] ?? '0';
  const filters = field('Seccomp') === '2' ? field('Seccomp_filters') : '0';
  return [
    ok('no_new_privs', field('NoNewPrivs') === '1' ? 'set already' : 'not set yet; every guest has it'),
    ok(
      'seccomp of the surroundings',
      filters === '0' ? 'none' : `${filters} of a container or service: what it refuses is named here as refused`,
    ),
  ];
}

export const settingFindings = (host: HostSettings): Finding[] => [
  userNamespaces(host),
  yama(host),
  tun(host),
  ...inherited(host),
];

export const thisHost = (): HostSettings => ({
  isRoot: process.getuid?.() === 0,
  read: (file) => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  },
  refusal: (file) => {
    try {
      closeSync(openSync(file, constants.O_RDWR));
      return undefined;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code ?? 'an error';
    }
  },
});
