/** Who has passed octets of the receive ring on to a reader of its own. */
export interface Lender {
  /** Takes the first `octets` back, as far as they are not read there; what is read leaves the ring. */
  recall(octets: number): void;
  /** Octets came of which no poll may tell (SO_RCVLOWAT). */
  held(): void;
  /** True while octets that the guest wrote before wait for room: what is sent now comes behind them. */
  readonly hasEarlier: boolean;
}
/** Who has passed messages of a receive queue on to readers of its own. */
export interface MessageLender {
  /** Takes messages back, as far as they are not read there, until the first `count` are with nobody else; what is read leaves the queue. */
  recall(count: number): void;
  /** What is read leaves the queue. */
  settle(): void;
}
