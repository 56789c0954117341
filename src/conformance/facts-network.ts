/** Facts about readiness and about what TCP does. */
import { fact, type Topic } from './fact.ts';

export const NETWORK_FACTS: readonly Topic[] = [
  {
    title: 'poll, select, epoll',
    facts: [
      fact('fresh and bound TCP: OUT, WRNORM, HUP', [
        'poll of a fresh and of a bound TCP socket',
        '{3 all -> OUT|HUP|WRNORM}',
      ]),
      fact('SYN-SENT: nothing', ['connect without blocking is EALREADY while the handshake lasts', '{5 all -> none}']),
      fact('a listener: IN once there is a connection', [
        'poll of a listener',
        '{3 all -> none}',
        '{3 all -> IN|RDNORM}',
      ]),
      fact('a connection: OUT, with data IN', ['poll of a connection', '{4 all -> OUT|WRNORM}', 'IN|OUT']),
      fact('the peer’s end: IN and RDHUP; both ends: HUP as well', [
        'stream ends: shut in the order client WR, server WR',
        'IN|OUT|RDNORM|WRNORM|RDHUP}',
        'IN|OUT|HUP|RDNORM|WRNORM|RDHUP}',
      ]),
      fact('refused: IN, OUT, ERR, HUP, RDHUP; SO_ERROR takes ERR alone', [
        'poll of a refused connection',
        'IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP',
        'value 111',
        'IN|OUT|HUP|RDNORM|WRNORM|RDHUP',
      ]),
      fact('urgent data: PRI', ['urgent: one octet, out of band', 'PRI|OUT|WRNORM']),
      fact('a UDP error: OUT and ERR', [
        'a UDP socket learns of a closed port at its next call',
        'OUT|ERR|WRNORM|WRBAND',
      ]),
      fact('negative numbers are passed over, closed ones are NVAL', [
        'poll of descriptors that are negative or not open',
        '{-1 all -> none} {77 all -> NVAL}',
      ]),
      fact('select knows more than 1024 descriptors where the sets are long', [
        'select: a descriptor beyond 1023 in a longer bitmap',
        'select(1501, 0, set~2, 0, timeval~2) = 1',
      ]),
      fact('EPOLL_CTL_ADD twice is EEXIST, MOD and DEL of what is not there ENOENT', [
        'epoll_ctl refuses what does not fit the list',
        'ENOENT',
        'ENOENT',
        'EEXIST',
      ]),
      fact(
        'an epoll in itself is EINVAL, a closed descriptor EBADF, a file that cannot wait EPERM',
        ['epoll_ctl refuses wrong descriptors', 'EBADF', 'epoll_ctl(3, 1, 3, event~4) = -22 EINVAL'],
        ['epoll: files that cannot be polled are EPERM, whatever the operation', '-1 EPERM'],
      ),
      fact('a cycle is ELOOP', ['epoll_ctl refuses cycles', '-40 ELOOP']),
      fact('no room for events is EINVAL', [
        'epoll_wait checks its arguments',
        'epoll_wait(3, events, 0, 0) = -22 EINVAL',
      ]),
      fact('EPOLLEXCLUSIVE with EPOLLONESHOT, on an epoll, and changed later: EINVAL', [
        'epoll_ctl and EPOLLEXCLUSIVE',
        'epoll_ctl(3, 1, 4, event) = -22 EINVAL',
        'epoll_ctl(3, 3, 4, event~4) = -22 EINVAL',
      ]),
      fact('ERR and HUP come unasked', ['epoll reports ERR and HUP unasked', '{4 HUP}', '{4 ERR|HUP}']),
      fact(
        'an edge is an arrival, a partial read none',
        ['an edge-triggered item comes once for each arrival', '{6 IN}', 'events~3, 8, 0) = 0'],
        ['each datagram is an edge, and reading is none', 'events~3 {4 IN}', 'in "0"', 'events~7, 8, 0) = 0'],
      ),
      fact('the list of what is ready is first in, first out, and rotates', [
        'the ready list is first in, first out, and rotates',
        'events {6 IN}',
        'events~2 {5 IN}',
        'events~3 {4 IN}',
        'events~4 {6 IN}',
      ]),
      fact('the close of the last descriptor takes an item away, a duplicate keeps it', [
        'closing the last descriptor removes the item, a duplicate keeps it',
        '{4 IN}',
        'epoll_wait(3, events~2, 8, 0) = 0',
      ]),
    ],
  },
  {
    title: 'TCP',
    facts: [
      fact('urgent data is one octet out of band; without it MSG_OOB is EINVAL', [
        'urgent: one octet, out of band',
        'recvfrom(5, in, 10, 1, 0, 0) = 1',
        'recvfrom(5, in~2, 10, 1, 0, 0) = -22 EINVAL',
      ]),
      fact(
        'TCP_CORK and MSG_MORE hold back until they end, MSG_MORE 200 ms at most',
        ['stream flags: TCP_CORK holds back until it is cleared', 'EAGAIN', '= 7'],
        ['stream flags: MSG_MORE gives up after 200 ms', 'about 200 ms: true'],
      ),
      fact('keepalive gives up with ETIMEDOUT after TCP_KEEPCNT probes without an answer', [
        'silence: keepalive gives up after TCP_KEEPCNT probes',
        '-110 ETIMEDOUT',
        'between 1500 and 4000 ms: true',
      ]),
      fact('TCP_USER_TIMEOUT goes before keepalive’s count', [
        'silence: TCP_USER_TIMEOUT goes before the count of keepalive',
        '-110 ETIMEDOUT',
        'ms: true',
      ]),
      fact(
        'TCP_USER_TIMEOUT bounds data without an acknowledgment, a shut window, and an attempt to connect',
        ['silence: TCP_USER_TIMEOUT bounds how long data is unacknowledged', 'ETIMEDOUT', 'ms: true'],
        ['silence: TCP_USER_TIMEOUT bounds how long the window stays shut', 'ERR|HUP', 'value~2 110'],
        ['connecting: TCP_USER_TIMEOUT gives up with ETIMEDOUT', 'ETIMEDOUT'],
      ),
      fact('TCP_SYNCNT of 1 gives up after 3 s, however often the SYN was sent in the linear phase', [
        'silence: TCP_SYNCNT of 1 gives up after three seconds',
        'ETIMEDOUT',
        'between 2500 and 4500 ms: true',
      ]),
      fact(
        'data, a FIN, a SYN and its answer are sent again when they are lost',
        ['silence: what was lost is sent again', '= 4 after a while'],
        ['silence: the end of a stream that was lost is sent again', 'recvfrom(5, in~2, 100, 0, 0, 0) = 0'],
        ['silence: a SYN that was lost is sent again', '= 0 after a while'],
        ['silence: an answer to the SYN that was lost is sent again', '= 0 after a while'],
      ),
      fact('shutdown during a simultaneous open sends the end once it is done', [
        'simultaneous open: shutdown before it is done sends the end when it is',
        'EPIPE',
        '{3 RDHUP -> RDHUP}',
      ]),
      fact(
        'TIME-WAIT keeps the port of who closed first; SO_REUSEADDR gives it',
        ['TIME-WAIT keeps the port of the side that closed first', 'EADDRINUSE'],
        ['TIME-WAIT gives the port to SO_REUSEADDR', 'value~2, 4) = 0', 'bind(4, addr~4, 16) = 0'],
      ),
      fact('with TCP_LINGER2 of -1 nobody waits for the peer’s end: data and end draw a reset', [
        'stream ends: with TCP_LINGER2 of -1 nobody waits for the end of the peer',
        'IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP',
      ]),
      fact('TCP_DEFER_ACCEPT keeps a connection back until it has data', [
        'accepting: TCP_DEFER_ACCEPT waits for data',
        '{3 all -> none}',
        'blocks',
        'accept4(3, 0, 0, 2048) = 5',
      ]),
    ],
  },
];
