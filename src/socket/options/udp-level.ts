/** SOL_UDP: udp(7), net/ipv4/udp.c udp_lib_setsockopt. Segmentation offload (UDP_SEGMENT, UDP_GRO) is not offered: a success without effect would break QUIC. */
import { SOL_UDP } from '../../abi/socket.ts';
import { UDP_CORK } from '../../abi/transport.ts';
import { flag, type OptionRow } from './row.ts';

export const UDP_LEVEL: readonly OptionRow[] = [
  flag(
    SOL_UDP,
    UDP_CORK,
    'UDP_CORK',
    ({ options }) => options.cork,
    ({ options }, on) => {
      options.cork = on;
    },
    'datagram',
  ),
];
