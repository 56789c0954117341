/** The message without octets that tells an MTU (ipv6_recv_rxpmtu; RFC 3542 11.3): where the datagram was to go, and IPV6_PATHMTU. */
import { IPV6_PATHMTU } from '../../abi/in.ts';
import { sockaddrIn6 } from '../../abi/sockaddr.ts';
import { AF_INET6, SOL_IPV6 } from '../../abi/socket.ts';
import { ip6Mtuinfo } from '../../abi/sockopt.ts';
import type { PathMtuNotice, UdpEndpoint } from '../../netstack/endpoint.ts';
import { writeName } from '../inet-name.ts';
import type { SocketWorld } from '../inet-socket.ts';
import type { Message } from '../message.ts';
import type { OptionState } from '../options/target.ts';
import { beginControl, endControl, putTimestamp, writer } from './report.ts';

const scratch = new Uint8Array(ip6Mtuinfo.size);
const SCOPE = sockaddrIn6.offset.scopeId;

/** `Message.passing` of a receive that found no path MTU to tell. */
const LOOKED = 'looked for a path MTU';

/** Before all that waits, and at once: it is gone even by a peek. Who waited for a datagram does not look again. False if there is nothing to tell. */
export function receivePathMtu(
  message: Message,
  endpoint: UdpEndpoint,
  options: OptionState,
  world: SocketWorld,
): boolean {
  const notice = message.passing === LOOKED ? undefined : endpoint.pathMtuNotice;
  message.passing = LOOKED;
  if (notice === undefined) return false;
  endpoint.pathMtuNotice = undefined;
  writePathMtu(message, notice, options, world.realtime(world.stack.clock.now()));
  return true;
}
function writePathMtu(message: Message, notice: PathMtuNotice, options: OptionState, realtimeUs: number): void {
  const { destination, interfaceIndex, mtu } = notice;
  message.nameLength = writeName(message.name, AF_INET6, destination, 0, 0);
  // Of every address, be it one that needs it or not.
  sockaddrIn6.fields.scopeId.put(message.name, SCOPE, interfaceIndex);
  scratch.set(message.name.subarray(0, sockaddrIn6.size));
  ip6Mtuinfo.fields.mtu.put(scratch, ip6Mtuinfo.offset.mtu, mtu);
  beginControl(message);
  putTimestamp(writer, options, realtimeUs);
  writer.put(SOL_IPV6, IPV6_PATHMTU, scratch, 0, ip6Mtuinfo.size);
  endControl(message);
}
