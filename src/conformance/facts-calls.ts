/** Facts about the calls: order of checks, names, results. */
import { fact, type Topic } from './fact.ts';

export const CALL_FACTS: readonly Topic[] = [
  {
    title: 'socket, socketpair',
    facts: [
      fact('flag bits are looked at before the family, the family before the type', [
        'socket refuses unknown type flags before it looks at the family',
        '4097, 0) = -22 EINVAL',
        'socket(999, 17, 0) = -22 EINVAL',
        'socket(999, 1, 0) = -97 EAFNOSUPPORT',
      ]),
      fact('types of 11 and more are EINVAL, types that a family lacks are ESOCKTNOSUPPORT', [
        'socket refuses types that no family has, then types that this family lacks',
        'socket(2, 9, 0) = -94 ESOCKTNOSUPPORT',
        'socket(2, 11, 0) = -22 EINVAL',
      ]),
      fact('a protocol below 0 or above 262 is EINVAL, one of another type EPROTONOSUPPORT', [
        'socket refuses protocols out of range',
        'socket(2, 1, -1) = -22 EINVAL',
        'socket(2, 1, 999) = -22 EINVAL',
        'socket(2, 1, 77) = -93 EPROTONOSUPPORT',
      ]),
      fact('a pair of AF_INET is EOPNOTSUPP', [
        'limits: socketpair of a family without pairs has told two numbers by then',
        'socketpair(2, 1, 0, pair) = -95 EOPNOTSUPP',
      ]),
      fact('a pair whose numbers cannot be told leaves no descriptor', [
        'limits: socketpair that cannot tell its numbers makes none',
        'EFAULT',
      ]),
      fact('no descriptor left is EMFILE', ['limits: every call that makes a descriptor is EMFILE', 'EMFILE']),
    ],
  },
  {
    title: 'bind, listen, accept',
    facts: [
      fact('a name too short or longer than 128 octets is EINVAL', [
        'bind checks the length of the name',
        'bind(3, addr, 15) = -22 EINVAL',
        'bind(3, addr, 17) = 0',
        'bind(3, addr, 129) = -22 EINVAL',
      ]),
      fact('another family is EAFNOSUPPORT', [
        'bind checks the family of the name',
        'bind(3, addr, 16) = -97 EAFNOSUPPORT',
      ]),
      fact('a second bind is EINVAL', ['bind is done once', 'bind(3, addr~2, 16) = -22 EINVAL']),
      fact('a foreign address is EADDRNOTAVAIL', [
        'bind refuses addresses that are not ours',
        'bind(3, addr, 16) = -99 EADDRNOTAVAIL',
      ]),
      fact(
        'a taken port is EADDRINUSE, and so is no port left',
        ['bind of a port that is taken', 'bind(4, addr~2, 16) = -98 EADDRINUSE'],
        ['exhaustion: TCP, bind and listen are EADDRINUSE', 'EADDRINUSE', 'listen(5, 8) = -98 EADDRINUSE'],
      ),
      fact('the IPv6 wildcard takes the port of IPv4 too, unless IPV6_V6ONLY', [
        'bind of the IPv6 wildcard takes the IPv4 port as well',
        'bind(4, addr~2, 16) = -98 EADDRINUSE',
        'bind(8, addr~6, 16) = 0',
      ]),
      fact('listen binds a socket without a name; a second one changes the backlog', [
        'listen binds a socket that has no name',
        'listen(3, 8) = 0',
        'listen(3, 3) = 0',
      ]),
      fact('listen of UDP is EOPNOTSUPP', [
        'listen needs a stream socket that is not connected',
        'listen(3, 8) = -95 EOPNOTSUPP',
      ]),
      fact('the backlog is unsigned, and one more than it is admitted', [
        'listen takes its backlog as unsigned',
        'listen(3, -1) = 0',
        'connect(6, addr~4, 16) = 0',
      ]),
      fact('a backlog is 4096 at most (somaxconn)', [
        'a backlog is 4096 at most',
        'sacked=4095',
        'sacked=4096',
        'listen(3, 4097)',
        'listen(3, -1)',
      ]),
      fact('listen(0) lets one connection through, the others stay in SYN-SENT', [
        'accepting: listen(0) admits one more',
        'pollfds {4 all -> OUT|WRNORM}',
        'pollfds~2 {5 all -> none}',
        'connect(5, addr~6, 16) = -114 EALREADY',
      ]),
      fact('accept is EINVAL without listen, EOPNOTSUPP of UDP', [
        'accept on what does not listen',
        'accept(3, 0, 0) = -22 EINVAL',
        'accept(4, 0, 0) = -95 EOPNOTSUPP',
      ]),
      fact('flags that accept4 does not know are EINVAL', [
        'accept on what does not listen',
        'accept4(8, 0, 0, 16) = -22 EINVAL',
      ]),
      fact('a bad address and a length of -1 lose the connection', [
        'accept with a bad name loses the connection',
        '= -14 EFAULT',
        'accept(3, 0, 0) = -11 EAGAIN',
        '= -22 EINVAL',
        'accept(3, 0, 0) = -11 EAGAIN',
      ]),
      fact(
        'flags are not inherited from the listener, options are',
        ['accept4 sets flags, and none is inherited from the listener', 'fcntl(5, 3, 0) = 2', 'fcntl(5, 1, 0) = 0'],
        ['an accepted socket has the options of its listener', 'getsockopt(5, 6, 4', '77', 'getsockopt(5, 0, 2', '33'],
      ),
      fact('a name that is cut is told with its full length', [
        'accepting: the names of both ends, with room for all and for some',
        'name~3 cut:',
        'namelen~3 16',
      ]),
    ],
  },
  {
    title: 'connect',
    facts: [
      fact('without blocking: EINPROGRESS, then 0 once, then EISCONN', [
        'connect without blocking goes through EINPROGRESS, 0 and EISCONN',
        'connect(4, addr~2, 16) = -115 EINPROGRESS',
        'connect(4, addr~3, 16) = 0',
        'connect(4, addr~4, 16) = -106 EISCONN',
      ]),
      fact('while it lasts: EALREADY; send and recv are EAGAIN, getpeername ENOTCONN', [
        'connect without blocking is EALREADY while the handshake lasts',
        'EALREADY',
        'sendto(5, out, 1, 0, 0, 0) = -11 EAGAIN',
        'recvfrom(5, in, 100, 0, 0, 0) = -11 EAGAIN',
        'ENOTCONN',
      ]),
      fact(
        'where nobody listens: ECONNREFUSED; where no route leads: ENETUNREACH',
        ['connect is refused where nobody listens', 'connect(3, addr, 16) = -111 ECONNREFUSED'],
        ['connect where no route leads', 'connect(3, addr, 16) = -101 ENETUNREACH', 'connect(6, addr~4, 28) = -101'],
      ),
      fact(
        'AF_UNSPEC takes a connection apart',
        [
          'connect to AF_UNSPEC dissolves a UDP association',
          'connect(4, addr~3, 2) = 0',
          'ENOTCONN',
          'sendto(4, out, 1, 0, 0, 0) = -89 EDESTADDRREQ',
        ],
        ['connecting: AF_UNSPEC, in every state', 'connect(6, nowhere~3, 16) = 0', 'OUT|ERR|HUP', 'value 104'],
      ),
      fact(
        'no port left: EADDRNOTAVAIL of TCP, EAGAIN of UDP',
        [
          'exhaustion: TCP, connect is EADDRNOTAVAIL until a port is free',
          'connect(6, addr~4, 16) = -99 EADDRNOTAVAIL',
        ],
        ['exhaustion: UDP, bind is EADDRINUSE, connect and send are EAGAIN', 'connect(6, addr~6, 16) = -11 EAGAIN'],
      ),
      fact('a signal ends the wait, the attempt goes on', [
        'connecting: interrupted, repeated, and done meanwhile',
        '-4 EINTR',
        '-4 EINTR',
        '= 0 after a while',
        'EISCONN',
      ]),
      fact('SO_SNDTIMEO ends the wait with EINPROGRESS', ['SO_SNDTIMEO ends connect with EINPROGRESS', 'EINPROGRESS']),
      fact('two that connect to each other are connected, nobody accepts (simultaneous open)', [
        'simultaneous open: both connect, nobody accepts',
        'connect(3, addr~6, 16) = -115 EINPROGRESS',
        'b: connect(5, addr~4, 16) = 0',
      ]),
      fact('a TCP socket connects to itself', [
        'connecting: to itself, what it sends it receives, and it ends by itself',
        '"me"',
      ]),
    ],
  },
  {
    title: 'Sending',
    facts: [
      fact('a name is ignored on a connected TCP socket', [
        'sendto ignores the name on a connected TCP socket',
        'sendto(4, out, 5, 0, addr~3, 16) = 5',
      ]),
      fact(
        'without a connection: EPIPE and SIGPIPE of TCP, EDESTADDRREQ of UDP',
        [
          'send on a TCP socket that is not connected',
          'sendto(3, out, 1, 0, 0, 0) = -32 EPIPE',
          'SIGPIPE 1',
          'sendto(3, out~2, 1, 16384, 0, 0) = -32 EPIPE',
        ],
        ['UDP without a destination', 'sendto(3, out, 1, 0, 0, 0) = -89 EDESTADDRREQ'],
      ),
      fact('port 0 is EINVAL', ['UDP without a destination', 'sendto(3, out~2, 1, 0, addr, 16) = -22 EINVAL']),
      fact('a broadcast without SO_BROADCAST is EACCES', [
        'UDP to a broadcast address needs SO_BROADCAST',
        'sendto(3, out, 1, 0, addr, 16) = -13 EACCES',
      ]),
      fact('more than 65507 octets are EMSGSIZE', [
        'UDP messages too long',
        '65507, 0, addr~2, 16) = 65507',
        '65508, 0, addr~2, 16) = -90 EMSGSIZE',
      ]),
      fact('a pending error is told first, and once', [
        'a UDP socket learns of a closed port at its next call',
        'OUT|ERR',
        'sendto(3, out~2, 1, 0, 0, 0) = -111 ECONNREFUSED',
        'sendto(3, out~3, 1, 0, 0, 0) = 1',
        'recvfrom(3, in, 10, 64, 0, 0) = -111 ECONNREFUSED',
      ]),
      fact(
        '1025 pieces are EMSGSIZE of sendmsg and recvmsg, EINVAL of writev and readv',
        [
          'sendmsg and recvmsg check the vector',
          '= 1024',
          'sendmsg(3, msg, 0) = -90 EMSGSIZE',
          'recvmsg(3, msg, 64) = -90 EMSGSIZE',
        ],
        ['limits of an iovec', 'writev(4, iov, 1025) = -22 EINVAL'],
      ),
      fact('200,000 octets of control and more, 4 GiB among them, are ENOBUFS', [
        'sendmsg refuses control of absurd length',
        'ENOBUFS',
        'ENOBUFS',
      ]),
      fact('msg_namelen of -1 is EINVAL', ['sendmsg and recvmsg check the header', '= -22 EINVAL']),
      fact('sendmmsg of nothing is 0, of one at a bad address EFAULT', [
        'messages: no message is no error, and looks at the descriptor only',
        'sendmmsg(3, 0x3fff0000, 0, 0, 0) = 0',
        'sendmmsg(3, 0x3fff0000, 1, 64, 0) = -14 EFAULT',
      ]),
      fact('sendmmsg takes 1024 at most', ['messages: sendmmsg clamps to 1024', 'sent: 1024 1024']),
      fact('sendmmsg tells what went before a failure, and leaves later lengths alone', [
        'messages: sendmmsg leaves the lengths behind a failure alone',
        'sendmmsg(3, mmsg, 3, 0) = 1',
        'len 3} {namelen 0 controllen 0 flags 0x0 len 4008636142}',
        '-90 EMSGSIZE',
      ]),
      fact('after a peer’s reset, and after shutdown: EPIPE with SIGPIPE from every call that sends', [
        'messages: SIGPIPE of each call that sends, and how it is kept away',
        'sendto(4, out, 1, 0, 0, 0) = -32 EPIPE',
        'SIGPIPE 1',
        'write(4, out, 1) = -32 EPIPE',
        'SIGPIPE 1',
      ]),
    ],
  },
  {
    title: 'Receiving',
    facts: [
      fact('unknown flags are ignored', [
        'recv ignores flags that it does not know',
        'recvfrom(3, in, 10, 0x8000000, 0, 0) = 3',
      ]),
      fact(
        'MSG_TRUNC tells a datagram’s length, and drops octets of a stream',
        ['UDP keeps message boundaries and cuts what does not fit', 'recvfrom(3, in~3, 3, 32, 0, 0) = 13'],
        ['MSG_TRUNC on TCP drops octets without copying them', '0x3fff0000, 2, 32, 0, 0) = 2'],
      ),
      fact('MSG_PEEK with MSG_TRUNC of a stream counts, copies nothing and takes nothing', [
        'stream flags: MSG_PEEK with MSG_TRUNC counts and takes nothing',
        'recvfrom(5, in, 5, 34, 0, 0) = 5',
        'recvfrom(5, in~2, 50, 34, 0, 0) = 12',
      ]),
      fact('an empty datagram is readable and received as 0 octets', [
        'UDP messages of zero octets',
        'IN|OUT',
        'int 0',
        'recvfrom(3, in, 100, 0,',
      ]),
      fact('recvmmsg keeps an error behind messages for the next call', [
        'messages: recvmmsg keeps an error behind messages for the next call',
        'recvmmsg(3, mmsg, 2, 0, 0) = 1',
        'ERR',
        'EMSGSIZE',
      ]),
      fact('recvmmsg with nanoseconds out of range or a negative time is EINVAL', [
        'recvmmsg checks its timeout',
        'EINVAL',
        'EINVAL',
        'EINVAL',
      ]),
      fact('recvmmsg takes MSG_PEEK, and has the same datagram each time; MSG_WAITFORONE waits for the first', [
        'recvmmsg with MSG_PEEK, MSG_WAITFORONE and unknown flags',
        'recvmmsg(3, mmsg, 3, 66, 0) = 3',
        'in "one"',
        'in~3 "one"',
        'recvmmsg(3, mmsg, 3, 0x10000, 0) = 2',
      ]),
      fact('SO_RCVTIMEO ends a wait with EAGAIN', ['SO_RCVTIMEO ends recv with EAGAIN', 'EAGAIN after a while']),
      fact('recvmmsg looks at its time only after a message', [
        'deadlines: recvmmsg looks at its time only after a message',
        'recvmmsg(3, mmsg, 3, 0, timespec) = 2',
        'timespec nothing left',
      ]),
      fact('read and write of no octets are 0 and look at nothing', [
        'read and write are recv and send without flags',
        'write(4, 0x3fff0000, 0) = 0',
        'read(5, 0x3fff0000, 0) = 0',
      ]),
      fact('pread, pwrite and lseek are ESPIPE', [
        'pread, pwrite and lseek find a socket not seekable',
        'pread64(4, memory, 1, 0) = -29 ESPIPE',
        'pwrite64(4, memory, 1, 0) = -29 ESPIPE',
      ]),
    ],
  },
  {
    title: 'Ends: shutdown, close, reset',
    facts: [
      fact('an unknown direction is EINVAL, a socket without connection ENOTCONN', [
        'shutdown checks its argument and the state',
        'shutdown(3, 0) = -107 ENOTCONN',
        'shutdown(3, 3) = -22 EINVAL',
        'shutdown(7, 2) = -107 ENOTCONN',
      ]),
      fact('of bound UDP it takes effect and is ENOTCONN all the same', [
        'shutdown of a bound UDP socket takes effect and is ENOTCONN',
        'shutdown(3, 0) = -107 ENOTCONN',
        'recvfrom(3, in, 100, 0, 0, 0) = 0',
        'sendto(3, out~2, 1, 16384, addr~3, 16) = -32 EPIPE',
      ]),
      fact('a listener whose reading is shut listens no longer', [
        'shutdown of a listener',
        'shutdown(3, 0) = 0',
        'getsockopt(3, 1, 30',
        'value~2 0',
      ]),
      fact('close with unread data resets: the peer has its data, ECONNRESET, then the end', [
        'close with unread data resets',
        'recvfrom(4, in, 100, 0, 0, 0) = 10',
        'ECONNRESET',
        'recvfrom(4, in~3, 100, 0, 0, 0) = 0',
        'EPIPE',
      ]),
      fact('SO_LINGER of {1, 0} resets', ['stream ends: SO_LINGER of 0 drops what waits', 'ECONNRESET']),
      fact('a reset polls as IN, OUT, ERR, HUP and RDHUP', [
        'stream ends: a reset told by poll first',
        '{4 all -> IN|OUT|ERR|HUP|RDNORM|WRNORM|RDHUP}',
      ]),
    ],
  },
  {
    title: 'Descriptors, fcntl, ioctl',
    facts: [
      fact('duplicates share O_NONBLOCK, not FD_CLOEXEC', [
        'duplicates share O_NONBLOCK, not FD_CLOEXEC',
        'fcntl(3, 3, 0) = 2050',
      ]),
      fact('dup3 onto itself is EINVAL', [
        'dup3 sets FD_CLOEXEC and refuses the same descriptor',
        'dup3(3, 3, 0) = -22 EINVAL',
      ]),
      fact('F_SETFL changes O_NONBLOCK and O_APPEND and leaves the access mode alone', [
        'fcntl changes only the flags that may change',
        'fcntl(3, 4, 2049) = 0',
        'fcntl(3, 3, 0) = 2050',
      ]),
      fact('getsockname tells the full length, a negative one is EINVAL', [
        'getsockname cuts the name to the room and reports its full length',
        'name~3[0..3]',
        'EINVAL',
      ]),
      fact('FIONREAD: all that is queued of TCP, EINVAL of a listener', [
        'FIONREAD of TCP is what is queued',
        'count~2 7',
        'ioctl(3, 21531, count~5) = -22 EINVAL',
      ]),
      fact('FIONREAD: the first datagram of UDP', ['FIONREAD of UDP is the first message', 'count~2 5', 'count~3 10']),
      fact('SIOCATMARK is of TCP alone', [
        'requests: SIOCATMARK without urgent data',
        'ioctl(3, 35077, int) = 0',
        'ioctl(4, 35077, int~2) = -25 ENOTTY',
      ]),
      fact('SIOCGSTAMP before any packet is ENOENT', [
        'requests: SIOCGSTAMP is ENOENT before any packet',
        'ioctl(3, 35078, stamp) = -2 ENOENT',
      ]),
      fact('SIOCGIFCONF without a buffer tells the octets needed', ['ioctl: SIOCGIFCONF', 'ifconf[0..1] 28']),
      fact('an unknown interface is ENODEV', [
        'ioctl: SIOCETHTOOL looks at its command first',
        '-19 ENODEV',
        'EOPNOTSUPP',
      ]),
      fact('sendfile from a socket or a pipe is EINVAL', [
        'what sendfile refuses',
        'sendfile(4, 7, 0, 4) = -22 EINVAL',
      ]),
      fact('splice needs a pipe on one side', [
        'what splice, tee and vmsplice refuse',
        'splice(5, 0, 4, 0, 1, 0) = -22 EINVAL',
      ]),
    ],
  },
  {
    title: 'AF_UNIX',
    facts: [
      fact(
        'connect: EPROTOTYPE for another type by path, ECONNREFUSED by an abstract name, EAGAIN where the backlog is full',
        [
          'unix: stream sockets of other types do not answer',
          'connect(7, un~5, 6) = -91 EPROTOTYPE',
          'connect(8, un~6, 7) = -111 ECONNREFUSED',
        ],
        ['unix: a backlog of n admits n + 1 stream connections', 'connect(6, un~4, 7) = -11 EAGAIN'],
      ),
      fact('a taken path is EADDRINUSE; abstract names are of one type, and their length counts', [
        'unix: names of stream sockets',
        'bind(4, un~5, 6) = -98 EADDRINUSE',
        'bind(5, un~7, 11) = -98 EADDRINUSE',
        'bind(5, un~8, 12) = 0',
        'bind(7, un~10, 11) = 0',
      ]),
      fact(
        'FIONREAD: all of a stream, the first message of datagrams',
        ['unix: a pair of stream sockets', 'count 10'],
        ['unix: a pair of dgram sockets', 'count 5'],
      ),
      fact('eleven datagrams wait at a receiver, the twelfth is EAGAIN', [
        'unix: eleven datagrams wait, the twelfth does not find room',
        'un~13, 9) = 11',
        'un~14, 9) = -11 EAGAIN',
      ]),
    ],
  },
];
