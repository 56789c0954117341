/** Runs bodies on drivers and compares the transcripts. */
import type { Body } from './body.ts';
import type { Driver } from './driver.ts';
import { EmulatorDriver } from './emulator/driver.ts';
import { HostDriver, type HostOptions } from './host/driver.ts';
import { Session } from './session.ts';

export interface Difference {
  /** Index of the first line that is not the same. */
  readonly line: number;
  readonly linux: string;
  readonly ours: string;
}
export interface Outcome {
  readonly name: string;
  readonly group: string;
  readonly linux: readonly string[] | undefined;
  readonly ours: readonly string[] | undefined;
  /** Undefined when both ran and agree, or only one ran. */
  readonly difference: Difference | undefined;
  /** Differences of a plane that are listed with their reasons (deviations.ts), and so are none. */
  readonly deviations?: readonly string[];
}

/** @returns the first line in which the transcripts are not the same. */
export function compare(linux: readonly string[], ours: readonly string[]): Difference | undefined {
  for (let i = 0; i < Math.max(linux.length, ours.length); i++) {
    if (linux[i] !== ours[i]) return { line: i, linux: linux[i] ?? '(ended)', ours: ours[i] ?? '(ended)' };
  }
  return undefined;
}

/** A fault of ours is a difference, not the end of the run. */
function guarded(body: Body, driver: Driver): string[] {
  const session = new Session(driver);
  try {
    return session.run(body);
  } catch (error) {
    return [...session.transcript, `fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
}

/** @param inPlace `linux` is a sandbox of ours: a body that it does not bear is a difference */
export function runBody(
  body: Body,
  linux: Driver | undefined,
  ours: Driver | undefined,
  inPlace: boolean = false,
): Outcome {
  const onLinux = linux === undefined ? undefined : inPlace ? guarded(body, linux) : new Session(linux).run(body);
  const onOurs = ours === undefined ? undefined : guarded(body, ours);
  const difference = onLinux !== undefined && onOurs !== undefined ? compare(onLinux, onOurs) : undefined;
  return { name: body.name, group: body.group, linux: onLinux, ours: onOurs, difference };
}

/** Which sides run; one that is undefined does not. */
export interface Sides {
  readonly linux?: HostOptions;
  readonly ours?: true;
}

/**
 * Runs bodies in this process, one after the other.
 * @param told is called with the number of those that have run
 * @throws HostUnavailable
 */
export function runBodies(bodies: readonly Body[], sides: Sides, told?: (done: number) => void): Outcome[] {
  const linux = sides.linux === undefined ? undefined : new HostDriver(sides.linux);
  const ours = sides.ours === undefined ? undefined : new EmulatorDriver();
  try {
    return bodies.map((body, i) => {
      told?.(i);
      return runBody(body, linux, ours, sides.linux?.inPlace === true);
    });
  } finally {
    linux?.close();
    ours?.close();
  }
}
