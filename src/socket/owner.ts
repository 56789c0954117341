/**
 * Who is told by a signal that a file is ready: F_SETOWN and O_ASYNC (fs/fcntl.c send_sigio, net/socket.c sock_wake_async).
 *
 * The owner belongs to the open file description. With O_ASYNC each event sends SIGIO, or the signal of F_SETSIG; urgent data sends SIGURG with or without it. Standard signals do not queue, so how
 * often one comes says nothing; that it came does. Left out: siginfo, which would tell the descriptor and the band.
 */
import { O_ASYNC } from '../abi/fcntl.ts';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI, POLLRDHUP } from '../abi/poll.ts';
import { SIGIO, SIGURG } from '../abi/signal.ts';
import type { OpenFile } from './file.ts';
import { Standing, Waiter } from './wait-queue.ts';

/** Thread, process, process group (F_OWNER_TID ..). */
export type OwnerKind = 0 | 1 | 2;
export interface Owner {
  readonly kind: OwnerKind;
  /** 0 is nobody. */
  readonly id: number;
}
export const NOBODY: Owner = { kind: 0, id: 0 };

/** Whoever has the processes. */
export interface SignalSender {
  exists(owner: Owner): boolean;
  send(owner: Owner, signal: number): void;
}

const EVENTS = POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP | POLLRDHUP;

export class Ownership {
  owner: Owner = NOBODY;
  /** F_SETSIG: 0 is SIGIO. */
  signal = 0;
  /** Of who set the owner (F_GETOWNER_UIDS). */
  uid = 0;
  readonly #file: OpenFile;
  readonly #sender: SignalSender;
  readonly #waiter: Waiter;

  constructor(file: OpenFile, sender: SignalSender) {
    this.#file = file;
    this.#sender = sender;
    this.#waiter = new Waiter((events) => this.#tell(events));
  }
  /** Listens to the file, once there is someone to tell. */
  setOwner(owner: Owner, uid: number): void {
    this.owner = owner;
    this.uid = uid;
    if (owner.id === 0) this.#waiter.leave();
    else this.#file.waiters.add(this.#waiter, EVENTS, Standing.Watch);
  }
  #tell(events: number): void {
    if ((events & POLLNVAL) !== 0) {
      this.#waiter.leave();
      return;
    }
    if ((events & POLLPRI) !== 0) this.#sender.send(this.owner, SIGURG);
    if ((this.#file.statusFlags & O_ASYNC) !== 0)
      this.#sender.send(this.owner, this.signal === 0 ? SIGIO : this.signal);
  }
}
