/**
 * A datagram put together from several sends (MSG_MORE and UDP_CORK, udp(7)). The first send says where it goes and how; the following only add octets,
 * and a name they give is ignored (udp_sendmsg's do_append_data). What a call adds is staged: commit keeps it, rollback forgets it.
 */
import { IpAddress } from '../netstack/address.ts';
import type { SendChoices } from '../netstack/endpoint.ts';
import { truesize } from '../netstack/udp/receive-queue.ts';
import type { IoVector } from './io-vector.ts';

/** Most octets that a datagram takes beside its headers. */
const PAYLOAD_MAX_V4 = 65_507;
const PAYLOAD_MAX_V6 = 65_527;
const SMALLEST = 2048;

export class DatagramCork {
  to = IpAddress.ANY4;
  port = 0;
  choices: SendChoices | undefined = undefined;
  /** It was redirected to where its route does not lead. */
  isLost = false;
  #bytes = new Uint8Array(0);
  #isOpen = false;
  /** For UDP_SEGMENT the buffer holds the headers alone, and all that follows lies in pages. */
  #isPaged = false;
  /** Octets of its first part. */
  #first = 0;
  /** A send has been committed: it is kept over a rollback, be it empty. */
  #isKept = false;
  /** Octets of committed sends. */
  #committed = 0;
  /** Ends of the sends staged since, each in octets from the beginning. */
  readonly #staged: number[] = [];

  /** A datagram is being put together, be it only by a call not yet committed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }
  get length(): number {
    return this.#staged.at(-1) ?? this.#committed;
  }
  /** Most octets of the datagram. */
  get limit(): number {
    return this.to.isV4 ? PAYLOAD_MAX_V4 : PAYLOAD_MAX_V6;
  }
  /** Memory that Linux charges: that of its first part, whose buffer the others are put behind (__ip_append_data). */
  get charged(): number {
    if (!this.#isOpen || (this.#staged.length === 0 && !this.#isKept)) return 0;
    const first = this.#isPaged ? 0 : this.#first;
    return truesize(first, this.to.isV4) + this.length - first;
  }
  begin(to: IpAddress, port: number, choices: SendChoices): void {
    this.to = to;
    this.port = port;
    this.choices = choices;
    this.#isOpen = true;
    this.isLost = false;
    this.#isPaged = (choices.segment ?? 0) !== 0;
  }
  /** Its octets go elsewhere, by the route that it has. */
  redirect(to: IpAddress, port: number, arrives: boolean): void {
    this.isLost = !arrives;
    if (!arrives) return;
    this.to = to;
    this.port = port;
    this.choices = { ...this.choices, source: undefined, route: undefined };
  }
  /** Stages what is left of `iov`. False when it faults; nothing is kept then. */
  append(iov: IoVector): boolean {
    const from = this.length;
    const len = iov.remaining;
    this.#reserve(from + len);
    if (iov.copyIn(this.#bytes, from, len) < len) return false;
    if (from === 0 && !this.#isKept && this.#staged.length === 0) this.#first = len;
    this.#staged.push(from + len);
    return true;
  }
  copyTo(dst: Uint8Array, at: number): void {
    dst.set(this.#bytes.subarray(0, this.length), at);
  }
  /** The first `sends` of those staged are kept. */
  commit(sends: number): void {
    if (sends > 0) {
      this.#committed = this.#staged[sends - 1] ?? this.length;
      this.#isKept = true;
    }
    this.rollback();
  }
  rollback(): void {
    this.#staged.length = 0;
    if (!this.#isKept) this.clear();
  }
  /** The datagram is on its way, or given up. */
  clear(): void {
    this.#isOpen = this.#isKept = false;
    this.#committed = 0;
    this.#staged.length = 0;
    this.choices = undefined;
    if (this.#bytes.length > SMALLEST) this.#bytes = new Uint8Array(0);
  }

  #reserve(octets: number): void {
    if (octets <= this.#bytes.length) return;
    const bytes = new Uint8Array(Math.min(PAYLOAD_MAX_V6, Math.max(SMALLEST, octets * 2)));
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
}
