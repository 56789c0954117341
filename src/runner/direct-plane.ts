/**
 * The direct plane: TCP octets, UDP datagrams and netlink messages flow through the placeholders, and reads, writes and plain sends and receives are the kernel's own. What else is asked of a socket is
 * trapped as in the strict plane, after what the guest did natively was taken in.
 */
import { close } from '../host/libc.ffi.ts';
import { pidfdGetfd, pidfdOpen, socketInode } from '../host/process.ffi.ts';
import type { Clock } from '../lib/clock.ts';
import type { OpenFile } from '../socket/file.ts';
import { InetDatagramSocket } from '../socket/inet-dgram.ts';
import { InetStreamSocket } from '../socket/inet-stream.ts';
import { NetlinkSocket } from '../socket/netlink/route-socket.ts';
import { DatagramMirror } from './datagram-mirror.ts';
import { HeldBack } from './held-back.ts';
import { holderOf, isReadNatively } from './holders.ts';
import type { GuestSide, MirrorWorld, PlaneCounters, Resumable } from './mirror-world.ts';
import { type MirroredMessages, NetlinkMessages, UdpMessages } from './mirrored-messages.ts';
import { NO_COPY, type PeerWatches, type Placeholder } from './plane.ts';
import { StreamMirror } from './stream-mirror.ts';
import { type StrictPlaceholder, StrictPlane } from './strict-plane.ts';

/** A copy of the guest's end by the descriptor that was used last; NO_COPY if it leads elsewhere now. */
function copyOf({ tid, fd, inode }: Placeholder): number {
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

function messagesOf(file: OpenFile): MirroredMessages | undefined {
  if (file instanceof InetDatagramSocket) return new UdpMessages(file);
  return file instanceof NetlinkSocket ? new NetlinkMessages(file) : undefined;
}

export class DirectPlane extends StrictPlane {
  /** Of the processes of the sandbox. */
  readonly #heads: readonly number[];
  #world: MirrorWorld | undefined = undefined;
  readonly #counters: PlaneCounters = { lostSends: 0 };
  readonly #held: HeldBack;
  #again: Resumable[] = [];

  /** @param head process id of the head of the launch chain */
  constructor(heads: readonly number[], clock: Clock) {
    super();
    this.#heads = heads;
    this.#held = new HeldBack(clock);
  }
  /** A copy of the guest's end, which the caller closes; or NO_COPY. With `anyone` all processes of the sandbox are asked, if it must be. */
  #borrow(placeholder: StrictPlaceholder, anyone: boolean): number {
    const copy = copyOf(placeholder);
    if (copy !== NO_COPY || !anyone) return copy;
    const holder = holderOf(this.#heads, placeholder.inode, placeholder.fd);
    if (holder === undefined) return NO_COPY;
    placeholder.tid = holder.pid;
    placeholder.fd = holder.fd;
    return copyOf(placeholder);
  }

  override attach(watches: PeerWatches): void {
    this.#world = {
      rendezvous: this.rendezvous,
      watches,
      touch: (file) => this.touch(file),
      counters: this.#counters,
      again: (mirror) => this.#again.push(mirror),
      holds: (mirror) => this.#held.watch(mirror),
    };
  }
  protected override makeEnd(placeholder: StrictPlaceholder): number {
    const { file } = placeholder;
    const world = this.#world;
    const guest: GuestSide = {
      borrow: (anyone) => this.#borrow(placeholder, anyone),
      isRead: () => isReadNatively(this.#heads, placeholder.inode),
    };
    if (world !== undefined && file instanceof InetStreamSocket) {
      const mirror = new StreamMirror(world, file, guest);
      placeholder.display = mirror;
      return mirror.make(file.poll());
    }
    const messages = messagesOf(file);
    if (world === undefined || messages === undefined) return super.makeEnd(placeholder);
    const mirror = new DatagramMirror(world, messages, guest);
    placeholder.display = mirror;
    return mirror.make(file.poll());
  }
  override get lostSends(): number {
    return this.#counters.lostSends;
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
