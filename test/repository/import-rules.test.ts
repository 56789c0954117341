/**
 * The layers and who may import whom, stated once more here as a table and compared with what the linter does: for every pair of layers a file with that import
 * is written to a scratch directory with a copy of .oxlintrc.json, and the linter must complain about exactly the forbidden ones.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'ava';
import { record, root } from './repository.ts';

const mayImport = {
  lib: [],
  abi: [],
  netstack: ['lib'],
  policy: ['lib'],
  socket: ['abi', 'netstack', 'lib'],
  syscalls: ['abi', 'socket', 'lib'],
  gateway: ['netstack', 'lib', 'policy'],
  host: ['abi', 'lib'],
  runner: ['abi', 'syscalls', 'socket', 'netstack', 'host', 'lib'],
  conformance: ['lib', 'abi', 'netstack', 'socket', 'syscalls', 'host', 'runner'],
  cli: ['lib', 'abi', 'netstack', 'policy', 'socket', 'syscalls', 'gateway', 'host', 'runner', 'conformance'],
} as const satisfies Record<string, readonly string[]>;

type Layer = keyof typeof mayImport;
const layers = Object.keys(mayImport) as Layer[];
const pure: Layer[] = ['lib', 'abi', 'netstack', 'policy', 'socket', 'syscalls'];

interface Case {
  readonly path: string;
  readonly source: string;
  /** The rule that must complain; undefined where the file is in order. */
  readonly rule: string | undefined;
}

const imports = 'eslint(no-restricted-imports)';
const globals = 'eslint(no-restricted-globals)';
const properties = 'eslint(no-restricted-properties)';

const using = (from: string): string => `import { thing } from '${from}';\nexport const other = thing;\n`;
const forms = (from: string): Record<string, string> => ({
  value: using(from),
  type: `import type { Thing } from '${from}';\nexport type Other = Thing;\n`,
  dynamic: `export const load = (): Promise<unknown> => import('${from}');\n`,
  reexport: `export { thing } from '${from}';\n`,
  star: `export * from '${from}';\n`,
});

function* layerCases(): Generator<Case> {
  for (const from of layers)
    for (const to of layers) {
      if (from === to) continue;
      const rule = (mayImport[from] as readonly string[]).includes(to) ? undefined : imports;
      // host takes the stack's interfaces as types, so its row has a form of its own below
      for (const [form, source] of Object.entries(forms(`../${to}/thing.ts`)))
        if (!(from === 'host' && to === 'netstack' && form === 'type'))
          yield { path: `src/${from}/${to}-${form}.ts`, source, rule };
      yield { path: `src/${from}/inner/deep/${to}.ts`, source: using(`../../../${to}/inner/thing.ts`), rule };
    }
  yield { path: 'src/host/link-type.ts', source: forms('../netstack/link/link.ts')['type'] ?? '', rule: undefined };
  yield { path: 'src/host/link-type.ffi.ts', source: forms('../netstack/packet.ts')['type'] ?? '', rule: undefined };
  yield { path: 'src/runner/spawn-gateway.ts', source: using('../gateway/spawn.ts'), rule: undefined };
  yield { path: 'src/runner/inline-gateway.ts', source: using('../gateway/inline.ts'), rule: undefined };
  yield { path: 'src/gateway/inline.ts', source: using('../host/thing.ts'), rule: undefined };
  yield { path: 'src/gateway/main.ts', source: using('../host/thing.ts'), rule: undefined };
  yield { path: 'src/gateway/process.ts', source: using('node:os'), rule: undefined };
  yield { path: 'src/gateway/spawn.ts', source: using('node:child_process'), rule: undefined };
  yield { path: 'src/gateway/node.ts', source: using('node:child_process'), rule: imports };
}

