/** Facts about options and control messages. */
import { fact, type Topic } from './fact.ts';

export const OPTION_FACTS: readonly Topic[] = [
  {
    title: 'Options of SOL_SOCKET',
    facts: [
      fact('a value too short is EINVAL on set, one longer than it need be is taken', [
        'setsockopt checks the length',
        'setsockopt(3, 1, 2, value, 3) = -22 EINVAL',
        'setsockopt(3, 1, 2, value, 8) = 0',
        'setsockopt(3, 1, 2, value, -1) = -22 EINVAL',
      ]),
      fact('SO_ERROR, SO_TYPE, SO_DOMAIN, SO_PROTOCOL and SO_ACCEPTCONN cannot be set: ENOPROTOOPT', [
        'options that only report',
        'setsockopt(3, 1, 3, value~2, 4) = -92 ENOPROTOOPT',
        'setsockopt(3, 1, 4, value~4, 4) = -92 ENOPROTOOPT',
        'setsockopt(3, 1, 30, value~10, 4) = -92 ENOPROTOOPT',
      ]),
      fact('SO_ERROR is cleared by reading it', ['SO_ERROR is cleared by reading it', 'value 111', 'value~2 0']),
      fact('sizes of buffers are doubled', ['SO_SNDBUF and SO_RCVBUF are doubled within bounds', 'value~3 4608']),
      fact('a time with microseconds of a million and more is EDOM, a negative one reads back as 0', [
        'SO_RCVTIMEO and SO_SNDTIMEO read back',
        '-33 EDOM',
        '-33 EDOM',
        '[0..16] 00000000000000000000000000000000',
      ]),
      fact('a negative SO_RCVTIMEO does not wait', [
        'a negative SO_RCVTIMEO does not wait',
        'recvfrom(5, in, 100, 0, 0, 0) = -11 EAGAIN',
      ]),
      fact(
        'SO_REUSEADDR shares a port of UDP, and one of TCP until somebody listens',
        ['SO_REUSEADDR shares a UDP port', 'bind(4, addr~2, 16) = 0'],
        [
          'SO_REUSEADDR shares a TCP port until someone listens',
          'bind(4, addr~2, 16) = 0',
          'listen(4, 8) = -98 EADDRINUSE',
        ],
      ),
      fact('SO_BINDTODEVICE: an unknown device is ENODEV, get needs 16 octets of room', [
        'binding: SO_BINDTODEVICE',
        '-19 ENODEV',
        'device~5, len~3) = -22 EINVAL',
      ]),
      fact('SO_RCVLOWAT holds POLLIN back', [
        'SO_RCVLOWAT holds back poll and a recv that may wait',
        '= 3',
        '{5 all -> OUT|WRNORM}',
      ]),
      fact('SO_DETACH_FILTER without a filter is ENOENT', ['SO_DETACH_BPF (1/27) of every length', '4) = -2 ENOENT']),
      fact('a filter drops a datagram or cuts it, and SO_LOCK_FILTER keeps it', [
        'a filter cuts datagrams and drops them',
        'fprog, 16) = 0',
        '"bc"',
        'EAGAIN',
        'value~2, 4) = -1 EPERM',
      ]),
      fact('SO_PEERCRED without a peer is {0, -1, -1}', [
        'unix: a fresh stream socket',
        'ucred pid 0 uid 4294967295 gid 4294967295',
      ]),
      fact('a local socket has no level but SOL_SOCKET: EOPNOTSUPP', [
        'unix: options of a stream socket',
        'setsockopt(3, 6, 1, value, 4) = -95 EOPNOTSUPP',
        'setsockopt(3, 77, 1, value~11, 4) = -95 EOPNOTSUPP',
      ]),
    ],
  },
  {
    title: 'Options of TCP',
    facts: [
      fact('TCP_MAXSEG is 536 before a connection, 88 to 32767', [
        'TCP_MAXSEG before a connection',
        'value 536',
        'EINVAL',
        'value~7 88',
        'value~13 32767',
        'EINVAL',
      ]),
      fact('TCP_SYNCNT is 6, 1 to 127', ['TCP_SYNCNT is 1..127', 'EINVAL', 'value~2 6', 'value~6 127', 'EINVAL']),
      fact('TCP_KEEPIDLE 7200, TCP_KEEPINTVL 75, each 1 to 32767', [
        'TCP keepalive options and their ranges',
        'value 7200',
        'value~7 32767',
        'EINVAL',
        'value~14 75',
      ]),
      fact(
        'TCP_DEFER_ACCEPT reads back as the time of whole retransmissions: 5 as 7, 60 as 63, 1000 as 1087, 100000 as 29887',
        ['TCP_DEFER_ACCEPT reads back in steps of retransmission', ' 7', ' 63', ' 1087', ' 29887'],
      ),
      fact('TCP_LINGER2 is 60 at first and 120 at most', [
        'TCP_LINGER2 (6/8) at the edges',
        'value 3c000000',
        'value~11 78000000',
      ]),
      fact('TCP_WINDOW_CLAMP is 1152 at least', ['TCP_WINDOW_CLAMP (6/10) at the edges', '80040000']),
      fact('an unknown TCP_CONGESTION is ENOENT', ['TCP_CONGESTION is a name that there is', 'name~3, 6) = -2 ENOENT']),
      fact('TCP_INFO is 280 octets, and cut to the room', [
        'TCP_INFO is 280 octets, cut to the room',
        'told of 8: 8',
        'told of 281: 280',
        'told of 512: 280',
      ]),
      fact('options of TCP on UDP: ENOPROTOOPT on set, EOPNOTSUPP on get over IPv4', [
        'TCP options on a UDP socket',
        'setsockopt(3, 6, 1, value, 4) = -92 ENOPROTOOPT',
        'getsockopt(3, 6, 1, value~2, len) = -95 EOPNOTSUPP',
      ]),
    ],
  },
  {
    title: 'Options of IP, IPv6 and UDP',
    facts: [
      fact('IP_TTL is 64, 1 to 255', ['IP_TTL and its range', 'value 64', 'value~7 255', 'EINVAL']),
      fact('IP_TOS of TCP keeps the ECN bits out', ['IP_TOS and the ECN bits', 'value~5 252']),
      fact('an option of IP is an int or a single octet', [
        'ip(7) options take one octet or four',
        'setsockopt(3, 0, 2, value, 1) = 0',
        'value~2 33',
        'short[0..1] 21',
      ]),
      fact('IPV6_V6ONLY is EINVAL once bound', ['IPV6_V6ONLY only before bind', 'EINVAL']),
      fact('options of IPv6 on IPv4: ENOPROTOOPT on set, EOPNOTSUPP on get', [
        'IPv6 options on an IPv4 socket',
        'setsockopt(3, 41, 26, value, 4) = -92 ENOPROTOOPT',
        'getsockopt(3, 41, 26, value~2, len) = -95 EOPNOTSUPP',
      ]),
      fact('an unknown level: ENOPROTOOPT on set, and on get of IPv6; EOPNOTSUPP on get of IPv4', [
        'an unknown level',
        'setsockopt(3, 77, 99, value, 4) = -92 ENOPROTOOPT',
        'getsockopt(3, 77, 99, value~2, len) = -95 EOPNOTSUPP',
        'getsockopt(5, 77, 99, value~18, len~9) = -92 ENOPROTOOPT',
      ]),
      fact('IP_ADD_MEMBERSHIP takes 8 or 12 octets, twice is EADDRINUSE', [
        'multicast: joining and leaving',
        'value~5, 12) = 0',
        'value~7, 8) = -98 EADDRINUSE',
      ]),
      fact('IP_MULTICAST_TTL of -1 is 1', [
        'SOL_IP 33 IP_MULTICAST_TTL on every socket',
        'value: -1',
        '4) = 0',
        ' 01000000',
      ]),
      fact('UDP_SEGMENT cuts a send into datagrams', [
        'UDP_SEGMENT over IPv4: each piece is a datagram of its own',
        'sendto(4, out, 10, 0, addr~2, 16) = 10',
        '"abc"',
        '"def"',
        '"j"',
      ]),
      fact('with IP_RECVERR the error queue has what was refused, to whom it went and who said so', [
        'error queue over IPv4: a refused datagram, its octets, where it went and who said so',
        '"hello"',
        '{48 0 11 6f000000020303',
      ]),
      fact('a ping socket sends echo requests alone: EINVAL', [
        'ICMP: nothing but echo requests is sent',
        'sendto(3, out, 13, 0, addr~2, 16) = -22 EINVAL',
      ]),
      fact('the id of a ping socket is its port', [
        "ICMP: the id is the socket's port, and the reply comes whole",
        'hello',
      ]),
    ],
  },
  {
    title: 'Control messages',
    facts: [
      fact('IP_PKTINFO comes before IP_TTL', [
        'recvmsg reports IP_PKTINFO before IP_TTL',
        '{28 0 8 010000007f0000017f000001} {20 0 2 40000000}',
      ]),
      fact('below 16 octets of room none comes, from 16 on one that is cut; each with MSG_CTRUNC', [
        'recvmsg cuts control messages at every length',
        'controllen 0 flags 0x8',
        'control~4 {16 0 8 }',
        'controllen 16 flags 0x8',
        'control~7 {27 0 8 010000007f0000017f0000}',
        'control~8 {28 0 8 010000007f0000017f000001}',
        'controllen 28 flags 0x8',
        '{28 0 8 010000007f0000017f000001} {20 0 2 40000000}',
        'flags 0x0',
      ]),
      fact('a foreign level is ignored on send, an unknown type of a known level is EINVAL', [
        'sendmsg ignores control messages of foreign levels',
        'sendmsg(3, msg, 0) = 1',
        'sendmsg(3, msg~4, 0) = -22 EINVAL',
      ]),
      fact('a cmsg_len that does not fit is EINVAL', [
        'sendmsg checks the lengths of control messages',
        'EINVAL',
        '= 1',
        'EINVAL',
      ]),
      fact('IP_TTL of 1 to 255, and IP_PKTINFO whole: else EINVAL', [
        'sendmsg checks the values of IP_TTL and IP_PKTINFO',
        'sendmsg(3, msg, 0) = -22 EINVAL',
        'sendmsg(3, msg~8, 0) = 1',
      ]),
      fact('IP_TTL and IP_PKTINFO are honoured on send', [
        'sendmsg honours IP_TTL and IP_PKTINFO',
        '{20 0 2 09000000}',
      ]),
      fact('IP_TOS is honoured on send, in one octet or four', [
        'sendmsg over IPv4: IP_TOS in both forms, and its values',
        '{17 0 1 10}',
        'EINVAL',
      ]),
      fact('SO_TIMESTAMP comes in front', [
        'SO_TIMESTAMP comes with each message received after it was set',
        '{32 1 29 timestamp} {20 0 2 40000000}',
      ]),
      fact('SCM_RIGHTS passes 253 descriptors; 254 are EINVAL, one that is not open EBADF', [
        'unix: wrong SCM_RIGHTS at a stream socket',
        'sendmsg(3, msg, 0) = -9 EBADF',
        'sendmsg(3, msg~12, 0) = 1',
        'sendmsg(3, msg~13, 0) = -22 EINVAL',
      ]),
      fact('descriptors that do not fit are lost, with MSG_CTRUNC; as many as fit are made', [
        'unix: descriptors that do not fit, stream',
        'controllen 0 flags 0x8',
        'control~14 {20 1 1 08000000}',
        'controllen 20 flags 0x8',
      ]),
      fact(
        'IPV6_HOPLIMIT, IPV6_TCLASS and IPV6_PKTINFO are honoured on send',
        ['sendmsg over IPv6: IPV6_HOPLIMIT by both names, 0 and the default too', '= 1'],
        ['sendmsg over IPv6: IPV6_TCLASS and its values', '= 1', 'EINVAL'],
        ['sendmsg over IPv6: IPV6_PKTINFO by both names', '= 1'],
      ),
      fact('a read of a stream ends behind a message with descriptors, and joins plain octets before it', [
        'unix: descriptors end a read of a stream, plain octets before them do not',
        '"plain with one "',
        '"with "',
      ]),
    ],
  },
];
