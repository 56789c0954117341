/**
 * TCP Fast Open (RFC 7413; net.ipv4.tcp_fastopen). A client that has a server's cookie sends data with its SYN; one that has none asks for it (an empty option), and sends its data once
 * connected. A SYN with data waits for the data: until then the connection is `deferred`, in SYN-SENT without a SYN. What the server does not take is sent again, and a SYN sent again is a plain one
 * (4.2.1; 4.1.3: middleboxes that swallow it).
 *
 * A server needs TCP_FASTOPEN on its listener and the server's bit. Its cookie is SipHash of both addresses, as Linux computes it, so that servers with one TCP_FASTOPEN_KEY take each other's
 * cookies; the second half of a double key is still accepted. A connection opened by a cookie is in the accept queue at once, with its data, and its handshake goes on: no more of those than the
 * listener's queue says (4.2.2, against floods of spoofed SYNs).
 *
 * Left out: the experimental option 254 (RFC 6994) and the server's data before the handshake is complete, which waits. Cookies are kept for the last CACHE peers.
 */
import { i32, putU32 } from '../../lib/bytes.ts';
import type { Random } from '../../lib/random.ts';
import { SipHash24 } from '../../lib/siphash.ts';
import type { IpAddress } from '../address.ts';
import { Flag, MAX_HEADER_LEN } from '../wire/tcp.ts';
import { emitSyn } from './emit.ts';
import { armRetransmit } from './output.ts';
import type { Segment } from './segment.ts';
import { add, diff } from './seq.ts';
import { dropMarks, type Tcb } from './tcb.ts';

/** Bits of net.ipv4.tcp_fastopen, and its default. */
export const FastOpenMode = { Client: 1, Server: 2 } as const;
export const FAST_OPEN_DEFAULT = FastOpenMode.Client;

/** Peers whose cookies are kept. */
const CACHE = 256;
/** Of a cookie as we make it (RFC 7413 2: 4 to 16). */
const COOKIE_OCTETS = 8;
const KEY_OCTETS = 16;
/** What a SYN leaves for options (MAX_TCP_OPTION_SPACE), and the most that Linux puts into one piece. */
const OPTION_SPACE = MAX_HEADER_LEN - 20;
const PIECE = 32_768;
/** The option without a cookie asks for one. */
const REQUEST = new Uint8Array(0);

interface Remembered {
  readonly cookie: Uint8Array;
  readonly mss: number;
}

/** What a layer knows: cookies of servers, and the key of its own. */
export class FastOpen {
  readonly #mode: number;
  readonly #cookies = new Map<string, Remembered>();
  readonly #key = new Uint8Array(KEY_OCTETS);
  readonly #addresses = new Uint8Array(32);

