/** What the launcher and its sacrificial thread say to each other. */

/** Cells of the shared Int32Array. `Done` is waited on; it is 1 once the others are set. */
export const LaunchCell = { Done: 0, Listener: 1, Tid: 2 } as const;
export const LAUNCH_CELLS = 3;

export type StdioEntry = number | 'ignore';

export interface LaunchOrder {
  readonly shared: SharedArrayBuffer;
  /** `struct sock_filter` array. */
  readonly filter: Uint8Array;
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly stdio: readonly StdioEntry[];
}

export type LaunchMessage =
  | { readonly kind: 'installing' }
  | { readonly kind: 'spawned'; readonly pid: number }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'exited'; readonly code: number | null; readonly signal: NodeJS.Signals | null };
