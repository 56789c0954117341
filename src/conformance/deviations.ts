/**
 * Where `sandsock run` differs from Linux and must: lines of transcripts, by body and plane, each with its reason. A difference that is not listed here fails a run, and so does an entry whose
 * difference is no more. docs/conformance.md prints the reasons.
 */
import type { PlaneName } from '../runner/sentry-types.ts';
import { CONNECTION_DEVIATIONS } from './deviations-connection.ts';
import { DATAGRAM_DEVIATIONS } from './deviations-datagram.ts';

export const REASONS = {
  band: 'POLLWRBAND: a TCP placeholder is an AF_UNIX stream, on which the kernel shows it wherever it shows POLLOUT; on TCP never. No program waits for it on TCP.',
  reserved:
    'The number of an accepted descriptor: Linux takes it before accept waits, the sandbox when there is a connection, since what was put into a guest cannot be taken back when a signal ends the call.',
  numbers:
    'socketpair of a family without pairs: Linux tells the numbers of two descriptors before it finds that out. The sandbox knows no number before the kernel has made the descriptor.',
  meanwhile:
    'While a blocking connect waits, other threads see the placeholder as it was: had it been shown as connecting and were refused, it would have to be replaced, and duplicates of the descriptor would keep the dead one.',
  dissolved:
    'After connect to AF_UNSPEC a TCP socket is fresh and has an error. An AF_UNIX stream has an error only with the end of both directions, so that is shown, or no error; SO_ERROR tells it.',
  unconnected:
    'Native reads and writes of a stream without a connection: the AF_UNIX stream says ENOTCONN to a write where TCP says EPIPE with SIGPIPE, and EINVAL to a read where TCP says ENOTCONN. A read of a listener waits.',
  destination:
    'A datagram sent natively without a destination is lost and counted, not refused with EDESTADDRREQ: the placeholder is connected to its other end whether or not the socket is connected.',
  opening:
    'TCP_FASTOPEN_CONNECT: a native send that opens the connection returns before it is made, and one of no octets opens nothing.',
  lingers: 'close(2) is the kernel’s own there and does not wait for SO_LINGER; what is left is sent all the same.',
  unshut: 'What shutdown(2) of a fresh TCP socket changes is not shown before there is a connection.',
  refused:
    'A refused datagram, or connection without blocking, is told to native calls as ECONNRESET: no other error can be put into an AF_UNIX socket. Trapped calls, SO_ERROR among them, say ECONNREFUSED.',
  reset:
    'The first write after a reset is EPIPE with SIGPIPE, not ECONNRESET, and a read behind it tells the reset: an AF_UNIX stream looks at the shutdown before it looks at the error.',
  behind:
    'A reset behind the end of the stream is not shown as POLLERR: a native read would tell the error, where TCP goes on to tell the end.',
  deaf: 'What comes after shutdown of reading is dropped, not readable: the poll mask needs the shutdown of the placeholder, and that drops data.',
  queue:
    'An error queue without a pending error is not shown as POLLERR: whatever shows it makes the next native call fail.',
  repeated:
    'A further error of a UDP socket whose queue shows POLLERR already is no new edge of it: the placeholder has the error until a call takes it.',
  unmoved:
    'A datagram that was sent makes no edge of POLLOUT: on Linux its memory is given back at once and writers are told, though there was room all along; to show that, something would have to pass the placeholder with each send.',
  urgentless: 'SO_SELECT_ERR_QUEUE: an AF_UNIX datagram socket has nothing urgent to show.',
  shutWhileCorked:
    'shutdown(SHUT_WR) shuts the mirror as well, at once: parts that a datagram in the making gets after it, by send(2) without flags, are refused there',
  halfRead:
    'SO_PEEK_OFF falls by the whole datagram that was received natively: how much of it the reader had room for, the kernel does not tell.',
  alone:
    'POLLPRI of a TCP stream is an urgent octet in an AF_UNIX stream, which poll(2) calls readable even where nothing stands behind it.',
  closed:
    'Urgent data that comes after shutdown of reading is not shown: nothing can be put into an AF_UNIX stream that is shut.',
  empties: 'A native read of no octets waits on an AF_UNIX stream for as long as nothing but an urgent octet is there.',
  passing: 'splice(2) of an AF_UNIX stream passes an urgent octet; of TCP it stops there.',
  anew: 'The timeout of a native send that waits counts anew whenever a part found room: an AF_UNIX socket waits for each of its packets by itself.',
  transit:
    'Octets that were sent natively and wait in the placeholder are in no queue that SIOCOUTQ and SIOCINQ tell of until the supervisor has taken them.',
  unsent:
    'What was written natively and not taken yet lies in the placeholder, by whose room the kernel shows POLLOUT: TCP_NOTSENT_LOWAT holds for what was taken.',
  withheld:
    'Octets below the mark of SO_RCVLOWAT are kept from the placeholder, since poll(2) would call it readable, and only a receive that waits can be seen to ask for them: a native one that does not block finds nothing.',
  overrun:
    'Natively a send is told of the overrun of a netlink socket, and that is the end of it: the placeholder has one error for both directions.',
  empty:
    'What is wrong with a message that was sent natively is told to nobody: it is looked at when the call has returned.',
  patient:
    'SPLICE_F_NONBLOCK holds for an AF_UNIX socket, and on TCP only for the pipe; with a non-blocking socket both are the same.',
  nameless:
    'AF_UNIX: SO_PEERCRED of a connection has the process id 0 for who connected, since the supervisor does it for him, with his user and group.',
  polled:
    'AF_UNIX: a send or connect by name that waits is tried again each 5 ms by the supervisor, so a native one that waits at the same receiver may come first.',
  overflow:
    'Without root: an answer of NETLINK_ROUTE has user and group 0 for the kernel; a user namespace without root shows them as 65534 (overflowuid).',
  claimed:
    'AF_UNIX, without root: the kernel lets the supervisor speak for no process but itself. A message that it sends shows the process id 0, and one with credentials is EPERM.',
} as const;
export type Reason = keyof typeof REASONS;

