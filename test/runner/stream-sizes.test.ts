import test from 'ava';
import type { TcpEndpoint } from '../../src/netstack/endpoint.ts';
import { watchedOctets } from '../../src/runner/stream-sizes.ts';

const watched = (receiveBuffer: number, receiveBufferLocked: boolean, windowClamp: number): number =>
  watchedOctets({ settings: { receiveBuffer, receiveBufferLocked, windowClamp } } as unknown as TcpEndpoint);

test('a reader is watched before what it left unread can fill the window', (t) => {
  t.is(watched(131_072, false, 0), 131_072);
  t.is(watched(131_072, false, 40_000), 20_000);
  t.is(watched(131_072, false, 1 << 30), 131_072);
  t.is(watched(4608, true, 0), 1152);
  t.is(watched(4608, true, 1152), 576);
  t.is(watched(4 << 20, true, 0), 131_072);
});
