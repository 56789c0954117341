/**
 * IPv4 addresses inside IPv6 ones. Where this host (or a router near it) translates or tunnels, a packet to such an address goes to the IPv4 address in it, the
 * host's own loopback and link-local networks included; so it is judged as that address too.
 *
 * Not here: ::ffff:0:0/96, which the stack takes for IPv4 itself, and ::/96, which is reserved as a whole.
 */
import { IpAddress } from '../netstack/address.ts';

interface Form {
  readonly prefix: IpAddress;
  readonly length: number;
  /** Octets of the IPv6 address that hold the IPv4 one; where the prefix may be longer than ours, each possibility. */
  readonly places: readonly (readonly [number, number, number, number])[];
  /** The octets are inverted. */
  readonly inverted?: boolean;
}

/** RFC 6052 2.2, for prefixes of 48, 56, 64 and 96 bits: octet 8 is left out. */
const AT_48 = [6, 7, 9, 10] as const;
const AT_56 = [7, 9, 10, 11] as const;
const AT_64 = [9, 10, 11, 12] as const;
const AT_END = [12, 13, 14, 15] as const;

const FORMS: readonly Form[] = [
  // NAT64 and 464XLAT: RFC 6052 2.1 (well-known), RFC 8215 (local use, prefixes of any length within).
  { prefix: IpAddress.of('64:ff9b::'), length: 96, places: [AT_END] },
  { prefix: IpAddress.of('64:ff9b:1::'), length: 48, places: [AT_48, AT_56, AT_64, AT_END] },
  // SIIT's IPv4-translated: RFC 2765 2.1.
  { prefix: IpAddress.of('::ffff:0:0:0'), length: 96, places: [AT_END] },
  // 6to4: RFC 3056 2.
  { prefix: IpAddress.of('2002::'), length: 16, places: [[2, 3, 4, 5]] },
  // Teredo: RFC 4380 4, the client's address.
  { prefix: IpAddress.of('2001::'), length: 32, places: [AT_END], inverted: true },
];
/** ISATAP (RFC 5214 6.1): an interface identifier, under any prefix; the second has the universal bit. */
const ISATAP: ReadonlySet<number> = new Set([0x0000_5efe, 0x0200_5efe]);

const octets = new Uint8Array(16);

function at(places: readonly number[], inverted: boolean): IpAddress {
  let word = 0;
  for (const place of places) word = (word << 8) | (octets[place] as number);
  return IpAddress.v4(inverted ? ~word : word);
}

/** Every IPv4 address that `address` may stand for; none for most. */
export function embeddedAddresses(address: IpAddress): IpAddress[] {
  if (address.isV4) return [];
  address.write6(octets, 0);
  const found = FORMS.filter(({ prefix, length }) => address.matches(prefix, length)).flatMap((form) =>
    form.places.map((places) => at(places, form.inverted === true)),
  );
  if (ISATAP.has(address.w2)) found.push(at(AT_END, false));
  return found;
}
