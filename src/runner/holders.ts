/**
 * Which process of the sandbox has a socket, where the thread that named it last has it no more: a child that inherited it and only reads and writes is never heard of, and a thread
 * may have ended. Processes are found from the head of the launch chain down (/proc/PID/task/TID/children, proc(5); CONFIG_PROC_CHILDREN), descriptors by their number, since fork keeps
 * it, and as 0, 1 and 2, where servers put it for what they start. It takes files of /proc, so it is for rare events only.
 */
import { readFileSync } from 'node:fs';
import { namesIn, targetOf } from './proc.ts';

export interface Holder {
  readonly pid: number;
  readonly fd: number;
}

/** More are not looked at: what is asked for them is a matter of appearance, and a guest can have any number. */
const MAX_PROCESSES = 256;

/** Of one thread; empty where it has ended. */
function childrenOf(pid: number, tid: string): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${tid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** A holder of the socket `inode` below process `head`, which had the number `fd` once. */
export function holderOf(head: number, inode: number, fd: number): Holder | undefined {
  const target = `socket:[${inode}]`;
  const numbers = [...new Set([fd, 0, 1, 2])];
  const processes = [head];
  for (let i = 0; i < processes.length && i < MAX_PROCESSES; i++) {
    const pid = processes[i] as number;
    const found = numbers.find((number) => targetOf(pid, number) === target);
    if (found !== undefined) return { pid, fd: found };
    for (const tid of namesIn(`/proc/${pid}/task`)) processes.push(...childrenOf(pid, tid));
  }
  return undefined;
}
