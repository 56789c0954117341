/**
 * What a sequence has made so far: tasks, descriptors with what is known of them, memory. Each step of a sequence takes what it needs from here by the numbers it has, so that every sequence makes
 * sense whatever is taken out of it; and what a step makes of valid arguments is spoiled here now and then.
 */
import type { Arg, Show, System, Task } from '../../../src/conformance/body.ts';
import { DATA_BASE, isWritable, NOWHERE } from '../../../src/conformance/layout.ts';
import * as c from '../../../src/conformance/linux.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';

export type Kind = 'tcp' | 'udp' | 'ping' | 'unix' | 'epoll' | 'pipe' | 'file';
/** How far a socket is, as far as the sequence knows. */
export type Role = 'fresh' | 'bound' | 'listening' | 'connected';

export interface Held {
  readonly fd: number;
  readonly kind: Kind;
  /** AF_INET, AF_INET6 or AF_UNIX. */
  readonly family: number;
  readonly type: number;
  /** Which process has it. */
  readonly table: number;
  role: Role;
  /** The other end, where the sequence made both, and whether it has sent something here. */
  peer?: Held;
  hasData?: boolean;
  /** A datagram may be in the making. */
  isCorked?: boolean;
}
export interface Actor {
  readonly task: Task;
  readonly table: number;
  /** What to do with the result of the call that is under way. */
  after: ((result: number) => void) | undefined;
}

/** `call` returned nothing yet; no call returns it. */
export const BLOCKED = -1_000_000;
const MOST_HELD = 10;
/** The address space has few of them (layout.ts). */
const MOST_EDGES = 12;
const MOST_FIXED = 30;
const THREADS = ['a', 'b'] as const;
const FORKED = 'p';

const isBlocked = ({ task }: Actor): boolean => task.blocked;

/** In the place of any argument. */
const WILD: readonly Arg[] = [
  -1,
  0,
  1,
  NOWHERE,
  0x7fff_ffff,
  -0x8000_0000,
  7,
  128,
  0xffff_ffffn,
  0x1_0000_004dn,
  0x8000_0000_0000_004dn,
  4096,
];
/** Descriptors that are none: closed, beyond every limit, negative. */
const BAD_FDS = [77, -1, 0x7fff_ffff, -100];

export interface WorldOptions {
  /** A number that few other sequences have: those that share a network name things by it. */
  readonly own: number;
  /** AF_UNIX sockets too. */
  readonly unix: boolean;
}

export class World {
  readonly sys: System;
  readonly own: number;
  readonly unix: boolean;
  readonly actors: Actor[];
  #held: Held[] = [];
  /** Memory that calls were given, to be given again. */
  readonly #used: number[] = [];
  #edges = 0;
  #fixed = 0;

  constructor(sys: System, { own, unix }: WorldOptions) {
    this.sys = sys;
    this.own = own;
    this.unix = unix;
    this.actors = THREADS.map((name) => ({ task: sys.task(name), table: 0, after: undefined }));
  }

