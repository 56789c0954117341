import test from 'ava';
import { compatibilityReport, reportFor } from '../../src/cli/report.ts';
import type { Refusal } from '../../src/syscalls/dispatch.ts';

const first = { pid: 7, program: 'guest' };
const GAP: Refusal = {
  call: 'socket',
  what: 'AF_PACKET SOCK_RAW 3',
  errno: 'EAFNOSUPPORT',
  onLinuxToo: false,
  count: 2,
  first,
};
const HINT: Refusal = { call: 'sendto', what: 'MSG_CONFIRM', errno: '', onLinuxToo: false, count: 1, first: undefined };
const NONE = { dropped: 0, walls: {}, lostSends: 0 };
const LINUX: Refusal = {
  call: 'getsockopt',
  what: 'SOL_TCP/0x63',
  errno: 'ENOPROTOOPT',
  onLinuxToo: true,
  count: 1,
  first,
};

test('text: the gaps with what they mean, then what Linux refuses as well', (t) => {
  const text = reportFor(
    'gaps.txt',
    compatibilityReport(['tcpdump', '-i', 'eth0'], 1, [GAP, HINT, LINUX], { ...NONE, dropped: 3 }),
  );
  t.is(
    text,
    `Compatibility of sandsock with: tcpdump -i eth0

Asked for and not offered here:
  socket AF_PACKET SOCK_RAW 3: EAFNOSUPPORT, 2 times, first by guest (7)
      No packet sockets: tcpdump, arping, DHCP clients and LLDP daemons cannot see or send frames; --pcap captures the link from outside.
  sendto MSG_CONFIRM: no effect, once
      A hint without effect: the neighbour is probed as for any other datagram.

Refused as Linux refuses it, no gap:
  getsockopt SOL_TCP/0x63: ENOPROTOOPT, once, first by guest (7)

and 3 times something else, of too many kinds to list`,
  );
});

test('text without a gap says so', (t) => {
  t.regex(
    reportFor('-', compatibilityReport(['true'], 0, [], NONE)),
    /^Compatibility .*\n\nNothing that it asked for is missing here\.$/,
  );
});

test('text: what the walls kept back, and what was lost unseen', (t) => {
  const losses = { ...NONE, walls: { 'host-closed': 2 }, lostSends: 1 };
  t.is(
    reportFor('-', compatibilityReport(['curl'], 7, [], losses)),
    `Compatibility of sandsock with: curl

Nothing that it asked for is missing here.

Kept back by the walls of the gateway:
  a port of the host that is not open to the guest; --host-port PORT opens it: 2 times

Sent natively and lost, without a destination or a route, or too long: once`,
  );
});

test('a name that ends in .json gets JSON', (t) => {
  const report = JSON.parse(
    reportFor('gaps.json', compatibilityReport(['a', 'b'], 3, [GAP, HINT, LINUX], NONE)),
  ) as unknown;
  t.like(report, { command: ['a', 'b'], exitStatus: 3, dropped: 0 });
  const { refusals } = report as { readonly refusals: readonly object[] };
  t.deepEqual(
    refusals.map((entry) => ({ ...entry, meaning: '' })),
    [
      {
        kind: 'socket',
        call: 'socket',
        what: 'AF_PACKET SOCK_RAW 3',
        errno: 'EAFNOSUPPORT',
        onLinuxToo: false,
        count: 2,
        first,
        meaning: '',
      },
      {
        kind: 'flag',
        call: 'sendto',
        what: 'MSG_CONFIRM',
        errno: null,
        onLinuxToo: false,
        count: 1,
        first: null,
        meaning: '',
      },
      {
        kind: 'option',
        call: 'getsockopt',
        what: 'SOL_TCP/0x63',
        errno: 'ENOPROTOOPT',
        onLinuxToo: true,
        count: 1,
        first,
        meaning: '',
      },
    ],
  );
});