function* packageCases(): Generator<Case> {
  for (const layer of layers) {
    const path = (name: string): string => `src/${layer}/${name}.ts`;
    yield { path: path('koffi'), source: using('koffi'), rule: imports };
    yield { path: path('zod'), source: using('zod'), rule: imports };
    yield { path: path('own-name'), source: using('sandsock/abi'), rule: imports };
  }
  yield { path: 'src/host/thing.ffi.ts', source: using('koffi'), rule: undefined };
  yield { path: 'src/host/zod.ffi.ts', source: using('zod'), rule: imports };
  for (const path of [
    'src/cli/config.ts',
    'src/gateway/config.ts',
    'src/gateway/messages.ts',
    'src/runner/sandbox-options.ts',
  ])
    yield { path, source: using('zod/mini'), rule: undefined };
  yield { path: 'test/koffi.ts', source: using('koffi'), rule: imports };
  yield { path: 'test/inner/koffi.ffi.ts', source: using('koffi'), rule: undefined };
  yield { path: 'bench/koffi.ts', source: using('koffi'), rule: imports };
}

function* pureCases(): Generator<Case> {
  const uses: Record<string, readonly [source: string, rule: string]> = {
    node: [using('node:fs'), imports],
    'node-dynamic': [forms('node:fs')['dynamic'] ?? '', imports],
    'node-bare': [using('fs'), imports],
    package: [using('dns-packet'), imports],
    date: ['export const at = new Date();\n', globals],
    'date-now': ['export const at = Date.now();\n', globals],
    timeout: ['export const id = setTimeout(() => undefined, 1);\n', globals],
    interval: ['export const id = setInterval(() => undefined, 1);\n', globals],
    immediate: ['export const id = setImmediate(() => undefined);\n', globals],
    microtask: ['queueMicrotask(() => undefined);\n', globals],
    performance: ['export const at = performance.now();\n', globals],
    process: ['export const at = process.hrtime();\n', globals],
    buffer: ['export const bytes = Buffer.alloc(1);\n', globals],
    'global-this': ['export const at = globalThis.Date.now();\n', globals],
    random: ['export const n = Math.random();\n', properties],
    'random-quoted': ["export const n = Math['random']();\n", properties],
    'random-taken': ['export const { random } = Math;\n', properties],
  };
  for (const layer of pure)
    for (const [name, [source, rule]] of Object.entries(uses)) yield { path: `src/${layer}/${name}.ts`, source, rule };
  yield { path: 'src/gateway/date.ts', source: 'export const at = Date.now();\n', rule: globals };
  yield { path: 'src/gateway/random.ts', source: 'export const n = Math.random();\n', rule: properties };
  yield { path: 'src/cli/date.ts', source: 'export const at = Date.now();\n', rule: undefined };
}

/** Rules of this file's concern that the linter reports, by path. */
function complaints(directory: string): Map<string, Set<string>> {
  const { stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['--format', 'json', '.'], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  const found = new Map<string, Set<string>>();
  const { diagnostics } = record(JSON.parse(stdout === '' ? `"${stderr}"` : stdout));
  for (const entry of diagnostics as unknown[]) {
    const { code, filename } = record(entry);
    if (code !== imports && code !== globals && code !== properties) continue;
    const path = String(filename);
    const rules = found.get(path) ?? new Set();
    found.set(path, rules.add(code));
  }
  return found;
}

const cases = [...layerCases(), ...packageCases(), ...pureCases()];

test('the linter catches every breach of the import rules, and nothing that they allow', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-import-rules-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  copyFileSync(join(root, '.oxlintrc.json'), join(directory, '.oxlintrc.json'));
  for (const { path, source } of cases) {
    mkdirSync(join(directory, dirname(path)), { recursive: true });
    writeFileSync(join(directory, path), source, { flag: 'wx' });
  }
  const found = complaints(directory);
  const wrong = cases.filter(({ path, rule }) => {
    const rules = found.get(path);
    return rule === undefined ? rules !== undefined : !(rules?.has(rule) ?? false);
  });
  t.deepEqual(
    wrong.map(({ path, rule }) => `${path}: ${rule === undefined ? 'allowed, but refused' : `not caught by ${rule}`}`),
    [],
  );
  t.true(cases.length > 600, 'every pair of layers in every form');
});

test('every folder of src is a layer of the table', (t) => {
  const folders = readdirSync(join(root, 'src'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  t.deepEqual(
    folders.filter((name) => !Object.hasOwn(mayImport, name)),
    [],
  );
});
