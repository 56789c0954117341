/**
 * `node build/bench/parts.js`: what single operations cost that a design rests on (docs/decisions 0002, 0003 and 0004), beside the way that was not taken. In one process;
 * medians of batches.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { borrowAddress, native } from '../src/host/libc.ffi.ts';
import { ScalarChecksum, simdChecksum } from '../src/lib/checksum.ts';
import { SeededRandom } from '../src/lib/random.ts';
import { IpAddress } from '../src/netstack/address.ts';
import { FlowTable } from '../src/netstack/flow-table.ts';
import { PacketPool } from '../src/netstack/packet.ts';
import { median } from './measure.ts';
import { seconds } from './transfer.ts';

const time = process.argv.includes('--smoke') ? 0.01 : 0.5;
const BATCH = 1000;
/** Results go somewhere, so that no operation is left out as useless. */
let sink = 0;

/** Nanoseconds of one of `body`'s operations; it is given their number. */
function cost(body: (index: number) => number, batch = BATCH): number {
  const batches: number[] = [];
  const end = seconds() + time;
  do {
    const begin = seconds();
    for (let index = 0; index < batch; index++) sink += body(index);
    batches.push((seconds() - begin) / batch);
  } while (seconds() < end);
  return median(batches) * 1e9;
}
function report(what: string, values: Readonly<Record<string, string>>): void {
  const shown = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  process.stdout.write(`${what.padEnd(52)} ${shown.join(', ')}\n`);
}
const ns = (value: number): string => `${value.toFixed(1)} ns`;

function registers(): void {
  const view = new DataView(new ArrayBuffer(64));
  const words = new Uint32Array(view.buffer);
  for (let i = 0; i < 6; i++) view.setBigUint64(i * 8, 0x7f12_3456_7000n + BigInt(i), true);
  report('0002: a register out of a notification', {
    'two u32': ns(cost((i) => (words[(i % 6) * 2] as number) + (words[(i % 6) * 2 + 1] as number) * 0x1_0000_0000)),
    bigint: ns(cost((i) => Number(view.getBigUint64((i % 6) * 8, true)))),
  });
}

const RECORDS = 20_000;
const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
};
/** Octets of the heap for a record of sequence numbers from `first` on. */
function heapOf(first: number): number {
  const make = (i: number): object => {
    const s = first + i;
    return { una: s, nxt: s + 1, wl1: s + 2, wl2: s + 3, iss: s + 4, rcv: s + 5, up: s + 6, irs: s + 7 };
  };
  const records: object[] = Array.from({ length: RECORDS });
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < RECORDS; i++) records[i] = make(i);
  collectGarbage();
  const octets = (process.memoryUsage().heapUsed - before) / RECORDS;
  sink += records.length;
  return octets;
}
function sequenceNumbers(): void {
  report('0002: octets of a record of eight sequence numbers', {
    int32: heapOf(0x1000_0000).toFixed(0),
    uint32: heapOf(0xf000_0000).toFixed(0),
  });
}

const FLOWS = 10_000;
function flows(): void {
  const table = new FlowTable<number>({ random: new SeededRandom(1), limit: FLOWS });
  const byName = new Map<string, number>();
  const local = IpAddress.of('10.0.2.15');
  const remote = IpAddress.of('192.0.2.1');
  for (let port = 1; port <= FLOWS; port++) {
    table.insert(local, 80, remote, port, port);
    byName.set(`${local.w3}:80-${remote.w3}:${port}`, port);
  }
  report(`0003: a flow out of ${FLOWS}`, {
    'open addressing': ns(cost((i) => table.get(local, 80, remote, 1 + ((i * 37) % FLOWS)) ?? 0)),
    'string key': ns(cost((i) => byName.get(`${local.w3}:80-${remote.w3}:${1 + ((i * 37) % FLOWS)}`) ?? 0)),
  });
}

const SUMMED = 65_536;
const rate = (value: number): string => `${(SUMMED / value).toFixed(1)} GB/s`;
function checksums(pool: PacketPool): void {
  const scalar = new ScalarChecksum(pool.memory.buffer);
  const simd = simdChecksum(pool.memory);
  report('0004: the checksum of 64 KiB', {
    'WASM SIMD': simd === undefined ? 'not in this engine' : rate(cost(() => simd.sum(SUMMED, SUMMED), 100)),
    JavaScript: rate(cost(() => scalar.sum(SUMMED, SUMMED), 100)),
  });
}
function packets(pool: PacketPool): void {
  report('0004: a packet through three layers', {
    'pooled handle': ns(
      cost(() => {
        const packet = pool.alloc(1000);
        if (packet === undefined) throw new Error('the pool is empty');
        packet.release();
        return packet.base;
      }),
    ),
    'subarray a layer': ns(
      cost((i) => {
        const frame = pool.bytes.subarray(i, i + 1500);
        return frame.subarray(14).subarray(20).subarray(20).length;
      }),
    ),
  });
}
type Call = (s: number, max: number) => number;
type CallWithView = (s: Uint8Array, max: number) => number;
function pointers(pool: PacketPool): void {
  const byNumber = native<Call>('size_t strnlen(uintptr_t s, size_t max)');
  const byView = native<CallWithView>('size_t strnlen(const uint8_t *s, size_t max)');
  const base = borrowAddress(pool.bytes);
  report('0004: a native call with a place in the slab', {
    'as a number': ns(cost((i) => byNumber(base + i, 0))),
    'as a fresh view': ns(cost((i) => byView(pool.bytes.subarray(i, i + 64), 0))),
  });
}

const pool = new PacketPool({ large: 8, small: 64 });
registers();
sequenceNumbers();
flows();
checksums(pool);
packets(pool);
pointers(pool);
if (Number.isNaN(sink)) throw new Error('an operation had no result');
