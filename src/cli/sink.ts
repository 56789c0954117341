/** Where listings go: stderr at once, so that they stand between the guest's own lines, or a file in larger pieces. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { CaptureSink } from '../netstack/link/pcapng.ts';
import { RunError } from '../runner/errors.ts';

const STDERR = 2;
const PIECE = 65_536;

export interface Sink {
  /** Something could not be written: the disk is full. */
  readonly failed: boolean;
  line(text: string): void;
  close(): void;
}

/** Writes all of it: a pipe may take less, and a terminal in non-blocking mode nothing for a moment. */
function writeAll(fd: number, content: string | Uint8Array): boolean {
  let rest = typeof content === 'string' ? Buffer.from(content) : content;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return false;
    }
  }
  return true;
}
function open(file: string): number {
  try {
    return openSync(file, 'w', 0o644);
  } catch (cause) {
    throw new RunError('E_CONFIG', `${file} cannot be written`, 'name another file', cause);
  }
}

export const stderrSink: Sink = {
  failed: false,
  line: (text) => void writeAll(STDERR, `${text}\n`),
  close: () => undefined,
};

class FileSink implements Sink {
  failed = false;
  readonly #fd: number;
  #text = '';

  constructor(file: string) {
    this.#fd = open(file);
  }
  line(text: string): void {
    this.#text += `${text}\n`;
    if (this.#text.length >= PIECE) this.#flush();
  }
  #flush(): void {
    if (!writeAll(this.#fd, this.#text)) this.failed = true;
    this.#text = '';
  }
  close(): void {
    this.#flush();
    closeSync(this.#fd);
  }
}

/** @param name a file's name, or `-` for stderr. @throws RunError */
export const openSink = (name: string): Sink => (name === '-' ? stderrSink : new FileSink(name));

/** A file for octets. The first failure ends it, so that no half of a piece stands in the middle. */
export class CaptureFile implements CaptureSink {
  /** Octets could not be written: the disk is full, or the file a pipe whose reader has gone. */
  failed = false;
  readonly #fd: number;

  /** @throws RunError */
  constructor(file: string) {
    this.#fd = open(file);
  }
  write(octets: Uint8Array): boolean {
    if (!this.failed) this.failed = !writeAll(this.#fd, octets);
    return !this.failed;
  }
  close(): void {
    closeSync(this.#fd);
  }
}
