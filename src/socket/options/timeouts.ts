/** SOL_SOCKET: how long calls wait. SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO (socket(7), net/core/sock.c sock_set_timeout). */
import { Errno } from '../../abi/errno.ts';
import { SO_LINGER, SO_RCVTIMEO, SO_RCVTIMEO_NEW, SO_SNDTIMEO, SO_SNDTIMEO_NEW } from '../../abi/socket.ts';
import { linger, timeval } from '../../abi/sockopt.ts';
import { type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';

/** CONFIG_HZ of the kernel that was measured: timeouts are kept in ticks and rounded up. */
const TICK_US = 4000;

/** struct timeval to microseconds: 0 none, -1 at once. */
function timeout(
  option: number,
  name: string,
  read: (socket: OptionTarget) => number,
  write: (socket: OptionTarget, us: number) => void,
): OptionRow {
  return {
    option,
    name,
    get: (socket, out) => {
      const us = Math.max(read(socket), 0);
      return writeOctets(out, timeval.encode({ sec: Math.floor(us / 1e6), usec: us % 1e6 }));
    },
    set: (socket, value) => {
      if (value.length < timeval.size) return -Errno.EINVAL;
      const { sec, usec } = timeval.decode(value);
      if (usec < 0 || usec >= 1e6) return -Errno.EDOM;
      if (sec < 0) write(socket, -1);
      // Beyond what a number holds exactly (285 years) there is no difference to "never".
      else if (sec > 9e9) write(socket, 0);
      else write(socket, Math.ceil((sec * 1e6 + usec) / TICK_US) * TICK_US);
      return 0;
    },
  };
}
const receiveTimeout = (option: number, name: string): OptionRow =>
  timeout(
    option,
    name,
    (socket) => socket.receiveTimeoutUs,
    (socket, us) => {
      socket.receiveTimeoutUs = us;
    },
  );
const sendTimeout = (option: number, name: string): OptionRow =>
  timeout(
    option,
    name,
    (socket) => socket.sendTimeoutUs,
    (socket, us) => {
      socket.sendTimeoutUs = us;
    },
  );

const lingerRow: OptionRow = {
  option: SO_LINGER,
  name: 'SO_LINGER',
  note: 'with 0 seconds close resets; a time delays close(2) only where that is served here: `sandsock run` leaves it to the kernel, so close returns at once and what is unsent still leaves',
  get: ({ options }, out) =>
    writeOctets(out, linger.encode({ onoff: options.lingerOn ? 1 : 0, linger: options.lingerSeconds })),
  set: (socket, value) => {
    if (value.length < linger.size) return -Errno.EINVAL;
    const { onoff, linger: seconds } = linger.decode(value);
    socket.options.lingerOn = onoff !== 0;
    // A negative time is a huge unsigned one in the kernel.
    if (onoff !== 0) socket.options.lingerSeconds = seconds < 0 ? 0x7fff_ffff : seconds;
    if (socket.tcp !== undefined) socket.tcp.settings.lingerSeconds = onoff === 0 ? -1 : socket.options.lingerSeconds;
    socket.optionsChanged();
    return 0;
  },
};

export const TIMEOUT_ROWS: readonly OptionRow[] = [
  lingerRow,
  receiveTimeout(SO_RCVTIMEO, 'SO_RCVTIMEO'),
  receiveTimeout(SO_RCVTIMEO_NEW, 'SO_RCVTIMEO_NEW'),
  sendTimeout(SO_SNDTIMEO, 'SO_SNDTIMEO'),
  sendTimeout(SO_SNDTIMEO_NEW, 'SO_SNDTIMEO_NEW'),
];
