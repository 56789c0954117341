/**
 * Datagrams that wait for the reader, and ICMP errors that wait in the error queue. Bounded as Linux bounds them: what counts is not the payload but
 * the memory that Linux would charge (`truesize`), so that a receive buffer holds as many datagrams here as there.
 */
import { IpAddress } from '../address.ts';
import type { Datagram, DatagramError } from '../endpoint.ts';
import type { Packet } from '../packet.ts';

/** sizeof(struct sk_buff) and of struct skb_shared_info, cache-aligned, x86_64. */
const SKB = 256;
const SHARED_INFO = 320;
/** IP and UDP header and the headroom that Linux leaves for the link. */
const HEADERS = 92;
const PAGE = 4096;
/** Entries of the error queue; Linux bounds it by the receive buffer. */
const ERRORS = 64;

/** What Linux charges for a datagram of `len` octets: 768 for a small one, 2304 for 1400 octets. */
export function truesize(len: number): number {
  const data = len + HEADERS + SHARED_INFO;
  if (data > PAGE) return SKB + 512 + Math.ceil(len / PAGE) * PAGE;
  let bucket = 512;
  while (bucket < data) bucket *= 2;
  return SKB + bucket;
}

class QueuedDatagram implements Datagram {
  readonly packet: Packet;
  readonly source: IpAddress;
  readonly sourcePort: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  readonly charge: number;

  constructor(packet: Packet, sourcePort: number, destinationPort: number) {
    this.packet = packet;
    this.source = new IpAddress(packet.src0, packet.src1, packet.src2, packet.src3);
    this.sourcePort = sourcePort;
    this.destination = new IpAddress(packet.dst0, packet.dst1, packet.dst2, packet.dst3);
    this.destinationPort = destinationPort;
    this.charge = truesize(packet.length);
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

export class ReceiveQueue {
  #datagrams: QueuedDatagram[] = [];
  /** Index of the head in `#datagrams`: taking one out shifts nothing. */
  #head = 0;
  #charged = 0;
  readonly #errors: DatagramError[] = [];

  get count(): number {
    return this.#datagrams.length - this.#head;
  }
  /** Memory charged, as SO_MEMINFO would show it. */
  get charged(): number {
    return this.#charged;
  }
  /** Linux's rule: whatever comes while the charge does not exceed the buffer is taken, so one datagram always fits. */
  hasRoom(receiveBuffer: number): boolean {
    return this.#charged <= receiveBuffer;
  }
  /** `packet.at` .. `end` is the payload. Owns the packet. */
  push(packet: Packet, sourcePort: number, destinationPort: number): void {
    const datagram = new QueuedDatagram(packet, sourcePort, destinationPort);
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

  /** False when the error queue is full. */
  pushError(error: DatagramError): boolean {
    if (this.#errors.length >= ERRORS) return false;
    this.#errors.push(error);
    return true;
  }
  get firstError(): DatagramError | undefined {
    return this.#errors[0];
  }
  dropError(): void {
    this.#errors.shift();
  }
  clear(): void {
    this.consume(this.count);
    this.#errors.length = 0;
  }
}
