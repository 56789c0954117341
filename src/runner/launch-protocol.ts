/** What the supervisor and the launcher say to each other, as lines of JSON on descriptor 3 of the launcher. */

export const CHANNEL_FD = 3;

export type StdioEntry = number | 'ignore';

/** To the launcher. */
export interface LaunchOrder {
  /** The supervisor's process. */
  readonly supervisor: number;
  /** `struct sock_filter` array, in base64. */
  readonly filter: string;
  /** Its calls wait for their answers whatever signals come. */
  readonly killable: boolean;
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
}

/** From the launcher. `reserved` is the number that the filter's listener is about to have: once the filter stands, nothing can be said any more. */
export type LaunchMessage =
  | { readonly kind: 'reserved'; readonly fd: number }
  | { readonly kind: 'failed'; readonly step: 'filter' | 'exec'; readonly errno: number };
