/**
 * A program of the package as one file, with what V8 compiled of it: some hundred modules, each looked up, read, compiled and linked by itself, take longer than all else of a start (bench `start-up/true`).
 *
 * `npm run build` puts the file beside the modules (tools/bundle.ts); its first line is a comment that names what follows by its hash. The compiled code is kept beside it after the first run of each version of V8,
 * as Python keeps its bytecode, under that name too: V8 looks at no more than the length of the source, and a run of an older build may end after a newer one was made. Where it cannot be written, or does not fit, V8
 * compiles the file. Not used where the compiler has run since, so that nobody runs what they have changed meanwhile, nor where Node was started with options of its own:
 * a preloaded module means the modules that it imports, a profiler their names.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { cachedDataVersionTag } from 'node:v8';
import { Script } from 'node:vm';

const BUILD = fileURLToPath(new URL('../../', import.meta.url));

const changedAt = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}

/** Whole or not at all: other processes may start at this moment. Whoever may not write here does without. */
function keep(file: string, octets: Uint8Array): void {
  const beside = `${file}.${process.pid}`;
  try {
    writeFileSync(beside, octets);
    renameSync(beside, file);
  } catch {
    rmSync(beside, { force: true });
  }
}

/** What is still to be kept. */
const pending: (() => void)[] = [];
/** Keeps what V8 has compiled, now and not at the process's end: for who may write no file then. */
export function keepCompiled(): void {
  for (const one of pending.splice(0)) one();
}

/** The first line of a bundle, of which V8 and the file system tell no more than length and time. */
const NAMED = /^\/\/ ([0-9a-f]{32})\n/;

type Wrapper = (exports: object, require: NodeJS.Require, module: object, filename: string) => void;

/**
 * What the bundle `name` exports; undefined where the modules themselves are to be loaded.
 * The caller states the type: that of the module which the bundle was made of.
 */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- nothing else can say it
export function bundled<T extends object>(name: string): T | undefined {
  const file = `${BUILD}bundle/${name}.cjs`;
  const built = changedAt(file);
  if (process.execArgv.length > 0 || built === 0 || changedAt(`${BUILD}.tsbuildinfo`) > built) return undefined;
  const text = readFileSync(file, 'utf8');
  const build = NAMED.exec(text)?.[1];
  if (build === undefined) return undefined;
  const compiled = `${BUILD}bundle/${name}.${build}.${cachedDataVersionTag()}.cache`;
  const cachedData = readIfThere(compiled);
  const source = `(function (exports, require, module, __filename) {${text}\n})`;
  const script = new Script(source, { filename: file, ...(cachedData === undefined ? {} : { cachedData }) });
  if (cachedData === undefined || script.cachedDataRejected === true) {
    if (pending.push(() => keep(compiled, script.createCachedData())) === 1) process.once('exit', keepCompiled);
  }
  const scope = { exports: {} };
  (script.runInThisContext() as Wrapper)(scope.exports, createRequire(file), scope, file);
  return scope.exports as T;
}
