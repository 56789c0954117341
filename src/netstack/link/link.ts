/**
 * A link endpoint: the stack's (and the gateway's) only way to the outside. Frames travel as `Packet`s whose `at` .. `end` is an Ethernet
 * frame, or a bare IP packet where `linkAddress` is undefined.
 */
import type { Packet, PacketPool } from '../packet.ts';

/** What the link does for the sender, and vouches for toward the receiver. */
export const LinkCapability = {
  /** Takes packets with Csum.Partial. */
  TxChecksum: 1,
  /** Takes GSO packets of TCP over IPv4, over IPv6. */
  Tso4: 2,
  Tso6: 4,
} as const;

export interface LinkReceiver {
  /** Owns the packet from now on. */
  receive(packet: Packet): void;
  /** The other side is gone; no packet follows. Called once. */
  linkClosed(reason: string): void;
}

export interface LinkCounters {
  rxFrames: number;
  rxOctets: number;
  txFrames: number;
  txOctets: number;
  /** Frames dropped: bad on arrival, no buffer for them, or the bounded transmit queue was full. */
  rxErrors: number;
  rxDropped: number;
  txDropped: number;
}

export const linkCounters = (): LinkCounters => ({
  rxFrames: 0,
  rxOctets: 0,
  txFrames: 0,
  txOctets: 0,
  rxErrors: 0,
  rxDropped: 0,
  txDropped: 0,
});

export interface LinkEndpoint {
  /** Octets of the largest network-layer packet. */
  readonly mtu: number;
  /** MAC address, or undefined for a link without link-layer header. */
  readonly linkAddress: Uint8Array | undefined;
  /** Bits of LinkCapability. */
  readonly capabilities: number;
  readonly counters: LinkCounters;
  /** @param pool where the receiver wants its packets; a link with buffers of its own ignores it. */
  attach(receiver: LinkReceiver, pool?: PacketPool): void;
  /**
   * Owns the packet from now on. What cannot leave at once waits in a bounded queue; false (and counted) if that is full.
   * A TCP endpoint treats false as loss.
   */
  transmit(packet: Packet): boolean;
  /** Frames waiting; a sender that has more than one window's worth should wait for `drained`. */
  readonly queued: number;
  /** Frames that the transmit queue holds (the interface's txqueuelen); absent for a link without queue. */
  readonly queueLimit?: number;
  close(): void;
}
