/** Files that are nowhere: memfd_create(2). */
import { closeSync, constants, fchmodSync, openSync, writeSync } from 'node:fs';
import { errno, native } from './libc.ffi.ts';

const memfdCreate = native<(name: string, flags: number) => number>(
  'int memfd_create(const char *name, unsigned int flags)',
);
const MFD_CLOEXEC = 1;

/** A descriptor, only to be read from, of a file with that content; or a negative errno. @param name as /proc/PID/fd shows it */
export function readOnlyFile(name: string, content: string): number {
  const fd = memfdCreate(name, MFD_CLOEXEC);
  if (fd < 0) return -errno();
  try {
    writeSync(fd, content);
    fchmodSync(fd, 0o444);
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY);
  } catch (error) {
    const { errno: code } = error as NodeJS.ErrnoException;
    return code ?? -EIO;
  } finally {
    closeSync(fd);
  }
}
const EIO = 5;
