import test from 'ava';
import {
  Arrivals,
  checkPattern,
  Datagram,
  fillPattern,
  Mode,
  PATTERN_OCTETS,
  readRequest,
  writeDatagram,
  writeRequest,
} from '../../bench/protocol.ts';

test('the pattern continues from one buffer to the next, and a misplaced octet is found', (t) => {
  const bytes = new Uint8Array(PATTERN_OCTETS);
  fillPattern(bytes);
  t.notThrows(() => checkPattern(bytes, bytes.length, 3 * PATTERN_OCTETS));
  t.notThrows(() => checkPattern(bytes.subarray(7), 1000, 7));
  t.throws(() => checkPattern(bytes, 1000, 1));
});

test('a request is read as it was written', (t) => {
  const view = new DataView(new ArrayBuffer(12));
  const request = { mode: Mode.Download, ms: 1500, verify: true };
  writeRequest(view, request);
  t.deepEqual(readRequest(view), request);
});

test('datagrams may be lost, but neither come twice nor out of turn', (t) => {
  const view = new DataView(new ArrayBuffer(64));
  const arrivals = new Arrivals();
  const take = (number: number): void => {
    writeDatagram(view, Datagram.Numbered, number);
    arrivals.take(view);
  };
  for (const number of [0, 1, 5, 6]) take(number);
  t.is(arrivals.count, 4);
  t.throws(() => take(6), { message: /6 came again/ });
  t.throws(() => take(2));
});
