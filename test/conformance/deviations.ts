/**
 * Where `sandsock run` differs from Linux and must: each line of a transcript that differs, with the reason, by plane. A difference that is not listed here fails a run, and so does an entry
 * whose difference is no more.
 */
import type { PlaneName } from '../../src/runner/sentry.ts';
import type { Difference } from './runner.ts';

export const REASONS = {
  wrband:
    'A placeholder is an AF_UNIX stream, and on those the kernel shows POLLWRBAND wherever it shows POLLOUT; on TCP never. No program waits for it on TCP.',
  reserved:
    'Linux takes the number of the new descriptor before accept waits, the sandbox when there is a connection: a number given to a guest cannot be taken back when a signal ends the call.',
  eintr:
    'A signal takes a notified call back, and a handler without SA_RESTART makes it EINTR: what came before the signal stays in the queue and is read next (docs/decisions/0011).',
  meanwhile:
    'While a blocking connect waits its placeholder looks as it did before, to other threads too: a stream that was shown as connecting and is then refused would have to be replaced, and duplicates of the descriptor would keep the dead one.',
  dissolved:
    'After connect to AF_UNSPEC TCP shows an error on a fresh socket. An AF_UNIX stream shows an error only with the end of both directions; it is gone once the error is read.',
} as const;
export type Reason = keyof typeof REASONS;

export interface Deviation {
  readonly planes: readonly PlaneName[];
  readonly body: string;
  readonly reason: Reason;
  /** Lines that follow each other on Linux, and what stands in their place here. */
  readonly linux: readonly string[];
  readonly ours: readonly string[];
  /** What follows depends on it, and is not compared. */
  readonly last?: true;
}

/** Lines that differ wherever they appear. */
const EVERYWHERE: readonly { readonly reason: Reason; readonly same: (linux: string, ours: string) => boolean }[] = [
  { reason: 'wrband', same: (linux, ours) => ours.replaceAll('|WRNORM|WRBAND', '|WRNORM') === linux },
];

const BOTH: readonly PlaneName[] = ['strict', 'direct'];
/** From this line on. */
const from = (planes: readonly PlaneName[], reason: Reason, body: string, linux: string, ours: string): Deviation => ({
  planes,
  reason,
  body,
  linux: [linux],
  ours: [ours],
  last: true,
});
/** In this line alone. */
const only = (planes: readonly PlaneName[], reason: Reason, body: string, linux: string, ours: string): Deviation => ({
  planes,
  reason,
  body,
  linux: [linux],
  ours: [ours],
});

export const DEVIATIONS: readonly Deviation[] = [
  from(BOTH, 'reserved', 'accept wakes with a connection', 'a: socket(2, 1, 0) = 5', 'a: socket(2, 1, 0) = 4'),
  from(
    BOTH,
    'reserved',
    'one connection wakes one of two that accept',
    'a: socket(2, 1, 0) = 6',
    'a: socket(2, 1, 0) = 4',
  ),
  from(BOTH, 'reserved', 'a signal ends accept, connect and poll', 'a: socket(2, 1, 0) = 5', 'a: socket(2, 1, 0) = 4'),
  only(
    BOTH,
    'meanwhile',
    'connect blocks while the backlog is full and goes on when there is room',
    'a: poll(pollfds, 1, 0) = 0',
    'a: poll(pollfds, 1, 0) = 1',
  ),
  only(
    BOTH,
    'meanwhile',
    'connect blocks while the backlog is full and goes on when there is room',
    '  pollfds {5 all -> none}',
    '  pollfds {5 all -> OUT|HUP|WRNORM|WRBAND}',
  ),
  only(
    ['strict'],
    'eintr',
    'a signal ends MSG_WAITALL with what there is',
    'b: recvfrom(5, in, 10, 256, 0, 0) = 3',
    'b: recvfrom(5, in, 10, 256, 0, 0) = -4 EINTR',
  ),
  only(
    ['strict'],
    'dissolved',
    'connect to AF_UNSPEC dissolves a TCP connection',
    '  pollfds {4 all -> OUT|ERR|HUP|WRNORM}',
    '  pollfds {4 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|WRBAND|RDHUP}',
  ),
];

const standsAt = (lines: readonly string[], at: number, part: readonly string[]): boolean =>
  part.every((line, i) => lines[at + i] === line);

/** Compares transcripts of one plane, and knows in the end which entries were of use. */
export class ListedComparison {
  readonly #listed: readonly Deviation[];
  readonly #used = new Set<Deviation | Reason>();

  constructor(plane: PlaneName, listed: readonly Deviation[] = DEVIATIONS) {
    this.#listed = listed.filter(({ planes }) => planes.includes(plane));
  }
  /** @returns the first difference that is not listed */
  compare(body: string, linux: readonly string[], ours: readonly string[]): Difference | undefined {
    const listed = this.#listed.filter((one) => one.body === body);
    let i = 0;
    let j = 0;
    while (i < linux.length || j < ours.length) {
      const found = listed.find((one) => standsAt(linux, i, one.linux) && standsAt(ours, j, one.ours));
      if (found !== undefined) {
        this.#used.add(found);
        if (found.last === true) return undefined;
        i += found.linux.length;
        j += found.ours.length;
      } else if (this.#isSame(linux[i], ours[j])) {
        i++;
        j++;
      } else {
        return { line: i, linux: linux[i] ?? '(ended)', ours: ours[j] ?? '(ended)' };
      }
    }
    return undefined;
  }
  #isSame(linux: string | undefined, ours: string | undefined): boolean {
    if (linux === ours) return true;
    if (linux === undefined || ours === undefined) return false;
    const rule = EVERYWHERE.find(({ same }) => same(linux, ours));
    if (rule !== undefined) this.#used.add(rule.reason);
    return rule !== undefined;
  }
  /** Bodies in which a difference was listed and did not show, of those that ran. */
  unused(ran: ReadonlySet<string>): readonly Deviation[] {
    return this.#listed.filter((one) => ran.has(one.body) && !this.#used.has(one));
  }
}