  /** The first from `who` on that is not in a call; undefined if all are. */
  idle(who: number): Actor | undefined {
    this.#learn();
    const { actors } = this;
    return actors.map((_, i) => actors[(who + i) % actors.length]).find((one) => one?.task.blocked === false);
  }
  /** Those that are in a call. */
  get blocked(): Actor[] {
    return this.actors.filter(({ task }) => task.blocked);
  }
  #learn(): void {
    for (const actor of this.actors) {
      if (actor.after === undefined || actor.task.blocked) continue;
      const { after } = actor;
      actor.after = undefined;
      after(actor.task.result());
    }
  }
  /** A process with what the first one has; once, and while a thread of it can make it. */
  fork(): void {
    const [first] = this.actors;
    const isIdle = this.actors.some(({ table, task }) => table === 0 && !task.blocked);
    if (first === undefined || !isIdle || this.actors.some(({ table }) => table === 1)) return;
    this.actors.push({ task: this.sys.process(FORKED), table: 1, after: undefined });
    this.#held.push(...this.#held.map((one) => ({ ...one, table: 1 })));
  }

  hold(one: Held): void {
    // dup2(2) closes what it replaces.
    const old = this.#held.find(({ fd, table }) => fd === one.fd && table === one.table);
    if (old !== undefined) this.part(old);
    if (one.peer === old) delete one.peer;
    if (one.fd >= 0) this.#held = [...this.#held.filter(({ fd, table }) => fd !== one.fd || table !== one.table), one];
    if (this.#held.length > MOST_HELD) this.#held.shift();
  }
  /** Two ends of one connection. */
  join(one: Held, other: Held): void {
    one.peer = other;
    other.peer = one;
  }
  /** shutdown(2) was called. */
  hasShut = false;
  /** What one of them sends may be refused from now on, by whatever descriptors they are known. */
  part(one: Held): void {
    const ends = new Set<Held | undefined>([one, one.peer ?? one, one.peer?.peer ?? one]);
    for (const held of [...this.#held, one]) {
      if (ends.has(held) || ends.has(held.peer)) delete held.peer;
    }
  }
  drop(table: number, fd: number): void {
    // Calls on it go on: a closed descriptor is tried a few times more before it is forgotten.
    const at = this.#held.findIndex((one) => one.fd === fd && one.table === table);
    const [gone] = at < 0 ? [] : this.#held.splice(at, 1);
    const isLast = !this.#held.some(({ peer }) => peer !== undefined && peer === gone?.peer);
    if (gone !== undefined && isLast) this.part(gone);
    if (gone !== undefined && this.#held.length < 2) this.#held.push(gone);
  }
  heldBy(table: number): readonly Held[] {
    return this.#held.filter((one) => one.table === table);
  }
  /**
   * A descriptor of the actor's: most often one of those that fit best, of which `fits` has the best first, else any; seldom none at all.
   * One that is made up has fd < 0 or that of nothing.
   */
  pick(actor: Actor, r: Choice, ...fits: readonly ((one: Held) => boolean)[]): Held {
    const all = this.heldBy(actor.table);
    const fitting = fits.map((fit) => all.filter(fit)).find((some) => some.length > 0) ?? all;
    const x = r.below(64);
    const from = x < 54 ? fitting : all;
    const one = from[from.length - 1 - (r.below(256) % Math.max(1, from.length))];
    const bad = {
      fd: BAD_FDS[x % BAD_FDS.length] as number,
      kind: 'file',
      family: 0,
      type: 0,
      table: actor.table,
    } as const;
    return one === undefined || x > 61 ? { ...bad, role: 'fresh' } : one;
  }

  /** Makes a call that may block. `after` hears of its result, now or when it has one. */
  call(actor: Actor, name: c.SyscallName, args: readonly Arg[], after?: (result: number) => void): number {
    if (isBlocked(actor)) return BLOCKED;
    actor.task.start(name, ...args);
    actor.after = after;
    if (isBlocked(actor)) return BLOCKED;
    this.#learn();
    return actor.task.result();
  }
  /** The same with one of the arguments that may be spoiled spoiled, in one of sixteen calls. */
  rough(
    actor: Actor,
    r: Choice,
    name: c.SyscallName,
    args: readonly Arg[],
    after?: (result: number) => void,
    may: readonly number[] = args.map((_, i) => i),
  ): number {
    const x = r.below(16 * WILD.length * 6);
    const isSpoiled = x >= 15 * WILD.length * 6;
    const at = may[x % Math.max(1, may.length)];
    if (!isSpoiled || at === undefined) return this.call(actor, name, args, after);
    const spoiled = [...args];
    const wild = WILD[Math.floor(x / 6) % WILD.length] as Arg;
    // Descriptors 0 to 2 are the host's own files, and 7 may be a socket for which the other arguments were not chosen: one of AF_UNIX has no urgent data here.
    spoiled[at] = at === 0 && (wild === 0 || wild === 1 || wild === 7) ? (BAD_FDS[0] as Arg) : wild;
    return this.call(actor, name, spoiled, after);
  }

  /** Memory with something in it. */
  octets(content: Uint8Array | string, name: string, how?: Show): number {
    const at = this.sys.alloc(content.length, name, how);
    this.sys.write(at, content);
    return at;
  }
  int(value: number, name = 'int'): number {
    const at = this.sys.alloc(4, name, show('int'));
    this.sys.put(c.i32, at, value);
    return at;
  }
  /** Room for a name. Ephemeral ports would be seen as octets where it overlaps with something else, so it never does. */
  nameRoom(r: Choice, how: Show): number {
    return r.rarely(16, this.sys.alloc(128, 'name', how), [NOWHERE, 0]);
  }
  /** Room for what a call writes, or what it reads: memory of its own, seldom that of a call before, an edge, a read-only page, or none. */
  room(r: Choice, octets: number, name: string, how: Show = show('octets'), content?: Uint8Array | string): number {
    const x = r.below(40);
    switch (x) {
      case 39:
        return NOWHERE;
      case 38:
        return 0;
      case 37:
        if (octets > 256 || this.#fixed++ > MOST_FIXED) return NOWHERE;
        return this.sys.fixed(new Uint8Array(Math.max(1, octets)).fill(0x66), 'fixed');
      case 36: {
        if (octets > 256 || this.#edges++ > MOST_EDGES) return NOWHERE;
        const at = this.sys.edge(Math.max(1, octets >> 1), `${name}-edge`, how);
        if (content !== undefined) this.sys.write(at, content.slice(0, Math.max(1, octets >> 1)));
        return at;
      }
      case 35:
      case 34:
        return (this.#used[r.below(Math.max(1, this.#used.length))] ?? DATA_BASE) + r.below(9);
      default: {
        const at = this.sys.alloc(Math.max(1, octets), name, how);
        if (content !== undefined) this.sys.write(at, content);
        this.#used.push(at);
        return at;
      }
    }
  }
  /** True of memory that was handed out for writing here, and that steps may fill. */
  isOwn(at: number, octets: number): boolean {
    return isWritable(at) && isWritable(at + octets - 1);
  }
  timespec(us: number, name = 'timespec'): number {
    const at = this.sys.alloc(16, name, show('ended'));
    this.sys.put(c.timespec, at, { sec: Math.floor(us / 1e6), nsec: (us % 1e6) * 1000 });
    return at;
  }
}
