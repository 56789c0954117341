/** Threads of the kernel that may still be at work for a call that has returned. */
import { readdirSync, readFileSync } from 'node:fs';

/** The kernel's deferred network input, where this process may see it. */
export function networkThreads(): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d{1,3}$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/comm`, 'latin1').startsWith('ksoftirqd');
    } catch {
      return false;
    }
  });
}
