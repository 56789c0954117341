/**
 * SOCK_DGRAM and SOCK_SEQPACKET of AF_UNIX (unix_dgram_sendmsg, __unix_dgram_recvmsg): one send is one parcel and one receive is one parcel. Sequenced packets are connected like a
 * stream; datagrams may be sent to any name.
 */
import { Errno } from '../../abi/errno.ts';
import { MSG_DONTWAIT, MSG_OOB, MSG_PEEK, MSG_TRUNC, SOCK_DGRAM, SOCK_SEQPACKET } from '../../abi/socket.ts';
import { instant } from '../../lib/clock.ts';
import type { Credentials } from '../credentials.ts';
import type { Message } from '../message.ts';
import { decodeAddress, type UnixAddress } from './address.ts';
import { connectDatagram, connectStream, disconnected, maySend } from './connect.ts';
import { Incoming, type Outgoing } from './control.ts';
import { messageCharge, Parcel } from './parcel.ts';
import { nameOf, RCV_SHUTDOWN, READABLE, UnixSocket } from './unix-socket.ts';

/** Octets of the send buffer that no message may fill. */
const LESS_THAN_BUFFER = 32;

interface Staged {
  readonly parcel: Parcel;
  readonly to: UnixSocket;
}

export class UnixMessageSocket extends UnixSocket {
  #staged: Staged[] = [];
  #isReceiving = false;

  override connect(name: Uint8Array, len: number, credentials: Credentials): number {
    this.awaitedRoom = undefined;
    if (this.type === SOCK_DGRAM) return connectDatagram(this, name, len);
    const make = (): UnixSocket => new UnixMessageSocket(this.world, SOCK_SEQPACKET, 0);
    const listener = connectStream(this, name, len, credentials, make);
    if (typeof listener === 'number') return listener;
    this.awaitedRoom = listener.room;
    return -Errno.EAGAIN;
  }

  // Messages out

