import test from 'ava';
import * as fc from 'fast-check';
import { NR_AMD64, NR_ARM64 } from '../../src/abi/index.ts';
import { assemble, give, interpret, load, Verdict, whenEqual } from '../../src/host/bpf.ts';
import {
  ABSENT,
  AUDIT_ARCH,
  buildFilter,
  CLONE_NEW_ANY,
  TUNSETIFF,
  USERFAULTFD_NEW,
  WALLS,
  WATCHED,
} from '../../src/runner/filter.ts';

const trapped = ['connect', 'read', 'sendmsg', 'getsockopt', 'setsockopt', 'socket', 'ioctl', 'no_such_call'];
const amd64 = buildFilter({ auditArch: AUDIT_ARCH.x64, numbers: NR_AMD64, trapped });
const arm64 = buildFilter({ auditArch: AUDIT_ARCH.arm64, numbers: NR_ARM64, trapped });

/** `struct seccomp_data`. */
function data(arch: number, nr: number, args: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, nr, true);
  view.setUint32(4, arch, true);
  for (const [i, value] of args.entries()) view.setBigUint64(16 + i * 8, BigInt.asUintN(64, BigInt(value)), true);
  return bytes;
}
const call = (nr: number, ...args: number[]): number => interpret(amd64, data(AUDIT_ARCH.x64, nr, args));

test('what the supervisor answers is notified, the rest is the kernel’s own', (t) => {
  for (const name of ['connect', 'read', 'sendmsg', ...WALLS, ...WATCHED] as const) {
    t.is(call(NR_AMD64[name as keyof typeof NR_AMD64]), Verdict.Notify, name);
  }
  for (const name of ['close', 'dup2', 'fcntl', 'poll', 'epoll_wait', 'epoll_ctl', 'openat', 'fork'] as const) {
    t.is(call(NR_AMD64[name]), Verdict.Allow, name);
  }
});

test('socket(AF_UNIX) is native; every other family goes to the supervisor, with garbage in the upper word too', (t) => {
  t.is(call(NR_AMD64.socket, 1, 1, 0), Verdict.Allow);
  t.is(call(NR_AMD64.socket, 0x5_0000_0001, 1, 0), Verdict.Allow);
  for (const family of [0, 2, 10, 16, 17, 38, 40, 44, -1, 0x7fff_ffff]) {
    t.is(call(NR_AMD64.socket, family, 1, 0), Verdict.Notify, `family ${family}`);
  }
});

test('socketpair(AF_UNIX) is native; no other family has pairs', (t) => {
  t.is(call(NR_AMD64.socketpair, 1, 1, 0), Verdict.Allow);
  t.is(call(NR_AMD64.socketpair, 2, 1, 0), Verdict.errno(95));
  t.is(call(NR_AMD64.socketpair, 10, 1, 0), Verdict.errno(95));
  t.is(call(NR_AMD64.socketpair, 30, 1, 0), Verdict.Notify);
});

test('requests of sockets, queue lengths, TUNSETIFF, vhost and typing are notified, others of a terminal are not', (t) => {
  for (const request of [
    0x8912,
    0x8927,
    0x89f0,
    0x8b_8901,
    0x541b,
    0x5411,
    TUNSETIFF,
    0x8b01,
    0xaf01,
    0x4008_af60,
    0x5412,
    0x541c,
  ]) {
    t.is(call(NR_AMD64.ioctl, 3, request), Verdict.Notify, request.toString(16));
  }
  for (const request of [0x5401, 0x5421, 0x5413, 0x8a00]) {
    t.is(call(NR_AMD64.ioctl, 3, request), Verdict.Allow, request.toString(16));
  }
});

test('what does not exist here is notified, so that its refusal is counted', (t) => {
  for (const name of ABSENT) t.is(call(NR_AMD64[name]), Verdict.Notify, name);
  t.is(call(NR_AMD64.ioctl, 3, USERFAULTFD_NEW, 0), Verdict.Notify);
  t.is(call(NR_AMD64.ioctl, 3, 0x7_0000_aa00, 0), Verdict.Notify);
});

