/**
 * A socket as the syscall handlers see it. Nothing here blocks: a method does its work, or returns a negative errno, of which `-EAGAIN` means
 * "wait for the events of `poll()` and try again" (the handler decides whether the call may wait). Every result is a number >= 0 or a negative errno.
 *
 * Transfers are transactional. `send` stages and `receive` copies out; nothing is published or consumed before `commit`, whose amount is what the
 * calls of one system call returned in `units`: octets for a stream, messages for datagrams. Handler, delivery and commit (or rollback) run without a turn
 * of the loop between them, so at most one call has something staged on a socket.
 */
import { SOL_SOCKET } from '../abi/socket.ts';
import type { Committable } from './committable.ts';
import type { Credentials } from './credentials.ts';
import type { Devices } from './devices.ts';
import { OpenFile } from './file.ts';
import type { Message } from './message.ts';
import type { WaitQueue } from './wait-queue.ts';

/** O_RDWR: the access mode F_GETFL shows for every socket. */
const O_RDWR = 2;

export abstract class Socket extends OpenFile implements Committable {
  /** AF_INET6 may become AF_INET (IPV6_ADDRFORM). */
  domain: number;
  /** SOCK_STREAM, SOCK_DGRAM, ... without flags. */
  readonly type: number;
  readonly protocol: number;
  /** SO_RCVTIMEO and SO_SNDTIMEO in microseconds: 0 for none, and below 0 to time out at once. */
  receiveTimeoutUs = 0;
  sendTimeoutUs = 0;

  constructor(domain: number, type: number, protocol: number, statusFlags: number) {
    super(O_RDWR | statusFlags);
    this.domain = domain;
    this.type = type;
    this.protocol = protocol;
  }

  override get canSignal(): boolean {
    return true;
  }
  /** `name` is a struct sockaddr of `len` octets, read from the guest, 0 <= len <= 128. */
  abstract bind(name: Uint8Array, len: number, credentials: Credentials): number;
  /** `backlog` as the guest gave it (unsigned once capped by somaxconn). */
  abstract listen(backlog: number, credentials: Credentials): number;
  /**
   * First call: starts the connection. 0 when done at once (datagram), -EINPROGRESS when started: a blocking handler then waits for POLLOUT
   * and calls `connectResult`. -EALREADY, -EISCONN, ... as connect(2).
   */
  abstract connect(name: Uint8Array, len: number, credentials: Credentials): number;
  /** After a connect or send that was -EAGAIN because a peer's queue is full: the queue of those who wait for room there. */
  get peerRoom(): WaitQueue | undefined {
    return undefined;
  }
  /** Outcome of a started connection: 0, the error that ended it (cleared), or -EINPROGRESS while it goes on. */
  abstract connectResult(): number;
  /**
   * The socket for the oldest connection ready, still in the queue, or -EAGAIN, -EINVAL (not listening), -EOPNOTSUPP. `acceptCommittable` takes it out on commit(1).
   * The queue holds a reference of its own (`retain`) from the first peek on and gives it up in commit(1), so that a caller that retains and releases without
   * commit leaves the connection where it is.
   */
  abstract acceptPeek(): Socket | number;
  abstract readonly acceptCommittable: Committable;
  /** Writes the local (`peer` false) or remote address to `out`; returns its full length or -ENOTCONN. */
  abstract getName(out: Uint8Array, peer: boolean, isOver?: boolean): number;
  /** Stages one message or part of a stream. Returns octets taken, or -EAGAIN when there is no room, -EPIPE (the handler raises SIGPIPE unless MSG_NOSIGNAL), ... */
  abstract send(message: Message, callId: number): number;
  /**
   * Copies out one message or as much of the stream as there is. `taken` is what earlier receives of the same system call have copied but not committed, in units
   * (recvmmsg, MSG_WAITALL); MSG_PEEK leaves `units` 0, and -EFAULT the one that a message counts for, which is lost with it. Returns octets (the datagram's full length with MSG_TRUNC), 0 at end of file, -EAGAIN when nothing is there.
   */
  abstract receive(message: Message, taken: number): number;
  /** Units the last successful `send` or `receive` will commit. */
  units = 0;
  /** A stream: so many octets can all arrive before the first of them is read. */
  holdsUnread(_octets: number): boolean {
    return false;
  }
  /** What was committed last was sent to this host: lets it arrive, so that the next send of the same call finds the answers. */
  arrive(): void {
    // Of other sockets, what is committed has arrived.
  }
  /** What was sent last goes to this host, and arrives only later. */
  get staysHere(): boolean {
    return false;
  }
  /** How often a connection was dissolved: a receive that waited meanwhile is over. */
  get disconnects(): number {
    return 0;
  }
  /** SO_RCVLOWAT of a stream whose blocking receives take what there is while they wait for more; 0 where they do not. */
  get collects(): number {
    return 0;
  }
  /** How long close(2) waits for the peer to have what is left, microseconds; 0 once it does not. */
  get lingersUs(): number {
    return 0;
  }
  abstract commit(amount: number): void;
  abstract rollback(amount: number): void;
  abstract eventsAfter(amount: number): number;
  /** Of `amount`, what a commit takes out of the receive queue, in its units. */
  leaving(_amount: number): number {
    return 0;
  }
  /**
   * Puts an error (positive errno) back for the next call to find, as sk_err: one that came after part of a call had succeeded, whose result is
   * that part (recvmmsg, a send larger than the buffer). Nobody is told (do_recvmmsg).
   */
  abstract setError(errno: number): void;
  /** `how` 0..2 as shutdown(2). */
  abstract shutdown(how: number): number;
  /** False for a level of a protocol that is not the socket's, of which Linux reads nothing before it refuses it. */
  hasLevel(level: number): boolean {
    return level === SOL_SOCKET;
  }
  /** `value` is the option value as the guest gave it, at most 64 KiB of it. Returns 0 or a negative errno. */
  abstract setOption(level: number, option: number, value: Uint8Array, credentials: Credentials): number;
  /** Writes the value to `out` (its length is what the guest has room for); returns the octets written, or a negative errno. */
  abstract getOption(level: number, option: number, out: Uint8Array, credentials?: Credentials): number;
  /** The interfaces that requests of netdevice(7) are about; undefined for a socket without a network. */
  get devices(): Devices | undefined {
    return undefined;
  }
  /** SIOCGSTAMP: when the last message received came, in microseconds of CLOCK_REALTIME; undefined before there was one, and for a socket that keeps no such time. */
  get lastReceivedUs(): number | undefined {
    return undefined;
  }
  /** FIONREAD, TIOCOUTQ, ...: the int result, or a negative errno; -ENOTTY for what it does not know. */
  abstract ioctl(request: number): number;
}
