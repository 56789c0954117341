/**
 * Neighbor Unreachability Detection for ARP and NDP alike (RFC 4861 7.3; constants section 10; for IPv4 as Linux's neighbour table does it).
 *
 *   INCOMPLETE --answer--> REACHABLE --reachable time--> STALE --a packet is sent--> DELAY --5 s--> PROBE --3 unanswered--> gone
 *
 * Packets for an INCOMPLETE neighbour wait, at most MAX_WAITING each and MAX_WAITING_TOTAL over all, the oldest of the neighbour giving way. After three unanswered solicitations they are handed
 * back as failed, so that their senders learn "host unreachable". Bounded: a new neighbour beyond LIMIT evicts the oldest that is not in use.
 *
 * A PERMANENT neighbour comes from the interface's configuration (ip-neighbour(8)): it is never asked for, no message changes it, and it is not evicted.
 */
import { type Alarm, type Clock, type Duration, millis, seconds } from '../../lib/clock.ts';
import type { Random } from '../../lib/random.ts';
import type { IpAddress } from '../address.ts';
import { PacketQueue } from '../link/queue.ts';
import type { Packet } from '../packet.ts';
import type { Stats } from '../stats.ts';

const LIMIT = 512;
/** Packets waiting for one neighbour: the 45 fragments of the largest datagram at an MTU of 1500 fit, as in Linux (unres_qlen_bytes). */
const MAX_WAITING = 64;
/** Over all neighbours, so that a scan of the subnet does not hold the packet buffers. */
const MAX_WAITING_TOTAL = 256;
/** MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT. */
const SOLICITATIONS = 3;
const RETRANS_TIMER = seconds(1);
const DELAY_FIRST_PROBE = seconds(5);
const REACHABLE_TIME_MS = 30_000;

export type NeighborState = 'INCOMPLETE' | 'REACHABLE' | 'STALE' | 'DELAY' | 'PROBE' | 'PERMANENT';

export class Neighbor {
  readonly address: IpAddress;
  readonly linkAddress = new Uint8Array(6);
  state: NeighborState = 'INCOMPLETE';
  /** False once it left the cache: who kept a reference looks it up again. */
  live = true;
  solicitations = 0;
  readonly waiting = new PacketQueue();
  readonly alarm: Alarm;

  constructor(address: IpAddress, clock: Clock, expired: (neighbor: Neighbor) => void) {
    this.address = address;
    this.alarm = clock.alarm(() => expired(this));
  }
}

/** What the cache asks of ARP or NDP and of the interface. */
export interface NeighborActions {
  /** Asks who has `target`; `to` undefined by broadcast or multicast. `waiting` is a packet whose source address is a good one to ask from. */
  solicit(target: IpAddress, to: Uint8Array | undefined, waiting: Packet | undefined): void;
  /** Sends a packet whose `at` stands on the IP header. Owns it. */
  transmit(packet: Packet, to: Uint8Array): boolean;
  /** Nobody answered for this packet's next hop. Owns the packet. */
  unreachable(packet: Packet): void;
}
export interface NeighborEnvironment {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: Stats;
}

const keyOf = (a: IpAddress): number | string => (a.isV4 ? a.w3 : `${a.w0},${a.w1},${a.w2},${a.w3}`);

export class NeighborCache {
  readonly #env: NeighborEnvironment;
  readonly #actions: NeighborActions;
  readonly #entries = new Map<number | string, Neighbor>();
  #waiting = 0;
  readonly #expired = (n: Neighbor): void => this.#timeout(n);

