/** What a guest's end shows, as epoll sees it: the states and edges of unix_poll that the placeholders rest on. */
import test, { type ExecutionContext } from 'ava';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from '../../src/abi/poll.ts';
import { EPOLLET, Epoll } from '../../src/host/epoll.ffi.ts';
import { close } from '../../src/host/libc.ffi.ts';
import {
  CloseWatch,
  pairSecond,
  sendOctets,
  takeOctets,
  UNIX_DGRAM,
  UNIX_STREAM,
  unixPair,
  unixSocket,
} from '../../src/host/unix-socket.ffi.ts';
import { DatagramDisplay, type Display, FRESH, StreamDisplay, shrink } from '../../src/runner/display.ts';
import { NO_COPY } from '../../src/runner/plane.ts';
import { Rendezvous } from '../../src/runner/rendezvous.ts';

const ENDED = POLLIN | POLLOUT | POLLRDHUP | POLLHUP;
const ALL = POLLIN | POLLOUT | POLLRDHUP;

class Seen {
  readonly #level = new Epoll(2);
  readonly #edge = new Epoll(2);
  constructor(fd: number) {
    this.#level.add(fd, ALL, 0);
    this.#edge.add(fd, (ALL | EPOLLET) >>> 0, 0);
    this.edge();
  }
  get mask(): number {
    return this.#level.wait(0) > 0 ? this.#level.eventsOf(0) : 0;
  }
  /** Events of an edge since the last look; 0 for none. */
  edge(): number {
    return this.#edge.wait(0) > 0 ? this.#edge.eventsOf(0) : 0;
  }
}
interface Shown {
  readonly guest: number;
  readonly display: Display;
  readonly seen: Seen;
}
const rendezvous = new Rendezvous();
test.after(() => rendezvous.close());

function fresh(): Shown {
  const guest = unixSocket(UNIX_STREAM, false);
  shrink(guest);
  return { guest, display: new StreamDisplay(rendezvous, -1), seen: new Seen(guest) };
}
function paired(type: number): Shown {
  const guest = unixPair(type, false);
  const peer = pairSecond();
  shrink(guest);
  sendOctets(guest, 1);
  const display = type === UNIX_STREAM ? new StreamDisplay(rendezvous, peer) : new DatagramDisplay(peer);
  return { guest, display, seen: new Seen(guest) };
}
function shows(t: ExecutionContext, { guest, display, seen }: Shown, events: number, copy = guest, edge = 0): void {
  t.true(display.show(events, edge, copy), `0x${events.toString(16)} can be shown`);
  t.is(seen.mask, events);
  t.is(display.shown, events);
}

test('a stream from its making to its end', (t) => {
  const s = fresh();
  t.is(s.seen.mask, FRESH);
  shows(t, s, FRESH);
  shows(t, s, 0);
  s.seen.edge();
  shows(t, s, POLLOUT, NO_COPY);
  t.is(s.seen.edge(), POLLOUT);
  shows(t, s, POLLOUT | POLLIN, NO_COPY);
  t.is(s.seen.edge(), POLLOUT | POLLIN);
  shows(t, s, POLLOUT);
  shows(t, s, POLLIN);
  shows(t, s, 0);
  shows(t, s, POLLIN | POLLOUT, NO_COPY);
  shows(t, s, POLLIN | POLLOUT | POLLRDHUP, NO_COPY);
  shows(t, s, ENDED, NO_COPY);
  s.display.close();
});

test('a listener: nothing, a connection, another', (t) => {
  const s = fresh();
  shows(t, s, 0);
  shows(t, s, POLLIN, NO_COPY);
  s.seen.edge();
  shows(t, s, POLLIN, NO_COPY, POLLIN);
  t.is(s.seen.edge(), POLLIN);
  shows(t, s, 0);
  s.display.close();
});

test('a refused or reset stream shows ERR until it was read, and cannot come back', (t) => {
  for (const s of [paired(UNIX_STREAM), fresh()]) {
    if (s.display.shown === FRESH) shows(t, s, 0);
    shows(t, s, ENDED | POLLERR, NO_COPY);
    shows(t, s, ENDED);
    t.false(s.display.show(POLLOUT, 0, s.guest));
    t.false(s.display.show(FRESH, 0, s.guest));
    close(s.guest);
  }
});

