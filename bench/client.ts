/**
 * The end that measures, inside of a sandbox or outside: each line of stdin asks for one measurement as JSON, each line of stdout answers. Calls on sockets are blocking
 * ones through koffi, in Node alone: no event loop stands between the clock and the call, nothing else has to be installed, and a call needs 55 ns of its own.
 */
import { openSync, readSync, writeSync } from 'node:fs';
import { addressOf, arena, must, read } from '../src/host/libc.ffi.ts';
import {
  close,
  connect,
  connectDatagrams,
  getppid,
  receiveAll,
  receiveDatagram,
  sendAll,
  sendDatagram,
  setReceiveLimit,
  shutdownSending,
  socketType,
} from './calls.ts';
import { median } from './measure.ts';
import {
  Arrivals,
  BUFFER_OCTETS,
  DATAGRAM_OCTETS,
  Datagram,
  fillPattern,
  Mode,
  REQUEST_OCTETS,
  writeDatagram,
  writeRequest,
} from './protocol.ts';
import { drain, flood, pour, seconds } from './transfer.ts';

export interface Order {
  readonly what: string;
  readonly address: string;
  readonly port: number;
  /** How long to measure. */
  readonly ms: number;
  readonly verify: boolean;
}
export interface Answer {
  /** Octets per second, operations per second, or microseconds of one operation. */
  readonly value: number;
  readonly operations: number;
}

const STDIN = 0;
const STDOUT = 1;
const BATCH = 50;
const MAX_ROUNDS = 1 << 20;
/** After so long a datagram counts as lost. */
const LOST_MS = 250;
const TRIES = 20;

const buffer = arena(BUFFER_OCTETS);
const view = new DataView(buffer.bytes.buffer);
const rounds = new Float64Array(MAX_ROUNDS);
const small = new Uint8Array(DATAGRAM_OCTETS);
const smallView = new DataView(small.buffer);
const smallAt = addressOf(small);

function connected({ address, port, ms, verify }: Order, mode: number): number {
  const fd = connect(address, port);
  writeRequest(smallView, { mode, verify, ms });
  sendAll(fd, smallAt, REQUEST_OCTETS);
  return fd;
}

function upload(order: Order): Answer {
  const fd = connected(order, Mode.Upload);
  fillPattern(buffer.bytes);
  const begin = seconds();
  const sent = pour(fd, buffer, order.ms);
  shutdownSending(fd);
  receiveAll(fd, buffer.address, 8); // the server's count, sent when it had everything
  const taken = view.getFloat64(0);
  const time = seconds() - begin;
  close(fd);
  if (taken !== sent) throw new Error(`the server got ${taken} of ${sent} octets`);
  return { value: taken / time, operations: taken };
}
function download(order: Order): Answer {
  const begin = seconds();
  const fd = connected(order, Mode.Download);
  const taken = drain(fd, buffer, order.verify);
  const time = seconds() - begin;
  close(fd);
  if (taken === 0) throw new Error('nothing arrived');
  return { value: taken / time, operations: taken };
}

/** Median of the rounds, each timed by itself: one at least, however late it begins. */
function timed(ms: number, round: (index: number) => void): Answer {
  const end = seconds() + ms / 1000;
  let count = 0;
  for (let now = seconds(); count === 0 || (now < end && count < MAX_ROUNDS); count++) {
    round(count);
    const after = seconds();
    rounds[count] = after - now;
    now = after;
  }
  return { value: median(rounds.subarray(0, count)) * 1e6, operations: count };
}
function roundTrip(order: Order): Answer {
  const fd = connected(order, Mode.Echo);
  const result = timed(order.ms, (index) => {
    small[0] = index & 0xff;
    sendAll(fd, smallAt, 1);
    receiveAll(fd, smallAt, 1);
    if (small[0] !== (index & 0xff)) throw new Error(`round ${index} brought back another octet`);
  });
  close(fd);
  return result;
}
/** Connections with an octet there and back, per second. */
function connections(order: Order): Answer {
  const begin = seconds();
  const end = begin + order.ms / 1000;
  let count = 0;
  for (; seconds() < end; count++) {
    const fd = connect(order.address, order.port);
    writeRequest(smallView, { mode: Mode.Echo, verify: false, ms: 0 });
    small[REQUEST_OCTETS] = count & 0xff;
    sendAll(fd, smallAt, REQUEST_OCTETS + 1);
    receiveAll(fd, smallAt, 1);
    if (small[0] !== (count & 0xff)) throw new Error(`connection ${count} brought back another octet`);
    close(fd);
  }
  return { value: count / (seconds() - begin), operations: count };
}

