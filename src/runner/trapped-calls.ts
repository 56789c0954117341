/** Which calls stop at the filter on this machine, and where each goes first. */
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import { SOCKET_CALLS } from '../syscalls/table.ts';
import { AUDIT_ARCH, buildFilter, LOOKING_CALLS } from './filter.ts';
import type { Route } from './seccomp-platform.ts';

export const ARCHITECTURE =
  process.arch === 'arm64'
    ? ({ name: 'arm64', numbers: NR_ARM64, audit: AUDIT_ARCH.arm64 } as const)
    : ({ name: 'x86_64', numbers: NR_AMD64, audit: AUDIT_ARCH.x64 } as const);

/** Natively right on a placeholder: a socket has no position (ESPIPE), and pipes are not sockets. */
const NATIVE = new Set(['pread64', 'pwrite64', 'preadv', 'pwritev', 'tee', 'vmsplice']);
/** Calls with two descriptors, either of which may be ours. */
const TWO_DESCRIPTORS: ReadonlyMap<string, Route> = new Map([
  ['sendfile', 'first-and-second'],
  ['splice', 'first-and-third'],
]);
/** Also the second argument. */
const ABSENT = new Set(['io_uring_setup', 'io_uring_enter', 'io_uring_register', 'epoll_ctl_old', 'epoll_wait_old']);

export const trappedCalls: readonly string[] = SOCKET_CALLS.filter((name) => !NATIVE.has(name) && !ABSENT.has(name));

/** Native where the placeholder carries the data; so are sends and receives without address and with plain flags (filter.ts). */
export const dataCalls: ReadonlySet<string> = new Set(['read', 'write', 'readv', 'writev', 'sendfile', 'splice']);

export function routes(): Map<number, Route> {
  const map = new Map<number, Route>();
  const numbers: Readonly<Record<string, number>> = ARCHITECTURE.numbers;
  for (const name of trappedCalls) {
    const nr = numbers[name];
    if (nr === undefined) continue;
    if (name === 'socket') map.set(nr, 'socket');
    else map.set(nr, TWO_DESCRIPTORS.get(name) ?? 'descriptor');
  }
  for (const name of LOOKING_CALLS) if (numbers[name] !== undefined) map.set(numbers[name], 'look');
  return map;
}

export const CALL_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(ARCHITECTURE.numbers).map(([name, nr]) => [nr, name]),
);
export const callName = (nr: number): string => CALL_NAMES.get(nr) ?? `call ${nr}`;

/** The filter of a sandbox on that plane: `struct sock_filter` array. @param opens what opens files is looked at @param traced calls go to who traces the guest */
export function filterFor(plane: 'direct' | 'strict', opens: boolean, traced: boolean): Uint8Array {
  const isDirect = plane === 'direct';
  return buildFilter({
    auditArch: ARCHITECTURE.audit,
    numbers: ARCHITECTURE.numbers,
    trapped: isDirect ? trappedCalls.filter((name) => !dataCalls.has(name)) : trappedCalls,
    plainTransfers: isDirect,
    looks: !isDirect,
    opens,
    traced,
  });
}
