/** SOL_UDP: udp(7), net/ipv4/udp.c udp_lib_setsockopt and udp_lib_getsockopt. */
import { Errno } from '../../abi/errno.ts';
import { SOL_UDP } from '../../abi/socket.ts';
import {
  UDP_CORK,
  UDP_ENCAP,
  UDP_GRO,
  UDP_NO_CHECK6_RX,
  UDP_NO_CHECK6_TX,
  UDP_SEGMENT,
  UDPLITE_RECV_CSCOV,
  UDPLITE_SEND_CSCOV,
} from '../../abi/transport.ts';
import { int, type OptionRow, writeInt } from './row.ts';
import { bounded, toggle } from './toggle.ts';

/** Of UDP-Lite, which there is none of; UDP sockets read it as 0. */
const coverage = (option: number, name: string): OptionRow => ({
  option,
  name,
  get: (_socket, out) => writeInt(SOL_UDP, out, 0),
});

export const UDP_LEVEL: readonly OptionRow[] = [
  int(SOL_UDP, UDP_CORK, 'UDP_CORK', {
    get: ({ options }) => (options.cork ? 1 : 0),
    set: ({ options }, value) => {
      options.cork = value !== 0;
      options.uncork = value === 0;
    },
  }),
  int(SOL_UDP, UDP_ENCAP, 'UDP_ENCAP', {
    // No tunnel ends here (ESP, L2TP), as in a kernel without them.
    get: () => 0,
    set: (_socket, value) => (value === 0 ? 0 : -Errno.ENOPROTOOPT),
  }),
  toggle(SOL_UDP, UDP_NO_CHECK6_TX, 'UDP_NO_CHECK6_TX', 'noChecksum6Sent'),
  toggle(SOL_UDP, UDP_NO_CHECK6_RX, 'UDP_NO_CHECK6_RX', 'noChecksum6Received'),
  bounded(SOL_UDP, UDP_SEGMENT, 'UDP_SEGMENT', 'segment', { min: 0, max: 0xffff }),
  toggle(SOL_UDP, UDP_GRO, 'UDP_GRO', 'coalesce'),
  coverage(UDPLITE_SEND_CSCOV, 'UDPLITE_SEND_CSCOV'),
  coverage(UDPLITE_RECV_CSCOV, 'UDPLITE_RECV_CSCOV'),
];
