/** Operator errors: what failed, why, and what to do about it. */
export type RunErrorCode =
  | 'E_UNSUPPORTED_KERNEL'
  | 'E_MISSING_PROGRAM'
  | 'E_FILTER'
  | 'E_LAUNCH'
  | 'E_NOT_FOUND'
  | 'E_NOT_EXECUTABLE'
  | 'E_GATEWAY'
  | 'E_PUBLISH'
  | 'E_LINK'
  | 'E_CONFIG'
  | 'E_CONFORMANCE';

export class RunError extends Error {
  override readonly name = 'RunError';
  readonly code: RunErrorCode;
  readonly what: string;
  /** What the operator can do. */
  readonly remedy: string;

  constructor(code: RunErrorCode, what: string, remedy: string, cause?: unknown) {
    super(`${what}: ${remedy}`, cause === undefined ? undefined : { cause });
    this.code = code;
    this.what = what;
    this.remedy = remedy;
  }
  /** As docker run: 127 not found, 126 not executable, 125 any failure of our own. */
  get exitStatus(): number {
    if (this.code === 'E_NOT_FOUND') return 127;
    return this.code === 'E_NOT_EXECUTABLE' ? 126 : 125;
  }
}

export const launchError = (what: string): RunError =>
  new RunError('E_LAUNCH', `the guest could not be started: ${what}`, 'see sandsock doctor');
