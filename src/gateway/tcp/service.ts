/** Terminated flows: connections of the guest's that a service of the gateway answers, in place of a host socket. */
import { ByteRing } from '../../lib/byte-ring.ts';
import type { Packet } from '../../netstack/packet.ts';
import type { FlowIdentity } from '../flow-log.ts';
import { Errno } from '../host.ts';
import type { HostSource } from './source.ts';

export interface FlowService {
  /** What it answers. */
  readonly source: ServiceSource;
  /** The guest's octets in order: how many were taken, the rest to be offered again after a wake-up; negative to reset the connection. */
  take(bytes: Uint8Array, at: number, len: number): number;
  /** The guest sends no more. */
  guestEnded(): void;
  closed(): void;
}
export interface ServiceHost {
  /** @param wake to be called when there is more to send or room to take. Undefined when the connection is refused. */
  open(flow: FlowIdentity, wake: () => void): FlowService | undefined;
}

/** A service's octets, kept until the guest acknowledged them. */
export class ServiceSource implements HostSource {
  /** More may follow at once, told by nobody. */
  readonly drained = false;
  readonly isShort = false;
  readonly #ring = new ByteRing();
  #position = 0;
  #ended = false;

  /** Octets that the guest does not have yet. */
  get length(): number {
    return this.#ring.length;
  }
  append(octets: Uint8Array): void {
    const { length } = this.#ring;
    this.#ring.reserve(length + octets.length);
    this.#ring.write(length, octets, 0, octets.length);
    this.#ring.append(octets.length);
  }
  end(): void {
    this.#ended = true;
  }
  read(packet: Packet, len: number): number {
    const n = Math.min(len, this.#ring.length - this.#position);
    if (n <= 0) return this.#ended ? 0 : -Errno.EAGAIN;
    this.#ring.read(this.#position, packet.bytes, packet.at, n);
    this.#position += n;
    return n;
  }
  acknowledge(len: number): void {
    const n = Math.min(len, this.#ring.length);
    this.#ring.consume(n);
    this.#position = Math.max(0, this.#position - n);
  }
  rewind(): void {
    this.#position = 0;
  }
  close(): void {
    this.#ring.consume(this.#ring.length);
  }
}
