/** What a bug of sandsock left, in a file to report: versions, the calls before it, registers. No octet that a guest sent or received, nothing of its environment. */
import { readFileSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CrashReport } from '../syscalls/dispatch.ts';

/** A guest that meets a bug again and again fills no disk. */
const MOST_FILES = 8;

const version = (): string => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    readonly version: string;
  };
  return manifest.version;
};

function described(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  return { name: error.name, message: error.message, stack: error.stack?.split('\n') ?? [] };
}

export class CrashFiles {
  readonly #state: () => object;
  readonly #began = performance.now();
  #count = 0;

  /** @param state of the sandbox when it is asked for */
  constructor(state: () => object) {
    this.#state = state;
  }
  /** The file's name; undefined where none could be written. */
  write({ error, ...report }: CrashReport): string | undefined {
    if (this.#count >= MOST_FILES) return undefined;
    const name = `sandsock-crash-${process.pid}-${Date.now()}-${this.#count++}.json`;
    const file = join(tmpdir(), name);
    try {
      const content = {
        when: new Date().toISOString(),
        versions: { sandsock: version(), node: process.version, v8: process.versions.v8, kernel: release() },
        architecture: process.arch,
        afterMs: Math.round(performance.now() - this.#began),
        ...report,
        error: described(error),
        ...this.#state(),
      };
      // Others need not read it, and nobody may have put a link there.
      writeFileSync(file, `${JSON.stringify(content, undefined, 2)}\n`, { flag: 'wx', mode: 0o600 });
      return file;
    } catch {
      return undefined;
    }
  }
}
