/**
 * Options of a socket that the kernel honours at the guest's end, because the calls they are about are native in the direct plane: one row each, set on a copy of that end after the trapped call that
 * changed them. What an option changes of trapped calls needs no row (docs/decisions/0019).
 */
import { setLowWater, setReceiveTimeout, setSelectErrorQueue, setSendTimeout } from '../host/unix-socket.ffi.ts';
import { InetDatagramSocket } from '../socket/inet-dgram.ts';
import { InetStreamSocket } from '../socket/inet-stream.ts';
import type { Socket } from '../socket/socket.ts';

interface Row {
  /** Of a new guest's end. */
  readonly initial: number;
  readonly of: (file: Socket) => number;
  readonly set: (copy: number, value: number) => number;
}

const ROWS: readonly Row[] = [
  // Below 0 a wait ends at once, for which the least time stands.
  { initial: 0, of: ({ receiveTimeoutUs }) => Math.abs(receiveTimeoutUs), set: setReceiveTimeout },
  { initial: 0, of: ({ sendTimeoutUs }) => Math.abs(sendTimeoutUs), set: setSendTimeout },
  {
    initial: 1,
    of: (file) => (file instanceof InetStreamSocket ? file.options.receiveLowWater : 1),
    set: setLowWater,
  },
  {
    initial: 0,
    of: (file) => (file instanceof InetDatagramSocket ? Number(file.options.selectErrorQueue) : 0),
    set: setSelectErrorQueue,
  },
];

/** Those of one guest's end. */
export class GuestOptions {
  readonly #set: number[] = ROWS.map(({ initial }) => initial);

  apply(file: Socket, copy: number): void {
    for (let i = 0; i < ROWS.length; i++) {
      const row = ROWS[i] as Row;
      const value = row.of(file);
      if (value === this.#set[i]) continue;
      row.set(copy, value);
      this.#set[i] = value;
    }
  }
}
