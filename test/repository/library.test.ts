/** The package as its users import it, by name. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);

test('every entry of the package can be imported by its name and says what it is for', async (t) => {
  t.is(typeof (await import('sandsock')).Emulator, 'function');
  t.is((await import('sandsock/abi')).AF_INET, 2);
  t.is(typeof (await import('sandsock/netstack')).Stack, 'function');
  t.is(typeof (await import('sandsock/gateway')).Gateway, 'function');
});

test('examples/emulator.ts does what it says', async (t) => {
  const example = new URL('../../examples/emulator.js', import.meta.url).pathname;
  const { stdout } = await run(process.execPath, [example]);
  t.is(stdout, 'descriptor 1 read 5 octets: hello\n');
});
