/** The strict plane: placeholders show readiness and carry nothing; every transfer is trapped and answered by the dispatcher. */
import { POLLERR, POLLIN, POLLOUT, POLLPRI } from '../abi/poll.ts';
import { SOCK_STREAM } from '../abi/socket.ts';
import { close, HostError } from '../host/libc.ffi.ts';
import { socketInode } from '../host/process.ffi.ts';
import {
  CloseWatch,
  pairSecond,
  sendOctets,
  UNIX_DGRAM,
  UNIX_STREAM,
  unixPair,
  unixSocket,
} from '../host/unix-socket.ffi.ts';
import type { OpenFile } from '../socket/file.ts';
import { Socket } from '../socket/socket.ts';
import { Waiter } from '../socket/wait-queue.ts';
import { DatagramDisplay, FRESH, SHOWN, StreamDisplay, shrink, type View } from './display.ts';
import { NO_COPY, type PeerWatches, type Placeholder, type Plane } from './plane.ts';
import { Rendezvous } from './rendezvous.ts';

const O_NONBLOCK = 0o4000;
const NO_PEER = -1;
/** Without a copy of the guest's end these cannot be lowered. */
const FALLS_IN_CALLS = POLLIN | POLLPRI | POLLOUT | POLLERR;

export class StrictPlaceholder implements Placeholder {
  readonly file: OpenFile;
  inode = 0;
  display: View = undefined as unknown as View;
  /** Guest's ends that live: more than one only while a replaced one has descriptors left. */
  ends = 0;
  /** Events that rose since the last flush. */
  risen = 0;
  touched = false;
  readonly waiter: Waiter;

  tid = 0;
  fd = -1;

  constructor(file: OpenFile, dirty: StrictPlaceholder[]) {
    this.file = file;
    this.waiter = new Waiter((events) => {
      this.display.rose(events);
      if (this.risen === 0 && !this.touched) dirty.push(this);
      this.risen |= events;
    });
  }
  get shown(): number {
    return this.display.shown;
  }
  get isCrowded(): boolean {
    return this.display.isCrowded;
  }
}

/** One guest's end, until its last descriptor is closed. */
interface GuestEnd {
  readonly placeholder: StrictPlaceholder;
  readonly inode: number;
}

const isStream = (file: OpenFile): boolean => file instanceof Socket && file.type === SOCK_STREAM;

export class StrictPlane implements Plane {
  readonly #watch: CloseWatch;
  protected readonly rendezvous: Rendezvous;
  readonly #byInode = new Map<number, StrictPlaceholder>();
  readonly #byFile = new Map<OpenFile, StrictPlaceholder>();
  readonly #byWatch = new Map<number, GuestEnd>();
  protected readonly dirty: StrictPlaceholder[] = [];
  #opened: StrictPlaceholder | undefined = undefined;

