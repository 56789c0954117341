/** sandsock/abi works in any JavaScript engine: it is loaded and used in a context that has the language alone, without Node or Web, and may not make code from strings. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const directory = fileURLToPath(new URL('../../src/abi/', import.meta.url));
const files = readdirSync(directory).filter((name) => name.endsWith('.js'));

test('it imports nothing but itself', (t) => {
  t.true(files.length > 20);
  for (const file of files) {
    const text = readFileSync(`${directory}${file}`, 'utf8');
    for (const [, from = ''] of text.matchAll(/^(?:import|export) .*from '([^']+)'|\bimport\(/gm))
      t.regex(from, /^\.\/[\w-]+\.js$/, file);
    t.notRegex(text, /\bBuffer\b|\bprocess\.|\brequire\(|\beval\(|new Function|TextDecoder|TextEncoder/, file);
  }
});

const PROGRAM = `
import * as abi from './index.js';
const octets = abi.sockaddrIn.encode({ family: abi.AF_INET, port: 80, addr: 0x7f000001 });
const writer = new abi.CmsgWriter().begin(new Uint8Array(64), 64);
writer.putInt(abi.SOL_IP, abi.IP_TTL, 64);
told.push(typeof globalThis.process, typeof globalThis.Buffer, typeof globalThis.setTimeout, typeof globalThis.URL);
told.push(abi.sockaddrIn.decode(octets).port, abi.optionName(6, 1), abi.errnoName(111), writer.length);
told.push(abi.msghdr.decode(abi.msghdr.encode({ iovlen: 3 })).iovlen, abi.constant('SO_REUSEADDR'));
`;
/** Links the modules in a context of their own: node --experimental-vm-modules. */
const HOST = `
import { readFileSync } from 'node:fs';
import vm from 'node:vm';
const [directory, program] = process.argv.slice(-2);
const told = [];
const context = vm.createContext({ told }, { codeGeneration: { strings: false, wasm: false } });
const modules = new Map();
function moduleOf(name, text = readFileSync(directory + name, 'utf8')) {
  if (!modules.has(name)) modules.set(name, new vm.SourceTextModule(text, { context, identifier: name }));
  return modules.get(name);
}
const main = moduleOf('main', program);
await main.link((name) => moduleOf(name.replace('./', '')));
await main.evaluate();
console.log(told.join(' '));
`;

test('in a context without Node and without code from strings it decodes, encodes and names', (t) => {
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ['--experimental-vm-modules', '--no-warnings', '--input-type=module', '-e', HOST, directory, PROGRAM],
    { encoding: 'utf8', timeout: 30_000 },
  );
  t.is(stderr, '');
  t.is(stdout, 'undefined undefined undefined undefined 80 TCP_NODELAY ECONNREFUSED 24 3 2\n');
});