  constructor(random: Random, mode: number) {
    this.#mode = mode;
    for (let i = 0; i < KEY_OCTETS; i += 4) putU32(this.#key, i, random.u32());
  }
  get isClient(): boolean {
    return (this.#mode & FastOpenMode.Client) !== 0;
  }
  get isServer(): boolean {
    return (this.#mode & FastOpenMode.Server) !== 0;
  }

  of(remote: IpAddress): Remembered | undefined {
    return this.#cookies.get(remote.toString());
  }
  remember(remote: IpAddress, cookie: Uint8Array, mss: number): void {
    const key = remote.toString();
    // The oldest is first in a Map.
    this.#cookies.delete(key);
    this.#cookies.set(key, { cookie, mss });
    for (const oldest of this.#cookies.keys()) {
      if (this.#cookies.size <= CACHE) return;
      this.#cookies.delete(oldest);
    }
  }
  forget(remote: IpAddress): void {
    this.#cookies.delete(remote.toString());
  }

  /** The cookie that `remote` has to show; `index` 1 is that of the older key, undefined if there is none. */
  cookie(key: Uint8Array | undefined, index: number, local: IpAddress, remote: IpAddress): Uint8Array | undefined {
    const keys = key ?? this.#key;
    const at = index * KEY_OCTETS;
    if (at >= keys.length) return undefined;
    const octets = local.isV4 ? 4 : 16;
    const b = this.#addresses;
    remote.write6(b, 0);
    local.write6(b, 16);
    if (local.isV4) {
      putU32(b, 0, i32(b, 12));
      putU32(b, 4, i32(b, 28));
    }
    const hash = new SipHash24(keys.subarray(at, at + KEY_OCTETS));
    hash.hash(b, 0, 2 * octets);
    const cookie = new Uint8Array(COOKIE_OCTETS);
    for (let i = 0; i < 4; i++) {
      cookie[i] = hash.low >>> (8 * i);
      cookie[4 + i] = hash.high >>> (8 * i);
    }
    return cookie;
  }
}

// The client

/** Octets that go with a SYN (tcp_send_syn_data). */
export function synRoom(c: Tcb): number {
  const { mss = c.mss } = c.context.fastOpen.of(c.remoteAddress) ?? {};
  return Math.max(0, Math.min(c.mss, mss, PIECE + OPTION_SPACE) - OPTION_SPACE);
}
/** A connection that is about to be opened by data waits for it, if it has a cookie or needs none; else it asks for one. */
export function prepareFastOpen(c: Tcb): void {
  const { fastOpen } = c.context;
  if (!fastOpen.isClient) return;
  const remembered = fastOpen.of(c.remoteAddress);
  c.asksFastOpen = !c.settings.fastOpenNoCookie;
  c.deferred = c.settings.fastOpenNoCookie || remembered !== undefined;
  c.synOption = c.settings.fastOpenNoCookie ? undefined : (remembered?.cookie ?? REQUEST);
}
/** The SYN of a deferred connection, with what was written until now. */
export function openDeferred(c: Tcb): void {
  c.deferred = false;
  c.openedAt = c.context.clock.now();
  const len = Math.min(c.sendRing.length, synRoom(c));
  emitSyn(c, Flag.Syn, len);
  c.synData = len;
  c.sndNxt = c.sndMax = add(c.iss, 1 + len);
  armRetransmit(c);
}
/** A SYN is sent again: the first one may have been swallowed for its option or its data. */
export function abandonFastOpen(c: Tcb): void {
  if (c.synData > 0) c.context.fastOpen.forget(c.remoteAddress);
}
/** SYN-ACK: a cookie, and how much of the data the server took. */
export function fastOpenAnswered(c: Tcb, s: Segment): void {
  const { ext, fastOpen } = c.context;
  if (c.asksFastOpen && s.fastOpenLength > 0 && s.packet !== undefined) {
    const cookie = s.packet.bytes.slice(s.fastOpenAt, s.fastOpenAt + s.fastOpenLength);
    fastOpen.remember(c.remoteAddress, cookie, c.peerMss);
  }
  if (c.synData === 0) return;
  const taken = diff(s.ack, c.sendHead);
  if (taken === c.synData) ext.TCPFastOpenActive++;
  else ext.TCPFastOpenActiveFail++;
  c.sendRing.consume(taken);
  c.sendHead = s.ack;
  dropMarks(c, s.ack);
  untaken(c);
}
/** What the server did not take goes out with the window that is known now. */
export function untaken(c: Tcb): void {
  c.sndNxt = c.sndMax = c.sndSmall = c.sndRecord = c.sendHead;
  c.synData = 0;
}

// The server

/** Whether a SYN to `listener` opens `child` by its cookie. If not, and it wants one, the SYN-ACK offers it. */
export function opensFast(listener: Tcb, child: Tcb, s: Segment): boolean {
  const { fastOpen, ext } = listener.context;
  const { fastOpenQueue, fastOpenKey, fastOpenNoCookie } = listener.settings;
  if (!fastOpen.isServer || fastOpenQueue === 0) return false;
  const { localAddress: local, remoteAddress: remote } = child;
  if (s.fastOpenLength === 0) ext.TCPFastOpenCookieReqd++;
  if (s.fastOpenLength < 0 && !(fastOpenNoCookie && s.len > 0)) return false;
  if ((listener.listener?.fastOpen.size ?? 0) >= fastOpenQueue) {
    ext.TCPFastOpenListenOverflow++;
    return false;
  }
  if (fastOpenNoCookie && s.len > 0) return true;
  const current = fastOpen.cookie(fastOpenKey, 0, local, remote);
  if (shows(s, current)) return true;
  // RFC 7413 4.1.2: a valid cookie of the older key opens as well, and is replaced.
  const older = shows(s, fastOpen.cookie(fastOpenKey, 1, local, remote));
  if (s.fastOpenLength > 0 && !older) ext.TCPFastOpenPassiveFail++;
  child.synOption = current;
  return older;
}
function shows(s: Segment, cookie: Uint8Array | undefined): boolean {
  if (cookie === undefined || s.packet === undefined || s.fastOpenLength !== cookie.length) return false;
  let difference = 0;
  for (let i = 0; i < cookie.length; i++) {
    difference |= (s.packet.bytes[s.fastOpenAt + i] as number) ^ (cookie[i] as number);
  }
  return difference === 0;
}
