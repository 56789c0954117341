/** SOL_SOCKET: which way packets may go. SO_BINDTODEVICE and SO_BINDTOIFINDEX (sock_bindtoindex_locked), SO_DONTROUTE. */
import { Errno } from '../../abi/errno.ts';
import { SO_BINDTODEVICE, SO_BINDTOIFINDEX, SO_DONTROUTE, SOL_SOCKET } from '../../abi/socket.ts';
import type { Credentials } from '../credentials.ts';
import { flag, int, type OptionRow, writeOctets } from './row.ts';
import type { OptionTarget } from './target.ts';

const IFNAMSIZ = 16;

function bindToInterface(socket: OptionTarget, index: number, credentials: Credentials): number {
  if (socket.settings.boundInterface !== 0 && !credentials.netRaw) return -Errno.EPERM;
  if (index < 0) return -Errno.EINVAL;
  socket.settings.boundInterface = index;
  socket.optionsChanged();
  return 0;
}
const bindToDevice: OptionRow = {
  option: SO_BINDTODEVICE,
  name: 'SO_BINDTODEVICE',
  get: (socket, out) => {
    const index = socket.settings.boundInterface;
    if (index === 0) return 0;
    if (out.length < IFNAMSIZ) return -Errno.EINVAL;
    const device = socket.stack.interfaces.find((i) => i.index === index);
    return device === undefined ? -Errno.ENODEV : writeOctets(out, latin1(`${device.name}\0`));
  },
  // A name of any length.
  lengths: () => 0,
  set: (socket, value, credentials) => {
    const octets = value.subarray(0, IFNAMSIZ - 1);
    const end = octets.indexOf(0);
    const name = String.fromCharCode(...(end < 0 ? octets : octets.subarray(0, end)));
    if (name === '') return bindToInterface(socket, 0, credentials);
    const device = socket.stack.interfaces.find((i) => i.name === name);
    return device === undefined ? -Errno.ENODEV : bindToInterface(socket, device.index, credentials);
  },
};
const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export const DEVICE_ROWS: readonly OptionRow[] = [
  bindToDevice,
  int(SOL_SOCKET, SO_BINDTOIFINDEX, 'SO_BINDTOIFINDEX', {
    get: ({ settings }) => settings.boundInterface,
    set: (socket, value, credentials) => bindToInterface(socket, value, credentials),
  }),
  flag(
    SOL_SOCKET,
    SO_DONTROUTE,
    'SO_DONTROUTE',
    ({ settings }) => settings.dontRoute,
    ({ settings }, on) => {
      settings.dontRoute = on;
    },
  ),
];
