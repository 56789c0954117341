/**
 * Files that we speak for: what /proc/net and /proc/sys/net say of the network is the stack's to tell (proc-net.ts), since the kernel's own are about the guest's empty namespace.
 *
 * open(2), openat(2) and openat2(2) are trapped (docs/decisions/0023). The path is read once. If it leads to one of ours the guest gets a descriptor of a file in memory that was made for
 * this open, and the kernel never sees the call; what leads elsewhere is let through. Another thread that changes the path after the look gets the kernel's own file, which is that of the
 * guest's namespace and not the host's, wherever there is a namespace.
 *
 * Most opens are told apart by the last part of their path alone, since no file of ours has another name. For the rest the path is opened without effect (O_PATH), so that links,
 * `..` and working directories are the kernel's to follow, and what it leads to is read from /proc/self/fd. Only `self`, `thread-self` and /proc/net, which depend on who asks, are put in place
 * beforehand. A file opened by a descriptor of its own (O_PATH, then /proc/self/fd/N) is found the same way.
 *
 * Left out: a link outside of /proc with another name than the file of ours that it leads to, and openat2(2) with rules for the way (RESOLVE_*), are the kernel's. What was opened is as it was
 * at that moment: a program that reads a file again without opening it anew (lseek(2)) reads the same.
 */
import { closeSync, constants, openSync, readFileSync, readlinkSync, statfsSync, statSync } from 'node:fs';
import { Errno, type ErrnoName } from '../abi/errno.ts';
import { AT_FDCWD, O_ACCMODE, O_CLOEXEC, O_PATH, O_RDONLY } from '../abi/fcntl.ts';
import { openHow } from '../abi/openat.ts';
import { fromWords } from '../abi/struct.ts';
import { close } from '../host/libc.ffi.ts';
import { readOnlyFile } from '../host/memory-file.ffi.ts';
import { readProcess } from '../host/process.ffi.ts';
import type { ProcNet } from '../socket/proc/proc-net.ts';
import { printable } from '../syscalls/printable.ts';
import type { CallTrap } from './call-trap.ts';
import type { Judgement } from './foreign-calls.ts';
import { statusOf } from './guest-task.ts';

const PATH_MAX = 4096;
const PAGE = 4096;
/** Most paths are no longer; the rest is read only where there is more. */
const USUAL_PATH = 256;
const SLASH = 0x2f;
const PROC_SUPER_MAGIC = 0x9fa0;
const SYS_NET = '/proc/sys/net/';
/** Octets of a path that the report shows. */
const SHOWN_PATH = 80;

/** Where the arguments of a call stand among the registers' words. */
interface Open {
  readonly directory: number;
  readonly pathLow: number;
  readonly pathHigh: number;
  readonly flags: number;
}

export interface SpokenFilesOptions {
  readonly files: ProcNet;
  /** What guests have closed natively, and what that sends, is taken in. */
  readonly settle: () => void;
  readonly unsupported: (call: string, what: string, errno: string) => void;
}

export class SpokenFiles {
  readonly #options: SpokenFilesOptions;
  readonly #names: ReadonlySet<string>;
  readonly #path = new Uint8Array(PATH_MAX);
  readonly #text = Buffer.from(this.#path.buffer);
  readonly #how = new Uint8Array(openHow.size);

  constructor(options: SpokenFilesOptions) {
    this.#options = options;
    this.#names = new Set(options.files.lastNames);
  }

