/** The name servers that the host's own programs ask, be they on its loopback. */
import { readFileSync } from 'node:fs';
import type { GatewayConfig } from '../gateway/spawn.ts';
import { IpAddress } from '../netstack/address.ts';

/** Name servers that resolv.conf(5) names; the resolver takes the first three. */
export function nameserversOf(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  const named = [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map(([, address = '']) => address.replace(/%.*$/, ''));
  return named.filter((address) => IpAddress.parse(address) !== undefined).slice(0, 3);
}

const RESOLV_CONF = '/etc/resolv.conf';
/** systemd-resolved's own listing of the servers behind its 127.0.0.53. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

export function hostResolvers(): Pick<GatewayConfig, 'nameservers' | 'guestNameservers'> {
  const named = nameserversOf(RESOLV_CONF);
  return { nameservers: named.length > 0 ? named : nameserversOf(RESOLVED_CONF), guestNameservers: named };
}
