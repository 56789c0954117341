/** What the table says of flags is so: those that are listed pass, and where calls check their flags any other bit is refused. */
import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import type { Arg } from '../../src/syscalls/args.ts';
import { systemCalls } from '../../src/syscalls/table.ts';
import { FakeSocket } from './fake-socket.ts';
import { BASE, type World, world } from './world.ts';

const calls = [...systemCalls({ architecture: 'x86_64', sockets: { create: () => 0 }, descriptors: true }).values()];
const handled = (name: string): Arg | undefined =>
  calls.find((call) => call.name === name)?.argList.find((arg) => arg.handled !== undefined);

/** The call with flags, everything else right. */
const CHECKED: Readonly<Record<string, (w: World, flags: number) => number | undefined>> = {
  socket: (w, flags) => w.call('socket', abi.AF_INET, abi.SOCK_STREAM | flags, 0),
  accept4: (w, flags) => w.call('accept4', w.fd(listening()), 0, 0, flags),
  dup3: (w, flags) => w.call('dup3', w.fd(new FakeSocket()), 40, flags),
  pipe2: (w, flags) => w.call('pipe2', BASE, flags),
  close_range: (w, flags) => w.call('close_range', 50, 60, flags),
  memfd_create: (w, flags) => w.call('memfd_create', w.put(BASE, 'name\0'), flags),
  epoll_create1: (w, flags) => w.call('epoll_create1', flags),
  preadv2: (w, flags) => w.call('preadv2', w.fd(receiving()), w.put(BASE, iov()), 1, -1, -1, flags),
  tee: (w, flags) => teeBetween(w, flags),
};
const REFUSALS: readonly (number | undefined)[] = [-abi.Errno.EINVAL, -abi.Errno.EOPNOTSUPP];

function listening(): FakeSocket {
  const socket = new FakeSocket();
  socket.acceptPeek = () => new FakeSocket();
  return socket;
}
function receiving(): FakeSocket {
  const socket = new FakeSocket();
  socket.onReceive.says(1, 1, 1, 1);
  return socket;
}
const iov = (): Uint8Array => abi.iovec.encode({ base: BASE + 64, len: 8 });
function teeBetween(w: World, flags: number): number | undefined {
  w.call('pipe2', BASE, abi.O_NONBLOCK);
  w.call('pipe2', BASE + 8, abi.O_NONBLOCK);
  return w.call('tee', w.int(BASE), w.int(BASE + 12), 1, flags);
}

for (const [name, call] of Object.entries(CHECKED)) {
  test(`${name} knows the flags that the table lists, and no others`, (t) => {
    const names = handled(name)?.handled ?? [];
    t.true(names.length > 0);
    let mask = 0;
    for (const flag of names) {
      const value = abi.constant(flag) ?? -1;
      mask |= value;
      const result = call(world(), value);
      t.false(REFUSALS.includes(result), `${name} ${flag}: ${abi.errnoName(result ?? 0)}`);
    }
    for (let bit = 0; bit < 31; bit++) {
      const flag = 2 ** bit;
      // The low bits of socket's argument are the type.
      if ((mask & flag) !== 0 || (name === 'socket' && flag <= 8)) continue;
      t.true(REFUSALS.includes(call(world(), flag)), `${name} 0x${flag.toString(16)}`);
    }
  });
}

test('every name that the table lists is a constant', (t) => {
  for (const { name, argList } of calls) {
    for (const { handled: names = [] } of argList) {
      for (const flag of names) t.not(abi.constant(flag), undefined, `${name} ${flag}`);
    }
  }
});