  override send(message: Message): number {
    this.units = 0;
    this.awaitedRoom = undefined;
    if (this.type === SOCK_SEQPACKET) {
      const errno = this.takeErrno();
      if (errno !== 0) return -errno;
      if (this.state !== 'established') return -Errno.ENOTCONN;
    }
    const outgoing = this.outgoing(message);
    if (typeof outgoing === 'number') return outgoing;
    const address = this.#destination(message);
    if (typeof address === 'number') return address;
    const len = message.iov.remaining;
    if (len > this.own.sendBuffer - LESS_THAN_BUFFER) return -Errno.EMSGSIZE;
    const refusal = this.allocationRefusal();
    if (refusal !== 0) return refusal;
    const octets = new Uint8Array(len);
    if (message.iov.copyIn(octets, 0, len) < len) return this.givesBack(-Errno.EFAULT);
    const to = this.#receiver(address, message, outgoing);
    if (typeof to === 'number') return this.#unsent(to);
    const parcel = new Parcel(octets, messageCharge(len), this);
    parcel.credential = this.credentialFor(outgoing, message, to);
    parcel.files = outgoing.takeFiles();
    this.#staged.push({ parcel, to });
    this.stagedCharge += parcel.charge;
    this.units = 1;
    return len;
  }
  /** Who waits for room keeps the buffer. */
  #unsent(error: number): number {
    return this.awaitedRoom === undefined ? this.givesBack(error) : error;
  }
  /** The name that a message gives, undefined for none. Sequenced packets have a peer, and ignore it. */
  #destination(message: Message): UnixAddress | number | undefined {
    if ((message.flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    const isNamed = message.nameLength > 0 && this.type === SOCK_DGRAM;
    const address = isNamed ? decodeAddress(message.name, message.nameLength) : undefined;
    if (typeof address === 'number' || !this.own.passCredentials) return address;
    return this.autobind() || address;
  }
  /** The socket that is to have the message, or a negative errno. */
  #receiver(address: UnixAddress | undefined, message: Message, outgoing: Outgoing): UnixSocket | number {
    const to = address === undefined ? this.peer : this.world.names.find(address, this.type);
    if (to === undefined) return -Errno.ENOTCONN;
    if (typeof to === 'number') return to;
    if (!maySend(this, to)) return -Errno.EPERM;
    if (to.isDead) return this.#peerIsGone(to);
    if ((to.ended & RCV_SHUTDOWN) !== 0) return -Errno.EPIPE;
    const refusal = this.filesRefusal(outgoing, to);
    if (refusal !== 0) return refusal;
    return this.#hasRoom(to, message) ? to : -Errno.EAGAIN;
  }
  /** Only a peer can be dead: a name of a dead socket leads nowhere. */
  #peerIsGone(peer: UnixSocket): number {
    if (this.type === SOCK_SEQPACKET) return -Errno.EPIPE;
    this.peer = undefined;
    this.forgetRoom();
    disconnected(this, peer);
    return -Errno.ECONNREFUSED;
  }
  /** A receiver that is connected to the sender is limited by the sender's buffer alone. */
  #hasRoom(to: UnixSocket, message: Message): boolean {
    if (to === this || to.peer === this) return true;
    let waiting = to.queue.count;
    for (const staged of this.#staged) if (staged.to === to) waiting++;
    if (waiting <= to.backlog) return true;
    if ((message.flags & MSG_DONTWAIT) === 0) this.awaitedRoom = to.room;
    else if (this.peer === to) this.watchRoom(to);
    return false;
  }

  // Messages in

  override receive(message: Message, taken: number): number {
    this.units = 0;
    if (this.type === SOCK_SEQPACKET && this.state !== 'established') return -Errno.ENOTCONN;
    if ((message.flags & MSG_OOB) !== 0) return -Errno.EOPNOTSUPP;
    const errno = this.takeErrno();
    if (errno !== 0) return -errno;
    const peeks = (message.flags & MSG_PEEK) !== 0;
    const { parcel, skip } = this.#find(taken, peeks ? this.own.peekOffset : 0);
    if (parcel === undefined) return this.#receiveNothing(message);
    const len = parcel.length - skip;
    const fits = Math.min(len, message.iov.remaining);
    // As every datagram whose reader gave a bad address, it is off the queue by then.
    if (!peeks) {
      this.#isReceiving = true;
      this.units = 1;
    }
    if (message.iov.copyOut(parcel.octets, skip, fits) < fits) return -Errno.EFAULT;
    if (fits < len) message.outFlags |= MSG_TRUNC;
    message.nameLength = nameOf(message, parcel);
    this.#collect(message, parcel);
    if (peeks) this.own.peeked(fits);
    return (message.flags & MSG_TRUNC) === 0 ? fits : len;
  }
  /** The message behind `taken` ones; with SO_PEEK_OFF the one in which the offset lies (__skb_try_recv_from_queue). */
  #find(taken: number, peekOffset: number): { readonly parcel: Parcel | undefined; readonly skip: number } {
    let parcel = this.queue.head;
    for (let i = 0; i < taken; i++) parcel = parcel?.next;
    let skip = Math.max(0, peekOffset);
    if (skip === 0) return { parcel, skip };
    while (parcel !== undefined && skip >= parcel.length) {
      skip -= parcel.length;
      parcel = parcel.next;
    }
    return { parcel, skip };
  }
  #receiveNothing({ flags }: Message): number {
    if ((this.ended & RCV_SHUTDOWN) === 0) return -Errno.EAGAIN;
    // The end is told to who waits, and of a connection also to who does not.
    return this.type === SOCK_SEQPACKET || (flags & MSG_DONTWAIT) === 0 ? 0 : -Errno.EAGAIN;
  }
  #collect(message: Message, parcel: Parcel): void {
    const incoming = new Incoming();
    incoming.joins(parcel.credential, this.own.passCredentials);
    incoming.files = parcel.files;
    const { timestamp } = this.options;
    const timeUs = timestamp === 'none' ? 0 : this.world.realtime(instant(parcel.time));
    incoming.write(message, this.own.passCredentials, this.options, timeUs);
  }
  #drop(count: number): void {
    for (let i = 0; i < count; i++) {
      const parcel = this.queue.shift();
      if (parcel === undefined) return;
      this.own.taken(parcel.octets.length);
      this.roomMade();
      this.received(parcel);
    }
  }

  // Commit

  override commit(amount: number): void {
    const staged = this.#staged;
    if (staged.length > 0) {
      this.#staged = [];
      this.stagedCharge = 0;
      for (const { parcel, to } of staged.slice(0, amount)) this.deliver(parcel, to);
    }
    if (this.#isReceiving) this.#drop(amount);
    this.#isReceiving = false;
  }
  override rollback(): void {
    this.#staged = [];
    this.stagedCharge = 0;
    this.#isReceiving = false;
  }
  override leaving(amount: number): number {
    return this.#isReceiving ? amount : 0;
  }
  override eventsAfter(amount: number): number {
    const isEmpty = this.#isReceiving && this.queue.count <= amount && (this.ended & RCV_SHUTDOWN) === 0;
    return isEmpty ? this.poll() & ~READABLE : this.poll();
  }
  protected override get receivable(): number {
    return this.type === SOCK_SEQPACKET ? this.queue.octets : (this.queue.head?.octets.length ?? 0);
  }
}
