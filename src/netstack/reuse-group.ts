/**
 * Sockets that share a port by SO_REUSEPORT, and the program that chooses among them (socket(7) SO_ATTACH_REUSEPORT_CBPF; net/core/sock_reuseport.c).
 *
 * Who binds (TCP: listens) beside sockets of the same family, address, interface and IPV6_V6ONLY joins their group. The program is the group's: whoever attaches one replaces
 * it for all, and it stays when that one goes. What it returns for what lies behind the transport's header is the index of a socket in the order in which they
 * came; beyond the last, the hash of the flow chooses. Who leaves has his place taken by the last.
 * A socket that attaches a program before it is bound founds a group of its own, and can then share a port with nobody who is there already.
 */
import type { IpAddress } from './address.ts';
import type { Packet } from './packet.ts';
import type { PacketFilter } from './packet-filter.ts';

export class ReuseGroup<U> {
  program: PacketFilter | undefined = undefined;
  readonly #members: U[] = [];

  add(member: U): void {
    this.#members.push(member);
  }
  remove(member: U): void {
    const at = this.#members.indexOf(member);
    const last = at < 0 ? undefined : this.#members.pop();
    if (last !== undefined && at < this.#members.length) this.#members[at] = last;
  }
  /** Whom the program wants to have what stands at `payload` .. `end`; undefined without program, or if there is no such one. */
  choose(packet: Packet, payload: number): U | undefined {
    if (this.program === undefined) return undefined;
    const { at } = packet;
    packet.at = payload;
    const index = this.program.run(packet);
    packet.at = at;
    return this.#members[index];
  }
}

interface Member<U> {
  readonly family: number;
  readonly settings: { readonly reusePort: boolean; readonly v6Only: boolean; readonly boundInterface: number };
  readonly binding: { readonly address: IpAddress };
  reuseGroup: ReuseGroup<U> | undefined;
}

/** Whether `other` is of the group that `one` is to join. */
export const isSister = <U>(one: Member<U>, other: Member<U>): boolean =>
  one !== other &&
  other.settings.reusePort &&
  one.family === other.family &&
  one.settings.v6Only === other.settings.v6Only &&
  one.settings.boundInterface === other.settings.boundInterface &&
  one.binding.address.equals(other.binding.address);

/** Makes `one` a member of the group of `sister`, or of one of its own without her. */
export function joinGroup<U extends Member<U>>(one: U, sister: U | undefined): void {
  if (sister === undefined) foundGroup(one);
  else {
    one.reuseGroup = foundGroup(sister);
    one.reuseGroup.add(one);
  }
}
/** The group of `one`, a new one if it has none. */
export function foundGroup<U extends Member<U>>(one: U): ReuseGroup<U> {
  if (one.reuseGroup === undefined) {
    one.reuseGroup = new ReuseGroup<U>();
    one.reuseGroup.add(one);
  }
  return one.reuseGroup;
}
export function leaveGroup<U extends Member<U>>(one: U): void {
  one.reuseGroup?.remove(one);
  one.reuseGroup = undefined;
}
