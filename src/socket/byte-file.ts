/**
 * Files that are no sockets but give or take octets in sendfile(2) and splice(2): what the handlers need of a regular file and of a pipe. Under the runner they are the guest's own
 * host files; the emulated table has implementations of its own.
 *
 * Nothing here waits. A regular file is read at an offset and its position moved once the octets are committed. A pipe is looked into (`peek`), and only as much is taken
 * out as the other side could take.
 */
import { OpenFile } from './file.ts';

/** A file with a position: regular files, block devices, memfds. */
export abstract class SeekableFile extends OpenFile {
  /** The shared file position, or a negative errno. */
  abstract position(): number;
  abstract seek(position: number): void;
  /** pread(2): octets copied to `dst[at..]`, 0 at the end, or a negative errno. */
  abstract readAt(offset: number, dst: Uint8Array, at: number, len: number): number;
}

/** One end of a pipe or FIFO. Its `waiters` see the poll events of that end. */
export abstract class PipeEnd extends OpenFile {
  override get canSignal(): boolean {
    return true;
  }
  /** Copies the oldest octets without taking them: how many, 0 when the pipe is empty and has no writer left, -EAGAIN when it is empty. */
  abstract peek(dst: Uint8Array, at: number, len: number): number;
  /** Takes the oldest `len` octets. Returns how many there still were: another reader may have come between. */
  abstract take(len: number): number;
  /** Puts octets in, as many as there is room for: how many, -EAGAIN for none, -EPIPE when nobody can read them. */
  abstract put(src: Uint8Array, at: number, len: number): number;
  /** Who reads it is told of what was put, where no kernel tells them. */
  wakeReader(): void {
    // The kernel does.
  }
  /** Before someone waits on `waiters`: events are told from now on. */
  abstract watch(): void;
  /** FIONREAD: octets in the pipe, where ioctl(2) is ours. */
  get queued(): number {
    return 0;
  }
  /** 1 if `put` can take something, -EAGAIN or -EPIPE if not. */
  abstract room(): number;
}
