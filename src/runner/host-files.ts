/**
 * The guest's own files and pipes, where a call moves octets between one of them and a socket of ours: views of a copy of its descriptor (pidfd_getfd(2)), made for one call.
 *
 * Nothing waits on a host descriptor. Regular files are read in bounded pieces; a network file system may take its time over one, as over any read of ours. Pipes are asked
 * first, and what has to wait for one is told by an epoll descriptor of its own within the runner's loop.
 *
 * Left out: character devices and what else is neither file nor pipe. A read of it could wait for ever, so the handlers answer EINVAL, after which programs read and write themselves.
 */

import { Errno } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT } from '../abi/poll.ts';
import { EPOLLET, EPOLLIN, EPOLLOUT, Epoll } from '../host/epoll.ffi.ts';
import { eventsOf, fileKind, PipeBridge, readAt, SEEK_CUR, SEEK_SET, seekTo } from '../host/file.ffi.ts';
import { close, fcntl } from '../host/libc.ffi.ts';
import { PipeEnd, SeekableFile } from '../socket/byte-file.ts';
import { OpenFile } from '../socket/file.ts';

const F_GETFL = 3;
const NO_KEY = -1;
const EVERY = POLLIN | POLLOUT;

class HostFile extends SeekableFile {
  readonly #fd: number;
  constructor(fd: number, flags: number) {
    super(flags);
    this.#fd = fd;
  }
  override poll(): number {
    return EVERY;
  }
  override get canPoll(): boolean {
    return false;
  }
  override position(): number {
    return seekTo(this.#fd, 0, SEEK_CUR);
  }
  override seek(position: number): void {
    seekTo(this.#fd, position, SEEK_SET);
  }
  override readAt(offset: number, dst: Uint8Array, at: number, len: number): number {
    return readAt(this.#fd, offset, dst, at, len);
  }
  protected override released(): void {
    close(this.#fd);
  }
}

/** What is neither file nor pipe. */
class HostOther extends OpenFile {
  readonly #fd: number;
  constructor(fd: number, flags: number) {
    super(flags);
    this.#fd = fd;
  }
  override poll(): number {
    return 0;
  }
  protected override released(): void {
    close(this.#fd);
  }
}

class HostPipe extends PipeEnd {
  readonly #fd: number;
  readonly #files: HostFiles;
  /** In the epoll, or NO_KEY. */
  key = NO_KEY;

  constructor(fd: number, flags: number, files: HostFiles) {
    super(flags);
    this.#fd = fd;
    this.#files = files;
  }
  override poll(): number {
    return eventsOf(this.#fd, EVERY);
  }
  override peek(dst: Uint8Array, at: number, len: number): number {
    return this.#files.bridge.peek(this.#fd, dst, at, len);
  }
  override take(len: number): number {
    return this.#files.bridge.take(this.#fd, len);
  }
  override put(src: Uint8Array, at: number, len: number): number {
    return this.#files.bridge.put(this.#fd, src, at, len);
  }
  override room(): number {
    const events = this.poll();
    if ((events & POLLERR) !== 0) return -Errno.EPIPE;
    return (events & POLLOUT) === 0 ? -Errno.EAGAIN : 1;
  }
  override watch(): void {
    this.#files.watch(this, this.#fd);
  }
  protected override released(): void {
    this.#files.forget(this, this.#fd);
    close(this.#fd);
  }
}

export class HostFiles {
  readonly bridge = new PipeBridge();
  readonly #epoll = new Epoll(64);
  readonly #pipes: (HostPipe | undefined)[] = [];
  readonly #free: number[] = [];

  /** Readable when `dispatch` has something to tell. */
  get watchFd(): number {
    return this.#epoll.fd;
  }
  /** A view of our descriptor `fd`, which is closed with the view's last reference. */
  view(fd: number): OpenFile {
    const flags = Math.max(0, fcntl(fd, F_GETFL, 0));
    const kind = fileKind(fd);
    if (kind === 'regular') return new HostFile(fd, flags);
    return kind === 'pipe' ? new HostPipe(fd, flags, this) : new HostOther(fd, flags);
  }
  /** Wakes the waiters of `pipe` when it becomes ready, until it is released. */
  watch(pipe: HostPipe, fd: number): void {
    if (pipe.key !== NO_KEY) return;
    pipe.key = this.#free.pop() ?? this.#pipes.length;
    this.#pipes[pipe.key] = pipe;
    this.#epoll.add(fd, (EPOLLIN | EPOLLOUT | EPOLLET) >>> 0, pipe.key);
  }
  forget(pipe: HostPipe, fd: number): void {
    if (pipe.key === NO_KEY) return;
    // The guest's own descriptor keeps the file open, and with it the registration.
    this.#epoll.remove(fd);
    this.#pipes[pipe.key] = undefined;
    this.#free.push(pipe.key);
    pipe.key = NO_KEY;
  }
  dispatch(): void {
    const count = this.#epoll.wait(0);
    for (let i = 0; i < count; i++) {
      // A key given back and out again within one batch wakes somebody for nothing.
      this.#pipes[this.#epoll.keyOf(i)]?.waiters.wake(this.#epoll.eventsOf(i) & (EVERY | POLLERR | POLLHUP));
    }
  }
  close(): void {
    this.#epoll.close();
    this.bridge.close();
  }
}
