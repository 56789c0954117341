/** What sequences reach: pairs of a call and its result's kind, and what poll and epoll say. */
const CALL = /^\w+: (\w+)\((.*)\) = (-?\d+)(?: (E\w+))?/;
const MASKS = /-> ([\w|]+)\}/g;

export class Coverage {
  /** How often each was seen. */
  readonly counts = new Map<string, number>();

  see(transcript: readonly string[]): void {
    for (const line of transcript) {
      const call = CALL.exec(line);
      if (call !== null) this.add(`${call[1]} ${call[4] ?? (call[3] === '0' ? '0' : 'n')}`);
      else if (line.endsWith(' blocks')) this.add(`${/^\w+: (\w+)/.exec(line)?.[1]} blocks`);
      else if (line.startsWith('  pollfds')) for (const [, mask] of line.matchAll(MASKS)) this.add(`mask ${mask}`);
    }
  }
  add(what: string, count: number = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + count);
  }
  /** One line of all, and with `all` each of them. */
  lines(all: boolean): string[] {
    const kinds = [...this.counts.keys()];
    const masks = kinds.filter((kind) => kind.startsWith('mask ')).length;
    const head = `${kinds.length - masks} pairs of a call and its errno, ${masks} poll masks`;
    const sorted = [...this.counts]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([kind, count]) => `  ${kind}: ${count}`);
    return all ? [head, ...sorted] : [head];
  }
}
