/**
 * The loopback link: what is transmitted is received by the same stack, from `drain`, which the stack's step calls. Never from within `transmit`, so that
 * no endpoint is entered while it is still sending. Bare IP packets, no link-layer header, every offload: super-packets pass whole.
 */
import { Csum, type Packet } from '../packet.ts';
import { LinkCapability, type LinkCounters, type LinkEndpoint, type LinkReceiver, linkCounters } from './link.ts';
import { PacketQueue } from './queue.ts';

/** As Linux's lo. */
const MTU = 65_536;
/** net.core.netdev_max_backlog. */
const QUEUE_COUNT = 1000;

export class LoopbackLink implements LinkEndpoint {
  readonly mtu = MTU;
  readonly linkAddress = undefined;
  readonly capabilities = LinkCapability.TxChecksum | LinkCapability.Tso4 | LinkCapability.Tso6;
  readonly counters: LinkCounters = linkCounters();
  readonly queueLimit = QUEUE_COUNT;
  readonly #queue = new PacketQueue();
  #receiver: LinkReceiver | undefined = undefined;

  attach(receiver: LinkReceiver): void {
    this.#receiver = receiver;
  }
  get queued(): number {
    return this.#queue.count;
  }
  transmit(packet: Packet): boolean {
    if (this.#queue.count >= QUEUE_COUNT) {
      this.counters.txDropped++;
      packet.release();
      return false;
    }
    // It never leaves this memory, so a complete sum need not be verified; a partial one stays partial for whoever must complete it.
    if (packet.csum === Csum.Full) packet.csum = Csum.Valid;
    this.counters.txFrames++;
    this.counters.txOctets += packet.length;
    this.#queue.push(packet);
    return true;
  }

  /** Delivers up to `budget` packets, those included that their receipt causes. Returns how many. */
  drain(budget: number): number {
    let n = 0;
    for (; n < budget; n++) {
      const packet = this.#queue.shift();
      if (packet === undefined) break;
      this.counters.rxFrames++;
      this.counters.rxOctets += packet.length;
      if (this.#receiver === undefined) packet.release();
      else this.#receiver.receive(packet);
    }
    return n;
  }
  close(): void {
    this.#queue.clear();
  }
}
