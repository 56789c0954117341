/** Files at a position: pread(2) and lseek(2) on descriptors that are copies of a guest's, whose position they share. */
import { borrowAddress, errno, native } from './libc.ffi.ts';

const pread = native<(fd: number, data: number, len: number, offset: number) => number>(
  'intptr_t pread(int fd, uintptr_t data, size_t len, int64_t offset)',
);
const lseek = native<(fd: number, offset: number, whence: number) => number>(
  'int64_t lseek(int fd, int64_t offset, int whence)',
);
const SEEK_SET = 0;
const SEEK_CUR = 1;

/** Octets read to `dst[at..]`, or a negative errno (ESPIPE for what has no positions). */
export function readAt(fd: number, dst: Uint8Array, at: number, len: number, offset: number): number {
  const n = pread(fd, borrowAddress(dst) + at, len, offset);
  return n >= 0 ? n : -errno();
}
/** The descriptor's position, or a negative errno. */
export function positionOf(fd: number): number {
  const at = lseek(fd, 0, SEEK_CUR);
  return at >= 0 ? at : -errno();
}
export const setPosition = (fd: number, at: number): void => {
  lseek(fd, at, SEEK_SET);
};
