/** Those of deviations.ts that are about connections: their beginning, urgent data, what is held back, their end. */
import type { PlaneName } from '../runner/sentry-types.ts';
import type { Deviation } from './deviations.ts';

const BOTH: readonly PlaneName[] = ['strict', 'direct'];
const STRICT: readonly PlaneName[] = ['strict'];
const DIRECT: readonly PlaneName[] = ['direct'];

export const CONNECTION_DEVIATIONS: readonly Deviation[] = [
  {
    planes: DIRECT,
    body: 'tcp: SO_RCVLOWAT does not keep octets from a socket that does not block',
    reason: 'withheld',
    linux: ['a: recvfrom(5, in, 100, 0, 0, 0) = 4', '  in "abcd" and 96 untouched'],
    ours: ['a: recvfrom(5, in, 100, 0, 0, 0) = -11 EAGAIN'],
  },
  {
    planes: BOTH,
    body: 'urgent: after shutdown of reading',
    reason: 'closed',
    linux: ['  pollfds {5 all -> IN|PRI|OUT|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds {5 all -> IN|OUT|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'urgent: after shutdown of reading',
    reason: 'deaf',
    linux: ['a: recvfrom(5, in~2, 10, 0, 0, 0) = 2', '  in~2 "ab" and 8 untouched'],
    ours: ['a: recvfrom(5, in~2, 10, 0, 0, 0) = 0'],
  },
  {
    planes: BOTH,
    body: 'urgent: select says it by the third set',
    reason: 'alone',
    linux: ['a: select(6, readable~2, writable~2, exceptional~2, timeval) = 2', '  readable~2[0..1] 00'],
    ours: ['a: select(6, readable~2, writable~2, exceptional~2, timeval) = 3'],
  },
  {
    planes: DIRECT,
    body: 'urgent: a read of nothing at the mark',
    reason: 'empties',
    linux: ['a: recvfrom(5, 0x200000b0, 0, 0, 0, 0) = 0'],
    ours: ['a: recvfrom(5, 0x200000b0, 0, 0, 0, 0) blocks, which the body did not expect'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'urgent: splice stops at the mark',
    reason: 'passing',
    linux: ['a: splice(5, 0, 7, 0, 100, 2) = 0'],
    ours: ['a: splice(5, 0, 7, 0, 100, 2) = 3'],
    last: true,
  },
  ...[
    'connecting: AF_UNSPEC, in every state',
    'connecting: AF_UNSPEC gives up an attempt, and who waits for it',
  ].flatMap((body, i): Deviation[] => {
    const [at, fd] = i === 0 ? ['pollfds~2', 6] : ['pollfds', 5];
    const linux = [`  ${at} {${fd} all -> OUT|ERR|HUP|WRNORM}`];
    return [
      {
        planes: STRICT,
        body,
        reason: 'dissolved',
        linux,
        ours: [`  ${at} {${fd} all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|WRBAND|RDHUP}`],
      },
      { planes: DIRECT, body, reason: 'dissolved', linux, ours: [`  ${at} {${fd} all -> OUT|HUP|WRNORM|WRBAND}`] },
    ];
  }),
  {
    planes: DIRECT,
    body: 'connecting: refused, the error told by recv, send, and connect',
    reason: 'refused',
    linux: ['a: recvfrom(3, in, 100, 0, 0, 0) = -111 ECONNREFUSED'],
    ours: ['a: recvfrom(3, in, 100, 0, 0, 0) = -104 ECONNRESET'],
  },
  {
    planes: DIRECT,
    body: 'connecting: refused, the error told by recv, send, and connect',
    reason: 'reset',
    linux: ['a: sendto(4, out~2, 1, 16384, 0, 0) = -111 ECONNREFUSED'],
    ours: ['a: sendto(4, out~2, 1, 16384, 0, 0) = -32 EPIPE'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'connecting: AF_UNSPEC, in every state',
    reason: 'unconnected',
    linux: ['a: recvfrom(6, in, 100, 0, 0, 0) = -107 ENOTCONN'],
    ours: ['a: recvfrom(6, in, 100, 0, 0, 0) = -22 EINVAL'],
  },
  {
    planes: DIRECT,
    body: 'connecting: shutdown(2) of a fresh socket, then connect',
    reason: 'deaf',
    linux: ['a: recvfrom(4, in~2, 10, 64, 0, 0) = 5', '  in~2 "hello" and 5 untouched'],
    ours: ['a: recvfrom(4, in~2, 10, 64, 0, 0) = 0'],
  },
  {
    planes: DIRECT,
    body: 'connecting: shutdown(2) of a fresh socket, then connect',
    reason: 'unshut',
    linux: ['  pollfds {4 all -> IN|OUT|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds {4 all -> OUT|HUP|WRNORM|WRBAND}'],
  },
  {
    planes: DIRECT,
    body: 'connecting: shutdown(2) of a fresh socket, then connect',
    reason: 'unshut',
    linux: ['  pollfds~9 {8 all -> IN|OUT|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~9 {8 all -> OUT|HUP|WRNORM|WRBAND}'],
  },
  {
    planes: DIRECT,
    body: 'connecting: shutdown(2) of a fresh socket, then connect',
    reason: 'deaf',
    linux: ['a: recvfrom(8, in~6, 10, 64, 0, 0) = 5', '  in~6 "hello" and 5 untouched'],
    ours: ['a: recvfrom(8, in~6, 10, 64, 0, 0) = 0'],
  },
  {
    planes: DIRECT,
    body: 'accepting: a connection that was reset while it waited',
    reason: 'reset',
    linux: ['a: sendto(4, out, 1, 16384, 0, 0) = -104 ECONNRESET'],
    ours: ['a: sendto(4, out, 1, 16384, 0, 0) = -32 EPIPE'],
  },
  {
    planes: DIRECT,
    body: 'accepting: a connection that was reset while it waited',
    reason: 'reset',
    linux: ['a: recvfrom(4, in, 100, 0, 0, 0) = 0'],
    ours: ['a: recvfrom(4, in, 100, 0, 0, 0) = -104 ECONNRESET'],
  },
  {
    planes: DIRECT,
    body: 'accepting: a connection with data and its end in the queue',
    reason: 'behind',
    linux: ['  pollfds~2 {4 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~2 {4 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'fast open: TCP_FASTOPEN_CONNECT, opened by write and by a send of nothing',
    reason: 'opening',
    linux: ['a: accept(3, 0, 0) = 7'],
    ours: ['a: accept(3, 0, 0) = -11 EAGAIN'],
    last: true,
  },
  {
    planes: STRICT,
    body: 'fast open: TCP_FASTOPEN_CONNECT, given up before there was data',
    reason: 'dissolved',
    linux: ['  pollfds {4 all -> OUT|ERR|HUP|WRNORM}'],
    ours: ['  pollfds {4 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'fast open: TCP_FASTOPEN_CONNECT, given up before there was data',
    reason: 'dissolved',
    linux: ['  pollfds {4 all -> OUT|ERR|HUP|WRNORM}'],
    ours: ['  pollfds {4 all -> OUT|HUP|WRNORM|WRBAND}'],
  },
  {
    planes: BOTH,
    body: 'stream ends: SO_LINGER waits for what the peer does not read',
    reason: 'lingers',
    linux: ['waited about a second: true'],
    ours: ['waited about a second: false'],
  },
  {
    planes: BOTH,
    body: 'stream ends: SO_LINGER ends as soon as the peer has read all',
    reason: 'lingers',
    linux: ['b: close(4) blocks'],
    ours: ['b: close(4) = 0'],
  },
  {
    planes: DIRECT,
    body: 'stream ends: a reset told by send first',
    reason: 'reset',
    linux: ['a: sendto(4, out~2, 1, 16384, 0, 0) = -104 ECONNRESET'],
    ours: ['a: sendto(4, out~2, 1, 16384, 0, 0) = -32 EPIPE'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'stream ends: a reset told by poll first',
    reason: 'reset',
    linux: ['a: sendto(4, out~2, 1, 16384, 0, 0) = -104 ECONNRESET'],
    ours: ['a: sendto(4, out~2, 1, 16384, 0, 0) = -32 EPIPE'],
    last: true,
  },
  {
    planes: DIRECT,
    body: 'stream ends: a reset behind data wakes who waits for more',
    reason: 'reset',
    linux: ['b: recvfrom(4, in~2, 100, 0, 0, 0) = -104 ECONNRESET'],
    ours: ['b: recvfrom(4, in~2, 100, 0, 0, 0) = 0'],
  },
  {
    planes: DIRECT,
    body: 'stream ends: a reset in CLOSE-WAIT is EPIPE',
    reason: 'behind',
    linux: ['  pollfds~2 {4 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~2 {4 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'stream ends: an orphan that gets data resets',
    reason: 'behind',
    linux: ['  pollfds {5 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds {5 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'stream ends: shut both ways, data draws a reset',
    reason: 'behind',
    linux: ['  pollfds~2 {5 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~2 {5 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
  {
    planes: DIRECT,
    body: 'stream ends: with TCP_LINGER2 of -1 nobody waits for the end of the peer',
    reason: 'behind',
    linux: ['  pollfds~2 {5 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}'],
    ours: ['  pollfds~2 {5 all -> IN|OUT|HUP|RDNORM|WRNORM|WRBAND|RDHUP}'],
  },
];
