/**
 * CPU time of process trees, from /proc/PID/stat (proc_pid_stat(5)). Where the machine is busy with other work the time that a request takes says little, but the
 * CPU time that it costs still does. The kernel shows a process's in ticks of 10 ms, and that of each of its threads that live to the nanosecond, in
 * /proc/PID/task/TID/schedstat (CONFIG_SCHED_INFO).
 */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ, which Linux has fixed at 100 for user space on x86 and arm. */
const TICKS_PER_SECOND = 100;

export interface ProcessTimes {
  readonly parent: number;
  /** Of its own, ticks. */
  readonly own: number;
  /** Of children that ended and were waited for, with theirs, ticks. */
  readonly reaped: number;
  /** When it began: with the id it names a process for ever. */
  readonly start: number;
}

/** @param text of /proc/PID/stat; the name in parentheses may hold anything, parentheses and spaces too */
export function parseStat(text: string): ProcessTimes | undefined {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const numbers = [1, 11, 12, 13, 14, 19].map((index) => Number(fields[index]));
  const [parent = 0, utime = 0, stime = 0, cutime = 0, cstime = 0, start = 0] = numbers;
  const times = { parent, own: utime + stime, reaped: cutime + cstime, start };
  return numbers.some(Number.isNaN) ? undefined : times;
}

const readProc = (pid: number | 'self', file: string): string | undefined => {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch {
    return undefined;
  }
};

const listed = (path: string): string[] => {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
};

/** Seconds that the threads of a process have run, those left out that ended. */
function threadSeconds(pid: number): number {
  let ns = 0;
  for (const tid of listed(`/proc/${pid}/task`))
    ns += Number((readProc(pid, `task/${tid}/schedstat`) ?? '0').split(' ', 1)[0]);
  return ns / 1e9;
}
/** Rounded down, ticks are below what the threads say, unless some that ended are missing there. */
const ownSeconds = (pid: number, { own }: ProcessTimes): number => Math.max(own / TICKS_PER_SECOND, threadSeconds(pid));

function processes(): Map<number, ProcessTimes> {
  const found = new Map<number, ProcessTimes>();
  for (const name of listed('/proc')) {
    const pid = Number(name);
    const times = Number.isNaN(pid) ? undefined : parseStat(readProc(pid, 'stat') ?? '');
    if (times !== undefined) found.set(pid, times);
  }
  return found;
}

/** `roots` and all below them. */
export function treeOf(roots: readonly number[], parents: ReadonlyMap<number, { readonly parent: number }>): number[] {
  const children = new Map<number, number[]>();
  for (const [pid, { parent }] of parents) children.set(parent, [...(children.get(parent) ?? []), pid]);
  const tree = roots.filter((pid) => parents.has(pid));
  for (const pid of tree) tree.push(...(children.get(pid) ?? []));
  return [...new Set(tree)];
}
export interface Process {
  readonly pid: number;
  readonly start: number;
}
export function descendants(roots: readonly number[]): Process[] {
  const all = processes();
  return treeOf(roots, all).map((pid) => ({ pid, start: all.get(pid)?.start ?? 0 }));
}
/** SIGKILL for those that live still. */
export function killAll(which: readonly Process[]): void {
  for (const { pid, start } of which) {
    if (parseStat(readProc(pid, 'stat') ?? '')?.start !== start) continue;
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // it has ended meanwhile
    }
  }
}

/** Seconds since the processes began. */
export interface CpuTime {
  readonly total: number;
  /** What of it the sandbox itself took, by process: supervisor and gateway, say. */
  readonly roles: ReadonlyMap<string, number>;
}
/** What a process of a sandbox is, by its command line; undefined for the programs that run in it. */
export type RoleOf = (commandLine: string) => string | undefined;

/**
 * All that the trees below `roots` have used, and what this process's own children have that ended. The sum only grows: a child that ends moves into its parent's
 * figure for the reaped.
 */
export function cpuTime(roots: readonly number[], roleOf: RoleOf): CpuTime {
  const all = processes();
  const byRole = new Map<string, number>();
  let reaped = all.get(process.pid)?.reaped ?? 0;
  let total = 0;
  for (const pid of treeOf(roots, all)) {
    const times = all.get(pid);
    if (times === undefined) continue;
    const own = ownSeconds(pid, times);
    total += own;
    reaped += times.reaped;
    const role = roleOf((readProc(pid, 'cmdline') ?? '').replaceAll('\0', ' '));
    if (role !== undefined) byRole.set(role, (byRole.get(role) ?? 0) + own);
  }
  return { total: total + reaped / TICKS_PER_SECOND, roles: byRole };
}
