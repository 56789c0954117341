/** How memory is shown, by the names that scripts have for it. */
import type { Show } from '../../src/conformance/body.ts';
import { FILL } from '../../src/conformance/layout.ts';
import * as c from '../../src/conformance/linux.ts';
import { showTimestamp } from '../../src/conformance/normalise.ts';
import { showOctets } from '../../src/conformance/session.ts';
import {
  asControl,
  asEpollEvents,
  asI32,
  asMmsghdrs,
  asMsghdr,
  asPollfds,
  asSockaddr,
  asText,
  asUcred,
  asUnixName,
} from '../../src/conformance/show.ts';
import { asTcpInfo, TCP_INFO_COUNTS } from '../../src/conformance/tcp-fields.ts';

/** A name of either kind. */
const asName: Show = (b, names) => (b[0] === 1 && b[1] === 0 ? asUnixName(b, names) : asSockaddr(b, names));
/** The identifier of a ping socket is any number. */
const asPingName: Show = (b, names) =>
  asSockaddr(b, { port: (id) => (id === 0 ? '0' : names.pid(0x1_0000 + id)), pid: (pid) => names.pid(pid) });
/** Up to the last octet that was written. */
const asOctets: Show = (b) => showOctets(b).replace(/(?:ee)+$/, '');

/** What select(2) leaves of its timeout: nothing is left, or how much is a matter of speed. */
const asEnded: Show = (b) => (b.every((octet) => octet === 0) ? 'nothing is left' : '');

/** A struct timeval or timespec of an arrival. */
const asArrival: Show = (b) => showTimestamp(c.i64.get(b, 0), Math.min(c.i64.get(b, 8), 999_999));
/** Which flow label a packet has of itself is a hash with a secret; the traffic class in front of it is not. */
const asLabelledControl: Show = (b, names) =>
  asControl(b, names).replaceAll(/(?<=\{20 41 11 ...)(?!00000\})[0-9a-f]{5}(?=\})/g, 'label');
/** SO_COOKIE: any unique number; equal ones have equal names. */
const asCookie: Show = (b, names) => (b[8] === FILL ? names.pid(c.u64.get(b, 0) % 0x7fff_ffff) : asOctets(b, names));
/** A port that may be of the system's choice. */
const asPort: Show = (b, names) => (b[4] === FILL && b[3] !== FILL ? names.port(c.i32.get(b, 0)) : asOctets(b, names));
/** What is a count of clock ticks; how much was written is seen by its length. */
const asTicks: Show = () => '';

export const SHOWS: Readonly<Record<string, Show>> = {
  octets: asOctets,
  name: asName,
  pingName: asPingName,
  int: asI32,
  text: asText,
  pollfds: asPollfds,
  events: asEpollEvents,
  msghdr: asMsghdr,
  mmsghdrs: asMmsghdrs,
  ucred: asUcred,
  control: asLabelledControl,
  ended: asEnded,
  arrival: asArrival,
  cookie: asCookie,
  tcpInfo: asTcpInfo(TCP_INFO_COUNTS),
  port: asPort,
  ticks: asTicks,
};
export const show = (name: keyof typeof SHOWS): Show => SHOWS[name] as Show;
