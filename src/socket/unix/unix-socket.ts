/**
 * AF_UNIX sockets of the emulator (unix(7), net/unix/af_unix.c of Linux 6.18). Under the runner a guest's are the kernel's own.
 *
 * Two sockets that are connected know each other, and what one sends is put into the other's receive queue at once: there is no network between them. A parcel there is charged to
 * its sender until it is received, which is the only limit of a stream or of two sockets connected to each other. A datagram socket that is sent to by others takes
 * eleven datagrams (net.unix.max_dgram_qlen and one); who has more to send waits at the receiver, in `peerRoom`'s queue.
 *
 * Connecting is done when connect(2) returns: the listener's queue holds the finished socket, which accept(2) only hands out.
 *
 * Files: address.ts and names.ts (names), parcel.ts (what is queued and what it is charged), in-flight.ts (descriptors under way, and those lost for good), control.ts, options.ts,
 * stream.ts and message.ts (how octets go in and out), connect.ts (connections and pairs).
 *
 * Left out, and refused as by a kernel without it: out-of-band data (MSG_OOB is EOPNOTSUPP, SIOCATMARK ENOTTY), SO_PASSPIDFD, SO_PEERPIDFD and other options that options.ts lacks,
 * SIOCUNIXFILE, BPF. A stream's receive of no octets leaves descriptors in the queue, where Linux hands them out; and one that fails writes no control messages, where Linux writes
 * empty credentials. MSG_TRUNC with MSG_WAITALL does not wait, MSG_ERRQUEUE neither.
 */

import { Errno } from '../../abi/errno.ts';
import { O_NONBLOCK } from '../../abi/fcntl.ts';
import { SIOCINQ, SIOCOUTQ } from '../../abi/ioctl.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from '../../abi/poll.ts';
import { AF_UNIX, SO_SNDBUF, SO_SNDBUFFORCE, SOCK_DGRAM, SOMAXCONN } from '../../abi/socket.ts';
import type { Instant } from '../../lib/clock.ts';
import type { Netstack } from '../../netstack/endpoint.ts';
import { defaultIpSettings } from '../../netstack/settings.ts';
import type { Committable } from '../committable.ts';
import type { Credentials } from '../credentials.ts';
import type { Devices } from '../devices.ts';
import type { Message } from '../message.ts';
import { OptionState } from '../options/target.ts';
import { Socket } from '../socket.ts';
import { Waiter, WaitQueue } from '../wait-queue.ts';
import { asksForAny, decodeAddress, type UnixAddress, writeAddress } from './address.ts';
import { NOTHING, Outgoing } from './control.ts';
import { type Credential, credentialOf } from './credential.ts';
import type { Carrier, InFlight } from './in-flight.ts';
import type { UnixNames } from './names.ts';
import { getUnixOption, setUnixOption, UnixOptions, type UnixOptionTarget } from './options.ts';
import { type Parcel, ParcelQueue } from './parcel.ts';

/** There are no more sockets in a sandbox, those included that nobody has accepted or received (unix_create1 counts against fs.file-max). */
const SOCKETS_MAX = 65_536;
/** Memory that all of them may be charged. Each has its own limit, but there may be many. */
const CHARGE_MAX = 256 * 1024 * 1024;

/** How many sockets there are, and what all that waits in their queues is charged. */
export class Census {
  sockets = 0;
  charged = 0;

  /** False is ENFILE. */
  get hasRoomForSocket(): boolean {
    return this.sockets < SOCKETS_MAX;
  }
  /** False is ENOBUFS. */
  get hasRoomForParcel(): boolean {
    return this.charged < CHARGE_MAX;
  }
}

/** What the sockets of one sandbox share. */
export interface UnixWorld {
  readonly stack: Netstack;
  readonly devices: Devices;
  readonly names: UnixNames<UnixSocket>;
  readonly inFlight: InFlight;
  readonly census: Census;
  readonly realtime: (at: Instant) => number;
}

/** Bits of `ended`: what shutdown(2) ended, here or at the other end. */
export const RCV_SHUTDOWN = 1;
export const SEND_SHUTDOWN = 2;
const SHUTDOWN_MASK = 3;

/** net.unix.max_dgram_qlen. */
const MAX_DGRAM_QLEN = 10;

export const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM | POLLWRBAND;
/** What sock_def_readable wakes with. */
const ARRIVED = POLLIN | POLLPRI | POLLRDNORM | POLLRDBAND;
/** A change of state concerns every waiter (sock_def_wakeup); POLLNVAL would tell epoll that the file is gone. */
const EVERYTHING = 0xffff & ~POLLNVAL;