  open(listener: CallTrap): Judgement {
    const { args } = listener;
    return this.#judge(listener, {
      directory: AT_FDCWD,
      pathLow: args[0] as number,
      pathHigh: args[1] as number,
      flags: args[2] as number,
    });
  }
  openat(listener: CallTrap): Judgement {
    const { args } = listener;
    return this.#judge(listener, {
      directory: (args[0] as number) | 0,
      pathLow: args[2] as number,
      pathHigh: args[3] as number,
      flags: args[4] as number,
    });
  }
  openat2(listener: CallTrap): Judgement {
    const { args, tid } = listener;
    const at = fromWords(args[4] as number, args[5] as number);
    if (readProcess(tid, at, this.#how, 0, openHow.size) !== openHow.size) return 'resume';
    const { flags, resolve } = openHow.decode(this.#how);
    if (resolve !== 0) return 'resume';
    return this.#judge(listener, {
      directory: (args[0] as number) | 0,
      pathLow: args[2] as number,
      pathHigh: args[3] as number,
      flags: flags % 0x1_0000_0000,
    });
  }

  #judge(listener: CallTrap, open: Open): Judgement {
    const { tid } = listener;
    const len = this.#readPath(tid, fromWords(open.pathLow, open.pathHigh));
    if (len <= 0 || !this.#mayBeOurs(len)) return 'resume';
    if ((open.flags & O_PATH) !== 0) return 'resume';
    const path = this.#text.toString('latin1', 0, len);
    const target = targetOf(tid, open.directory, path);
    if (target === undefined) return 'resume';
    return (open.flags & O_ACCMODE) === O_RDONLY
      ? this.#give(listener, target, (open.flags & O_CLOEXEC) !== 0)
      : this.#refuseWrite(tid, target);
  }
  /** Octets of the path without its end; 0 if there is none. */
  #readPath(tid: number, address: number): number {
    const path = this.#path;
    let len = 0;
    while (len < PATH_MAX) {
      // No further than the page's end: the next page may not exist, and need not.
      const step = Math.min(len === 0 ? USUAL_PATH : PATH_MAX - len, PAGE - ((address + len) % PAGE));
      const got = readProcess(tid, address + len, path, len, step);
      for (let i = len; i < len + got; i++) if (path[i] === 0) return i;
      if (got < step) return 0;
      len += got;
    }
    return 0;
  }
  /** By its last part, or because it names a descriptor. */
  #mayBeOurs(len: number): boolean {
    const path = this.#path;
    let from = len;
    while (from > 0 && path[from - 1] !== SLASH) from--;
    if (this.#names.has(this.#text.toString('latin1', from, len))) return true;
    // Either `/proc/..` or `/dev/fd/N`.
    if (path[0] !== SLASH) return false;
    if (path[1] === P && path[2] === R)
      return isNumber(path, from, len) || this.#text.toString('latin1', 0, SYS_NET.length) === SYS_NET;
    return path[1] === D && path[4] === SLASH && path[5] === F && isNumber(path, from, len);
  }

  #give(listener: CallTrap, target: string, cloexec: boolean): Judgement {
    const content = this.#contentOf(listener.tid, target);
    if (content === undefined) return 'resume';
    const fd = readOnlyFile(target.slice(target.lastIndexOf('/') + 1), content);
    if (fd < 0) return fd;
    const given = listener.answerWithFd(listener.idLow, listener.idHigh, fd, cloexec);
    close(fd);
    return given < 0 ? given : 'answered';
  }
  #contentOf(tid: number, target: string): string | undefined {
    const { files, settle } = this.#options;
    const [, name] = /\/\d+(?:\/task\/\d+)?\/net\/(\w+)$/.exec(target) ?? [];
    if (name !== undefined) {
      settle();
      // Not by the guest's path once more: behind its root, which it may choose (chroot(2)), something else may stand there by now, and a FIFO would be waited for.
      return files.read(name, () => textOf(`/proc/${tid}/net/${name}`));
    }
    const [, path] = /\/sys\/net\/([\w/-]+)$/.exec(target) ?? [];
    return path === undefined ? undefined : files.setting(path);
  }
  /** The stack's settings are fixed, and the kernel's would change nothing: both are read-only, as in a container. */
  #refuseWrite(tid: number, target: string): Judgement {
    if (!/\/sys\/net\//.test(target)) return 'resume';
    const isRoot = /^Uid:\s*\d+\s+0\s/m.test(statusOf(tid));
    const errno: ErrnoName = isRoot ? 'EROFS' : 'EACCES';
    this.#options.unsupported('open', `O_WRONLY ${printable(octets(target), SHOWN_PATH)}`, errno);
    return -Errno[errno];
  }
}