  /** @throws HostError where no inotify instance can be made */
  constructor() {
    this.#watch = new CloseWatch();
    if (this.#watch.fd < 0) {
      throw new HostError('inotify_init1', -this.#watch.fd, 'raise the sysctl fs.inotify.max_user_instances');
    }
    this.rendezvous = new Rendezvous();
  }
  get watchFd(): number {
    return this.#watch.fd;
  }
  get size(): number {
    return this.#byFile.size;
  }
  get opened(): Placeholder {
    return this.#opened as Placeholder;
  }
  byInode(inode: number): Placeholder | undefined {
    return this.#byInode.get(inode);
  }
  byFile(file: OpenFile): Placeholder | undefined {
    return this.#byFile.get(file);
  }
  get placeholders(): Iterable<Placeholder> {
    return this.#byFile.values();
  }
  attach(_watches: PeerWatches): void {
    // Our ends carry nothing.
  }
  drain(placeholder: Placeholder, copy: number, last: boolean): void {
    (placeholder as StrictPlaceholder).display.drain(copy, last);
  }
  realign(placeholder: Placeholder, copy: number): void {
    (placeholder as StrictPlaceholder).display.realign(placeholder.file.poll(), copy);
  }

  open(file: OpenFile): number {
    const placeholder = new StrictPlaceholder(file, this.dirty);
    const guestEnd = this.makeEnd(placeholder);
    if (guestEnd < 0) return guestEnd;
    const failed = this.#enter(placeholder, guestEnd);
    if (failed < 0) return failed;
    this.#byFile.set(file, placeholder);
    file.waiters.add(placeholder.waiter, SHOWN);
    this.#opened = placeholder;
    return guestEnd;
  }
  replace(old: Placeholder): number {
    const placeholder = old as StrictPlaceholder;
    placeholder.display.close();
    const guestEnd = this.makeEnd(placeholder);
    if (guestEnd < 0) return guestEnd;
    const failed = this.#enter(placeholder, guestEnd);
    return failed < 0 ? failed : guestEnd;
  }

  /** A guest's end that shows what the file is ready for, and its view; or a negative errno. */
  protected makeEnd(placeholder: StrictPlaceholder): number {
    const { file } = placeholder;
    const events = file.poll() & SHOWN;
    const nonblocking = (file.statusFlags & O_NONBLOCK) !== 0;
    const stream = isStream(file);
    const fresh = stream && events === FRESH;
    const type = stream ? UNIX_STREAM : UNIX_DGRAM;
    const guestEnd = fresh ? unixSocket(type, nonblocking) : unixPair(type, nonblocking);
    if (guestEnd < 0) return guestEnd;
    shrink(guestEnd);
    const peer = fresh ? NO_PEER : pairSecond();
    if (!fresh) sendOctets(guestEnd, 1);
    placeholder.display = stream ? new StreamDisplay(this.rendezvous, peer) : new DatagramDisplay(peer);
    placeholder.display.show(events, 0, guestEnd, 0);
    return guestEnd;
  }
  /** Puts a guest's end into the maps and watches it; closes it if that fails. */
  #enter(placeholder: StrictPlaceholder, guestEnd: number): number {
    const watch = this.#watch.add(guestEnd);
    if (watch < 0) {
      placeholder.display.close();
      close(guestEnd);
      return watch;
    }
    const inode = socketInode(guestEnd);
    placeholder.inode = inode;
    placeholder.ends++;
    this.#byInode.set(inode, placeholder);
    this.#byWatch.set(watch, { placeholder, inode });
    return 0;
  }

  show(placeholder: Placeholder, events: number, copy: number, leaving: number): boolean {
    return (placeholder as StrictPlaceholder).display.show(events, 0, copy, leaving);
  }
  endSending(placeholder: Placeholder, copy: number): boolean {
    return (placeholder as StrictPlaceholder).display.endSending(copy);
  }
  thin(placeholder: Placeholder, copy: number): void {
    (placeholder as StrictPlaceholder).display.thin(copy);
  }
  touch(file: OpenFile): void {
    const placeholder = this.#byFile.get(file);
    if (placeholder === undefined || placeholder.touched) return;
    placeholder.touched = true;
    if (placeholder.risen === 0) this.dirty.push(placeholder);
  }
  /** Nothing is sent natively. */
  get lostSends(): number {
    return 0;
  }
  get hasWork(): boolean {
    return this.dirty.length > 0;
  }
  flush(): void {
    const list = this.dirty;
    for (const placeholder of list) {
      const { risen, display } = placeholder;
      placeholder.risen = 0;
      placeholder.touched = false;
      // What fell meanwhile stays until a call lowers it: a pump of events must not need the guest's end.
      if (placeholder.ends > 0)
        display.show(placeholder.file.poll() | (display.shown & FALLS_IN_CALLS), risen, NO_COPY, 0);
    }
    list.length = 0;
  }
  closedSince(closed: (placeholder: Placeholder) => void): number {
    let count = 0;
    const end = (watch: number): void => {
      if (this.#endOf(watch, closed)) count++;
    };
    if (this.#watch.drain(end)) return count;
    // The kernel's queue ran over, and what it dropped is told nowhere else.
    const living = this.#watch.living();
    if (living === undefined) return count;
    for (const watch of this.#byWatch.keys()) if (!living.has(watch)) end(watch);
    return count;
  }
  /** True if it was the last of its placeholder. */
  #endOf(watch: number, closed: (placeholder: Placeholder) => void): boolean {
    const end = this.#byWatch.get(watch);
    if (end === undefined) return false;
    this.#byWatch.delete(watch);
    this.#byInode.delete(end.inode);
    if (--end.placeholder.ends > 0) return false;
    end.placeholder.display.ended();
    this.#forget(end.placeholder);
    closed(end.placeholder);
    return true;
  }
  #forget(placeholder: StrictPlaceholder): void {
    placeholder.waiter.leave();
    placeholder.display.close();
    this.#byFile.delete(placeholder.file);
  }
  close(): void {
    for (const placeholder of this.#byFile.values()) this.#forget(placeholder);
    this.#byInode.clear();
    this.#byWatch.clear();
    this.rendezvous.close();
    close(this.#watch.fd);
  }
}
