/**
 * A link decorator that harms what is transmitted through it: loss, duplication, corruption, reordering and delay, from a seeded random source in
 * virtual time, so that a run can be repeated exactly. Rates are probabilities per frame. Delayed frames keep their order unless the frame is one to reorder.
 */
import { type Alarm, type Clock, type Duration, type Instant, micros } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { Packet, PacketPool } from '../packet.ts';
import type { LinkCounters, LinkEndpoint, LinkReceiver } from './link.ts';

export interface Faults {
  readonly loss?: number;
  readonly duplicate?: number;
  /** One bit of the frame is inverted. */
  readonly corrupt?: number;
  /** The frame is held back for `reorderBy` beyond the delay, while later ones pass. */
  readonly reorder?: number;
  readonly reorderBy?: Duration;
  readonly delay?: Duration;
  /** Added to the delay, uniform in 0 .. jitter; order is kept. */
  readonly jitter?: Duration;
  /** Octets per second of the wire; frames queue behind each other. */
  readonly rate?: number;
  /** Octets that may wait because of `rate`; what comes beyond is lost (drop tail). */
  readonly buffer?: number;
}
export interface FaultEnvironment {
  readonly clock: Clock;
  readonly random: Random;
}

interface Held {
  readonly packet: Packet;
  readonly due: Instant;
}
const REORDER_BY = micros(5000);

export class FaultyLink implements LinkEndpoint {
  faults: Faults;
  readonly lost = { loss: 0, buffer: 0 };
  readonly #inner: LinkEndpoint;
  readonly #clock: Clock;
  readonly #random: Random;
  /** By time due. */
  readonly #held: Held[] = [];
  readonly #alarm: Alarm;
  #lastDue = 0;
  /** When the wire has sent all it was given. */
  #wireFree = 0;

  constructor(inner: LinkEndpoint, faults: Faults, { clock, random }: FaultEnvironment) {
    this.#inner = inner;
    this.faults = faults;
    this.#clock = clock;
    this.#random = random;
    this.#alarm = clock.alarm((now) => this.#release(now));
  }
  get mtu(): number {
    return this.#inner.mtu;
  }
  get linkAddress(): Uint8Array | undefined {
    return this.#inner.linkAddress;
  }
  get capabilities(): number {
    return this.#inner.capabilities;
  }
  get counters(): LinkCounters {
    return this.#inner.counters;
  }
  get queueLimit(): number {
    return this.#inner.queueLimit ?? 0;
  }
  get queued(): number {
    return this.#inner.queued + this.#held.length;
  }
  attach(receiver: LinkReceiver, pool?: PacketPool): void {
    this.#inner.attach(receiver, pool);
  }

  transmit(packet: Packet): boolean {
    const f = this.faults;
    if (this.#happens(f.loss)) {
      this.lost.loss++;
      packet.release();
      return true;
    }
    const copy = this.#happens(f.duplicate) ? packet.copyTo(packet.pool) : undefined;
    if (this.#happens(f.corrupt)) this.#corrupt(packet);
    this.#schedule(packet);
    if (copy !== undefined) this.#schedule(copy);
    return true;
  }

  #schedule(packet: Packet): void {
    const f = this.faults;
    const now = this.#clock.now();
    let due = now + (f.delay ?? 0) + (f.jitter === undefined ? 0 : this.#random.u32() % (f.jitter + 1));
    if (f.rate !== undefined) {
      const start = Math.max(now, this.#wireFree);
      if (f.buffer !== undefined && ((start - now) * f.rate) / 1e6 + packet.length > f.buffer) {
        this.lost.buffer++;
        packet.release();
        return;
      }
      this.#wireFree = start + Math.ceil((packet.length * 1e6) / f.rate);
      due += this.#wireFree - now;
    }
    if (this.#happens(f.reorder)) due += f.reorderBy ?? REORDER_BY;
    else this.#lastDue = due = Math.max(due, this.#lastDue);
    if (due <= now) this.#inner.transmit(packet);
    else this.#hold({ packet, due: due as Instant });
  }
  #hold(held: Held): void {
    let i = this.#held.length;
    while (i > 0 && (this.#held[i - 1] as Held).due > held.due) i--;
    this.#held.splice(i, 0, held);
    this.#alarm.set((this.#held[0] as Held).due);
  }
  #release(now: Instant): void {
    for (let first = this.#held[0]; first !== undefined; first = this.#held[0]) {
      if (first.due > now) {
        this.#alarm.set(first.due);
        return;
      }
      this.#held.shift();
      this.#inner.transmit(first.packet);
    }
  }
  #happens(rate: number | undefined): boolean {
    return rate !== undefined && rate > 0 && this.#random.u32() < rate * 0x1_0000_0000;
  }
  #corrupt(packet: Packet): void {
    const at = packet.at + (this.#random.u32() % Math.max(1, packet.length));
    packet.bytes[at] = (packet.bytes[at] as number) ^ (1 << (this.#random.u32() & 7));
  }
  close(): void {
    this.#alarm.cancel();
    for (const { packet } of this.#held.splice(0)) packet.release();
    this.#inner.close();
  }
}