export abstract class UnixSocket extends Socket implements UnixOptionTarget, Carrier {
  readonly tcp = undefined;
  readonly udp = undefined;
  readonly options = new OptionState();
  readonly settings = defaultIpSettings();
  readonly own = new UnixOptions();
  readonly acceptCommittable: Committable;
  readonly world: UnixWorld;

  state: 'closed' | 'listen' | 'established' = 'closed';
  address: UnixAddress | undefined = undefined;
  /** May be dead: its name is still told. */
  peer: UnixSocket | undefined = undefined;
  peerCredential: Credential | undefined = undefined;
  isDead = false;
  /** The listener at which it waits to be accepted. */
  guardian: UnixSocket | undefined = undefined;
  ended = 0;
  readonly queue = new ParcelQueue();
  /** Connections that wait for accept(2); each a reference. */
  readonly pending: UnixSocket[] = [];
  /** Datagrams or connections that wait here before further ones are put off (sk_max_ack_backlog), less one. */
  backlog = MAX_DGRAM_QLEN;
  /** Who waits for room in the queue. */
  readonly room = new WaitQueue();
  inFlight = 0;
  readonly holders = new Map<Carrier, number>();
  /** Memory of what this socket sent and nobody has received (sk_wmem_alloc). */
  charged = 0;
  /** And of what is staged. */
  protected stagedCharge = 0;
  /** Where the last -EAGAIN asks to wait, if not at the socket itself. */
  protected awaitedRoom: WaitQueue | undefined = undefined;
  #errno = 0;
  /** Stands in the queue for room of a peer that was full when poll(2) asked (unix_dgram_peer_wake_me). */
  readonly #relay = new Waiter((events) => this.#relayed(events));

  constructor(world: UnixWorld, type: number, statusFlags: number) {
    super(AF_UNIX, type, 0, statusFlags);
    this.world = world;
    world.census.sockets++;
    this.acceptCommittable = {
      commit: (amount) => this.#acceptCommit(amount),
      rollback: () => undefined,
      eventsAfter: (amount) => (this.pending.length <= amount ? this.poll() & ~READABLE : this.poll()),
    };
  }

  get stack(): Netstack {
    return this.world.stack;
  }
  override get devices(): Devices {
    return this.world.devices;
  }
  get isListening(): boolean {
    return this.state === 'listen';
  }
  override get peerRoom(): WaitQueue | undefined {
    return this.awaitedRoom;
  }
  get isFull(): boolean {
    return this.queue.count > this.backlog;
  }

  // Names

  override bind(name: Uint8Array, len: number): number {
    if (asksForAny(name, len)) return this.autobind();
    const address = decodeAddress(name, len);
    if (typeof address === 'number') return address;
    const refusal = this.world.names.bindRefusal(address);
    if (refusal !== 0) return refusal;
    if (this.address !== undefined) return -Errno.EINVAL;
    const error = this.world.names.bind(address, this);
    if (error === 0) this.address = address;
    return error;
  }
  autobind(): number {
    if (this.address !== undefined) return 0;
    const address = this.world.names.autobind(this);
    if (typeof address === 'number') return address;
    this.address = address;
    return 0;
  }
  override getName(out: Uint8Array, peer: boolean): number {
    if (!peer) return writeAddress(out, this.address);
    return this.peer === undefined ? -Errno.ENOTCONN : writeAddress(out, this.peer.address);
  }

  // Connections

