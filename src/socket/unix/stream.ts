/**
 * SOCK_STREAM of AF_UNIX (unix_stream_sendmsg, unix_stream_read_generic). A send is cut into parcels, and each is received at once or in parts. A receive joins
 * parcels but ends behind one that carries descriptors, and before one of another sender where it asks for credentials.
 */
import { Errno } from '../../abi/errno.ts';
import { MSG_NOSIGNAL, MSG_OOB, MSG_PEEK, SOCK_STREAM } from '../../abi/socket.ts';
import type { Credentials } from '../credentials.ts';
import type { Message } from '../message.ts';
import { connectStream } from './connect.ts';
import { Incoming, NOTHING, Outgoing } from './control.ts';
import { Parcel, STREAM_PARCEL_MAX, streamCharge } from './parcel.ts';
import { nameOf, RCV_SHUTDOWN, READABLE, SEND_SHUTDOWN, UnixSocket, type UnixWorld } from './unix-socket.ts';

/** Octets that half a send buffer holds less than its half, so that two parcels fit. */
const HALF_LESS = 64;

export class UnixStreamSocket extends UnixSocket {
  readonly #parcels: Parcel[] = [];
  #isReceiving = false;

  constructor(world: UnixWorld, statusFlags: number) {
    super(world, SOCK_STREAM, statusFlags);
  }

  override connect(name: Uint8Array, len: number, credentials: Credentials): number {
    const listener = connectStream(this, name, len, credentials, () => new UnixStreamSocket(this.world, 0));
    this.awaitedRoom = typeof listener === 'number' ? undefined : listener.room;
    return typeof listener === 'number' ? listener : -Errno.EAGAIN;
  }

  // Octets out

