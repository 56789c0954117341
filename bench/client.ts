/**
 * The end that runs in the sandbox, and outside it as the baseline: `client.js WHAT ADDRESS PORT AMOUNT [verify]` makes one measurement and prints it as a number:
 * seconds for upload and download, microseconds for the others (the median of the rounds, or of the means of batches where one call is too short for the clock).
 */
import { openSync } from 'node:fs';
import { addressOf, arena, must, read } from '../src/host/libc.ffi.ts';
import { close, connect, getppid, receiveAll, sendAll, socketType } from './calls.ts';
import { median } from './measure.ts';
import { BUFFER_OCTETS, fillPattern, Mode, REQUEST_OCTETS, writeRequest } from './protocol.ts';
import { drain, pour } from './transfer.ts';

const [what = '', address = '', port = '', amountText = '', verifyText] = process.argv.slice(2);
const amount = Number(amountText);
const verify = verifyText === 'verify';
const BATCH = 50;

const seconds = (): number => {
  const [s, ns] = process.hrtime();
  return s + ns / 1e9;
};
function request(fd: number, mode: number): void {
  const bytes = new Uint8Array(REQUEST_OCTETS);
  writeRequest(new DataView(bytes.buffer), mode, amount, verify);
  sendAll(fd, addressOf(bytes), REQUEST_OCTETS);
}
function connected(mode: number): number {
  const fd = connect(address, Number(port));
  request(fd, mode);
  return fd;
}

function upload(): number {
  const buffer = arena(BUFFER_OCTETS);
  fillPattern(buffer.bytes);
  const fd = connected(Mode.Upload);
  const begin = seconds();
  pour(fd, buffer, amount);
  receiveAll(fd, buffer.address, 8); // the server's count, sent when it had everything
  const taken = new DataView(buffer.bytes.buffer).getFloat64(0);
  if (taken !== amount) throw new Error(`the server got ${taken} of ${amount} octets`);
  return seconds() - begin;
}
function download(): number {
  const buffer = arena(BUFFER_OCTETS);
  const begin = seconds();
  const taken = drain(connected(Mode.Download), buffer, amount, verify);
  if (taken !== amount) throw new Error(`got ${taken} of ${amount} octets`);
  return seconds() - begin;
}
function roundTrip(): number {
  const buffer = arena(4096);
  const fd = connected(Mode.Echo);
  const rounds = new Float64Array(amount);
  for (let round = 0; round < amount; round++) {
    buffer.bytes[0] = round & 0xff;
    const begin = seconds();
    sendAll(fd, buffer.address, 1);
    receiveAll(fd, buffer.address, 1);
    rounds[round] = seconds() - begin;
    if (buffer.bytes[0] !== (round & 0xff)) throw new Error(`round ${round} brought back another octet`);
  }
  close(fd);
  return median(rounds) * 1e6;
}
/** Median of the mean of `BATCH` calls each. */
function perCall(call: () => void): number {
  const batches = new Float64Array(Math.max(1, Math.floor(amount / BATCH)));
  for (let batch = 0; batch < batches.length; batch++) {
    const begin = seconds();
    for (let count = 0; count < BATCH; count++) call();
    batches[batch] = (seconds() - begin) / BATCH;
  }
  return median(batches) * 1e6;
}

const measurements: Record<string, () => number> = {
  upload,
  download,
  'round-trip': roundTrip,
  'socket-call': () => {
    const fd = connected(Mode.Echo);
    return perCall(() => socketType(fd));
  },
  'file-call': () => {
    const fd = openSync('/dev/zero', 'r');
    const { address: at } = arena(4096);
    return perCall(() => must(read(fd, at, 1), 'read', '/dev/zero'));
  },
  'other-call': () => perCall(getppid),
};

const measure = measurements[what];
if (measure === undefined) throw new Error(`no such measurement: ${what}`);
process.stdout.write(`${measure()}\n`);
