/** Frames through a descriptor: the link to a gateway's process, a tap, or another sandbox. What it does not take waits in the link's queue until it is writable. */
import { EPOLLIN, EPOLLOUT } from '../host/epoll.ffi.ts';
import { close } from '../host/libc.ffi.ts';
import type { Instant } from '../lib/clock.ts';
import { FramedLink, type FrameIo } from '../netstack/link/framed.ts';
import type { PacketPool } from '../netstack/packet.ts';
import type { LinkOptions } from '../netstack/stack.ts';
import type { Carrier, GatewayPeer } from './carrier.ts';
import type { Loop } from './loop.ts';

export interface DescriptorLink {
  /** Closed with the link. */
  readonly linkFd: number;
  readonly io: (pool: PacketPool) => FrameIo;
  readonly linkAddress: Uint8Array;
  readonly mtu: number;
  readonly options: Omit<LinkOptions, 'name'>;
}

export class DescriptorCarrier implements Carrier {
  readonly endpoint: FramedLink;
  readonly options: Omit<LinkOptions, 'name'>;
  readonly #linkFd: number;
  #loop: Loop | undefined = undefined;
  #wantsOut = false;

  constructor({ linkFd, io, linkAddress, mtu, options }: DescriptorLink, pool: PacketPool) {
    this.endpoint = new FramedLink({ io: io(pool), pool, linkAddress, mtu });
    this.options = options;
    this.#linkFd = linkFd;
  }
  get gateway(): GatewayPeer | undefined {
    return undefined;
  }
  get isClosed(): boolean {
    return this.endpoint.isClosed;
  }
  attach(loop: Loop): void {
    this.#loop = loop;
    loop.add(this.#linkFd, EPOLLIN, (events) => {
      if ((events & EPOLLOUT) !== 0) this.endpoint.writable();
      this.endpoint.poll();
    });
  }
  begin(_now: Instant): void {
    // Its events are handled as they come.
  }
  receive(): void {
    // Likewise.
  }
  flush(): boolean {
    this.endpoint.flush();
    const wants = this.endpoint.isBlocked;
    if (this.endpoint.isClosed) this.#loop?.remove(this.#linkFd);
    else if (wants !== this.#wantsOut) this.#loop?.modify(this.#linkFd, wants ? EPOLLIN | EPOLLOUT : EPOLLIN);
    this.#wantsOut = wants;
    return false;
  }
  nextDeadline(): Instant | undefined {
    return undefined;
  }
  async close(): Promise<void> {
    this.#loop?.remove(this.#linkFd);
    this.endpoint.close();
    close(this.#linkFd);
  }
}
