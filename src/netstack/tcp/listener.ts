/**
 * The queues of a listening endpoint, as Linux counts them: connections ready for accept (one more than `backlog` is admitted), and half-open ones, bounded
 * likewise. When the first is full a SYN is dropped, and the ACK that would complete a handshake is ignored, so the peer tries again.
 */
/** net.ipv4.tcp_max_syn_backlog for a small host; also with a small backlog a few handshakes may overlap. */
export const HALF_OPEN_MAX = 1024;
const HALF_OPEN_MIN = 16;

export class Listener<T> {
  backlog: number;
  readonly halfOpen = new Set<T>();
  /** Opened by a cookie: in the accept queue, or accepted, and not yet established. */
  readonly fastOpen = new Set<T>();
  readonly #ready: T[] = [];

  constructor(backlog: number) {
    this.backlog = backlog;
  }
  get isFull(): boolean {
    return this.#ready.length > this.backlog;
  }
  get isHalfOpenFull(): boolean {
    return this.halfOpen.size >= Math.max(HALF_OPEN_MIN, Math.min(this.backlog + 1, HALF_OPEN_MAX));
  }
  get readyCount(): number {
    return this.#ready.length;
  }
  push(child: T): void {
    this.#ready.push(child);
  }
  peek(): T | undefined {
    return this.#ready[0];
  }
  shift(): T | undefined {
    return this.#ready.shift();
  }
}
