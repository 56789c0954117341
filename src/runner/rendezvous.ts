/**
 * Where a guest's end that exists already gets its other end: a listening socket of ours that no name leads to. Its file is removed as soon as we hold a descriptor of it
 * (O_PATH), and connect() takes /proc/self/fd/N; an abstract name could be found by every process of the network namespace.
 */
import { mkdtempSync, rmdirSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { close, HostError } from '../host/libc.ffi.ts';
import {
  acceptUnix,
  bindPath,
  connectPath,
  listenUnix,
  openPath,
  peerPid,
  UNIX_STREAM,
  unixSocket,
} from '../host/unix-socket.ffi.ts';
import { RunError } from './errors.ts';

const BACKLOG = 16;
const EAGAIN = 11;
const EINPROGRESS = 115;

function check(result: number, call: string, what: string): number {
  if (result < 0) throw new HostError(call, -result, what);
  return result;
}

function temporaryDirectory(): string {
  try {
    return mkdtempSync(join(tmpdir(), 'sandsock-'));
  } catch (error) {
    const why = error instanceof Error && 'code' in error ? String(error.code) : String(error);
    throw new RunError(
      'E_CONFIG',
      `no directory can be made in ${tmpdir()} (${why})`,
      'set TMPDIR to a directory that exists and that this user may write',
      error,
    );
  }
}

export class Rendezvous {
  readonly #listener: number;
  readonly #path: number;
  #hasOrphans = false;

  /** @throws RunError, HostError */
  constructor() {
    const directory = temporaryDirectory();
    const at = openPath(directory);
    // By the directory's descriptor: sun_path holds 108 octets, fewer than many a TMPDIR has.
    const name = `/proc/self/fd/${at}/s`;
    try {
      check(at, 'open', directory);
      this.#listener = check(unixSocket(UNIX_STREAM, true), 'socket', 'AF_UNIX');
      check(bindPath(this.#listener, name), 'bind', name);
      check(listenUnix(this.#listener, BACKLOG), 'listen', name);
      this.#path = check(openPath(name), 'open', name);
      unlinkSync(name);
    } finally {
      if (at >= 0) close(at);
      rmdirSync(directory);
    }
  }
  /** Connects `guestEnd`, a fresh stream, to a new socket of ours, whose descriptor is returned; or a negative errno. */
  meet(guestEnd: number): number {
    if (this.#hasOrphans) this.#dropOrphans();
    const started = connectPath(guestEnd, `/proc/self/fd/${this.#path}`);
    if (started < 0) return started;
    const ours = acceptUnix(this.#listener);
    // Without a descriptor for it the connection stays in the backlog, where it must not be taken for the next one.
    if (ours < 0) this.#hasOrphans = true;
    if (ours < 0 || peerPid(ours) === process.pid) return ours;
    close(ours);
    return -EINPROGRESS;
  }
  #dropOrphans(): void {
    let orphan = acceptUnix(this.#listener);
    for (; orphan >= 0; orphan = acceptUnix(this.#listener)) close(orphan);
    this.#hasOrphans = orphan !== -EAGAIN;
  }
  close(): void {
    close(this.#listener);
    close(this.#path);
  }
}
