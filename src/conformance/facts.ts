/**
 * What Linux 6.18 does, fact by fact, as it was measured before code was made to depend on it; each with the bodies that show it. Behind a body's name stand pieces of
 * lines of its transcript, in their order: a test runs the bodies and looks for them, so none can come to show something else unnoticed.
 */
import type { Topic } from './fact.ts';
import { CALL_FACTS } from './facts-calls.ts';
import { NETWORK_FACTS } from './facts-network.ts';
import { OPTION_FACTS } from './facts-options.ts';

export const TOPICS: readonly Topic[] = [...CALL_FACTS, ...OPTION_FACTS, ...NETWORK_FACTS];

/** What no body shows, and why. */
export const UNSHOWN: readonly (readonly [fact: string, reason: string])[] = [
  [
    'An ICMP error ends a TCP attempt, and with IP_RECVERR is told to a connection',
    'in a network of a loopback interface alone nothing sends one about TCP; the stack’s own tests do',
  ],
  [
    'TIME-WAIT and FIN-WAIT-2 last 60 s; tcp_retries2 ends a connection after 15 minutes',
    'a body would take as long on the host; the stack’s own tests have virtual time',
  ],
  [
    'IP_TRANSPARENT and SO_MARK are EPERM without CAP_NET_ADMIN and CAP_NET_RAW',
    'a body has one set of capabilities, all of them on the emulator; where a guest has none, the bodies of the options are compared without them',
  ],
  [
    'SO_REUSEPORT shares a port between sockets of one user alone',
    'all tasks of a body are of one user; the stack’s own tests have several',
  ],
];
