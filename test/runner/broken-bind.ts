/** Loaded before the command line (`node --import`): bind(2) to port 666 throws, and to port 667 it takes seven seconds. */
import { InetSocket } from '../../src/socket/inet-socket.ts';

const cell = new Int32Array(new SharedArrayBuffer(4));
type Bind = (this: InetSocket, name: Uint8Array, ...rest: unknown[]) => unknown;
const bind = Reflect.get(InetSocket.prototype, 'bind') as Bind;
const broken: Bind = function (name, ...rest) {
  const port = ((name[2] ?? 0) << 8) | (name[3] ?? 0);
  if (port === 666) throw new Error('a bug that the test made');
  if (port === 667) Atomics.wait(cell, 0, 0, 7000);
  return bind.call(this, name, ...rest);
};
Reflect.set(InetSocket.prototype, 'bind', broken);