export interface Deviation {
  readonly planes: readonly string[];
  readonly body: string;
  readonly reason: Reason;
  /** Lines that follow each other on Linux, and what stands in their place here. */
  readonly linux: readonly string[];
  readonly ours: readonly string[];
  /** What follows depends on it, and is not compared. */
  readonly last?: true;
  /** Only where the sandbox is not root's. */
  readonly rootless?: true;
  /** Who polls first decides, so it need not show. */
  readonly chance?: true;
}

/** Lines that differ wherever they appear. */
export const EVERYWHERE: readonly {
  readonly reason: Reason;
  readonly rootless?: true;
  readonly same: (linux: string, ours: string) => boolean;
}[] = [
  { reason: 'band', same: (linux, ours) => ours.replaceAll('|WRNORM|WRBAND', '|WRNORM') === linux },
  {
    reason: 'alone',
    same: (linux, ours) =>
      linux.includes(' -> PRI|') &&
      ours.replaceAll('|WRNORM|WRBAND', '|WRNORM').replace(' -> IN|PRI|OUT|RDNORM', ' -> PRI|OUT') === linux,
  },
  {
    reason: 'overflow',
    rootless: true,
    same: (linux, ours) => linux.replace(/\{28 1 2 pid 0 uid \w+ gid \w+\}/, '{28 1 2 pid 0 uid 0 gid 0}') === ours,
  },
  { reason: 'claimed', rootless: true, same: (linux, ours) => linux.replaceAll(/\bpid pid#\d+/g, 'pid 0') === ours },
];

const BOTH: readonly PlaneName[] = ['strict', 'direct'];
const STRICT: readonly PlaneName[] = ['strict'];
const DIRECT: readonly PlaneName[] = ['direct'];

export const DEVIATIONS: readonly Deviation[] = [
  ...['IPv4', 'IPv6'].flatMap((family): Deviation[] => [
    {
      planes: STRICT,
      body: `error queue over ${family}: a poller that waits for nothing sees it`,
      reason: 'repeated',
      linux: ['a: epoll_wait(4, events~3, 8, 0) = 1', '  events~3 {3 ERR}'],
      ours: ['a: epoll_wait(4, events~3, 8, 0) = 0'],
    },
    {
      planes: DIRECT,
      body: `error queue over ${family}: of a connected socket, and SO_ERROR beside it`,
      reason: 'queue',
      linux: ['  pollfds {3 all -> OUT|ERR|WRNORM|WRBAND}'],
      ours: ['  pollfds {3 all -> OUT|WRNORM|WRBAND}'],
    },
    {
      planes: DIRECT,
      body: `error queue over ${family}: of a connected socket, and SO_ERROR beside it`,
      reason: 'refused',
      linux: ['a: sendto(3, out~3, 5, 0, 0, 0) = -111 ECONNREFUSED'],
      ours: ['a: sendto(3, out~3, 5, 0, 0, 0) = -104 ECONNRESET'],
    },
    {
      planes: DIRECT,
      body: `error queue over ${family}: a datagram too long for its path is an error of this host`,
      reason: 'queue',
      linux: ['  pollfds {3 all -> OUT|ERR|WRNORM|WRBAND}'],
      ours: ['  pollfds {3 all -> OUT|WRNORM|WRBAND}'],
    },
    {
      planes: DIRECT,
      body: `error queue over ${family}: a datagram too long for its path is an error of this host`,
      reason: 'empty',
      linux: ['a: sendto(3, big, 65520, 0, 0, 0) = -90 EMSGSIZE'],
      ours: ['a: sendto(3, big, 65520, 0, 0, 0) = 65520'],
    },
    {
      planes: DIRECT,
      body: `error queue over ${family}: a reader that waits is told by the queue, not by data`,
      reason: 'refused',
      linux: ['b: recvfrom(3, in, 8, 0, 0, 0) = -111 ECONNREFUSED'],
      ours: ['b: recvfrom(3, in, 8, 0, 0, 0) = -104 ECONNRESET'],
    },
  ]),
  {
    planes: DIRECT,
    body: 'TCP_NOTSENT_LOWAT keeps a stream from being writable',
    reason: 'unsent',
    linux: ['a: poll(pollfds~2, 1, 0) = 0', '  pollfds~2 {4 OUT -> none}'],
    ours: ['a: poll(pollfds~2, 1, 0) = 1', '  pollfds~2 {4 OUT -> OUT}'],
  },
  {
    planes: BOTH,
    body: 'accept wakes with a connection',
    reason: 'reserved',
    linux: ['a: socket(2, 1, 0) = 5'],
    ours: ['a: socket(2, 1, 0) = 4'],
    last: true,
  },
  {
    planes: BOTH,
    body: 'one connection wakes one of two that accept',
    reason: 'reserved',
    linux: ['a: socket(2, 1, 0) = 6'],
    ours: ['a: socket(2, 1, 0) = 4'],
    last: true,
  },
  {
    planes: BOTH,
    body: 'a signal ends accept, connect and poll',
    reason: 'reserved',
    linux: ['a: socket(2, 1, 0) = 5'],
    ours: ['a: socket(2, 1, 0) = 4'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'deadlines: a send tells what it sent when its time is over',
    reason: 'anew',
    linux: ['ended in time: true'],
    ours: ['ended in time: false'],
  },
  {
    planes: BOTH,
    body: 'limits: accept takes its number before it waits',
    reason: 'reserved',
    linux: ['a: socket(2, 1, 0) = 5'],
    ours: ['a: socket(2, 1, 0) = 4'],
    last: true,
  },
  {
    planes: BOTH,
    body: 'limits: dup2 onto a number that accept has taken',
    reason: 'reserved',
    linux: ['a: dup2(3, 4) = -16 EBUSY'],
    ours: ['a: dup2(3, 4) = 4'],
    last: true,
  },
  {
    planes: BOTH,
    body: 'limits: accept at the limit looks at nothing else',
    reason: 'reserved',
    linux: ['a: accept4(3, 0x3fff0000, 0x3fff0000, 0) = -24 EMFILE'],
    ours: ['a: accept4(3, 0x3fff0000, 0x3fff0000, 0) = -14 EFAULT'],
    last: true,
  },
  {
    planes: BOTH,
    body: 'limits: socketpair of a family without pairs has told two numbers by then',
    reason: 'numbers',
    linux: ['  pair[0..8] 0300000004000000'],
    ours: ['a: socketpair(99, 1, 0, pair~2) = -97 EAFNOSUPPORT'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'requests: what a TCP peer has not read and not acknowledged',
    reason: 'transit',
    linux: ['all of it is in one queue or the other: true'],
    ours: ['all of it is in one queue or the other: false'],
  },
  {
    planes: BOTH,
    body: 'connect blocks while the backlog is full and goes on when there is room',
    reason: 'meanwhile',
    linux: ['a: poll(pollfds, 1, 0) = 0', '  pollfds {5 all -> none}'],
    ours: ['a: poll(pollfds, 1, 0) = 1', '  pollfds {5 all -> OUT|HUP|WRNORM|WRBAND}'],
  },
  {
    planes: STRICT,
    body: 'connect to AF_UNSPEC dissolves a TCP connection',
    reason: 'dissolved',
    linux: ['  pollfds {4 all -> OUT|ERR|HUP|WRNORM}'],
    ours: ['  pollfds {4 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'recv on a connected UDP socket wakes with ECONNREFUSED',
    reason: 'refused',
    linux: ['b: recvfrom(3, in, 100, 0, 0, 0) = -111 ECONNREFUSED'],
    ours: ['b: recvfrom(3, in, 100, 0, 0, 0) = -104 ECONNRESET'],
  },
  {
    planes: DIRECT,
    body: 'send wakes with EPIPE or ECONNRESET when the peer goes',
    reason: 'reset',
    linux: ['b: sendto(4, out~2, 1, 16384, 0, 0) = -104 ECONNRESET'],
    ours: ['b: sendto(4, out~2, 1, 16384, 0, 0) = -32 EPIPE'],
  },
  {
    planes: DIRECT,
    body: 'connect to AF_UNSPEC dissolves a TCP connection',
    reason: 'dissolved',
    linux: ['  pollfds {4 all -> OUT|ERR|HUP|WRNORM}'],
    ours: ['  pollfds {4 all -> OUT|HUP|WRNORM|WRBAND}'],
  },
  {
    planes: DIRECT,
    body: 'connect to AF_UNSPEC dissolves a UDP association',
    reason: 'destination',
    linux: ['a: sendto(4, out, 1, 0, 0, 0) = -89 EDESTADDRREQ'],
    ours: ['a: sendto(4, out, 1, 0, 0, 0) = 1'],
  },
  ...['ICMP', 'ICMPv6'].flatMap((family): Deviation[] => [
    {
      planes: DIRECT,
      body: `${family}: nothing but echo requests is sent`,
      reason: 'destination',
      linux: ['a: sendto(3, out~11, 13, 0, 0, 0) = -89 EDESTADDRREQ'],
      ours: ['a: sendto(3, out~11, 13, 0, 0, 0) = 13'],
    },
    {
      planes: DIRECT,
      body: `${family}: nothing but echo requests is sent`,
      reason: 'empty',
      linux: ['a: sendto(3, out~12, 13, 0, 0, 0) = -22 EINVAL'],
      ours: ['a: sendto(3, out~12, 13, 0, 0, 0) = 13'],
    },
    {
      planes: DIRECT,
      body: `${family}: connected, and apart again`,
      reason: 'destination',
      linux: ['a: sendto(3, out~3, 13, 0, 0, 0) = -89 EDESTADDRREQ'],
      ours: ['a: sendto(3, out~3, 13, 0, 0, 0) = 13'],
    },
  ]),
  {
    planes: DIRECT,
    body: 'the names of later parts are ignored, bad ones too',
    reason: 'destination',
    linux: ['a: sendto(5, out~5, 1, 0, 0, 0) = -89 EDESTADDRREQ'],
    ours: ['a: sendto(5, out~5, 1, 0, 0, 0) = 1'],
  },
  {
    planes: DIRECT,
    body: 'IP_RECVERR: an unconnected socket hears of refusals, and keeps what was refused',
    reason: 'queue',
    linux: ['  pollfds~2 {3 all -> OUT|ERR|WRNORM|WRBAND}'],
    ours: ['  pollfds~2 {3 all -> OUT|WRNORM|WRBAND}'],
  },
  {
    planes: DIRECT,
    body: 'shutdown of reading ends recv but not the stream',
    reason: 'deaf',
    linux: ['a: recvfrom(5, in~2, 100, 0, 0, 0) = 14', '  in~2 "data after all" and 86 untouched'],
    ours: ['a: recvfrom(5, in~2, 100, 0, 0, 0) = 0'],
  },
  {
    planes: DIRECT,
    body: 'shutdown of both directions',
    reason: 'behind',
    linux: ['  pollfds~4 {5 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~4 {5 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'shutdown of a bound UDP socket takes effect and is ENOTCONN',
    reason: 'deaf',
    linux: ['a: recvfrom(3, in~2, 100, 0, 0, 0) = 1', '  in~2 "x" and 99 untouched'],
    ours: ['a: recvfrom(3, in~2, 100, 0, 0, 0) = 0'],
  },
  {
    planes: DIRECT,
    body: 'close sends what is queued, then the end',
    reason: 'behind',
    linux: ['  pollfds~3 {5 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~3 {5 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'a reset is reported once by send, then EPIPE',
    reason: 'reset',
    linux: ['a: sendto(4, out, 1, 0, 0, 0) = -104 ECONNRESET'],
    ours: ['a: sendto(4, out, 1, 0, 0, 0) = -32 EPIPE', '  SIGPIPE 1'],
  },
  {
    planes: DIRECT,
    body: 'a reset is reported once by send, then EPIPE',
    reason: 'reset',
    linux: ['a: recvfrom(4, in, 100, 0, 0, 0) = 0'],
    ours: ['a: recvfrom(4, in, 100, 0, 0, 0) = -104 ECONNRESET'],
  },
  {
    planes: DIRECT,
    body: 'netlink: calls that it does not have',
    reason: 'empty',
    linux: ['a: sendto(3, 0x20000060, 0, 0, 0, 0) = -61 ENODATA'],
    ours: ['a: sendto(3, 0x20000060, 0, 0, 0, 0) = 0'],
  },
  {
    planes: DIRECT,
    body: 'netlink: a full receive buffer',
    reason: 'overrun',
    linux: [
      '  pollfds {3 all -> IN|OUT|ERR|RDNORM|WRNORM|WRBAND}',
      'a: recvfrom(3, in, 4096, 64, 0, 0) = -105 ENOBUFS',
    ],
    ours: [
      '  pollfds {3 all -> IN|OUT|RDNORM|WRNORM|WRBAND}',
      'a: recvfrom(3, in, 4096, 64, 0, 0) = 52',
      '  in {2 flags 0x0 seq 0 pid 85079126 error -19 of 18 000000004d0000000000000000000000}',
    ],
  },
  {
    planes: DIRECT,
    body: 'what sendfile refuses',
    reason: 'unconnected',
    linux: ['a: sendfile(9, 6, 0, 4) = -32 EPIPE', '  SIGPIPE 1'],
    ours: ['a: sendfile(9, 6, 0, 4) = -107 ENOTCONN'],
  },
  {
    planes: DIRECT,
    body: 'sendfile to a UDP socket is one datagram',
    reason: 'destination',
    linux: ['a: sendfile(4, 5, 0, 10) = -89 EDESTADDRREQ'],
    ours: ['a: sendfile(4, 5, 0, 10) = 10'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'splice from a TCP socket to a pipe',
    reason: 'patient',
    linux: ['b: splice(5, 0, 7, 0, 100, 2) blocks'],
    ours: ['b: splice(5, 0, 7, 0, 100, 2) = -11 EAGAIN'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'send on a TCP socket that is not connected',
    reason: 'unconnected',
    linux: [
      'a: sendto(3, out, 1, 0, 0, 0) = -32 EPIPE',
      '  SIGPIPE 1',
      'a: sendto(3, out~2, 1, 16384, 0, 0) = -32 EPIPE',
    ],
    ours: ['a: sendto(3, out, 1, 0, 0, 0) = -107 ENOTCONN', 'a: sendto(3, out~2, 1, 16384, 0, 0) = -107 ENOTCONN'],
  },
  {
    planes: DIRECT,
    body: 'send on a TCP socket that is not connected',
    reason: 'unconnected',
    linux: ['a: recvfrom(3, in, 100, 0, 0, 0) = -107 ENOTCONN'],
    ours: ['a: recvfrom(3, in, 100, 0, 0, 0) = -22 EINVAL'],
  },
  {
    planes: DIRECT,
    body: 'send on a TCP socket that is not connected',
    reason: 'unconnected',
    linux: ['a: recvfrom(4, in~2, 100, 0, 0, 0) = -107 ENOTCONN'],
    ours: ['a: recvfrom(4, in~2, 100, 0, 0, 0) blocks, which the body did not expect'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'UDP without a destination',
    reason: 'destination',
    linux: ['a: sendto(3, out, 1, 0, 0, 0) = -89 EDESTADDRREQ'],
    ours: ['a: sendto(3, out, 1, 0, 0, 0) = 1'],
  },
  {
    planes: DIRECT,
    body: 'UDP without a destination',
    reason: 'destination',
    linux: ['a: sendto(4, out~3, 1, 0, 0, 0) = -89 EDESTADDRREQ'],
    ours: ['a: sendto(4, out~3, 1, 0, 0, 0) = 1'],
  },
  {
    planes: DIRECT,
    body: 'a UDP socket learns of a closed port at its next call',
    reason: 'refused',
    linux: ['a: sendto(3, out~2, 1, 0, 0, 0) = -111 ECONNREFUSED'],
    ours: ['a: sendto(3, out~2, 1, 0, 0, 0) = -104 ECONNRESET'],
  },
  {
    planes: DIRECT,
    body: 'read and write are recv and send without flags',
    reason: 'destination',
    linux: ['a: write(6, out~2, 1) = -89 EDESTADDRREQ'],
    ours: ['a: write(6, out~2, 1) = 1'],
  },
  {
    planes: DIRECT,
    body: 'write and read on a TCP socket that is not connected',
    reason: 'unconnected',
    linux: ['a: write(3, out, 1) = -32 EPIPE', '  SIGPIPE 1', 'a: read(3, in, 10) = -107 ENOTCONN'],
    ours: ['a: write(3, out, 1) = -107 ENOTCONN', 'a: read(3, in, 10) = -22 EINVAL'],
  },
  {
    planes: BOTH,
    body: 'unix: a stream connection',
    reason: 'nameless',
    linux: ['  ucred~2 pid pid#1 uid own gid own'],
    ours: ['  ucred~2 pid 0 uid own gid own'],
  },
  {
    planes: BOTH,
    body: 'unix: a seqpacket connection',
    reason: 'nameless',
    linux: ['  ucred~2 pid pid#1 uid own gid own'],
    ours: ['  ucred~2 pid 0 uid own gid own'],
  },
  {
    planes: BOTH,
    body: 'unix: credentials of the processes that listened and connected',
    reason: 'nameless',
    linux: ['  ucred~2 pid pid#2 uid own gid own'],
    ours: ['  ucred~2 pid 0 uid own gid own'],
  },
  {
    planes: BOTH,
    body: 'unix: datagram senders wait at the receiver, first come first served',
    reason: 'polled',
    linux: ['b: sendto(4, out~12, 6, 0, un~14, 9) = 6'],
    ours: ['d: sendto(5, out~13, 6, 0, 0, 0) = 6'],
    last: true,
    chance: true,
  },
  ...['stream', 'dgram', 'seqpacket'].map(
    (type): Deviation => ({
      planes: BOTH,
      body: `unix: claimed credentials at a ${type} socket`,
      reason: 'claimed',
      linux: ['own: 3'],
      ours: ['own: -1'],
      last: true,
      rootless: true,
    }),
  ),
  ...CONNECTION_DEVIATIONS,
  ...DATAGRAM_DEVIATIONS,
];
