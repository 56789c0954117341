/** The host cannot run the suite: what is missing, and what to do about it. */
export class HostUnavailable extends Error {
  override readonly name = 'HostUnavailable';
  readonly code = 'HOST_UNAVAILABLE';
  readonly what: string;
  readonly remedy: string;
  constructor(what: string, remedy: string) {
    super(`${what}: ${remedy}`);
    this.what = what;
    this.remedy = remedy;
  }
}
