/**
 * What a mirror keeps from a guest, because a poll must not show it yet (SO_RCVLOWAT), a receive may have all the same: who asks for fewer octets than the mark gets them at once on Linux. A native receive that
 * waits is not told to us, so while something is held back it is looked for, soon at first and then less often.
 */
import type { Clock, Duration } from '../lib/clock.ts';
import { millis } from '../lib/clock.ts';
import type { Holding } from './mirror-world.ts';

const FIRST = millis(1);
const SELDOM = millis(50);

export class HeldBack {
  readonly #mirrors = new Set<Holding>();
  readonly #clock: Clock;
  readonly #alarm;
  #period: Duration = FIRST;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#alarm = clock.alarm(() => this.#look());
  }
  watch(mirror: Holding): void {
    if (this.#mirrors.has(mirror)) return;
    this.#mirrors.add(mirror);
    this.#period = FIRST;
    this.#alarm.set(this.#clock.in(FIRST));
  }
  #look(): void {
    for (const mirror of this.#mirrors) if (!mirror.offer()) this.#mirrors.delete(mirror);
    if (this.#mirrors.size === 0) return;
    this.#period = Math.min(this.#period * 2, SELDOM) as Duration;
    this.#alarm.set(this.#clock.in(this.#period));
  }
}
