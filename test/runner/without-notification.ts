/** Loaded by a supervisor first (`preload`): as on a kernel without user notification, seccomp(2) knows neither its sizes nor its listener. */
import { Errno, NR_AMD64 } from '../../src/abi/index.ts';
import { assemble, DATA_NR, dataArgument, give, load, Verdict, whenAnyBit, whenEqual } from '../../src/host/bpf.ts';
import { arena, must, native } from '../../src/host/libc.ffi.ts';

const prctl = native<(option: number, a: number, b: number, c: number, d: number) => number>(
  'int prctl(int option, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d)',
);
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_SECCOMP = 22;
const MODE_FILTER = 2;
const GET_NOTIF_SIZES = 3;
const NEW_LISTENER = 8;
const refused = give(Verdict.errno(Errno.EINVAL));

const program = assemble([
  load(DATA_NR),
  ...whenEqual(
    NR_AMD64.seccomp,
    load(dataArgument(0)),
    ...whenEqual(GET_NOTIF_SIZES, refused),
    load(dataArgument(1)),
    ...whenAnyBit(NEW_LISTENER, refused),
  ),
  give(Verdict.Allow),
]);
const { address, bytes } = arena(4096);
bytes.set(program, 16);
const header = new DataView(bytes.buffer);
header.setUint16(0, program.length / 8, true);
header.setBigUint64(8, BigInt(address + 16), true);
must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'prctl');
must(prctl(PR_SET_SECCOMP, MODE_FILTER, address, 0, 0), 'prctl');
