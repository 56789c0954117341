/**
 * Which of our addresses to send from. IPv6: RFC 6724 section 5, rules 1 (same address), 2 (scope), 5 (outgoing interface), 6 (label) and 8 (longest
 * matching prefix). Rules 3, 4 and 7 speak of deprecated, home and temporary addresses, of which there are none. IPv4: the first address in the
 * next hop's subnet, else the first of the interface with enough scope (Linux, inet_select_addr).
 */
import type { IpAddress } from '../address.ts';
import { mappedPrefix } from './route-table.ts';

export interface InterfaceAddress {
  readonly address: IpAddress;
  readonly prefix: number;
}

/** RFC 4291 2.7 and RFC 6724 3.1. */
const Scope = { Interface: 1, Link: 2, Site: 5, Global: 14 } as const;

export function scopeOf(a: IpAddress): number {
  if (a.isMulticast && !a.isV4) return (a.w0 >>> 16) & 15;
  if (a.isLoopback || a.isLinkLocal) return Scope.Link;
  // Site-local, deprecated by RFC 3879, still has its scope.
  return a.w0 >>> 22 === 0x3fb ? Scope.Site : Scope.Global;
}

/** Labels of the default policy table, RFC 6724 2.1. */
function labelOf(a: IpAddress): number {
  if (a.isV4) return 4;
  if (a.isLoopback) return 0;
  if (a.w0 >>> 16 === 0x2002) return 2;
  if (a.w0 === 0x20010000) return 5;
  if (a.w0 >>> 25 === 0x7e) return 13;
  if (a.w0 >>> 22 === 0x3fb) return 11;
  if (a.w0 >>> 16 === 0x3ffe) return 12;
  return a.w0 === 0 && a.w1 === 0 && a.w2 === 0 ? 3 : 1;
}

/** Leading bits that agree. */
export function commonPrefix(a: IpAddress, b: IpAddress): number {
  const words = [a.w0 ^ b.w0, a.w1 ^ b.w1, a.w2 ^ b.w2, a.w3 ^ b.w3];
  let n = 0;
  for (const w of words) {
    n += Math.clz32(w);
    if (w !== 0) break;
  }
  return n;
}

interface Candidate extends InterfaceAddress {
  readonly outgoing: boolean;
}
/** True if `a` is the better source for `to`. */
function better(a: Candidate, b: Candidate, to: IpAddress): boolean {
  if (a.address.equals(to) !== b.address.equals(to)) return a.address.equals(to);
  const [sa, sb, st] = [scopeOf(a.address), scopeOf(b.address), scopeOf(to)];
  if (sa !== sb) return sa < sb ? sa >= st : sb < st;
  if (a.outgoing !== b.outgoing) return a.outgoing;
  const label = labelOf(to);
  const [la, lb] = [labelOf(a.address) === label, labelOf(b.address) === label];
  if (la !== lb) return la;
  const prefix = (c: Candidate): number => Math.min(commonPrefix(c.address, to), c.prefix);
  return prefix(a) > prefix(b);
}

/**
 * @param outgoing addresses of the outgoing interface; `others` those of the rest, considered only for IPv6 destinations beyond the link.
 * @param nextHop the gateway, or the destination itself.
 */
export function selectSource(
  to: IpAddress,
  nextHop: IpAddress,
  outgoing: readonly InterfaceAddress[],
  others: readonly InterfaceAddress[],
): IpAddress | undefined {
  if (to.isV4) return select4(to, nextHop, outgoing) ?? select4(to, nextHop, others);
  const onLinkOnly = to.isMulticast || to.isLinkLocal;
  let best: Candidate | undefined;
  for (const list of onLinkOnly ? [outgoing] : [outgoing, others]) {
    for (const { address, prefix } of list) {
      if (address.isV4 || (address.isLoopback && !to.isLoopback)) continue;
      const candidate = { address, prefix, outgoing: list === outgoing };
      if (best === undefined || better(candidate, best, to)) best = candidate;
    }
  }
  return best?.address;
}

function select4(to: IpAddress, nextHop: IpAddress, list: readonly InterfaceAddress[]): IpAddress | undefined {
  let first: IpAddress | undefined;
  for (const { address, prefix } of list) {
    if (!address.isV4 || (address.isLoopback && !to.isLoopback)) continue;
    if (address.matches(nextHop, mappedPrefix(address, prefix))) return address;
    first ??= address;
  }
  return first;
}
