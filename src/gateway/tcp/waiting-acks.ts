/**
 * When the guest's octets are acknowledged: at once at the end of the turn, or on what the host answers (RFC 9293 3.8.6.3, RFC 1122 4.2.3.2). An acknowledgment of
 * its own costs a frame, and the guest a wake-up, for every exchange of a dialogue; but a guest with Nagle's algorithm that writes twice before it reads holds
 * its second write back until the first is acknowledged.
 *
 * So a flow is a dialogue only once octets of the guest's were answered in time twice in a row, each after an acknowledgment that brought nothing more from the
 * guest; from then on its acknowledgments wait, for ACK_DELAY at most. One that waited in vain, and octets of the guest's that came upon an acknowledgment
 * instead of the answer, begin this anew. (Linux's ping-pong mode, include/net/inet_connection_sock.h, learns the first and not the second: such
 * a guest waits 40 ms there every time.) What was learnt is kept for the next connections of the same port, most of which are one exchange long.
 *
 * Never kept waiting: a full-size segment (the RFCs ask for every second), a window of which little is left, anything while memory is short, and whatever the guest must
 * know now (gaps, probes, the last FIN). The acknowledgment of a FIN waits for the host's own, as on Linux, unless that is already out.
 *
 * All that wait stand in one list, oldest first, with one alarm.
 */
import { type Alarm, type Clock, type Instant, millis, since } from '../../lib/clock.ts';
import type { TcpContext } from './context.ts';
import { NO_SCALE_WINDOW, Seen, type TcpFlow } from './flow.ts';

/** Half of what RFC 9293 would allow is 250 ms, Linux's least is 40: here the answer of a program on the same machine is waited for. */
export const ACK_DELAY = millis(2);
/** Answers in a row that make a dialogue. */
const ENOUGH_ANSWERS = 2;
/** Half of the window that a SYN offers: a guest with less may soon wait for more. */
const LEAST_OPEN = NO_SCALE_WINDOW >>> 1;
const HABITS = 256;

/** The server's port: what a connection to it is like. */
const habitOf = (flow: TcpFlow): number => (flow.origin === 'guest' ? flow.remotePort : flow.guestPort) & (HABITS - 1);

export class WaitingAcks {
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  readonly #late: (flow: TcpFlow) => void;
  #first: TcpFlow | undefined = undefined;
  #last: TcpFlow | undefined = undefined;
  /** Answers in a row of the latest flow with a port. */
  readonly #habits = new Uint8Array(HABITS);

  /** @param late the flow's time is over. */
  constructor(clock: Clock, late: (flow: TcpFlow) => void) {
    this.#clock = clock;
    this.#late = late;
    this.#alarm = clock.alarm((now) => this.#fire(now));
  }

  add(flow: TcpFlow): void {
    if (flow.has(Seen.AckWaits)) return;
    flow.set(Seen.AckWaits);
    flow.ackAt = this.#clock.in(ACK_DELAY);
    flow.previousAck = this.#last;
    if (this.#last === undefined) this.#first = flow;
    else this.#last.nextAck = flow;
    this.#last = flow;
    if (!this.#alarm.armed) this.#alarm.set(flow.ackAt);
  }
  /** It is acknowledged, or closed. */
  remove(flow: TcpFlow): void {
    const { previousAck, nextAck } = flow;
    flow.clear(Seen.AckWaits);
    if (previousAck === undefined) this.#first = nextAck;
    else previousAck.nextAck = nextAck;
    if (nextAck === undefined) this.#last = previousAck;
    else nextAck.previousAck = previousAck;
    flow.previousAck = flow.nextAck = undefined;
    if (this.#first === undefined) this.#alarm.cancel();
  }
  #fire(now: Instant): void {
    for (let flow = this.#first; flow !== undefined && flow.ackAt <= now; flow = this.#first) {
      this.remove(flow);
      this.#late(flow);
    }
    if (this.#first !== undefined) this.#alarm.set(this.#first.ackAt);
  }

  get isWaiting(): boolean {
    return this.#first !== undefined;
  }
  answersOf(flow: TcpFlow): number {
    return this.#habits[habitOf(flow)] as number;
  }
  learn(flow: TcpFlow, answers: number): void {
    flow.answers = answers;
    this.#habits[habitOf(flow)] = answers;
  }
}

/** Whether what the guest sent may be acknowledged by what the host answers. */
export function mayWait(context: TcpContext, flow: TcpFlow): boolean {
  const pending = (flow.rcv - flow.acked) | 0;
  const open = (flow.edge - flow.rcv) | 0;
  if (pending >= flow.mss || open < LEAST_OPEN || context.budget.isShort) return false;
  return flow.has(Seen.GuestEnded) ? !flow.has(Seen.HostEnded) : flow.answers >= ENOUGH_ANSWERS;
}
/** Octets of the guest's have come. */
export function guestSpoke(context: TcpContext, flow: TcpFlow): void {
  flow.spokeAt = context.clock.now();
  if (!flow.has(Seen.Unanswered)) return;
  flow.clear(Seen.Unanswered);
  context.acks.learn(flow, 0);
}
/** Octets or the end of the host's are about to go to the guest. */
export function hostAnswered(context: TcpContext, flow: TcpFlow): void {
  if (!flow.has(Seen.Unanswered)) return;
  flow.clear(Seen.Unanswered);
  const inTime = since(context.clock.now(), flow.spokeAt) <= ACK_DELAY;
  context.acks.learn(flow, inTime ? Math.min(flow.answers + 1, ENOUGH_ANSWERS) : 0);
}
/** Nothing came that an acknowledgment could ride on; unless it stands in the socket, told in this very turn. */
export function ackIsLate(context: TcpContext, flow: TcpFlow): void {
  if (!flow.has(Seen.Dirty | Seen.GuestEnded)) context.acks.learn(flow, 0);
  flow.set(Seen.AckDue);
  context.markDirty(flow);
}