test('a stream that sends no more says so by itself and shows the same; a fresh one and a datagram cannot', (t) => {
  const unconnected = fresh();
  t.false(unconnected.display.endSending(unconnected.guest));
  const datagram = paired(UNIX_DGRAM);
  t.false(datagram.display.endSending(datagram.guest));
  const s = paired(UNIX_STREAM);
  t.true(s.display.endSending(s.guest));
  t.is(sendOctets(s.guest, 1), -32);
  t.is(s.seen.mask, POLLOUT);
  shows(t, s, POLLIN | POLLOUT, NO_COPY);
  shows(t, s, ENDED | POLLERR, NO_COPY);
  t.true(s.display.endSending(s.guest));
  t.is(sendOctets(s.guest, 1), -32);
});

test('what falls needs a copy; without one the display knows that it still stands', (t) => {
  const s = paired(UNIX_STREAM);
  shows(t, s, POLLIN | POLLOUT, NO_COPY);
  t.false(s.display.show(0, 0, NO_COPY));
  t.is(s.display.shown, POLLIN | POLLOUT);
  t.is(s.seen.mask, POLLIN | POLLOUT);
  shows(t, s, 0);
  const f = fresh();
  t.false(f.display.show(0, 0, NO_COPY));
  t.is(f.display.shown, FRESH);
});

test('every arrival is an edge, and a crowd of them is thinned', (t) => {
  for (const type of [UNIX_STREAM, UNIX_DGRAM]) {
    const s = paired(type);
    shows(t, s, POLLIN | POLLOUT, NO_COPY);
    s.seen.edge();
    for (let i = 0; i < 31; i++) {
      s.display.show(POLLIN | POLLOUT, POLLIN, NO_COPY);
      t.is(s.seen.edge(), POLLIN | POLLOUT);
    }
    t.true(s.display.isCrowded);
    s.display.thin(s.guest);
    t.false(s.display.isCrowded);
    t.is(s.seen.mask, POLLIN | POLLOUT);
    s.display.show(POLLIN | POLLOUT, POLLIN, NO_COPY);
    t.is(s.seen.edge(), POLLIN | POLLOUT);
    shows(t, s, POLLOUT);
    t.is(takeOctets(s.guest, 1), -11);
    s.display.close();
  }
});

test('edges without a reader are bounded', (t) => {
  const s = paired(UNIX_STREAM);
  for (let i = 0; i < 1000; i++) s.display.show(POLLIN | POLLOUT, POLLIN, NO_COPY);
  t.true(takeOctets(s.guest, 4096) <= 64);
});

test('a datagram socket: data, full, space, an error that is read, its end', (t) => {
  const s = paired(UNIX_DGRAM);
  t.is(s.seen.mask, POLLOUT);
  shows(t, s, POLLIN | POLLOUT, NO_COPY);
  shows(t, s, POLLOUT);
  shows(t, s, 0);
  s.seen.edge();
  shows(t, s, POLLOUT, NO_COPY);
  t.is(s.seen.edge(), POLLOUT);
  for (let i = 0; i < 3; i++) {
    shows(t, s, POLLOUT | POLLERR, NO_COPY);
    shows(t, s, POLLOUT);
    shows(t, s, POLLIN | POLLOUT, NO_COPY);
    shows(t, s, POLLOUT);
  }
  shows(t, s, POLLIN | POLLOUT | POLLRDHUP);
  shows(t, s, ENDED);
  s.display.close();
});

test('the last close of a socket is told once', (t) => {
  const watch = new CloseWatch();
  const closed: number[] = [];
  const guest = unixSocket(UNIX_STREAM, false);
  const number = watch.add(guest);
  t.true(number > 0);
  watch.drain((w) => closed.push(w));
  t.deepEqual(closed, []);
  close(guest);
  t.true(watch.drain((w) => closed.push(w)));
  t.deepEqual(closed, [number]);
  watch.drain((w) => closed.push(w));
  t.deepEqual(closed, [number]);
  close(watch.fd);
});
