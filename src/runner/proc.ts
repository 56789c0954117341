/** Looks into /proc of guests, any part of which may be gone by then (proc(5)). */
import { readdirSync, readlinkSync } from 'node:fs';

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
