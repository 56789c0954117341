/** Addresses that sequences bind, connect and send to. */
import type { Show } from '../../../src/conformance/body.ts';
import { inet, inet6 } from '../../../src/conformance/kit.ts';
import * as c from '../../../src/conformance/linux.ts';
import { show } from '../shows.ts';
import type { Choice } from './choice.ts';
import type { Held, World } from './world.ts';

const FIRST_PORT = 7000;
/** Sequences that share a network find no port of an earlier one in TIME-WAIT. */
const PORT_SETS = 8000;
export const PORTS = 3;
const UNIX_NAMES = ['\0a', '\0b', 'c', 'd'];

/** One of three; the last of them is bound by accident alone, so that a call to it is most often refused. */
export const port = (world: World, x: number): number => FIRST_PORT + PORTS * (world.own % PORT_SETS) + (x % PORTS);
export const loopback = (family: number): string => (family === c.AF_INET6 ? '::1' : '127.0.0.1');

export function unixName(path: string, family: number = c.AF_UNIX): Uint8Array {
  const bytes = new Uint8Array(2 + path.length);
  c.u16.put(bytes, 0, family);
  bytes.set(Buffer.from(path, 'latin1'), 2);
  return bytes;
}
/** AF_UNSPEC, as long as a name of IPv4. */
const unspecified = (): Uint8Array => inet('0.0.0.0', 0, c.AF_UNSPEC);

function internetName(world: World, r: Choice, family: number): Uint8Array {
  const at = port(world, r.below(PORTS));
  const own = family === c.AF_INET6 ? inet6('::1', at) : inet('127.0.0.1', at);
  const any = family === c.AF_INET6 ? inet6('::', at) : inet('0.0.0.0', at);
  return r.rarely(4, own, [
    any,
    // Not port 0: a UDP socket connected to it hears every port of that address on Linux.
    inet6('::ffff:127.0.0.1', at),
    inet('127.0.0.2', at),
    unspecified(),
    inet('127.0.0.1', at, 77),
    inet('10.9.9.9', at),
    inet6('fd00::9', at),
    inet6('fe80::1', at, 1),
    inet('127.255.255.255', at),
    inet('255.255.255.255', at),
    inet('224.0.0.1', at),
    inet('127.0.0.1', at),
    inet6('::1', at),
    inet('0.0.0.0', at, c.AF_UNSPEC),
  ]);
}
/** A name that fits the socket, or nearly. */
export function nameFor(world: World, r: Choice, { kind, family }: Held): Uint8Array {
  if (kind !== 'unix') return internetName(world, r, family);
  return unixName(r.of(UNIX_NAMES), r.rarely(12, c.AF_UNIX, [c.AF_UNSPEC, c.AF_INET]));
}
/** How long the caller says that it is. */
export const lengthOf = (r: Choice, bytes: Uint8Array): number =>
  r.rarely(16, bytes.length, [0, 1, 2, 8, 15, 16, 24, 27, 28, 110, 111, 128, 129, -1]);
/** How a name that a call writes is shown: what a ping socket has for a port is any number. */
export const nameShow = ({ kind }: Held): Show => show(kind === 'ping' ? 'pingName' : 'name');
