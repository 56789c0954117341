/** What an ICMP error means to a socket: Linux's icmp_err_convert (net/ipv4/icmp.c) and icmpv6_err_convert (net/ipv6/icmp.c). */
import type { NetError } from '../net-error.ts';
import * as icmpv4 from '../wire/icmpv4.ts';
import * as icmpv6 from '../wire/icmpv6.ts';

export interface Meaning {
  readonly kind: NetError;
  readonly isHard: boolean;
}
const soft = (kind: NetError): Meaning => ({ kind, isHard: false });
const hard = (kind: NetError): Meaning => ({ kind, isHard: true });

/** By code of Destination Unreachable. EHOSTDOWN, ENONET and EOPNOTSUPP, which Linux gives for 7, 8 and 5, are told as the unreachable they mean. */
const UNREACHABLE_V4: readonly Meaning[] = [
  soft('network-unreachable'),
  soft('host-unreachable'),
  hard('no-protocol-option'),
  hard('connection-refused'),
  hard('message-size'),
  soft('host-unreachable'),
  hard('network-unreachable'),
  hard('host-unreachable'),
  hard('host-unreachable'),
  hard('network-unreachable'),
  hard('host-unreachable'),
  soft('network-unreachable'),
  soft('host-unreachable'),
  hard('host-unreachable'),
  hard('host-unreachable'),
  hard('host-unreachable'),
];
const UNREACHABLE_V6: readonly Meaning[] = [
  soft('network-unreachable'),
  hard('permission'),
  soft('host-unreachable'),
  soft('host-unreachable'),
  hard('connection-refused'),
  hard('permission'),
  hard('permission'),
];

/** Undefined for what is no error to a transport: redirects, source quench (RFC 6633), unknown types and codes. */
export function meaning4(type: number, code: number): Meaning | undefined {
  if (type === icmpv4.Type.Unreachable) return UNREACHABLE_V4[code];
  if (type === icmpv4.Type.TimeExceeded) return soft('host-unreachable');
  return type === icmpv4.Type.ParameterProblem ? hard('protocol') : undefined;
}
export function meaning6(type: number, code: number): Meaning | undefined {
  if (type === icmpv6.Type.Unreachable) return UNREACHABLE_V6[code];
  if (type === icmpv6.Type.PacketTooBig) return hard('message-size');
  if (type === icmpv6.Type.TimeExceeded) return soft('host-unreachable');
  return type === icmpv6.Type.ParameterProblem ? hard('protocol') : undefined;
}
