/** IP_PKTOPTIONS: control messages about the segment that made a connection, as IP_PKTINFO and its like ask for them (do_ip_getsockopt). */
import { CmsgWriter } from '../../abi/cmsg.ts';
import { IP_PKTINFO, IP_PKTOPTIONS, IP_TOS, IP_TTL } from '../../abi/in.ts';
import { SOL_IP } from '../../abi/socket.ts';
import { inPktinfo } from '../../abi/sockopt.ts';
import { i32 } from '../../abi/struct.ts';
import { IpAddress } from '../../netstack/address.ts';
import type { OptionRow } from './row.ts';

/** What stands for the IPv4 address of a socket that has an IPv6 one (include/net/ipv6.h). */
const LOOPBACK4_IPV6 = IpAddress.v4(0x7f00_0006);
const NOTHING = { arrivalInterface: 0, arrivalTos: 0 };
const writer = new CmsgWriter();
const info = new Uint8Array(inPktinfo.size);

/** A socket that no segment made has no interface, the hops that a group would get, and no service. */
export const PACKET_OPTIONS: OptionRow = {
  option: IP_PKTOPTIONS,
  name: 'IP_PKTOPTIONS',
  only: 'stream',
  isSparse: true,
  get: ({ options, tcp }, out) => {
    if (tcp === undefined) return 0;
    const { localAddress, remoteAddress } = tcp;
    // An IPv6 segment leaves these alone (tcp_v6_syn_recv_sock).
    const { arrivalInterface, arrivalTos } = remoteAddress.isV4 ? tcp : NOTHING;
    writer.begin(out, out.length);
    if (options.packetInfo) {
      const own = localAddress.isV4 || localAddress.isUnspecified ? localAddress : LOOPBACK4_IPV6;
      i32.put(info, inPktinfo.offset.ifindex, arrivalInterface);
      own.write4(info, inPktinfo.offset.specDst);
      own.write4(info, inPktinfo.offset.addr);
      writer.put(SOL_IP, IP_PKTINFO, info, 0, inPktinfo.size);
    }
    if (options.receiveTtl) writer.putInt(SOL_IP, IP_TTL, options.multicastTtl);
    if (options.receiveTos) writer.putInt(SOL_IP, IP_TOS, arrivalTos);
    return writer.length;
  },
};