test('clone with a new namespace is notified, without it is native, clone3 does not exist', (t) => {
  t.is(call(NR_AMD64.clone, 0x0120_0011), Verdict.Allow);
  t.is(call(NR_AMD64.clone, 0x4000_0011), Verdict.Notify);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (flags) => {
      const expected = (flags & CLONE_NEW_ANY) !== 0 ? Verdict.Notify : Verdict.Allow;
      return call(NR_AMD64.clone, flags) === expected;
    }),
  );
  t.is(call(NR_AMD64.clone3), Verdict.errno(38));
});

test('with looks, a look at readiness that does not wait is notified, one that waits is native', (t) => {
  const looking = buildFilter({ auditArch: AUDIT_ARCH.x64, numbers: NR_AMD64, trapped, looks: true });
  const on = (nr: number, ...args: number[]): number => interpret(looking, data(AUDIT_ARCH.x64, nr, args));
  const { poll, ppoll, select, pselect6, epoll_wait, epoll_pwait, epoll_pwait2 } = NR_AMD64;
  for (const nr of [epoll_wait, epoll_pwait]) {
    t.is(on(nr, 3, 0x1000, 8, 0), Verdict.Notify);
    t.is(on(nr, 3, 0x1000, 8, 0x7_0000_0000), Verdict.Notify);
    t.is(on(nr, 3, 0x1000, 8, -1), Verdict.Allow);
  }
  t.is(on(poll, 0x1000, 1, 0), Verdict.Notify);
  t.is(on(poll, 0x1000, 1, 5), Verdict.Allow);
  for (const [nr, ...before] of [
    [ppoll, 0x1000, 1],
    [epoll_pwait2, 3, 0x1000, 8],
    [select, 1, 0, 0, 0],
    [pselect6, 1, 0, 0, 0],
  ] as const) {
    t.is(on(nr, ...before, 0x1000), Verdict.Notify);
    t.is(on(nr, ...before, 0x5_0000_0000), Verdict.Notify);
    t.is(on(nr, ...before, 0), Verdict.Allow);
  }
});

test('x32, a foreign architecture and numbers that no Linux had are notified, so that their refusal is counted', (t) => {
  for (const nr of [0x4000_0029, 0x4000_0000, 0xffff_fffe, 0x7fff_ffff]) t.is(call(nr), Verdict.Notify, `${nr}`);
  for (const nr of [336, 400, 423, 467, 500, 1023]) t.is(call(nr), Verdict.Notify, `${nr}`);
  for (const nr of [335, 424, 466]) t.is(call(nr), Verdict.Allow, `${nr}`);
  t.is(call(0xffff_ffff), Verdict.Allow, 'what a tracer puts in the place of a call');
  const AUDIT_ARCH_I386 = 0x4000_0003;
  t.is(interpret(amd64, data(AUDIT_ARCH_I386, NR_AMD64.close)), Verdict.Notify);
  t.is(interpret(amd64, data(AUDIT_ARCH.arm64, NR_AMD64.close)), Verdict.Notify);
});

test('arm64 has its own numbers', (t) => {
  const on = (nr: number, ...args: number[]): number => interpret(arm64, data(AUDIT_ARCH.arm64, nr, args));
  t.is(on(NR_ARM64.connect), Verdict.Notify);
  t.is(on(NR_ARM64.socket, 1), Verdict.Allow);
  t.is(on(NR_ARM64.close), Verdict.Allow);
  for (const nr of [295, 423, 467]) t.is(on(nr), Verdict.Notify, `${nr}`);
  t.is(interpret(arm64, data(AUDIT_ARCH.x64, NR_ARM64.close)), Verdict.Notify);
});

test('whatever the number and the registers, the program ends in one of its verdicts', (t) => {
  const word = fc.integer({ min: 0, max: 0xffff_ffff });
  fc.assert(
    fc.property(word, fc.array(word, { minLength: 6, maxLength: 6 }), (nr, args) => {
      const verdict = call(nr, ...args);
      return verdict === Verdict.Allow || verdict === Verdict.Notify || verdict >>> 16 === 5;
    }),
  );
  t.pass();
});

test('the assembler refuses what the kernel would', (t) => {
  t.throws(() => assemble([]), { instanceOf: RangeError });
  const long = Array.from({ length: 256 }, () => load(0));
  t.throws(() => whenEqual(1, ...long), { instanceOf: RangeError });
  t.throws(() => interpret(assemble([load(0)]), new Uint8Array(64)), { message: /without a verdict/ });
  t.is(interpret(assemble([give(Verdict.Allow)]), new Uint8Array(64)), Verdict.Allow);
});
