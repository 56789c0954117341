/**
 * `node build/bench/abi.js [--json] [--smoke]`: what it costs to read and write the structs of a call with sandsock/abi, and that the ways for hot paths leave no garbage.
 *
 * CPU time of this process, the least of many batches: a neighbour on the machine can only add to it. Garbage is looked for by counting collections over ten million
 * operations and by what the heap has grown by; one object of 16 octets for each would be 150 MB, and a collection every 16 MB of it.
 */
import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import {
  CmsgWalker,
  CmsgWriter,
  iovec,
  mmsghdr,
  msghdr,
  pollfd,
  SOL_IP,
  sockaddrIn,
  sockaddrIn6,
  tcpInfo,
  timespec,
} from '../src/abi/index.ts';

const smoke = process.argv.includes('--smoke');
const BATCH = smoke ? 2000 : 200_000;
const BATCHES = smoke ? 3 : 25;
const WARMING = smoke ? 20 : 60;
const MANY = smoke ? 200_000 : 10_000_000;
const PLACES = 16;

/** Runs an operation so many times and returns a number made of the results, so that none is left out as useless. One function for each, so that each is compiled for itself. */
type Operation = (count: number) => number;

interface Case {
  readonly what: string;
  readonly how: string;
  /** Meant for hot paths: must leave no garbage. */
  readonly hot: boolean;
  readonly run: Operation;
  /** What one call of the operation counts as. */
  readonly each?: number;
}

const header = {
  name: 0x7f00_1234_5678,
  namelen: 16,
  iov: 0x7f00_0000_1000,
  iovlen: 2,
  control: 0x7f00_0000_2000,
  controllen: 64,
  flags: 0x4000,
};
const octets = new Uint8Array(mmsghdr.size * PLACES);
for (let i = 0; i < PLACES; i++) mmsghdr.put(octets, i * mmsghdr.size, { hdr: header, len: 100 });
const at = (i: number): number => (i % PLACES) * mmsghdr.size;
const names = new Uint8Array(sockaddrIn6.size * PLACES);
const info = tcpInfo.blank();
const control = new Uint8Array(256);
const writer = new CmsgWriter();
const walker = new CmsgWalker();
const MESSAGES = 3;
const writeControl = (): void => {
  writer.begin(control, control.length);
  for (let n = 0; n < MESSAGES; n++) writer.putInt(SOL_IP, n, 64);
};
writeControl();

