/** What a finished call takes out of (or puts into) an object once the guest has the result. */
export interface Committable {
  /** The guest has the result: consume or publish `amount` (octets, datagrams, connections: the object's own unit). */
  commit(amount: number): void;
  /** The guest did not take it: forget what was staged. */
  rollback(amount: number): void;
  /** Poll events that will hold after `commit(amount)` if nothing else happens, so that falling readiness can be shown before the answer. */
  eventsAfter(amount: number): number;
}
