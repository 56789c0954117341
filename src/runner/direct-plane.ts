/**
 * The direct plane: TCP octets and UDP datagrams flow through the placeholders, and reads, writes and plain sends and receives are the kernel's own. What else is asked of a socket is
 * trapped as in the strict plane, after what the guest did natively was taken in. Sockets of other kinds show readiness only.
 */
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOpen, socketInode } from '../host/process.ffi.ts';
import { InetDatagramSocket } from '../socket/inet-dgram.ts';
import { InetStreamSocket } from '../socket/inet-stream.ts';
import { DatagramMirror } from './datagram-mirror.ts';
import type { MirrorWorld, Resumable } from './mirror-world.ts';
import { NO_COPY, type PeerWatches, type Placeholder } from './plane.ts';
import { StreamMirror } from './stream-mirror.ts';
import { type StrictPlaceholder, StrictPlane } from './strict-plane.ts';

/** A copy of the guest's end by the descriptor that was used last, which the caller closes; NO_COPY if it leads elsewhere now. */
function borrow({ tid, fd, inode }: Placeholder): number {
  if (fd < 0) return NO_COPY;
  const pidfd = pidfdOpen(tid);
  if (pidfd < 0) return NO_COPY;
  const copy = pidfdGetfd(pidfd, fd);
  close(pidfd);
  if (copy < 0) return NO_COPY;
  if (socketInode(copy) === inode) return copy;
  close(copy);
  return NO_COPY;
}

export class DirectPlane extends StrictPlane {
  #world: MirrorWorld | undefined = undefined;
  #again: Resumable[] = [];

  override attach(watches: PeerWatches): void {
    this.#world = {
      rendezvous: this.rendezvous,
      watches,
      touch: (file) => this.touch(file),
      again: (mirror) => this.#again.push(mirror),
    };
  }
  protected override makeEnd(placeholder: StrictPlaceholder): number {
    const { file } = placeholder;
    const world = this.#world;
    const fromUser = (): number => borrow(placeholder);
    if (world !== undefined && file instanceof InetStreamSocket) {
      const mirror = new StreamMirror(world, file, fromUser);
      placeholder.display = mirror;
      return mirror.make(file.poll());
    }
    if (world !== undefined && file instanceof InetDatagramSocket) {
      const mirror = new DatagramMirror(world, file, fromUser);
      placeholder.display = mirror;
      return mirror.make(file.poll());
    }
    return super.makeEnd(placeholder);
  }
  override get hasWork(): boolean {
    return this.#again.length > 0 || super.hasWork;
  }
  override flush(): void {
    super.flush();
    const list = this.#again;
    if (list.length === 0) return;
    this.#again = [];
    for (const mirror of list) mirror.resume();
  }
}
