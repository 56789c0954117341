/** Looks into /proc of guests, any part of which may be gone by then (proc(5)). */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { printable } from '../syscalls/printable.ts';

/** Names in a directory of /proc; none where its process has ended. */
export function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
/** What descriptor `fd` leads to; empty where it was closed meanwhile, which ends nothing but this one look. */
export function targetOf(pid: number, fd: number | string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}
/** Longest name of a thread. */
const TASK_COMM_LEN = 16;
/** The program that a process runs (comm), as it may stand in a report; empty where it has ended. */
export function programOf(pid: number): string {
  try {
    return printable(readFileSync(`/proc/${pid}/comm`).subarray(0, -1), TASK_COMM_LEN);
  } catch {
    return '';
  }
}
