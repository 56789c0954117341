/** Finds programs as execvp(3) does, so that a missing one is named before anything is started. */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { RunError } from './errors.ts';

type Found = 'program' | 'not-executable' | 'absent';

function look(path: string): Found {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return 'absent';
  if (!stat.isFile()) return 'not-executable';
  try {
    accessSync(path, constants.X_OK);
    return 'program';
  } catch {
    return 'not-executable';
  }
}

/** As `look`, and what cannot even be reached (ENOTDIR, EACCES on the way) is absent. */
function probe(path: string): Found {
  try {
    return look(path);
  } catch {
    return 'absent';
  }
}

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Path of `command`. @throws RunError E_NOT_FOUND or E_NOT_EXECUTABLE */
export function findCommand(command: string, path: string | undefined, cwd: string): string {
  if (command.includes('/')) return judge(command, resolve(cwd, command));
  let refused: string | undefined;
  for (const directory of (path ?? DEFAULT_PATH).split(':')) {
    const candidate = resolve(cwd, directory, command);
    const found = command === '' ? 'absent' : probe(candidate);
    if (found === 'program') return candidate;
    if (found === 'not-executable') refused ??= candidate;
  }
  if (refused !== undefined) return judge(command, refused);
  throw new RunError(
    'E_NOT_FOUND',
    `there is no program ${JSON.stringify(command)} in PATH`,
    'check its spelling, install it, or give its path',
  );
}

function judge(command: string, candidate: string): string {
  const found = probe(candidate);
  if (found === 'program') return candidate;
  if (found === 'absent') {
    throw new RunError('E_NOT_FOUND', `there is no file ${JSON.stringify(command)}`, 'check the path');
  }
  throw new RunError(
    'E_NOT_EXECUTABLE',
    `${JSON.stringify(candidate)} cannot be executed`,
    'it must be a file with execute permission (chmod +x), not a directory',
  );
}

/** Directories where util-linux lives, whatever the caller's PATH. */
const SYSTEM_PATH = '/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin';

/** A helper program of the launch. @throws RunError E_MISSING_PROGRAM */
export function findHelper(name: string): string {
  for (const directory of SYSTEM_PATH.split(':')) {
    const candidate = `${directory}/${name}`;
    if (probe(candidate) === 'program') return candidate;
  }
  throw new RunError('E_MISSING_PROGRAM', `the program ${name} is missing`, 'install util-linux (2.36 or newer)');
}

/** @throws RunError */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new RunError('E_CONFIG', 'the working directory does not exist any more', 'change to another (cd)', cause);
  }
}

/** An environment without the names that stand for none. */
export function definedOnly(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));
}
