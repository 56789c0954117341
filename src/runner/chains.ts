/**
 * The launch chains (namespaces.ts): small programs, one after the other in one process or its child, that enter the walls of the sandbox and become a program of the guest. While the first chain runs,
 * which builds the walls, nothing else does; so what is seen until its program starts is its own. A later one joins walls behind which guests run: of it are its head, which was started for it outside
 * of them, and the head's one child, within, which no process of a guest can be.
 */
import { Errno, errnoName } from '../abi/errno.ts';
import { F_GETFL, F_SETFL, O_NONBLOCK } from '../abi/fcntl.ts';
import { openNull } from '../host/file.ffi.ts';
import { close, fcntl } from '../host/libc.ffi.ts';
import type { CallTrap } from './call-trap.ts';
import { RunError } from './errors.ts';
import { statusField, statusOf } from './guest-task.ts';
import type { StdioEntry } from './launch.ts';
import { KEEPER_PROGRAM } from './namespaces.ts';

/** Where a chain has got to: its own programs; the shell that is its last; the guest's program. */
type Phase = 'chain' | 'keeper' | 'guest';

export interface ChainOptions {
  /** Its process, which the launcher has made. */
  readonly head: number;
  /** What it gets as descriptors 0, 1 and 2. */
  readonly stdio: readonly StdioEntry[];
  /** The walls stand, and their keeper is about to start. False if it must not. */
  readonly onWalls?: (keeper: number) => boolean;
  /** Its program is about to start, in that thread. */
  readonly onGuest: (tid: number) => void;
  /** It does not start: it cannot be given its descriptors. */
  readonly onUnfit: (why: RunError) => void;
}
interface Chain extends ChainOptions {
  phase: Phase;
  keeper: number;
  /** Its head has its descriptors. */
  isFitted: boolean;
}

export class Chains {
  readonly #first: Chain;
  /** Of chains whose program has not started yet; with the first. */
  readonly #open: Chain[] = [];

  constructor(first: ChainOptions) {
    this.#first = this.#add(first);
  }
  #add(options: ChainOptions): Chain {
    const chain: Chain = { ...options, phase: 'chain', keeper: 0, isFitted: false };
    this.#open.push(chain);
    return chain;
  }
  /** One that joins the walls. */
  join(options: ChainOptions): void {
    this.#add(options);
  }
  /** Its head has ended. */
  forget(head: number): void {
    const index = this.#open.findIndex((chain) => chain.head === head);
    if (index >= 0) this.#open.splice(index, 1);
  }

  /** The first program of the guest has started: what is seen from now on may be its doing. */
  get isGuest(): boolean {
    return this.#first.phase === 'guest';
  }
  /** The first chain's shell, which holds the walls; 0 before it runs. */
  get keeper(): number {
    return this.#first.keeper;
  }
  /** Whether that call on the walls is a chain's. */
  mayCross(call: string, tid: number): boolean {
    if (!this.isGuest) return this.#first.phase === 'chain';
    return call === 'setns' && this.#open.some(({ head, phase }) => head === tid && phase === 'chain');
  }

  #of(tid: number): Chain | undefined {
    if (!this.isGuest) return this.#first;
    if (this.#open.length === 0) return undefined;
    const parent = Number(statusField(statusOf(tid), 'PPid'));
    return this.#open.find(({ head }) => head === tid || head === parent);
  }
  /** A program is about to be executed: whether it may, where it is one of a chain, or its guest's first; else undefined. @param path of the program, asked for only if it matters */
  exec(listener: CallTrap, path: () => string): boolean | undefined {
    const chain = this.#of(listener.tid);
    if (chain === undefined) return undefined;
    if (!chain.isFitted && chain.head === listener.tid && !fit(chain, listener)) return false;
    if (chain.phase === 'keeper') {
      chain.phase = 'guest';
      this.forget(chain.head);
      chain.onGuest(listener.tid);
    } else if (path() === KEEPER_PROGRAM) {
      chain.phase = 'keeper';
      chain.keeper = listener.tid;
      return chain.onWalls?.(listener.tid) ?? true;
    }
    return true;
  }
}

/** The launcher has let go of all that is ours but 0, 1 and 2. False where the head must not go on: with what it has of the launcher's it would write to files of ours. */
function fit(chain: Chain, listener: CallTrap): boolean {
  for (const [number, entry] of chain.stdio.entries()) {
    const put = putAt(listener, entry, number);
    // The call was taken away, and the thread with it or not: then it comes again.
    if (put === -Errno.ENOENT || put === -Errno.ESRCH) return true;
    if (put >= 0) continue;
    const what = `the program cannot be given its descriptor ${number} (${errnoName(-put)})`;
    chain.onUnfit(new RunError('E_LAUNCH', what, 'see that what stdio names stays open, and the limit of descriptors'));
    return false;
  }
  return (chain.isFitted = true);
}
/** Its number, or a negative errno. */
function putAt(listener: CallTrap, entry: StdioEntry, number: number): number {
  if (entry !== 'ignore') makeBlocking(entry);
  if (entry === number) return number;
  const fd = entry === 'ignore' ? openNull() : entry;
  if (fd < 0) return fd;
  const put = listener.replaceFd(listener.idLow, listener.idHigh, fd, number, false);
  if (entry === 'ignore') close(fd);
  return put;
}

/** Node waits for none of its own 0, 1 and 2 that are sockets or pipes, which the guest shares and which its programs expect to wait for (libuv's uv_spawn does the same). */
function makeBlocking(fd: number): void {
  const flags = fcntl(fd, F_GETFL, 0);
  if (flags >= 0 && (flags & O_NONBLOCK) !== 0) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}
