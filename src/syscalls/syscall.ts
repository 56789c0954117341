/** One entry of the system call table: the single source of dispatch, the filter, strace, the documentation and the list of what is missing. */
import { Errno, type ErrnoName } from '../abi/errno.ts';
import type { Arg } from './args.ts';
import type { CallContext } from './task.ts';

export type Support =
  | { readonly level: 'full' }
  | { readonly level: 'partial'; readonly note: string }
  | { readonly level: 'absent'; readonly errno: ErrnoName; readonly note: string };

/** Takes the decoded arguments in the order of their declaration. Returns a result, a negative errno, or `BLOCKED`. */
export type Handler = (context: CallContext, ...args: number[]) => number;
export type ArgSpec = Readonly<Record<string, Arg>>;

export interface Syscall {
  readonly name: string;
  readonly args: ArgSpec;
  /** `args` in order. */
  readonly argList: readonly Arg[];
  readonly support: Support;
  /** Decodes the registers (low and high word of each argument) and runs the handler. */
  run(context: CallContext, registers: Uint32Array): number;
}

const MAX_ARGS = 6;
const NOTHING: Arg['decode'] = () => 0;
const word = (r: Uint32Array, i: number): number => r[i] as number;

function entry(name: string, args: ArgSpec, support: Support, handler: Handler): Syscall {
  const argList = Object.values(args);
  // A handler that takes fewer arguments than were declared, or more, is a mistake in the table's line.
  if (argList.length > MAX_ARGS || handler.length > argList.length + 1) {
    throw new RangeError(`${name} declares ${argList.length} arguments, its handler takes ${handler.length - 1}`);
  }
  const decode = (index: number): Arg['decode'] => argList[index]?.decode ?? NOTHING;
  const [d0, d1, d2, d3, d4, d5] = [decode(0), decode(1), decode(2), decode(3), decode(4), decode(5)];
  return {
    name,
    args,
    argList,
    support,
    run: (context, r) =>
      handler(
        context,
        d0(word(r, 0), word(r, 1)),
        d1(word(r, 2), word(r, 3)),
        d2(word(r, 4), word(r, 5)),
        d3(word(r, 6), word(r, 7)),
        d4(word(r, 8), word(r, 9)),
        d5(word(r, 10), word(r, 11)),
      ),
  };
}

/** A call with all its flags and errors. */
export const full = (name: string, args: ArgSpec, handler: Handler): Syscall =>
  entry(name, args, { level: 'full' }, handler);
/** A call of which `note` says what is missing. */
export const partial = (name: string, args: ArgSpec, note: string, handler: Handler): Syscall =>
  entry(name, args, { level: 'partial', note }, handler);
/** A call that is answered with `errno`; `note` says what programs do then. `onLinuxToo` if Linux answers the same. */
export const absent = (name: string, errno: ErrnoName, note: string, onLinuxToo = false): Syscall =>
  entry(name, {}, { level: 'absent', errno, note }, (context) => {
    context.unsupported(name, '', errno, onLinuxToo);
    return -Errno[errno];
  });

/** Calls by number, for one architecture. */
export class SyscallTable extends Map<number, Syscall> {
  /** End of user addresses there. */
  readonly userEnd: number;
  constructor(userEnd: number) {
    super();
    this.userEnd = userEnd;
  }
}
