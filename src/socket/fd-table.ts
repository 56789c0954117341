/**
 * Descriptor tables. Two implementations: the complete emulated table here, for the library and the conformance suite, and the runner's, where the kernel's
 * own table holds placeholders and ours maps them to files. Handlers use only this interface.
 */
import type { OpenFile } from './file.ts';

export interface FdTable {
  /** The file behind a descriptor, or undefined (EBADF). */
  get(fd: number): OpenFile | undefined;
  /** True when another descriptor can be made; false is EMFILE. The runner leaves that to the kernel and says true. */
  hasRoom(): boolean;
  /**
   * A descriptor that `get` does not know because the kernel's table holds a file of the host there: a view of it, made for one call, which the caller holds until the call ends.
   * Undefined is EBADF. Absent where every file is ours.
   */
  foreign?(fd: number): OpenFile | undefined;
  /**
   * Takes the number of a descriptor that a call will make but has to wait for (accept(2) does so before it waits), or -EMFILE. Absent where the kernel keeps the
   * numbers.
   */
  reserve?(): number;
  /** Gives a number back for which no descriptor was made. */
  unreserve?(fd: number): void;
  /** Makes a descriptor of a number taken by `reserve`. Takes a reference. */
  fill?(fd: number, file: OpenFile, closeOnExec: boolean): number;
}