const cases: readonly Case[] = [
  {
    what: 'struct msghdr',
    how: 'decode',
    hot: false,
    run: (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += msghdr.decode(octets, at(i)).iovlen;
      return sum;
    },
  },
  {
    what: 'struct msghdr',
    how: 'decodeInto',
    hot: true,
    run: (count) => {
      let sum = 0;
      const into = msghdr.blank();
      for (let i = 0; i < count; i++) sum += msghdr.decodeInto(into, octets, at(i)).iovlen;
      return sum;
    },
  },
  {
    what: 'struct msghdr',
    how: 'put',
    hot: true,
    run: (count) => {
      for (let i = 0; i < count; i++) {
        header.namelen = i & 127;
        msghdr.put(octets, at(i), header);
      }
      return 0;
    },
  },
  {
    what: 'struct mmsghdr',
    how: 'decodeInto',
    hot: true,
    run: (count) => {
      let sum = 0;
      const into = mmsghdr.blank();
      for (let i = 0; i < count; i++) sum += mmsghdr.decodeInto(into, octets, at(i)).len;
      return sum;
    },
  },
  {
    what: 'struct iovec',
    how: 'decodeInto',
    hot: true,
    run: (count) => {
      let sum = 0;
      const into = iovec.blank();
      for (let i = 0; i < count; i++) sum += iovec.decodeInto(into, octets, at(i)).len;
      return sum;
    },
  },
  {
    what: 'one field, msghdr.iovlen',
    how: 'get',
    hot: true,
    run: (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) sum += msghdr.fields.iovlen.get(octets, at(i) + msghdr.offset.iovlen);
      return sum;
    },
  },
  {
    what: 'struct sockaddr_in',
    how: 'decodeInto',
    hot: true,
    run: (count) => {
      let sum = 0;
      const into = sockaddrIn.blank();
      for (let i = 0; i < count; i++) sum += sockaddrIn.decodeInto(into, names, (i % PLACES) * sockaddrIn6.size).port;
      return sum;
    },
  },
  {
    what: 'struct sockaddr_in6',
    how: 'put',
    hot: true,
    run: (count) => {
      const value = sockaddrIn6.blank();
      for (let i = 0; i < count; i++) {
        value.port = i & 0xffff;
        sockaddrIn6.put(names, (i % PLACES) * sockaddrIn6.size, value);
      }
      return 0;
    },
  },
  {
    what: 'struct timespec',
    how: 'decodeInto',
    hot: true,
    run: (count) => {
      let sum = 0;
      const into = timespec.blank();
      for (let i = 0; i < count; i++) sum += timespec.decodeInto(into, octets, at(i)).nsec;
      return sum;
    },
  },
  {
    what: 'struct pollfd',
    how: 'put',
    hot: true,
    run: (count) => {
      const value = pollfd.blank();
      for (let i = 0; i < count; i++) {
        value.fd = i;
        pollfd.put(names, (i % PLACES) * pollfd.size, value);
      }
      return 0;
    },
  },
  {
    what: 'a control message of three',
    how: 'walk',
    hot: true,
    each: MESSAGES,
    run: (count) => {
      let sum = 0;
      for (let i = 0; i < count; i++) {
        walker.begin(control, writer.length);
        while (walker.next()) sum += walker.type;
      }
      return sum;
    },
  },
  {
    what: 'a control message of three',
    how: 'write',
    hot: true,
    each: MESSAGES,
    run: (count) => {
      for (let i = 0; i < count; i++) writeControl();
      return 0;
    },
  },
  {
    what: 'struct tcp_info, field by field',
    how: 'put',
    hot: false,
    run: (count) => {
      const out = new Uint8Array(tcpInfo.size);
      for (let i = 0; i < count / 50; i++) tcpInfo.put(out, 0, info);
      return out[0] as number;
    },
    each: 1 / 50,
  },
];

/** Until the compiler, which works beside, has done with it. */
async function warmUp({ run }: Case): Promise<void> {
  for (let i = 0; i < WARMING; i++) {
    total += run(BATCH);
    if (i % 10 === 9) await delay(20);
  }
}
/** Nanoseconds of CPU of one operation. */
function cost({ run, each = 1 }: Case): number {
  let least = Infinity;
  for (let i = 0; i < BATCHES; i++) {
    const before = process.cpuUsage();
    total += run(BATCH);
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, user + system);
  }
  return (least * 1000) / (BATCH * each);
}

const MINOR = constants.NODE_PERFORMANCE_GC_MINOR;
type GcEntry = PerformanceEntry & { readonly detail: { readonly kind: number } };
interface Garbage {
  readonly collections: number;
  /** Octets that the heap has grown by. */
  readonly growth: number;
}
async function garbage({ run }: Case): Promise<Garbage> {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries() as GcEntry[]) if (detail.kind === MINOR) collections++;
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = process.memoryUsage().heapUsed;
  total += run(MANY);
  const growth = process.memoryUsage().heapUsed - before;
  await turn();
  await turn();
  observer.disconnect();
  return { collections, growth };
}

let total = 0;
const results: object[] = [];
for (const one of cases) {
  await warmUp(one);
  const ns = Math.round(cost(one) * 10) / 10;
  const left = one.hot ? await garbage(one) : undefined;
  results.push({ what: one.what, how: one.how, ns, ...left });
  if (process.argv.includes('--json')) continue;
  const tail = left === undefined ? '' : `, ${left.collections} collections in ${MANY.toExponential(0)} operations`;
  process.stdout.write(`${one.what.padEnd(34)} ${one.how.padEnd(11)} ${`${ns} ns`.padStart(9)}${tail}\n`);
}
if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(results)}\n`);
if (Number.isNaN(total)) throw new Error('an operation made no number');