  override send(message: Message): number {
    this.units = 0;
    this.awaitedRoom = undefined;
    const outgoing = this.outgoing(message);
    if (typeof outgoing === 'number') return outgoing;
    const other = outgoing.hasWaited ? this.peer : this.#receiver(message);
    if (other === undefined) return -Errno.ENOTCONN;
    if (typeof other === 'number') return other;
    if (message.iov.remaining === 0) return 0;
    const refusal = this.allocationRefusal();
    if (refusal !== 0) return this.#refused(refusal, message, outgoing);
    return this.#stage(message, outgoing, other);
  }
  /** The checks that come before the first octet. */
  #receiver(message: Message): UnixSocket | number {
    if ((message.flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    if (message.nameLength > 0) return this.state === 'established' ? -Errno.EISCONN : -Errno.EOPNOTSUPP;
    const { peer } = this;
    if (peer === undefined) return -Errno.ENOTCONN;
    return (this.ended & SEND_SHUTDOWN) === 0 ? peer : -Errno.EPIPE;
  }
  #refused(refusal: number, message: Message, outgoing: Outgoing): number {
    if (refusal === -Errno.EAGAIN) {
      const waiting = outgoing === NOTHING ? new Outgoing() : outgoing;
      waiting.hasWaited = true;
      message.passing = waiting;
      return refusal;
    }
    // Who finds the end while waiting for room gets no signal (sock_alloc_send_pskb).
    message.flags |= MSG_NOSIGNAL;
    // An error behind octets that were taken is told to nobody.
    return message.iov.position > 0 ? -Errno.EPIPE : refusal;
  }
  #stage(message: Message, outgoing: Outgoing, other: UnixSocket): number {
    const { iov, limit } = message;
    const most = Math.min((this.own.sendBuffer >> 1) - HALF_LESS, STREAM_PARCEL_MAX, limit);
    const octets = new Uint8Array(Math.min(iov.remaining, most));
    const from = iov.position;
    if (iov.copyIn(octets, 0, octets.length) < octets.length) {
      iov.seek(from);
      return this.givesBack(-Errno.EFAULT);
    }
    const refusal =
      other.isDead || (other.ended & RCV_SHUTDOWN) !== 0 ? -Errno.EPIPE : this.filesRefusal(outgoing, other);
    if (refusal !== 0) {
      iov.seek(from);
      return this.givesBack(refusal);
    }
    const parcel = new Parcel(octets, streamCharge(octets.length), this);
    parcel.credential = this.credentialFor(outgoing, message, other);
    // Descriptors go with the first octets.
    parcel.files = outgoing.takeFiles();
    this.#parcels.push(parcel);
    this.stagedCharge += parcel.charge;
    this.units = octets.length;
    return octets.length;
  }

  // Octets in

  override receive(message: Message, taken: number): number {
    this.units = 0;
    if (this.state !== 'established') return -Errno.EINVAL;
    if ((message.flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    const incoming = message.passing instanceof Incoming ? message.passing : this.#begin(message);
    if (incoming.isOver) return 0;
    const peeks = (message.flags & MSG_PEEK) !== 0;
    let skip = peeks ? Math.max(0, this.own.peekOffset) : taken;
    let parcel = this.queue.head;
    while (parcel !== undefined && skip >= parcel.length) {
      skip -= parcel.length;
      parcel = parcel.next;
    }
    if (parcel === undefined) return this.#receiveNothing(message, incoming);
    const done = peeks ? this.#peek(message, incoming, parcel, skip) : this.#copy(message, incoming, parcel, skip);
    if (done < 0) return done;
    if (!peeks && done > 0) {
      this.#isReceiving = true;
      this.units = done;
    }
    incoming.write(message, this.own.passCredentials, undefined, 0);
    if (!peeks && done === 0) this.#surrender(parcel);
    return done;
  }
  /** A receive of no octets takes the descriptors and leaves the octets (unix_stream_read_generic): nothing is left to commit. */
  #surrender(parcel: Parcel): void {
    if (parcel.hasFiles) this.world.inFlight.land(parcel.takeFiles(), this);
  }
  #begin(message: Message): Incoming {
    const incoming = new Incoming();
    message.passing = incoming;
    message.nameLength = 0;
    return incoming;
  }
  /** No octets: the end, an error, or wait. Behind octets that this call has already all of them only end it. */
  #receiveNothing(message: Message, incoming: Incoming): number {
    const errno = this.takeErrno();
    if (errno !== 0 && message.iov.position === 0) return -errno;
    if (errno === 0 && (this.ended & RCV_SHUTDOWN) === 0) return -Errno.EAGAIN;
    incoming.write(message, this.own.passCredentials, undefined, 0);
    return 0;
  }
  /** One parcel to the guest: its octets that fit, or -EFAULT. */
  #copyOne({ iov }: Message, { octets, consumed, length }: Parcel, skip: number): number {
    const len = Math.min(length - skip, iov.remaining);
    const from = iov.position;
    if (iov.copyOut(octets, consumed + skip, len) === len) return len;
    iov.seek(from);
    return -Errno.EFAULT;
  }
  #joins(message: Message, incoming: Incoming, parcel: Parcel): boolean {
    if (!incoming.joins(parcel.credential, this.own.passCredentials)) return false;
    if (message.nameLength === 0) message.nameLength = nameOf(message, parcel);
    return true;
  }
  #copy(message: Message, incoming: Incoming, first: Parcel, skipped: number): number {
    let done = 0;
    let skip = skipped;
    for (let parcel: Parcel | undefined = first; parcel !== undefined && !incoming.isOver; parcel = parcel.next) {
      if (!this.#joins(message, incoming, parcel)) {
        incoming.isOver = true;
        break;
      }
      const len = this.#copyOne(message, parcel, skip);
      if (len < 0) return done > 0 ? done : len;
      done += len;
      // They went with the octets that this call has staged.
      if (parcel.hasFiles && skip === 0) {
        incoming.files = parcel.files;
        incoming.isOver = true;
      }
      if (message.iov.remaining === 0) break;
      skip = 0;
    }
    return done;
  }
  /** Linux goes on to the end of the queue, or to the first descriptors, even when the buffer is full. */
  #peek(message: Message, incoming: Incoming, first: Parcel, skipped: number): number {
    let done = 0;
    let skip = skipped;
    incoming.isOver = true;
    for (let parcel: Parcel | undefined = first; parcel !== undefined; parcel = parcel.next) {
      if (!this.#joins(message, incoming, parcel)) break;
      const len = this.#copyOne(message, parcel, skip);
      if (len < 0) return done > 0 ? done : len;
      done += len;
      this.own.peeked(len);
      incoming.files = parcel.files;
      if (parcel.hasFiles) break;
      skip = 0;
    }
    return done;
  }

  override get collects(): number {
    return this.options.receiveLowWater;
  }

  // Commit

  override commit(amount: number): void {
    const isReceiving = this.#isReceiving;
    this.#isReceiving = false;
    if (isReceiving) this.#consume(amount);
    else this.#publish(amount);
  }
  #publish(amount: number): void {
    const { peer } = this;
    let left = amount;
    this.stagedCharge = 0;
    for (const parcel of this.#parcels.splice(0)) {
      const part = left < parcel.length ? firstOf(parcel, left) : parcel;
      if (left > 0 && peer !== undefined) this.deliver(part, peer);
      left -= parcel.length;
    }
  }
  #consume(amount: number): void {
    let left = amount;
    for (let parcel = this.queue.head; parcel !== undefined && left > 0; parcel = this.queue.head) {
      const len = Math.min(left, parcel.length);
      this.queue.consume(len);
      this.own.taken(len);
      left -= len;
      if (parcel.length > 0) this.world.inFlight.land(parcel.takeFiles(), this);
      else {
        this.queue.shift();
        this.received(parcel);
      }
    }
  }
  override rollback(): void {
    this.#isReceiving = false;
    this.#parcels.length = 0;
    this.stagedCharge = 0;
  }
  override leaving(amount: number): number {
    return this.#isReceiving ? amount : 0;
  }
  override eventsAfter(amount: number): number {
    const isEmpty = this.#isReceiving && this.queue.octets <= amount && (this.ended & RCV_SHUTDOWN) === 0;
    return isEmpty ? this.poll() & ~READABLE : this.poll();
  }
  protected override get receivable(): number {
    return this.queue.octets;
  }
}

/** Of a parcel that was taken in part (a pipe that others read as well). */
function firstOf(whole: Parcel, octets: number): Parcel {
  const part = new Parcel(whole.octets.subarray(0, Math.max(0, octets)), whole.charge, whole.sender);
  part.credential = whole.credential;
  part.files = whole.files;
  return part;
}
