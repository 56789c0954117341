/**
 * Port ids of one netlink protocol: who has which, and who listens to which group. A socket that does not choose gets its process's id, or when that is taken
 * one out of the negative numbers, from a random start downward (netlink_autobind).
 */
import type { Random } from '../../lib/random.ts';

/** S32_MIN .. -4097: what netlink_autobind draws its start from. */
const SPAN = 0x8000_0000 - 4096;
const LAST = 0x1_0000_0000 - 4097;

/** A bound socket as others may reach it. */
export interface NetlinkPort {
  readonly portId: number;
  /** Port that it is connected to, or 0 for the kernel, while it is connected; undefined while it is not. */
  readonly onlyFrom: number | undefined;
  hasGroup(group: number): boolean;
  /** False when it has no room. */
  deliver(datagram: Uint8Array, from: number, group: number, sender: Uint8Array): boolean;
}

export class NetlinkPorts {
  readonly #ports = new Map<number, NetlinkPort>();
  readonly #random: Random;
  #rover: number | undefined = undefined;

  constructor(random: Random) {
    this.#random = random;
  }
  get(portId: number): NetlinkPort | undefined {
    return this.#ports.get(portId);
  }
  /** False when it is taken. */
  take(portId: number, port: NetlinkPort): boolean {
    if (this.#ports.has(portId)) return false;
    this.#ports.set(portId, port);
    return true;
  }
  /** A port id nobody has, beginning with `preferred`. */
  choose(preferred: number): number {
    let portId = preferred;
    while (this.#ports.has(portId) || portId === 0) {
      this.#rover ??= LAST - (this.#random.u32() % SPAN);
      portId = this.#rover;
      this.#rover = portId <= 0x8000_0000 ? LAST : portId - 1;
    }
    return portId;
  }
  free(portId: number): void {
    this.#ports.delete(portId);
  }
  /** To every member of a group but `except`. */
  broadcast(group: number, datagram: Uint8Array, from: number, except: number, sender: Uint8Array): void {
    for (const port of this.#ports.values()) {
      if (port.portId === except || port.portId === from || !port.hasGroup(group)) continue;
      port.deliver(datagram, from, group, sender);
    }
  }
}
