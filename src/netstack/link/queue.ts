/** A first-in first-out chain of packets through `Packet.next`, bounded by octets and by count by whoever pushes. */
import type { Packet } from '../packet.ts';

export class PacketQueue {
  count = 0;
  octets = 0;
  #head: Packet | undefined = undefined;
  #tail: Packet | undefined = undefined;

  get head(): Packet | undefined {
    return this.#head;
  }
  push(packet: Packet): void {
    packet.next = undefined;
    if (this.#tail === undefined) this.#head = packet;
    else this.#tail.next = packet;
    this.#tail = packet;
    this.count++;
    this.octets += packet.length;
  }
  /** The oldest; the caller owns it. A packet in the queue must not change its length. */
  shift(): Packet | undefined {
    const packet = this.#head;
    if (packet === undefined) return undefined;
    this.#head = packet.next;
    if (this.#head === undefined) this.#tail = undefined;
    packet.next = undefined;
    this.count--;
    this.octets -= packet.length;
    return packet;
  }
  /** Releases all and returns how many there were. */
  clear(): number {
    const { count } = this;
    for (let p = this.shift(); p !== undefined; p = this.shift()) p.release();
    return count;
  }
}
