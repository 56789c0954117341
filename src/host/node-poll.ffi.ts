/**
 * Wakes Node's own loop when a descriptor becomes readable (uv_poll, level triggered), so that timers, promises and the application's I/O stay alive
 * beside ours. Put an epoll descriptor in it and one handle serves any count of descriptors.
 *
 * What `ready` throws must not reach koffi: it calls through napi_call_function, which leaves the exception pending in the environment and refuses every later callback while
 * it is, so that Node's loop finds the descriptor ready for ever and nobody is told (seen as a supervisor at 100 % CPU). It is thrown anew from a turn of its own.
 */
import koffi from 'koffi';

/** Handles that are open: koffi does not root them, and a collected one falls silent. */
const open = new Set<NodePoll>();
let closesAtExit = false;
/** Node's loop turns once more when its environment is taken down, where a call back is fatal (node::OnFatalError from koffi): a child's end may be seen as late as that. */
function closeAtExit(): void {
  if (closesAtExit) return;
  closesAtExit = true;
  process.once('exit', () => {
    for (const poll of open) poll.close();
  });
}

export class NodePoll {
  readonly #handle: ReturnType<typeof koffi.node.poll>;

  /** @param ready is called on Node's loop while `fd` is readable. */
  constructor(fd: number, ready: () => void) {
    this.#handle = koffi.node.poll(fd, { readable: true }, () => {
      try {
        ready();
      } catch (error) {
        setImmediate(() => {
          throw error;
        });
      }
    });
    open.add(this);
    closeAtExit();
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
