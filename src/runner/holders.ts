/**
 * Which process of the sandbox has a socket, where the thread that named it last has it no more: a child that inherited it and only reads and writes is never heard of, and a thread
 * may have ended. Processes are found from the heads of the launch chains down (/proc/PID/task/TID/children, proc(5); CONFIG_PROC_CHILDREN), descriptors by their number, since fork keeps
 * it, and as 0, 1 and 2, where servers put it for what they start. And whether any of them waits in a receive that we are not told of. It takes files of /proc, so it is for rare events only.
 */
import { readFileSync } from 'node:fs';
import { NR_AMD64 } from '../abi/nr-amd64.ts';
import { NR_ARM64 } from '../abi/nr-arm64.ts';
import { namesIn, targetOf } from './proc.ts';

export interface Holder {
  readonly pid: number;
  readonly fd: number;
}

/** More are not looked at: what is asked for them is a matter of appearance, and a guest can have any number. */
const MAX_PROCESSES = 256;

/** Of one thread; empty where it has ended. */
export function childrenOf(pid: number, tid: string): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** `look` at the processes from `heads` down, parents first, until one says something. */
export function below<T>(
  heads: readonly number[],
  look: (pid: number, threads: readonly string[]) => T | undefined,
  limit = MAX_PROCESSES,
): T | undefined {
  const processes = [...heads];
  for (let i = 0; i < processes.length && i < limit; i++) {
    const pid = processes[i] as number;
    const threads = namesIn(`/proc/${pid}/task`);
    const found = look(pid, threads);
    if (found !== undefined) return found;
    for (const tid of threads) processes.push(...childrenOf(pid, tid));
  }
  return undefined;
}

/** A holder of the socket `inode` below the processes `heads`, which had the number `fd` once. */
export function holderOf(heads: readonly number[], inode: number, fd: number): Holder | undefined {
  const target = `socket:[${inode}]`;
  const numbers = [...new Set([fd, 0, 1, 2])];
  return below(heads, (pid) => {
    const found = numbers.find((number) => targetOf(pid, number) === target);
    return found === undefined ? undefined : { pid, fd: found };
  });
}

const { read, readv, recvfrom, splice } = process.arch === 'arm64' ? NR_ARM64 : NR_AMD64;
/** Native calls that wait for octets, with the descriptor in their first register. */
const RECEIVING: ReadonlySet<number> = new Set([read, readv, recvfrom, splice]);

/** Whether a thread below the processes `heads` waits in a native receive on the socket `inode` (/proc/PID/task/TID/syscall). */
export function isReadNatively(heads: readonly number[], inode: number): boolean {
  const target = `socket:[${inode}]`;
  const reads = (pid: number, tid: string): boolean => {
    const [nr, fd = ''] = callOf(pid, tid).split(' ');
    return RECEIVING.has(Number(nr)) && targetOf(pid, Number(fd) | 0) === target;
  };
  return below(heads, (pid, threads) => (threads.some((tid) => reads(pid, tid)) ? true : undefined)) === true;
}
function callOf(pid: number, tid: string): string {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/syscall`, 'latin1');
  } catch {
    return '';
  }
}
