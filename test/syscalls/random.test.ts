import test from 'ava';
import * as fc from 'fast-check';
import * as abi from '../../src/abi/index.ts';
import { millis } from '../../src/lib/clock.ts';
import { SeededRandom } from '../../src/lib/random.ts';
import { StraceFormatter } from '../../src/syscalls/strace.ts';
import { systemCalls } from '../../src/syscalls/table.ts';
import { FakeSocket } from './fake-socket.ts';
import { BASE, END, READ_ONLY, world } from './world.ts';

/** A socket that answers anything a socket may. */
class AnySocket extends FakeSocket {
  constructor(random: () => number, type: number) {
    super(abi.AF_INET, type, 0);
    const answer = (): number => {
      const choice = random() % 8;
      if (choice < 2) return -abi.Errno.EAGAIN;
      return choice < 4 ? -(1 + (random() % 133)) : 0;
    };
    const moves =
      (out: boolean) =>
      (message: Parameters<FakeSocket['send']>[0]): number => {
        const error = answer();
        if (error < 0) return error;
        const bytes = new Uint8Array(random() % 200);
        const moved = out ? message.iov.copyOut(bytes, 0, bytes.length) : message.iov.copyIn(bytes, 0, bytes.length);
        message.nameLength = (random() % 130) - 1;
        if (out) message.controlLength = Math.min(message.controlCapacity, random() % 64);
        return moved === 0 && message.iov.remaining > 0 ? -abi.Errno.EFAULT : moved;
      };
    this.onSend.says(moves(false));
    this.onReceive.says(moves(true));
    this.onBind.says(answer);
    this.onListen.says(answer);
    this.onConnect.says(() => (random() % 2 === 0 ? -abi.Errno.EINPROGRESS : answer()));
    this.onConnectResult.says(() => (random() % 2 === 0 ? -abi.Errno.EINPROGRESS : answer()));
    this.onShutdown.says(answer);
    this.onSetOption.says(answer);
    this.onGetOption.says((_level, _option, value) => (random() % 3 === 0 ? answer() : Math.min(value.length, 4)));
    this.onIoctl.says(answer);
    this.receiveTimeoutUs = (random() % 3) * 500 - 500;
    this.sendTimeoutUs = (random() % 3) * 500 - 500;
    this.events = random() & 0xff;
  }
}

const SEEDS = 300;
const CALLS = 60;
const NUMBERS = [...systemCalls({ architecture: 'x86_64', sockets: { create: () => 0 }, descriptors: true }).keys()];

test('random registers over random memory: every call ends with a result or an errno, and nothing throws', (t) => {
  const strace = new StraceFormatter('x86_64');
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const generator = new SeededRandom(seed);
      const random = (): number => generator.u32();
      const w = world();
      for (let at = BASE; at < BASE + 0x3000; at += 4) w.put(at, words(interesting(random), 1));
      for (let i = 0; i < 4; i++) w.fd(new AnySocket(random, 1 + (random() % 5)));
      w.call('epoll_create1', 0);
      w.emulator.dispatcher.observer = {
        answering: (task, result) => void strace.call(task, result),
        answered: () => undefined,
      };
      for (let i = 0; i < CALLS; i++) {
        const nr = NUMBERS[random() % NUMBERS.length] as number;
        w.made.push(random() % 2 === 0 ? -abi.Errno.EPERM : new AnySocket(random, 1));
        const args = Array.from({ length: 6 }, () => register(random));
        // The first argument mostly names something.
        if (random() % 4 !== 0) args[0] = BigInt(random() % 6);
        w.emulator.call(w.task, nr, ...args);
        for (const fd of w.task.files) {
          const file = w.task.files.get(fd);
          if (file instanceof FakeSocket && random() % 2 === 0) file.rise(random() & 0xff);
        }
        w.emulator.settle();
        w.emulator.advance(millis(1));
        if (!w.task.idle) w.emulator.interrupt(w.task, false);
        const { result } = w.task;
        t.true(w.task.idle, `${nr}`);
        t.true(result !== undefined && Number.isInteger(result), `${nr} gave ${result}`);
        t.true(result !== undefined && (result >= 0 || result >= -abi.MAX_ERRNO), `${nr} gave ${result}`);
      }
      t.deepEqual(
        w.emulator.crashes.map((crash) => String(crash.error)),
        [],
      );
      w.emulator.exit(w.task);
      t.is(w.clock.next(), undefined, 'no alarm is left');
    }),
    { numRuns: SEEDS },
  );
});

/** Values that parsers trip over: small numbers, limits, addresses, and noise. */
function interesting(random: () => number): number {
  switch (random() % 8) {
    case 0:
      return random();
    case 1:
      return BASE + (random() % 0x3000);
    case 2:
      return END - (random() % 64);
    case 3:
      return READ_ONLY;
    case 4:
      return [0x7fffffff, 0x80000000, 0xffffffff, 1024, 1025, 131072][random() % 6] as number;
    default:
      return random() % 20;
  }
}
const words = (value: number, count: number): Uint8Array => {
  const bytes = new Uint8Array(count * 4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
};
function register(random: () => number): bigint {
  const low = BigInt(interesting(random));
  return random() % 8 === 0 ? low | (BigInt(random()) << 32n) : low;
}
