/** What the rows of the option table see of a socket. */
import { SO_INCOMING_CPU } from '../../abi/socket.ts';
import type { IpSettings, Netstack, TcpEndpoint, UdpEndpoint } from '../../netstack/endpoint.ts';
import { IpOptionState } from './ip-state.ts';

/** SO_TIMESTAMP and SO_TIMESTAMPNS exclude one another. */
export type TimestampKind = 'none' | 'microseconds' | 'nanoseconds';

/** Values that the socket keeps because the endpoint has no use for them, or has one field for two options. */
export class OptionState extends IpOptionState {
  /** SO_LINGER's l_linger survives l_onoff 0. */
  lingerOn = false;
  lingerSeconds = 0;
  keepAlive = false;
  oobInline = false;
  broadcast = false;
  noChecksum = false;
  receiveLowWater = 1;
  timestamp: TimestampKind = 'none';
  /** The timestamp options were set by their *_NEW names, so that is how their control messages are called. */
  timestampNew = false;
  /** SO_TIMESTAMPING: SOF_TIMESTAMPING_*. */
  timestampingFlags = 0;
  /** SO_PEEK_OFF: where MSG_PEEK begins, negative for the head. */
  peekOffset = -1;
  /** The octets that a stream's reader had taken when that was so (peek.ts). */
  peekOffsetAt = 0;
  /** SO_MARK, told to whoever asks by SO_RCVMARK. */
  mark = 0;
  receiveMark = false;
  /** SO_PRIORITY, told by SO_RCVPRIORITY. */
  priority = 0;
  receivePriority = false;
  /** SO_RXQ_OVFL: a received datagram tells how many were dropped. */
  receiveDrops = false;
  /** SO_SELECT_ERR_QUEUE: what waits in the error queue is POLLPRI as well. */
  selectErrorQueue = false;
  /** SO_BUF_LOCK: SOCK_SNDBUF_LOCK and SOCK_RCVBUF_LOCK. */
  bufferLocks = 0;
  /** SO_MAX_PACING_RATE, octets a second. */
  pacingRate = Number.POSITIVE_INFINITY;
  /** TCP_TX_DELAY. */
  transmitDelayUs = 0;
  /** TCP_INQ: a received message tells how much is left. */
  receiveInq = false;
  /** SO_TXTIME: -1 while it was never set. */
  txTimeClock = 0;
  txTimeFlags = -1;
  /** SO_LOCK_FILTER: the filter stays as it is. */
  filterLocked = false;
  /** Values of options that nothing here depends on (hints.ts), by number. */
  kept: Map<number, number> | undefined = undefined;

  /** What an accepted connection gets of its listener. */
  static from(parent: OptionState): OptionState {
    const child = Object.assign(new OptionState(), parent);
    if (parent.kept !== undefined) child.kept = new Map(parent.kept);
    // These begin anew (sk_clone): the priority, and the processor, which is the one that made the connection.
    child.priority = 0;
    child.kept?.delete(SO_INCOMING_CPU);
    return child;
  }
}

export interface OptionTarget {
  readonly domain: number;
  readonly type: number;
  readonly protocol: number;
  receiveTimeoutUs: number;
  sendTimeoutUs: number;
  readonly stack: Netstack;
  readonly options: OptionState;
  /** Settings of whichever endpoint it is. */
  readonly settings: IpSettings;
  /** The endpoint: one of the two is undefined. */
  readonly tcp: TcpEndpoint | undefined;
  readonly udp: UdpEndpoint | undefined;
  /** IPV6_ADDRFORM. */
  becomeIpv4?(): void;
  /** An IPv6 datagram is in the making (MSG_MORE). */
  readonly isMaking6?: boolean;
  /** SO_ERROR: the pending errno, cleared; 0 for none. */
  takeErrno(): number;
  /** As getsockname(2) and getpeername(2): writes the name to `out`, returns its full length or a negative errno. */
  getName(out: Uint8Array, peer: boolean, isOver?: boolean): number;
  /** Values in `options` and `settings` changed: they take effect. */
  optionsChanged(): void;
}
