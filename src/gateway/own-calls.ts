/** What the gateway's process calls once it serves, beyond what any Node does (src/host/confinement.ts): nothing. It makes sockets of the internet, and one that tells of routes. */
import type { Confinement } from '../host/confinement.ts';
import { AF_INET, AF_INET6 } from '../host/socket.ffi.ts';

const AF_NETLINK = 16;

export const GATEWAY_CONFINEMENT: Confinement = { calls: [], families: [AF_INET, AF_INET6, AF_NETLINK], isApart: true };
