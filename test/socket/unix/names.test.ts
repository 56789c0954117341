import { posix } from 'node:path';
import test from 'ava';
import * as fc from 'fast-check';
import * as abi from '../../../src/abi/index.ts';
import { decodeAddress, parsePath, type UnixAddress } from '../../../src/socket/unix/address.ts';
import { UnixNames } from '../../../src/socket/unix/names.ts';
import { world } from './world.ts';

const { Errno } = abi;
const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const address = (path: string): UnixAddress => {
  const name = Uint8Array.from([1, 0, ...bytes(path)]);
  return decodeAddress(name, name.length) as UnixAddress;
};
const random = (first: number) => ({ u32: () => first, fill: () => undefined }) as never;
const stream = { type: abi.SOCK_STREAM };
const dgram = { type: abi.SOCK_DGRAM };

test('a path is resolved as one below the root, whatever it is', (t) => {
  const parts = fc.array(fc.constantFrom('a', 'b', '.', '..', '', 'c.d', '...'), { maxLength: 8 });
  t.notThrows(() =>
    fc.assert(
      fc.property(parts, fc.boolean(), (names, absolute) => {
        const text = (absolute ? '/' : '') + names.join('/');
        const { key } = parsePath(bytes(text));
        return `/${key}` === posix.resolve('/', text);
      }),
      { seed: 1 },
    ),
  );
});

test('any octets are a name or refused, and a name is told as it was given', (t) => {
  t.notThrows(() =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 126 }), (octets) => {
        const name = Uint8Array.from([1, 0, ...octets]);
        const decoded = decodeAddress(name, name.length);
        if (octets.length === 0 || octets.length > 108) return decoded === -Errno.EINVAL;
        if (typeof decoded === 'number') return false;
        if (octets[0] === 0) return Buffer.compare(decoded.octets, name) === 0 && decoded.isAbstract;
        const end = octets.includes(0) ? octets.indexOf(0) : octets.length;
        return Buffer.compare(decoded.octets, Uint8Array.from([1, 0, ...octets.subarray(0, end), 0])) === 0;
      }),
      { seed: 1 },
    ),
  );
});

test('autobind begins at random, goes on past what is taken and around the end', (t) => {
  const names = new UnixNames<{ type: number }>(random(0xffffe));
  const chosen = (socket: { type: number }): string => (names.autobind(socket) as UnixAddress).key;
  t.deepEqual(
    [chosen(stream), chosen(stream), chosen(stream), chosen(dgram)],
    ['\0ffffe', '\0fffff', '\x0000000', '\0ffffe'],
  );
  names.leave(address('\0fffff'), stream);
  t.is(chosen(stream), '\0fffff');
});

test('paths are bounded, and unlink makes room', (t) => {
  const names = new UnixNames<{ type: number }>(random(0));
  for (let i = 0; i < 65_536; i++) names.bind(address(`p${i}`), stream);
  t.is(names.bindRefusal(address('one/more')), -Errno.ENOSPC);
  t.is(names.bindRefusal(address('\0abstract')), 0);
  t.is(names.unlink(bytes('p77')), 0);
  t.is(names.bindRefusal(address('one/more')), 0);
});

test('a name that another socket has by now is not taken away with the first', (t) => {
  const names = new UnixNames<{ type: number }>(random(0));
  names.bind(address('p'), stream);
  names.unlink(bytes('p'));
  const second = { type: abi.SOCK_STREAM };
  names.bind(address('p'), second);
  names.leave(address('p'), stream);
  t.is(names.find(address('./p'), abi.SOCK_STREAM), second);
  t.is(names.find(address('p'), abi.SOCK_DGRAM), -Errno.EPROTOTYPE);
  names.leave(address('\0nobody'), stream);
});

test('unlink and unlinkat as calls', (t) => {
  const guest = world(t).process();
  const fd = guest.socket(abi.SOCK_STREAM);
  guest.bind(fd, 'p');
  const path = (text: string): number => guest.put(guest.data, bytes(`${text}\0`));
  t.is(guest.call('unlink', path('')), -Errno.ENOENT);
  t.is(guest.call('unlink', 0), -Errno.EFAULT);
  t.is(guest.call('unlink', path('x'.repeat(5000))), -Errno.ENAMETOOLONG);
  t.is(guest.call('unlink', path('q')), -Errno.ENOENT);
  t.is(guest.call('unlink', path('p/x')), -Errno.ENOTDIR);
  t.is(guest.call('unlink', path('p/')), -Errno.ENOTDIR);
  t.is(guest.call('unlink', path('.')), -Errno.EISDIR);
  t.is(guest.call('unlinkat', fd, path('p'), 0), -Errno.ENOTDIR);
  t.is(guest.call('unlinkat', 99, path('p'), 0), -Errno.EBADF);
  t.is(guest.call('unlinkat', 99, path('/p'), 1), -Errno.EINVAL);
  t.is(guest.call('unlinkat', 99, path('/p'), abi.AT_REMOVEDIR), -Errno.ENOTDIR);
  t.is(guest.call('unlinkat', 99, 0, 0), -Errno.EFAULT);
  t.is(guest.call('unlinkat', 99, path('/p'), 0), 0);
  t.is(guest.nameOf(fd), 'p\0');
  t.is(guest.connect(guest.socket(abi.SOCK_STREAM), 'p'), -Errno.ENOENT);
});

test('one table for all processes of a factory', (t) => {
  const w = world(t);
  const server = w.process();
  const client = w.process();
  server.listening(abi.SOCK_STREAM, 'service');
  t.is(client.connect(client.socket(abi.SOCK_STREAM), '/service'), 0);
});
