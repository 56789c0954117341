/** The flow label that a packet has of itself (RFC 6437 3; ip6_make_flowlabel under net.ipv6.auto_flowlabels 1): a hash of its flow, which differs from one stack to the next. */
import type { IpAddress } from '../address.ts';

/** @param key the stack's own @param port what tells flows to one address apart */
export function autoFlowLabel(key: number, { w0, w1, w2, w3 }: IpAddress, port: number): number {
  let h = Math.imul(key ^ w0 ^ Math.imul(w1, 31) ^ Math.imul(w2, 17) ^ w3, 0x9e37_79b1);
  h = Math.imul(h ^ (h >>> 15) ^ port, 0x85eb_ca6b);
  return h >>> 12 || 1;
}
