/** A datagram socket as a row of a listing (net/ipv4/udp.c udp4_format_sock). */
import type { DatagramRow } from '../rows.ts';
import type { DatagramSocket } from './datagram-socket.ts';

export const rowOf = (socket: DatagramSocket): DatagramRow => ({
  id: socket.id,
  family: socket.family,
  localAddress: socket.localAddress,
  localPort: socket.localPort,
  remoteAddress: socket.remoteAddress,
  remotePort: socket.remotePort,
  isConnected: socket.isConnected,
  owner: socket.settings.owner,
  receiveQueue: socket.charged,
  drops: socket.drops,
});