/** Asks until there is an answer to this very question, which lies in `small` then. */
function askDatagram(fd: number, kind: number, number: number): void {
  for (let tries = 0; tries < TRIES; tries++) {
    writeDatagram(smallView, kind, number);
    sendDatagram(fd, smallAt, DATAGRAM_OCTETS);
    while (receiveDatagram(fd, smallAt, DATAGRAM_OCTETS) > 0)
      if (smallView.getUint8(0) === kind && smallView.getUint32(4) === number) return;
  }
  throw new Error('datagrams get no answer');
}
function withDatagrams<T>({ address, port }: Order, body: (fd: number) => T): T {
  const fd = connectDatagrams(address, port);
  try {
    setReceiveLimit(fd, LOST_MS);
    return body(fd);
  } finally {
    close(fd);
  }
}
const datagramRoundTrip = (order: Order): Answer =>
  withDatagrams(order, (fd) => timed(order.ms, (index) => askDatagram(fd, Datagram.Echo, index)));

/** Received by the server, per second of sending. */
const datagramsUp = (order: Order): Answer =>
  withDatagrams(order, (fd) => {
    askDatagram(fd, Datagram.Reset, 0);
    const begin = seconds();
    flood({ address: smallAt, bytes: small }, order.ms, (address, len) => sendDatagram(fd, address, len));
    const time = seconds() - begin;
    askDatagram(fd, Datagram.Count, 0);
    const count = smallView.getUint32(8);
    return { value: count / time, operations: count };
  });
const datagramsDown = (order: Order): Answer =>
  withDatagrams(order, (fd) => {
    askDatagram(fd, Datagram.Echo, 0);
    const arrivals = new Arrivals();
    const begin = seconds();
    let last = begin;
    writeDatagram(smallView, Datagram.Flood, order.ms);
    sendDatagram(fd, smallAt, DATAGRAM_OCTETS);
    while (receiveDatagram(fd, smallAt, DATAGRAM_OCTETS) > 0) {
      if (smallView.getUint8(0) !== Datagram.Numbered) continue;
      arrivals.take(smallView);
      last = seconds();
    }
    if (arrivals.count === 0) throw new Error('no datagram arrived');
    return { value: arrivals.count / (last - begin), operations: arrivals.count };
  });

/** Median of the mean of `BATCH` calls each, where one call is too short for the clock. */
function perCall(ms: number, call: () => void): Answer {
  const { value, operations } = timed(ms, () => {
    for (let count = 0; count < BATCH; count++) call();
  });
  return { value: value / BATCH, operations: operations * BATCH };
}
function socketCall(order: Order): Answer {
  const fd = connected(order, Mode.Echo);
  const result = perCall(order.ms, () => socketType(fd));
  close(fd);
  return result;
}
const zero = openSync('/dev/zero', 'r');

const measurements: Readonly<Record<string, (order: Order) => Answer>> = {
  upload,
  download,
  'round-trip': roundTrip,
  connections,
  'datagram-round-trip': datagramRoundTrip,
  'datagrams-up': datagramsUp,
  'datagrams-down': datagramsDown,
  'socket-call': socketCall,
  'file-call': ({ ms }) => perCall(ms, () => must(read(zero, smallAt, 1), 'read', '/dev/zero')),
  'other-call': ({ ms }) => perCall(ms, getppid),
};

function answer(line: string): Answer | { readonly error: string } {
  try {
    const order = JSON.parse(line) as Order;
    const measure = measurements[order.what];
    if (measure === undefined) throw new Error(`no such measurement: ${order.what}`);
    return measure(order);
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

const input = Buffer.alloc(4096);
let text = '';
for (let len = readSync(STDIN, input); len > 0; len = readSync(STDIN, input)) {
  text += input.toString('utf8', 0, len);
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
    writeSync(STDOUT, `${JSON.stringify(answer(text.slice(0, end)))}\n`);
    text = text.slice(end + 1);
  }
}
