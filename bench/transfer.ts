/** The loops of bulk transfers and datagram floods, the same for both directions: only who runs which differs. */
import { receive, sendAll } from './calls.ts';
import { checkPattern, DATAGRAM_OCTETS, Datagram, PATTERN_OCTETS, writeDatagram } from './protocol.ts';

export interface Buffer {
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** CLOCK_MONOTONIC. */
export const seconds = (): number => {
  const [s, ns] = process.hrtime();
  return s + ns / 1e9;
};

/** Sends for so long, and returns the octets sent. `buffer` holds the pattern. */
export function pour(fd: number, buffer: Buffer, ms: number): number {
  const end = seconds() + ms / 1000;
  let sent = 0;
  do {
    sendAll(fd, buffer.address, PATTERN_OCTETS);
    sent += PATTERN_OCTETS;
  } while (seconds() < end);
  return sent;
}

/** Takes octets up to the end of the stream, and returns their count. */
export function drain(fd: number, buffer: Buffer, verify: boolean): number {
  let taken = 0;
  for (;;) {
    const got = receive(fd, buffer.address, buffer.bytes.length);
    if (got === 0) return taken;
    if (verify) checkPattern(buffer.bytes, got, taken);
    taken += got;
  }
}

/** How many datagrams go between two looks at the clock. */
const BURST = 16;

/** Sends numbered datagrams by `send` for so long. What finds no room is lost, as UDP has it. */
export function flood({ address, bytes }: Buffer, ms: number, send: (address: number, len: number) => void): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const end = seconds() + ms / 1000;
  for (let number = 0; seconds() < end; number += BURST) {
    for (let i = 0; i < BURST; i++) {
      writeDatagram(view, Datagram.Numbered, number + i);
      send(address, DATAGRAM_OCTETS);
    }
  }
}
