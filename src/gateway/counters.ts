/** What the gateway counts. Names are created at their first use and come from our code alone, never from a packet. */
import type { Counters } from './messages.ts';

const bump = (counts: Record<string, number>, name: string): void => {
  counts[name] = (counts[name] ?? 0) + 1;
};

export class GatewayCounters {
  framesFromGuest = 0;
  framesToGuest = 0;
  /** Octets of Ethernet frames. */
  octetsFromGuest = 0;
  octetsToGuest = 0;
  tcpFlows = 0;
  udpFlows = 0;
  icmpFlows = 0;
  dnsQueries = 0;
  tcpOpen = 0;
  udpOpen = 0;
  icmpOpen = 0;
  dnsOpen = 0;
  readonly refused: Record<string, number> = {};
  readonly dropped: Record<string, number> = {};
  readonly events: Record<string, number> = {};

  /** A flow refused by rule. */
  refuse(reason: string): void {
    bump(this.refused, reason);
  }
  /** A packet dropped. */
  drop(reason: string): void {
    bump(this.dropped, reason);
  }
  event(name: string): void {
    bump(this.events, name);
  }

  message(): Counters {
    return {
      type: 'counters',
      frames: { fromGuest: this.framesFromGuest, toGuest: this.framesToGuest },
      octets: { fromGuest: this.octetsFromGuest, toGuest: this.octetsToGuest },
      flows: {
        tcp: this.tcpFlows,
        udp: this.udpFlows,
        icmp: this.icmpFlows,
        dns: this.dnsQueries,
        tcpOpen: this.tcpOpen,
        udpOpen: this.udpOpen,
        icmpOpen: this.icmpOpen,
        dnsOpen: this.dnsOpen,
      },
      refused: { ...this.refused },
      dropped: { ...this.dropped },
      events: { ...this.events },
    };
  }
}
