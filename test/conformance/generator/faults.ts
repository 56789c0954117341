/** Faults that are put into the emulator one at a time, to see that the generator sees: each is a mistake that a socket layer has had somewhere. */
import { CmsgWriter } from '../../../src/abi/cmsg.ts';
import * as c from '../../../src/conformance/linux.ts';
import { EmulatedFdTable } from '../../../src/socket/emulated-fd-table.ts';
import { EpollFile } from '../../../src/socket/epoll.ts';
import { InetDatagramSocket } from '../../../src/socket/inet-dgram.ts';
import { InetSocket } from '../../../src/socket/inet-socket.ts';
import { InetStreamSocket } from '../../../src/socket/inet-stream.ts';
import { IoVector } from '../../../src/socket/io-vector.ts';
import { Emulator } from '../../../src/syscalls/emulator.ts';

export interface Fault {
  readonly name: string;
  /** Puts it in; what is returned takes it out again. */
  readonly apply: () => () => void;
}

/** Puts another method in the place of one. */
function replace<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  around: (right: T[K]) => T[K],
): () => void {
  const right = prototype[name];
  const put = (value: unknown): void =>
    void Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
  put(around(right));
  return () => put(right);
}

const POLL_ENDS = c.POLLHUP | c.POLLERR;

export const FAULTS: readonly Fault[] = [
  {
    name: 'a connection that was reset or refused shows no POLLHUP',
    apply: () =>
      replace(
        InetStreamSocket.prototype,
        'poll',
        (right) =>
          function (this: InetStreamSocket) {
            const events = right.call(this);
            return (events & POLL_ENDS) === POLL_ENDS ? events & ~c.POLLHUP : events;
          },
      ),
  },
  {
    name: 'a receive that faults takes what it could not give',
    apply: () =>
      replace(
        IoVector.prototype,
        'copyOut',
        (right) =>
          function (this: IoVector, source, at, len) {
            right.call(this, source, at, len);
            return len;
          },
      ),
  },
  {
    name: 'a second connect is EALREADY and not EISCONN',
    apply: () =>
      replace(
        InetStreamSocket.prototype,
        'connect',
        (right) =>
          function (this: InetStreamSocket, ...args) {
            const result = right.apply(this, args);
            return result === -c.Errno.EISCONN ? -c.Errno.EALREADY : result;
          },
      ),
  },
  {
    name: 'MSG_PEEK takes the datagram',
    apply: () =>
      replace(
        InetDatagramSocket.prototype,
        'receive',
        (right) =>
          function (this: InetDatagramSocket, message, taken) {
            const { flags } = message;
            message.flags &= ~c.MSG_PEEK;
            const result = right.call(this, message, taken);
            message.flags = flags;
            return result;
          },
      ),
  },
  {
    name: 'SO_ERROR does not clear the error',
    apply: () =>
      replace(
        InetSocket.prototype,
        'getOption',
        (right) =>
          function (this: InetSocket, level, option, out) {
            const result = right.call(this, level, option, out);
            const errno = level === c.SOL_SOCKET && option === c.SO_ERROR && result === 4 ? c.i32.get(out, 0) : 0;
            if (errno !== 0) this.setError(errno);
            return result;
          },
      ),
  },
  {
    name: 'an edge-triggered event fires again',
    apply: () =>
      replace(
        EpollFile.prototype,
        'ctl',
        (right) =>
          function (this: EpollFile, op, fd, file, events, low, high) {
            return right.call(this, op, fd, file, events & ~c.EPOLLET, low, high);
          },
      ),
  },
  {
    name: 'a datagram that was cut has no MSG_TRUNC',
    apply: () =>
      replace(
        InetDatagramSocket.prototype,
        'receive',
        (right) =>
          function (this: InetDatagramSocket, message, taken) {
            const result = right.call(this, message, taken);
            message.outFlags &= ~c.MSG_TRUNC;
            return result;
          },
      ),
  },
  {
    name: 'IP_TTL comes before IP_PKTINFO',
    apply: () => {
      let late: Parameters<CmsgWriter['put']> | undefined;
      let put: CmsgWriter['put'] | undefined;
      const undo = [
        replace(CmsgWriter.prototype, 'put', (right) => {
          put = right;
          return function (this: CmsgWriter, level, type, payload, at, len) {
            if (level === c.SOL_IP && type === c.IP_PKTINFO) late = [level, type, payload.slice(), at, len];
            else right.call(this, level, type, payload, at, len);
          };
        }),
        replace(
          CmsgWriter.prototype,
          'putInt',
          (right) =>
            function (this: CmsgWriter, level, type, value) {
              right.call(this, level, type, value);
              if (late !== undefined) put?.apply(this, late);
              late = undefined;
            },
        ),
      ];
      return () => undo.toReversed().forEach((one) => one());
    },
  },
  {
    name: 'an accepted socket does not block if its listener does not',
    apply: () =>
      replace(
        Emulator.prototype,
        'deliverFile',
        (right) =>
          function (this: Emulator, task, file, cloexec) {
            if (task.subject instanceof InetStreamSocket) file.statusFlags |= task.subject.statusFlags & c.O_NONBLOCK;
            return right.call(this, task, file, cloexec);
          },
      ),
  },
  {
    name: 'sendmmsg counts the message that failed',
    apply: () =>
      replace(
        Emulator.prototype,
        'deliver',
        (right) =>
          function (this: Emulator, task, result, sigpipe) {
            const vlen = task.registers[4] ?? 0;
            const isPart = task.callName === 'sendmmsg' && result > 0 && result < vlen;
            return right.call(this, task, isPart ? result + 1 : result, sigpipe);
          },
      ),
  },
  {
    name: 'dup3 marks what it makes as close-on-exec',
    apply: () =>
      replace(
        EmulatedFdTable.prototype,
        'dup3',
        (right) =>
          function (this: EmulatedFdTable, from, to) {
            return right.call(this, from, to, true);
          },
      ),
  },
  {
    name: 'shutdown of reading is no end',
    apply: () =>
      replace(
        InetStreamSocket.prototype,
        'shutdown',
        (right) =>
          function (this: InetStreamSocket, how) {
            return how === 0 ? 0 : right.call(this, how);
          },
      ),
  },
];