const [D, F, P, R] = [0x64, 0x66, 0x70, 0x72];
function isNumber(path: Uint8Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if ((path[i] as number) < 0x30 || (path[i] as number) > 0x39) return false;
  return to > from;
}

/** A file of our own /proc; empty where the guest is gone. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
/** Where a path leads, if it is a file of a proc file system. */
function targetOf(tid: number, directory: number, path: string): string | undefined {
  for (const way of waysOf(tid, directory, path)) {
    try {
      return leadsTo(tid, way);
    } catch {
      // It leads nowhere: if no other way does, the kernel says so itself.
    }
  }
  return undefined;
}
/** Of a name in octets, which a path of Linux is: in no encoding. */
const octets = (path: string): Buffer => Buffer.from(path, 'latin1');
const linkAt = (path: string): string => readlinkSync(octets(path), { encoding: 'latin1' });
/**
 * An absolute link is followed from our root, to our own /proc. A guest that has another must not learn from that whether there is such a process: it must be one of its own as well, unless the link is to
 * `self`, which then is ours.
 */
function isAstray(tid: number, itself: string, target: string): boolean {
  const [, pid] = /^\/proc\/(\d+)\//.exec(target) ?? [];
  const device = statSync('/proc').dev;
  if (pid === undefined || Number(pid) === process.pid || statSync(itself).dev !== device) return false;
  return statSync(`/proc/${tid}/root/proc/${pid}`, { throwIfNoEntry: false })?.isDirectory() !== true;
}
function leadsTo(tid: number, way: string): string | undefined {
  const fd = openSync(octets(way), constants.O_RDONLY | O_PATH);
  try {
    const itself = `/proc/self/fd/${fd}`;
    if (statfsSync(itself).type !== PROC_SUPER_MAGIC) return undefined;
    const target = linkAt(itself);
    return isAstray(tid, itself, target) ? undefined : target;
  } finally {
    closeSync(fd);
  }
}
/** The path as we can open it: as it stands, and with what depends on who asks put in place. */
function* waysOf(tid: number, directory: number, path: string): IterableIterator<string> {
  const root = `/proc/${tid}/root`;
  const base = directory === AT_FDCWD ? `/proc/${tid}/cwd` : `/proc/${tid}/fd/${directory}`;
  const isAbsolute = path.startsWith('/');
  if (!/^\/(?:proc|dev\/fd)\//.test(path)) yield isAbsolute ? root + path : `${base}/${path}`;
  try {
    yield root + withSelf(tid, isAbsolute ? path : `${linkAt(base)}/${path}`);
  } catch {
    // The working directory, or the thread, is gone.
  }
}
/** `self`, `thread-self`, `net` and `/dev/fd` belong to who asks; the root of a process is the guest's. */
function withSelf(tid: number, path: string): string {
  const parts: string[] = [];
  for (const part of path.replace(/^\/dev\/fd\//, '/proc/self/fd/').split('/')) {
    if (part === '' || part === '.') continue;
    if (parts[0] === 'proc' && parts.length === 3) enter(tid, parts);
    if (part === '..') parts.pop();
    else if (parts.length === 1 && parts[0] === 'proc') parts.push(...own(tid, part));
    else parts.push(part);
  }
  return `/${parts.join('/')}`;
}
/** /proc/PID/root and /proc/PID/cwd lead out of /proc. */
function enter(tid: number, parts: string[]): void {
  const [, pid, link] = parts;
  if (link === 'root') parts.length = 0;
  else if (link === 'cwd') parts.splice(0, 3, ...linkAt(`/proc/${tid}/root/proc/${pid}/cwd`).split('/').slice(1));
}
/** What stands for `part` below /proc. */
function own(tid: number, part: string): string[] {
  if (part !== 'self' && part !== 'thread-self' && part !== 'net') return [part];
  const status = statusOf(tid);
  const inner = (field: string): string => new RegExp(`^${field}:.*?(\\d+)$`, 'm').exec(status)?.[1] ?? 'self';
  if (part === 'thread-self') return [inner('NStgid'), 'task', inner('NSpid')];
  return part === 'self' ? [inner('NStgid')] : [inner('NStgid'), part];
}
