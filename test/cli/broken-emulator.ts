/** Preloaded (`node --import`), it makes dup(2) of the emulator fail: a difference that a comparison must find. */
import { Errno } from '../../src/abi/errno.ts';
import { EmulatedFdTable } from '../../src/socket/emulated-fd-table.ts';

EmulatedFdTable.prototype.dup = () => -Errno.EMFILE;