  override listen(backlog: number, credentials: Credentials): number {
    if (this.type === SOCK_DGRAM) return -Errno.EOPNOTSUPP;
    if (this.address === undefined || this.state === 'established') return -Errno.EINVAL;
    const limit = Math.min(backlog >>> 0, SOMAXCONN);
    const grows = limit > this.backlog;
    this.backlog = limit;
    this.state = 'listen';
    this.peerCredential = credentialOf(credentials);
    if (grows) this.room.wake(EVERYTHING);
    return 0;
  }
  /** A connection is there when connect(2) is. */
  override connectResult(): number {
    return 0;
  }
  override acceptPeek(): Socket | number {
    if (this.type === SOCK_DGRAM) return -Errno.EOPNOTSUPP;
    if (this.state !== 'listen') return -Errno.EINVAL;
    const [first] = this.pending;
    if (first !== undefined) return first;
    const isOver = (this.ended & RCV_SHUTDOWN) !== 0 && (this.statusFlags & O_NONBLOCK) === 0;
    return isOver ? -Errno.EINVAL : -Errno.EAGAIN;
  }
  #acceptCommit(amount: number): void {
    if (amount === 0) return;
    const socket = this.pending.shift();
    if (socket === undefined) return;
    this.roomMade();
    socket.guardian = undefined;
    socket.release();
  }
  /** A connection waits to be accepted. */
  offer(socket: UnixSocket): void {
    socket.guardian = this;
    this.pending.push(socket.retain());
    this.waiters.wake(ARRIVED);
  }

  override shutdown(how: number): number {
    const mode = how + 1;
    this.ended |= mode;
    this.stateChanged();
    const { peer } = this;
    if (peer === undefined || this.type === SOCK_DGRAM) return 0;
    // What one end no longer reads the other can no longer send.
    peer.ended |= ((mode & RCV_SHUTDOWN) === 0 ? 0 : SEND_SHUTDOWN) | ((mode & SEND_SHUTDOWN) === 0 ? 0 : RCV_SHUTDOWN);
    peer.stateChanged();
    return 0;
  }
  stateChanged(): void {
    this.waiters.wake(EVERYTHING);
  }

  // The end: unix_release_sock

  override release(): void {
    super.release();
    this.world.inFlight.lost(this);
  }
  protected override released(): void {
    this.rollback(0);
    this.world.census.sockets--;
    if (this.address !== undefined) this.world.names.leave(this.address, this);
    const { peer } = this;
    this.isDead = true;
    this.ended = SHUTDOWN_MASK;
    this.state = 'closed';
    this.peer = undefined;
    this.#relay.leave();
    this.room.wake(EVERYTHING);
    if (peer !== undefined && this.type !== SOCK_DGRAM) {
      peer.ended = SHUTDOWN_MASK;
      if (this.queue.isUnread || this.guardian !== undefined) peer.setErrno(Errno.ECONNRESET);
      peer.stateChanged();
    }
    this.purge();
    for (const socket of this.pending.splice(0)) socket.release();
  }
  /** Drops all that waits to be received. */
  purge(): void {
    for (let parcel = this.queue.shift(); parcel !== undefined; parcel = this.queue.shift()) this.received(parcel);
  }

  // In flight

  surrenderFiles(): void {
    const { inFlight } = this.world;
    for (const socket of this.pending) socket.surrenderFiles();
    for (const parcel of this.queue) inFlight.land(parcel.takeFiles(), this);
  }

  // Parcels

  /** What passes with a message beside its octets; read at the first try. */
  protected outgoing(message: Message): Outgoing | number {
    if (message.passing instanceof Outgoing) return message.passing;
    if (message.controlLength === 0) return NOTHING;
    const outgoing = new Outgoing();
    const error = outgoing.read(message);
    if (error !== 0) return error;
    message.passing = outgoing;
    return outgoing;
  }
  /** Why no parcel can be made now (sock_alloc_send_pskb): 0, -EPIPE, -EAGAIN, -ENOBUFS or the pending error. */
  protected allocationRefusal(): number {
    const errno = this.takeErrno();
    if (errno !== 0) return -errno;
    if ((this.ended & SEND_SHUTDOWN) !== 0) return -Errno.EPIPE;
    if (!this.world.census.hasRoomForParcel) return -Errno.ENOBUFS;
    return this.charged + this.stagedCharge < this.own.sendBuffer ? 0 : -Errno.EAGAIN;
  }
  /** Why `to` may not be given the files: 0, -ETOOMANYREFS, -EPERM. */
  protected filesRefusal({ files }: Outgoing, to: UnixSocket): number {
    if (files.length === 0) return 0;
    if (!this.world.inFlight.hasRoomFor(files.length)) return -Errno.ETOOMANYREFS;
    return to.own.passRights ? 0 : -Errno.EPERM;
  }
  /** unix_maybe_add_creds: the sender's own, if one of the two asks for them or nobody can yet. */
  protected credentialFor({ credential }: Outgoing, { caller }: Message, to: UnixSocket): Credential | undefined {
    if (credential !== undefined || caller === undefined) return credential;
    const isAsked = this.own.passCredentials || to.own.passCredentials || to.guardian !== undefined;
    return isAsked ? credentialOf(caller.credentials) : undefined;
  }
  /** A parcel of this socket's goes into the queue of `to`. */
  protected deliver(parcel: Parcel, to: UnixSocket): void {
    this.charged += parcel.charge;
    this.world.census.charged += parcel.charge;
    this.world.inFlight.depart(parcel.files, to);
    parcel.time = this.stack.clock.now();
    to.queue.push(parcel);
    to.waiters.wake(ARRIVED);
  }
  /** A parcel is out of the queue for good. */
  protected received(parcel: Parcel): void {
    const { sender } = parcel;
    sender.charged -= parcel.charge;
    this.world.census.charged -= parcel.charge;
    sender.roomChanged();
    this.world.inFlight.land(parcel.takeFiles(), this);
  }
  /** Who waits to send here may try (a datagram has left, or all of them). */
  roomMade(): void {
    this.room.wake(WRITABLE);
  }
  /** unix_write_space, called while one octet of the parcel is still counted (sock_wfree). */
  roomChanged(): void {
    if (!this.isDead) this.#tellRoom(this.charged + 1);
  }
  #tellRoom(charged: number): void {
    if (this.isWritableWith(charged)) this.waiters.wake(WRITABLE);
  }

  // Readiness

  /** unix_writable: three quarters of the buffer are free; the count begins at one. */
  protected isWritableWith(charged: number): boolean {
    return this.state !== 'listen' && (charged + 1) * 4 <= this.own.sendBuffer;
  }
  override poll(): number {
    let events = this.#errno === 0 ? 0 : POLLERR;
    if (this.ended === SHUTDOWN_MASK) events |= POLLHUP;
    if ((this.ended & RCV_SHUTDOWN) !== 0) events |= POLLRDHUP | READABLE;
    if (this.queue.count > 0 || this.pending.length > 0) events |= READABLE;
    if (this.state === 'closed' && this.type !== SOCK_DGRAM) events |= POLLHUP;
    if (this.isWritableWith(this.charged) && !this.#waitsForPeer()) events |= WRITABLE;
    return events;
  }
  /** A peer that is not connected back and is full: it tells when it is not (unix_dgram_poll). */
  #waitsForPeer(): boolean {
    const { peer } = this;
    if (peer === undefined || this.type !== SOCK_DGRAM || peer.peer === this || !peer.isFull) return false;
    this.watchRoom(peer);
    return true;
  }
  protected watchRoom(peer: UnixSocket): void {
    if (this.#relay.queue !== peer.room) peer.room.add(this.#relay, WRITABLE);
  }
  #relayed(events: number): void {
    this.#relay.leave();
    this.waiters.wake(events);
  }
  /** A send failed behind its buffer, which is given back: an edge for epoll, as any other that makes room (sock_wfree, unix_write_space). */
  protected givesBack(error: number): number {
    this.roomChanged();
    return error;
  }
  /** The peer changes: what was waited for there is not any more (unix_dgram_peer_wake_disconnect_wakeup). */
  forgetRoom(): void {
    if (this.#relay.queue === undefined) return;
    this.#relay.leave();
    this.waiters.wake(WRITABLE);
  }

  // Errors, options, requests

  setErrno(errno: number): void {
    this.#errno = errno;
  }
  override setError(errno: number): void {
    this.#errno = errno;
  }
  /** As `setError`, with word of it (sk_error_report). */
  reportError(errno: number): void {
    this.#errno = errno;
    this.waiters.wake(POLLERR);
  }
  takeErrno(): number {
    const errno = this.#errno;
    this.#errno = 0;
    return errno;
  }
  protected get hasError(): boolean {
    return this.#errno !== 0;
  }
  optionsChanged(): void {
    // All of them are read where they count.
  }
  override setOption(level: number, option: number, value: Uint8Array, credentials: Credentials): number {
    const error = setUnixOption(this, level, option, value, credentials);
    // Set larger or not, who waits for room may try.
    if (error === 0 && (option === SO_SNDBUF || option === SO_SNDBUFFORCE)) this.#tellRoom(this.charged);
    return error;
  }
  override getOption(level: number, option: number, out: Uint8Array): number {
    return getUnixOption(this, level, option, out);
  }
  override ioctl(request: number): number {
    switch (request) {
      case SIOCINQ:
        return this.state === 'listen' ? -Errno.EINVAL : this.receivable;
      case SIOCOUTQ:
        return this.charged;
      default:
        return -Errno.ENOTTY;
    }
  }
  /** What SIOCINQ counts. */
  protected abstract readonly receivable: number;
}

/** unix_copy_addr: the length of the sender's name, now in `message.name`; 0 if it has none. */
export function nameOf(message: Message, { sender }: Parcel): number {
  const { address } = sender;
  if (address === undefined) return 0;
  message.name.set(address.octets);
  return address.octets.length;
}
