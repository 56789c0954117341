/**
 * Connections that the guest closed and whose last octets are still on their way: the kernel would send them after a program's end, so the sentry stays until they are acknowledged.
 */
import type { TcpEndpoint, TcpState } from '../netstack/endpoint.ts';
import type { OpenFile } from '../socket/file.ts';
import { InetStreamSocket } from '../socket/inet-stream.ts';

/** Our FIN is not acknowledged yet. */
const SENDING: ReadonlySet<TcpState> = new Set(['FIN-WAIT-1', 'CLOSING', 'LAST-ACK']);
const MANY = 256;

export class Lingering {
  readonly #endpoints = new Set<TcpEndpoint>();

  /** A file's last reference is about to go. */
  add(file: OpenFile): void {
    if (!(file instanceof InetStreamSocket)) return;
    if (this.#endpoints.size >= MANY) this.prune();
    if (!file.tcp.remoteAddress.isLoopback) this.#endpoints.add(file.tcp);
  }
  /** Forgets what has arrived; returns how many connections still send. */
  prune(): number {
    for (const endpoint of this.#endpoints) if (!SENDING.has(endpoint.state)) this.#endpoints.delete(endpoint);
    return this.#endpoints.size;
  }
}
