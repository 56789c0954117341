/**
 * Datagrams that wait for the reader, and ICMP errors that wait in the error queue. Bounded as Linux bounds them: what counts is not the payload but
 * the memory that Linux would charge (`truesize`), so that a receive buffer holds as many datagrams here as there.
 */
import { IpAddress } from '../address.ts';
import type { Datagram, DatagramError } from '../endpoint.ts';
import type { Packet } from '../packet.ts';
import { EtherType } from '../wire/ethernet.ts';

/** sizeof(struct sk_buff) and of struct skb_shared_info, cache-aligned, x86_64; heads of short datagrams have a size of their own. */
const SKB = 256;
const SHARED_INFO = 320;
const SMALL_HEAD = 576;
/** Headers, and the headroom that Linux leaves for the link. */
const HEADERS_V4 = 59;
const HEADERS_V6 = 72;
/** What is longer has its payload in pages (__ip_append_data, SKB_MAX_ALLOC). */
const LINEAR_MAX = 16_064;

/** What Linux 6.18 charges for a datagram of `len` octets, as SO_MEMINFO shows it: 832 for a short one, 2304 for 1400 octets. */
export function truesize(len: number, isV4: boolean): number {
  const headers = isV4 ? HEADERS_V4 : HEADERS_V6;
  if (len + headers > LINEAR_MAX) return SKB + SMALL_HEAD + len;
  let bucket = SMALL_HEAD;
  while (bucket < len + headers + SHARED_INFO) bucket = bucket === SMALL_HEAD ? 1024 : bucket * 2;
  return SKB + bucket;
}

class QueuedDatagram implements Datagram {
  readonly packet: Packet;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  readonly charge: number;
  readonly isPlaced: boolean;
  readonly drops: number;

  constructor(packet: Packet, sourcePort: number, destinationPort: number, isPlaced: boolean, drops: number) {
    this.packet = packet;
    this.source = new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
    this.sourcePort = sourcePort;
    this.destination = new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3);
    this.destinationPort = destinationPort;
    this.charge = chargeOf(packet);
    this.isPlaced = isPlaced;
    this.drops = drops;
  }
  get interfaceIndex(): number {
    return this.packet.interfaceIndex;
  }
  get ttl(): number {
    return this.packet.ttl;
  }
  get tos(): number {
    return this.packet.tos;
  }
  get time(): number {
    return this.packet.time;
  }
}

const chargeOf = (packet: Packet): number => truesize(packet.length, packet.ethertype === EtherType.Ipv4);

export class ReceiveQueue {
  #datagrams: QueuedDatagram[] = [];
  /** Index of the head in `#datagrams`: taking one out shifts nothing. */
  #head = 0;
  #charged = 0;
  #errors: DatagramError[] = [];
  /** Index of the head in `#errors`. */
  #errorHead = 0;
  /** Datagrams that were lost for want of room, modulo 2^32 (sk_drops). */
  drops = 0;

  get count(): number {
    return this.#datagrams.length - this.#head;
  }
  /** Memory charged, as SO_MEMINFO would show it. */
  get charged(): number {
    return this.#charged;
  }
  /** Linux's rule for sockets other than UDP's (__sock_queue_rcv_skb): whatever comes while the buffer is not full. */
  isBelow(receiveBuffer: number): boolean {
    return this.#charged < receiveBuffer;
  }
  /** Linux's rule for UDP (__udp_enqueue_schedule_skb): what does not exceed the buffer is taken, and whatever finds it empty. */
  hasRoomFor(packet: Packet, receiveBuffer: number): boolean {
    return this.#charged === 0 || this.#charged + chargeOf(packet) <= receiveBuffer;
  }
  /** `packet.at` .. `end` is the payload. Owns the packet. */
  push(packet: Packet, sourcePort: number, destinationPort: number, isPlaced: boolean): void {
    const datagram = new QueuedDatagram(packet, sourcePort, destinationPort, isPlaced, this.drops);
    this.#datagrams.push(datagram);
    this.#charged += datagram.charge;
  }
  at(index: number): Datagram | undefined {
    return this.#datagrams[this.#head + index];
  }
  /** Drops `count` datagrams from the place `from`. */
  consume(count: number, from = 0): void {
    const dropped = Math.max(0, Math.min(count, this.count - from));
    const first = this.#head + from;
    for (let i = first; i < first + dropped; i++) {
      const datagram = this.#datagrams[i] as QueuedDatagram;
      this.#charged -= datagram.charge;
      datagram.packet.release();
    }
    if (from > 0) this.#datagrams.splice(first, dropped);
    else this.#head += dropped;
    if (this.#head >= 64 && this.#head * 2 >= this.#datagrams.length) {
      this.#datagrams = this.#datagrams.slice(this.#head);
      this.#head = 0;
    }
  }

  /** sock_queue_err_skb: the buffer bounds both queues together. False when there is no room. */
  pushError(error: DatagramError, receiveBuffer: number): boolean {
    const charge = truesize(error.payload.length, error.isV4);
    if (this.#charged + charge >= receiveBuffer) return false;
    this.#charged += charge;
    this.#errors.push(error);
    return true;
  }
  get firstError(): DatagramError | undefined {
    return this.#errors[this.#errorHead];
  }
  errorAt(index: number): DatagramError | undefined {
    return this.#errors[this.#errorHead + index];
  }
  /** skb_errqueue_purge. */
  purgeErrors(): void {
    for (let i = this.#errors.length - this.#errorHead; i > 0; i--) {
      const first = this.firstError;
      this.dropError();
      if (first?.origin === 'timestamp') this.pushError(first, Number.POSITIVE_INFINITY);
    }
  }
  dropError(): void {
    const error = this.firstError;
    if (error === undefined) return;
    this.#charged -= truesize(error.payload.length, error.isV4);
    this.#errorHead++;
    if (this.#errorHead * 2 < this.#errors.length) return;
    this.#errors = this.#errors.slice(this.#errorHead);
    this.#errorHead = 0;
  }
  clear(): void {
    this.consume(this.count);
    this.#errors.length = this.#errorHead = 0;
  }
}
