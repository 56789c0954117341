/** Connections of AF_UNIX sockets: connect(2) of streams and sequenced packets, of datagrams, and socketpair(2) (unix_stream_connect, unix_dgram_connect, unix_socketpair). */
import { Errno } from '../../abi/errno.ts';
import { AF_UNSPEC } from '../../abi/socket.ts';
import { u16 } from '../../abi/struct.ts';
import type { Credentials } from '../credentials.ts';
import { decodeAddress, type UnixAddress } from './address.ts';
import { credentialOf } from './credential.ts';
import { RCV_SHUTDOWN, type UnixSocket } from './unix-socket.ts';

/** The two sockets of a pair, or of a connection, know each other. */
export function pairUp(a: UnixSocket, b: UnixSocket): void {
  a.peer = b;
  b.peer = a;
  a.state = b.state = 'established';
}

export function connectPair(a: UnixSocket, b: UnixSocket, credentials: Credentials): void {
  pairUp(a, b);
  a.peerCredential = b.peerCredential = credentialOf(credentials);
}

/** The name to connect to, once the socket has one of its own where it must (SO_PASSCRED). */
function destination(socket: UnixSocket, name: Uint8Array, len: number): UnixAddress | number {
  const address = decodeAddress(name, len);
  if (typeof address === 'number' || !socket.own.passCredentials) return address;
  const error = socket.autobind();
  return error === 0 ? address : error;
}

/** 0, a negative errno, or the listener whose queue is full. */
export function connectStream(
  socket: UnixSocket,
  name: Uint8Array,
  len: number,
  credentials: Credentials,
  make: () => UnixSocket,
): UnixSocket | number {
  const address = destination(socket, name, len);
  if (typeof address === 'number') return address;
  if (!socket.world.census.hasRoomForSocket) return -Errno.ENFILE;
  const listener = socket.world.names.find(address, socket.type);
  if (typeof listener === 'number') return listener;
  if (!listener.isListening || (listener.ended & RCV_SHUTDOWN) !== 0) return -Errno.ECONNREFUSED;
  if (listener.pending.length > listener.backlog) return listener;
  if (socket.state !== 'closed') return socket.state === 'established' ? -Errno.EISCONN : -Errno.EINVAL;
  const accepted = make();
  pairUp(accepted, socket);
  accepted.address = listener.address;
  accepted.own.passCredentials = listener.own.passCredentials;
  accepted.own.passRights = listener.own.passRights;
  accepted.peerCredential = credentialOf(credentials);
  socket.peerCredential = listener.peerCredential;
  listener.offer(accepted);
  return 0;
}

/** connect(2) of a datagram socket only chooses where it sends to, and whom it receives from. */
export function connectDatagram(socket: UnixSocket, name: Uint8Array, len: number): number {
  if (len < u16.size) return -Errno.EINVAL;
  let other: UnixSocket | undefined;
  if (u16.get(name, 0) !== AF_UNSPEC) {
    const address = destination(socket, name, len);
    if (typeof address === 'number') return address;
    const found = socket.world.names.find(address, socket.type);
    if (typeof found === 'number') return found;
    if (!maySend(socket, found)) return -Errno.EPERM;
    other = found;
  }
  const { peer } = socket;
  socket.peer = other;
  if (peer === undefined) return 0;
  socket.forgetRoom();
  if (peer !== other) disconnected(socket, peer);
  return 0;
}

/** unix_may_send: a socket that is connected takes datagrams of its peer alone. */
export const maySend = (from: UnixSocket, to: UnixSocket): boolean => to.peer === undefined || to.peer === from;

/** unix_dgram_disconnected: what the old peer sent is lost, and it is told so if it was connected to this socket. */
export function disconnected(socket: UnixSocket, peer: UnixSocket): void {
  if (socket.queue.count === 0) return;
  socket.purge();
  socket.roomMade();
  if (!peer.isDead && peer.peer === socket) peer.reportError(Errno.ECONNRESET);
}
