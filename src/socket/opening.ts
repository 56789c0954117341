/** A send that waits for the connection that it opens. */
export class Opening {
  /** Octets that went with the SYN. */
  readonly taken: number;

  constructor(taken: number) {
    this.taken = taken;
  }
}
/** The connection is there. */
export const OPEN = new Opening(0);
