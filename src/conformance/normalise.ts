/**
 * What may differ between two right runs, and why. Each rule names values, it never drops them: equal values keep equal names.
 *
 * - ephemeral-port: a port out of ip_local_port_range is the system's free choice (the kernel draws it at random).
 * - process id: the kernel's choice.
 * - timestamp: SO_TIMESTAMP carries the time of arrival; only its being a sane timeval can agree.
 */
import type { Names } from './body.ts';

/** ip_local_port_range of a fresh network namespace. */
const FIRST_EPHEMERAL = 32_768;
const LAST_EPHEMERAL = 60_999;

export class RunNames implements Names {
  readonly #names = new Map<number, string>();
  readonly #pids = new Map<number, string>();

  port(port: number): string {
    if (port < FIRST_EPHEMERAL || port > LAST_EPHEMERAL) return String(port);
    const name = this.#names.get(port) ?? `port#${this.#names.size + 1}`;
    this.#names.set(port, name);
    return name;
  }
  pid(pid: number): string {
    if (pid === 0) return '0';
    const name = this.#pids.get(pid) ?? `pid#${this.#pids.size + 1}`;
    this.#pids.set(pid, name);
    return name;
  }
}

/** A `struct timeval` of a packet's arrival: sane when it lies after 1970 and its microseconds are in range. */
export const showTimestamp = (seconds: number, micros: number): string =>
  seconds > 0 && micros >= 0 && micros < 1e6 ? 'timestamp' : `bad timestamp ${seconds}.${micros}`;
