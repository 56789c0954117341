/** Host servers on ephemeral loopback ports. */
import dgram from 'node:dgram';
import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';

export interface TcpServer {
  readonly port: number;
  /** Connections in the order of their arrival. */
  readonly sockets: net.Socket[];
  close(): void;
}
export async function tcpServer(onConnection?: (socket: net.Socket) => void, host = '127.0.0.1'): Promise<TcpServer> {
  const sockets: net.Socket[] = [];
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    sockets.push(socket);
    onConnection?.(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sockets,
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
export async function udpServer(
  onMessage: (message: Buffer, reply: (octets: Uint8Array) => void) => void,
  host = '127.0.0.1',
): Promise<{ readonly port: number; close(): void }> {
  const socket = dgram.createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (message, { port, address }) =>
    onMessage(message, (octets) => socket.send(octets, port, address)),
  );
  socket.bind(0, host);
  await once(socket, 'listening');
  return { port: socket.address().port, close: () => socket.close() };
}
/** A port of the loopback where nobody listens. */
export async function closedPort(): Promise<number> {
  const server = await tcpServer();
  server.close();
  return server.port;
}
/** Everything that a socket receives. */
export function collect(socket: net.Socket): { octets: Buffer; ended: boolean; error: string | undefined } {
  const all = { octets: Buffer.alloc(0), ended: false, error: undefined as string | undefined };
  socket.on('data', (chunk) => {
    all.octets = Buffer.concat([all.octets, chunk]);
  });
  socket.on('end', () => {
    all.ended = true;
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    all.error = error.code;
  });
  return all;
}
/** Octets that a shift by one or a repeat would change. */
export function pattern(len: number, seed = 1): Buffer {
  const b = Buffer.alloc(len);
  let x = seed;
  for (let i = 0; i < len; i++) {
    x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    b[i] = x >>> 16;
  }
  return b;
}