  constructor(env: NeighborEnvironment, actions: NeighborActions) {
    this.#env = env;
    this.#actions = actions;
  }
  get entries(): IterableIterator<Neighbor> {
    return this.#entries.values();
  }
  get size(): number {
    return this.#entries.size;
  }
  find(address: IpAddress): Neighbor | undefined {
    return this.#entries.get(keyOf(address));
  }
  /** The entry of `address`, made INCOMPLETE when there is none. */
  obtain(address: IpAddress): Neighbor {
    const known = this.find(address);
    if (known !== undefined) return known;
    if (this.#entries.size >= LIMIT) this.#evict();
    const neighbor = new Neighbor(address, this.#env.clock, this.#expired);
    this.#entries.set(keyOf(address), neighbor);
    return neighbor;
  }

  /** Makes `address` a PERMANENT neighbour; what waited for it leaves. */
  setPermanent(address: IpAddress, linkAddress: Uint8Array): void {
    const neighbor = this.obtain(address);
    this.#setLinkAddress(neighbor, linkAddress, 0);
    this.#become(neighbor, 'PERMANENT');
  }

  /** Sends through `neighbor`, which must be live. Owns the packet. False when the link refused it. */
  send(neighbor: Neighbor, packet: Packet): boolean {
    if (neighbor.state === 'INCOMPLETE') {
      this.#wait(neighbor, packet);
      return true;
    }
    if (neighbor.state === 'STALE') {
      neighbor.state = 'DELAY';
      neighbor.alarm.set(this.#env.clock.in(DELAY_FIRST_PROBE));
    }
    return this.#actions.transmit(packet, neighbor.linkAddress);
  }

  /** `address` was seen to own the 6 octets at `at`, without having been asked (a request of theirs, a gratuitous message). */
  learn(address: IpAddress, bytes: Uint8Array, at: number, create: boolean): void {
    const neighbor = create ? this.obtain(address) : this.find(address);
    if (neighbor === undefined || neighbor.state === 'PERMANENT') return;
    const changed = this.#setLinkAddress(neighbor, bytes, at);
    if (neighbor.state !== 'INCOMPLETE' && !changed) return;
    this.#become(neighbor, 'STALE');
  }
  /** An answer to a solicitation of ours. */
  confirm(neighbor: Neighbor, bytes: Uint8Array, at: number): void {
    if (neighbor.state === 'PERMANENT') return;
    this.#setLinkAddress(neighbor, bytes, at);
    this.#become(neighbor, 'REACHABLE');
  }
  /** An answer that carries no link address: it vouches for the one known. */
  confirmKnown(neighbor: Neighbor): void {
    if (neighbor.state !== 'INCOMPLETE' && neighbor.state !== 'PERMANENT') this.#become(neighbor, 'REACHABLE');
  }
  /** Doubt about the link address (an advertisement that differs without the right to override). */
  doubt(neighbor: Neighbor): void {
    if (neighbor.state === 'REACHABLE') this.#become(neighbor, 'STALE');
  }
  clear(): void {
    for (const n of this.#entries.values()) this.#drop(n);
  }

  #setLinkAddress(neighbor: Neighbor, bytes: Uint8Array, at: number): boolean {
    let changed = false;
    for (let i = 0; i < 6; i++) {
      changed ||= neighbor.linkAddress[i] !== bytes[at + i];
      neighbor.linkAddress[i] = bytes[at + i] as number;
    }
    return changed;
  }
  #become(neighbor: Neighbor, state: 'REACHABLE' | 'STALE' | 'PERMANENT'): void {
    neighbor.state = state;
    neighbor.solicitations = 0;
    if (state === 'REACHABLE') neighbor.alarm.set(this.#env.clock.in(this.#reachableTime()));
    else neighbor.alarm.cancel();
    // The link may refuse some; `send` below counts as any transmission.
    for (let p = this.#unqueue(neighbor); p !== undefined; p = this.#unqueue(neighbor)) this.send(neighbor, p);
  }
  /** RFC 4861 6.3.2: 0.5 to 1.5 times the base. */
  #reachableTime(): Duration {
    return millis(REACHABLE_TIME_MS / 2 + (this.#env.random.u32() % REACHABLE_TIME_MS));
  }

  #wait(neighbor: Neighbor, packet: Packet): void {
    neighbor.waiting.push(packet);
    this.#waiting++;
    if (neighbor.waiting.count > MAX_WAITING || this.#waiting > MAX_WAITING_TOTAL) {
      this.#unqueue(neighbor)?.release();
      this.#env.stats.Sandsock.NeighborQueueDrops++;
    }
    if (!neighbor.alarm.armed) this.#solicit(neighbor, undefined);
  }
  #unqueue(neighbor: Neighbor): Packet | undefined {
    const packet = neighbor.waiting.shift();
    if (packet !== undefined) this.#waiting--;
    return packet;
  }
  #solicit(neighbor: Neighbor, to: Uint8Array | undefined): void {
    neighbor.solicitations++;
    neighbor.alarm.set(this.#env.clock.in(RETRANS_TIMER));
    this.#actions.solicit(neighbor.address, to, neighbor.waiting.head);
  }
  #timeout(neighbor: Neighbor): void {
    switch (neighbor.state) {
      case 'REACHABLE':
        neighbor.state = 'STALE';
        return;
      case 'DELAY':
        neighbor.state = 'PROBE';
        this.#solicit(neighbor, neighbor.linkAddress);
        return;
      case 'PROBE':
        if (neighbor.solicitations < SOLICITATIONS) this.#solicit(neighbor, neighbor.linkAddress);
        else this.#fail(neighbor);
        return;
      case 'INCOMPLETE':
        if (neighbor.solicitations < SOLICITATIONS) this.#solicit(neighbor, undefined);
        else this.#fail(neighbor);
        return;
      case 'STALE':
      case 'PERMANENT':
    }
  }
  #fail(neighbor: Neighbor): void {
    this.#env.stats.Sandsock.NeighborFailures++;
    this.#forget(neighbor);
    for (let p = this.#unqueue(neighbor); p !== undefined; p = this.#unqueue(neighbor)) this.#actions.unreachable(p);
  }
  #evict(): void {
    let victim: Neighbor | undefined;
    for (const n of this.#entries.values()) {
      if (n.state === 'PERMANENT') continue;
      victim ??= n;
      if (n.state === 'STALE' || n.state === 'INCOMPLETE') {
        victim = n;
        break;
      }
    }
    if (victim === undefined) return;
    this.#env.stats.Sandsock.NeighborEvictions++;
    this.#drop(victim);
  }
  #drop(neighbor: Neighbor): void {
    this.#forget(neighbor);
    const dropped = neighbor.waiting.clear();
    this.#waiting -= dropped;
    this.#env.stats.Sandsock.NeighborQueueDrops += dropped;
  }
  #forget(neighbor: Neighbor): void {
    neighbor.live = false;
    neighbor.alarm.cancel();
    this.#entries.delete(keyOf(neighbor.address));
  }
}
