/**
 * Wakes Node's own loop when a descriptor becomes readable (uv_poll, level triggered), so that timers, promises and the application's I/O stay alive
 * beside ours. Put an epoll descriptor in it and one handle serves any count of descriptors.
 */
import koffi from 'koffi';

/** Handles that are open: koffi does not root them, and a collected one falls silent. */
const open = new Set<NodePoll>();

export class NodePoll {
  readonly #handle: ReturnType<typeof koffi.node.poll>;

  /** @param ready is called on Node's loop while `fd` is readable. */
  constructor(fd: number, ready: () => void) {
    this.#handle = koffi.node.poll(fd, { readable: true }, ready);
    open.add(this);
  }
  /** Whether it keeps the process alive; it does from the start. */
  set keepsAlive(on: boolean) {
    if (on) this.#handle.ref();
    else this.#handle.unref();
  }
  /** Before the descriptor is closed. */
  close(): void {
    if (!open.delete(this)) return;
    this.#handle.stop();
    this.#handle.close();
  }
}
