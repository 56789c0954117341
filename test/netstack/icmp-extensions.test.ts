/** What the error queue tells of extensions (RFC 4884). Every row was measured on Linux 6.18, where a raw socket sent the message over loopback. */
import test from 'ava';
import { sockEeDataRfc4884 } from '../../src/abi/sockopt.ts';
import { u32 } from '../../src/abi/struct.ts';
import { BROKEN } from '../../src/netstack/icmp/extensions.ts';
import { checksum, frame, half, icmpMessage, inject, ip, packet4, packet6, World } from '../support/stacks.ts';

const PORT = 4000;
const OBJECT = [0, 8, 1, 1, 97, 98, 99, 100];
const SHORT = [0, 3, ...OBJECT.slice(2)];
const LONG = [0, 9, ...OBJECT.slice(2)];

type Sum = 'good' | 'bad' | 'none';
function extension(objects: readonly number[], version = 2, sum: Sum = 'good'): number[] {
  const out = [version << 4, 0, 0, 0, ...objects];
  const right = checksum(out);
  const shown = { good: right, bad: right ^ 1, none: 0 }[sum];
  return [...out.slice(0, 2), ...half(shown), ...objects];
}
interface Report {
  readonly family: 4 | 6;
  readonly type?: number;
  readonly code?: number;
  /** The octets of the second word but for the length: MTU or pointer. */
  readonly first?: number;
  readonly mtu?: number;
  /** As the message says, in its words. */
  readonly words: number;
  readonly quote: number;
  readonly extension: readonly number[];
}
function message(r: Report): Uint8Array {
  const datagram = [...half(PORT), ...half(9999), ...half(208), 0, 0, ...Array.from({ length: 200 }, (_, i) => i)];
  const quoted =
    r.family === 4
      ? packet4({ protocol: 17, src: '10.0.0.2', dst: '192.0.2.9' }, datagram)
      : packet6({ next: 17, src: 'fd00::2', dst: 'fd00::9' }, datagram);
  const quote = Array.from({ length: r.quote }, (_, i) => quoted[i] ?? 0);
  const { mtu = 0, first = 0, words, code = 0 } = r;
  if (r.family === 4) {
    const octets = [r.type ?? 11, code, 0, 0, first, words, ...half(mtu), ...quote, ...r.extension];
    return frame(0x0800, packet4({ protocol: 1, src: '10.0.0.9' }, icmpMessage(octets)));
  }
  const octets = [r.type ?? 3, code, 0, 0, words, 0, ...half(mtu), ...quote, ...r.extension];
  const addresses = { src: 'fd00::9', dst: 'fd00::2' };
  return frame(0x86dd, packet6({ next: 58, src: 'fd00::9' }, icmpMessage(octets, addresses)));
}
function told(r: Report, asked = true): readonly [octets: number, data: number, info: number] | undefined {
  const w = new World();
  const socket = w.b.createUdp(r.family);
  socket.bind(ip(r.family === 4 ? '0.0.0.0' : '::'), PORT);
  const { settings } = socket;
  settings.receiveErrors = settings.receiveErrors6 = true;
  settings.receiveExtensions = r.family === 4 && asked;
  settings.receiveExtensions6 = r.family === 6 && asked;
  inject(w, message(r));
  const error = socket.peekError();
  return error === undefined ? undefined : [error.payload.length, error.data, error.info];
}

const GOOD = extension(OBJECT);
const V4 = { family: 4, words: 32, quote: 128, extension: GOOD } as const;
const V6 = { family: 6, words: 16, quote: 128, extension: GOOD } as const;
const WORD = 0x1000_0000;

const ROWS: readonly (readonly [string, Report, readonly [number, number, number]])[] = [
  ['one object', V4, [112, 100, 0]],
  ['two objects', { ...V4, extension: extension([...OBJECT, ...OBJECT]) }, [120, 100, 0]],
  ['no checksum', { ...V4, extension: extension(OBJECT, 2, 'none') }, [112, 100, 0]],
  ['a wrong checksum', { ...V4, extension: extension(OBJECT, 2, 'bad') }, [112, 100 | BROKEN, 0]],
  ['another version', { ...V4, extension: extension(SHORT, 1, 'bad') }, [112, 100, 0]],
  ['an object shorter than its header', { ...V4, extension: extension(SHORT) }, [112, 100 | BROKEN, 0]],
  ['an object that goes beyond', { ...V4, extension: extension(LONG) }, [112, 100 | BROKEN, 0]],
  ['half an object', { ...V4, extension: extension([...OBJECT, 0, 8]) }, [114, 100 | BROKEN, 0]],
  ['no objects', { ...V4, extension: extension([]) }, [104, 100, 0]],
  ['half a header', { ...V4, extension: [0x20, 0, 0] }, [103, 0, 0]],
  ['a quote that is too short', { ...V4, words: 31 }, [112, 0, 0]],
  ['no length', { ...V4, words: 0 }, [112, 0, 0]],
  ['a length beyond the message', { ...V4, words: 40 }, [112, 0, 0]],
  ['a length to the end of it', { ...V4, words: 33, extension: extension([]) }, [104, 0, 0]],
  ['an unreachable port', { ...V4, type: 3, code: 3 }, [112, 100, 0]],
  ['fragmentation needed', { ...V4, type: 3, code: 4, mtu: 1285 }, [112, 100, 1285]],
  ['a parameter problem', { ...V4, type: 12, first: 7 }, [112, 100, 7]],
  ['a quote of 200', { ...V4, words: 50, quote: 200 }, [184, 172, 0]],
  ['the longest quote', { ...V4, words: 255, quote: 1020 }, [1004, 992, 0]],
  ['one object', V6, [92, 80, WORD]],
  ['an unreachable port', { ...V6, type: 1, code: 4 }, [92, 80, WORD]],
  ['packet too big', { ...V6, type: 2, words: 0, mtu: 1300 }, [92, 0, 1300]],
  ['a parameter problem', { ...V6, type: 4 }, [92, 0, WORD]],
  ['a quote that is too short', { ...V6, words: 15 }, [92, 0, 0x0f00_0000]],
  ['a wrong checksum', { ...V6, extension: extension(OBJECT, 2, 'bad') }, [92, 80 | BROKEN, WORD]],
];
for (const [what, report, expected] of ROWS) {
  test(`[RFC4884] IPv${report.family}: ${what}`, (t) => {
    t.deepEqual(told(report), expected);
    t.deepEqual(told(report, false), [expected[0], 0, expected[2]], 'who did not ask is not told');
  });
}

test('the place and the flag are struct sock_ee_data_rfc4884', (t) => {
  const octets = new Uint8Array(4);
  u32.put(octets, 0, 100 | BROKEN);
  t.deepEqual({ ...sockEeDataRfc4884.get(octets, 0) }, { len: 100, flags: 1, reserved: 0 });
});
