/** Whole messages over one end of a SEQPACKET pair, none longer than a fixed limit. */
import { arena } from './libc.ffi.ts';
import { closeSocket, MSG_TRUNC, receive, send } from './socket.ffi.ts';

const EAGAIN = 11;

export class MessageSocket {
  readonly fd: number;
  readonly limit: number;
  readonly #memory: { readonly address: number; readonly bytes: Uint8Array };

  constructor(fd: number, limit: number) {
    this.fd = fd;
    this.limit = limit;
    this.#memory = arena(limit);
  }
  /** A message, valid until the next call; 'empty' for now, 'closed' for good; 'oversize' for one that was longer than the limit and is lost. */
  receive(): Uint8Array | 'empty' | 'closed' | 'oversize' {
    const n = receive(this.fd, this.#memory.address, this.limit, MSG_TRUNC);
    if (n > this.limit) return 'oversize';
    if (n > 0) return this.#memory.bytes.subarray(0, n);
    return n === -EAGAIN ? 'empty' : 'closed';
  }
  /** 'full' when the other side has to read first. A message over the limit is not sent, and counts as such. */
  send(octets: Uint8Array): 'sent' | 'full' | 'closed' | 'oversize' {
    if (octets.length === 0 || octets.length > this.limit) return 'oversize';
    this.#memory.bytes.set(octets);
    const n = send(this.fd, this.#memory.address, octets.length);
    if (n >= 0) return 'sent';
    return n === -EAGAIN ? 'full' : 'closed';
  }
  close(): void {
    closeSocket(this.fd);
  }
}
