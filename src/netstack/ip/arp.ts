/**
 * ARP (RFC 826) of one Ethernet interface: answers for our addresses, asks for the neighbour cache. As Linux: a request for one of our addresses teaches us
 * the sender, a reply to what we asked confirms it, anything else at most updates a known entry. Probes (RFC 5227, sender 0.0.0.0) are answered and teach nothing.
 */
import { IpAddress } from '../address.ts';
import type { Packet } from '../packet.ts';
import * as arp from '../wire/arp.ts';
import { BROADCAST, EtherType } from '../wire/ethernet.ts';
import type { NetInterface } from './interface.ts';

const UNKNOWN = new Uint8Array(6);

export class Arp {
  readonly #interface: NetInterface;

  constructor(iface: NetInterface) {
    this.#interface = iface;
  }

  /** `at` stands behind the Ethernet header. Owns the packet. */
  receive(packet: Packet): void {
    const { stats } = this.#interface.env;
    const { bytes, at } = packet;
    stats.Sandsock.ArpIn++;
    if (arp.parse(bytes, at, packet.end) === undefined) this.#handle(bytes, at);
    else stats.Sandsock.ArpInvalid++;
    packet.release();
  }

  #handle(bytes: Uint8Array, at: number): void {
    const cache = this.#interface.neighbors;
    if (cache === undefined) return;
    const sender = IpAddress.v4(arp.senderAddress(bytes, at));
    const target = IpAddress.v4(arp.targetAddress(bytes, at));
    const forUs = this.#interface.hasAddress(target);
    const known =
      !sender.isUnspecified && !sender.isMulticast && !sender.isLoopback && !this.#interface.hasAddress(sender);
    if (arp.operation(bytes, at) === arp.Operation.Request) {
      if (known) cache.learn(sender, bytes, at + arp.SENDER_HARDWARE, forUs);
      if (forUs) this.#send(arp.Operation.Reply, target, bytes.slice(at + arp.SENDER_HARDWARE, at + 14), sender);
      return;
    }
    if (!known || arp.operation(bytes, at) !== arp.Operation.Reply) return;
    const neighbor = cache.find(sender);
    if (neighbor === undefined) return;
    if (forUs) cache.confirm(neighbor, bytes, at + arp.SENDER_HARDWARE);
    else cache.learn(sender, bytes, at + arp.SENDER_HARDWARE, false);
  }

  solicit(target: IpAddress, to: Uint8Array | undefined, source: IpAddress): void {
    this.#send(arp.Operation.Request, source, to ?? BROADCAST, target);
  }

  #send(operation: number, source: IpAddress, to: Uint8Array, target: IpAddress): void {
    const { env, link } = this.#interface;
    const packet = env.pool.alloc(arp.LEN);
    if (packet === undefined || link.linkAddress === undefined) {
      packet?.release();
      return;
    }
    packet.end = packet.at + arp.LEN;
    packet.ethertype = EtherType.Arp;
    arp.emit(packet.bytes, packet.at, {
      operation,
      senderHardware: link.linkAddress,
      senderAddress: source.w3,
      targetHardware: operation === arp.Operation.Reply ? to : UNKNOWN,
      targetAddress: target.w3,
    });
    env.stats.Sandsock.ArpOut++;
    this.#interface.transmitTo(packet, to);
  }
}
