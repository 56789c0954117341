/** The octets of the machine are what an assembler makes of its listing, and a process that runs a table does what the table says. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { MACHINES, type MachineCode, octetsOf } from '../../src/host/call-machine.ts';
import { CallTable, reap } from '../../src/host/call-table.ffi.ts';
import { close } from '../../src/host/libc.ffi.ts';
import { pidfdOfProcess } from '../../src/host/process.ffi.ts';
import { command, needing } from '../support/needs.ts';

function assembled(t: ExecutionContext, prefix: string, { listing }: MachineCode): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-machine-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [source, object, plain] = ['a.s', 'a.o', 'a.bin'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, listing);
  t.is(spawnSync(`${prefix}as`, [source, '-o', object]).status, 0);
  t.is(spawnSync(`${prefix}objcopy`, ['-O', 'binary', '-j', '.text', object, plain]).status, 0);
  return readFileSync(plain);
}
const same = (t: ExecutionContext, octets: Uint8Array, code: MachineCode): boolean =>
  t.is(Buffer.from(octets).toString('hex'), Buffer.from(octetsOf(code)).toString('hex'));

if (process.arch === 'x64') {
  needing(command('as'))('the machine of x86_64 is what its listing says', (t) => {
    same(t, assembled(t, '', MACHINES.x64), MACHINES.x64);
  });
}
needing(command('aarch64-linux-gnu-as'))('the machine of arm64 is what its listing says', (t) => {
  same(t, assembled(t, 'aarch64-linux-gnu-', MACHINES.arm64), MACHINES.arm64);
});

async function statusOf(table: CallTable, first: Parameters<CallTable['start']>[0]): Promise<number | null> {
  const pidfd = pidfdOfProcess(table.start(first));
  try {
    for (;;) {
      const how = reap(pidfd);
      if (how !== undefined) return how.code;
      await delay(1);
    }
  } finally {
    close(pidfd);
  }
}

test('a process of the table goes where each result leads, and leaves it behind', async (t) => {
  const table = new CallTable(4096);
  const [good, bad] = [table.call('exit_group', 7), table.call('exit_group', 8)];
  const missing = table.call('chdir', table.text('/no such directory'));
  const there = table.call('chdir', table.text('/'));
  const flags = table.call('fcntl', 1, 1);
  missing.onNegative(there).onZero(bad).onPositive(bad);
  there.onNegative(bad).onZero(flags).onPositive(bad);
  flags.onNegative(bad).onZero(good).onPositive(good);
  const here = process.cwd();
  t.is(await statusOf(table, missing), 7);
  t.is(missing.result, -2);
  t.is(there.result, 0);
  t.is(process.cwd(), here, 'its directory is its own');
});

test('arguments of any sign and of more than 32 bits arrive whole', async (t) => {
  const table = new CallTable(4096);
  const exit = table.call('exit_group', 0);
  // EINVAL: no such option; EFAULT: an address beyond what a process has.
  const option = table.call('prctl', -1);
  const address = table.call('chdir', 2 ** 52);
  t.is(await statusOf(table, table.sequence([option, address, exit])), 0);
  t.deepEqual([option.result, address.result], [-22, -14]);
});

test('a table that is full says so', (t) => {
  const table = new CallTable(128);
  t.throws(() => table.text('x'.repeat(4096)), { instanceOf: RangeError });
});
