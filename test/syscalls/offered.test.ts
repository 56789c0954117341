/** What Linux offers, as the compatibility report knows it, and what it says of what is missing. The kernel itself is asked in test/runner/report.test.ts. */
import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { levelName, optionName } from '../../src/abi/names.ts';
import { kindOf, meaningOf } from '../../src/syscalls/meanings.ts';
import { offersName, offersOption, offersRequest, offersSocket } from '../../src/syscalls/offered.ts';
import { invented } from './docs.ts';

const TCP4 = { domain: abi.AF_INET, type: abi.SOCK_STREAM };
const TCP6 = { domain: abi.AF_INET6, type: abi.SOCK_STREAM };
const UDP4 = { domain: abi.AF_INET, type: abi.SOCK_DGRAM };
const UNIX = { domain: abi.AF_UNIX, type: abi.SOCK_STREAM };
const NETLINK = { domain: abi.AF_NETLINK, type: abi.SOCK_RAW };

test('an option belongs to its level, and to the sockets that have the level', (t) => {
  t.true(offersOption(TCP4, 'setsockopt', abi.SOL_TCP, abi.TCP_MD5SIG));
  t.false(offersOption(TCP4, 'getsockopt', abi.SOL_TCP, abi.TCP_MD5SIG), 'is only set');
  t.false(offersOption(UDP4, 'setsockopt', abi.SOL_TCP, abi.TCP_NODELAY));
  t.false(offersOption(TCP4, 'getsockopt', abi.SOL_IPV6, abi.IPV6_MTU));
  t.true(offersOption(TCP6, 'getsockopt', abi.SOL_IPV6, abi.IPV6_MTU));
  t.true(offersOption(UDP4, 'setsockopt', abi.SOL_UDP, abi.UDP_SEGMENT));
  t.true(offersOption(NETLINK, 'setsockopt', abi.SOL_NETLINK, abi.NETLINK_EXT_ACK));
  t.false(offersOption(TCP4, 'setsockopt', abi.SOL_NETLINK, abi.NETLINK_EXT_ACK));
  t.false(offersOption(TCP4, 'setsockopt', 77, 1));
  t.false(offersOption(TCP4, 'setsockopt', abi.SOL_SOCKET, 9999));
});

test('options of SOL_SOCKET that only some sockets have', (t) => {
  const has = (kind: typeof TCP4, option: number): boolean => offersOption(kind, 'setsockopt', abi.SOL_SOCKET, option);
  t.deepEqual(
    [has(TCP4, abi.SO_PASSCRED), has(UNIX, abi.SO_PASSCRED), has(NETLINK, abi.SO_PASSCRED)],
    [false, true, true],
  );
  t.deepEqual([has(TCP4, abi.SO_TXREHASH), has(UDP4, abi.SO_TXREHASH)], [true, false]);
  t.deepEqual([has(TCP4, abi.SO_PEEK_OFF), has(NETLINK, abi.SO_PEEK_OFF)], [true, false]);
  t.deepEqual([has(UDP4, abi.SO_ZEROCOPY), has(UNIX, abi.SO_ZEROCOPY)], [true, false]);
  t.deepEqual([has(UDP4, abi.SO_REUSEPORT), has(UNIX, abi.SO_REUSEPORT)], [true, false]);
  t.deepEqual([has(UNIX, abi.SO_PASSPIDFD), has(NETLINK, abi.SO_PASSPIDFD)], [true, false]);
});

test('requests', (t) => {
  t.true(offersRequest(TCP4, abi.SIOCATMARK));
  t.false(offersRequest(UDP4, abi.SIOCATMARK));
  t.true(offersRequest(UDP4, abi.SIOCGARP));
  t.false(offersRequest(TCP6, abi.SIOCGARP));
  t.true(offersRequest(TCP6, abi.SIOCDIFADDR));
  t.true(offersRequest(NETLINK, abi.SIOCGIFINDEX));
  t.false(offersRequest(NETLINK, abi.FIONREAD));
  t.true(offersRequest(UNIX, abi.FIONREAD));
  t.false(offersRequest(TCP4, 0x1234));
  t.true(offersRequest(TCP4, abi.FIOASYNC));
});

test('sockets', (t) => {
  for (const [domain, type, protocol, offered] of [
    [abi.AF_PACKET, 3, 3, true],
    [abi.AF_PACKET, 1, 3, false],
    [abi.AF_VSOCK, 1, 0, true],
    [abi.AF_IPX, 2, 0, false],
    [99, 1, 0, false],
    [abi.AF_UNIX, 9, 0, false],
    [abi.AF_NETLINK, 3, 16, true],
    [abi.AF_NETLINK, 3, 99, false],
    [abi.AF_NETLINK, 1, 0, false],
    [abi.AF_INET, abi.SOCK_RAW, 1, true],
    [abi.AF_INET, abi.SOCK_RAW, 0, false],
    [abi.AF_INET6, abi.SOCK_STREAM, abi.IPPROTO_MPTCP, true],
    [abi.AF_INET, abi.SOCK_STREAM, abi.IPPROTO_UDP, false],
    [abi.AF_INET, abi.SOCK_DGRAM, abi.IPPROTO_UDPLITE, true],
    [abi.AF_INET, abi.SOCK_SEQPACKET, abi.IPPROTO_SCTP, true],
    [abi.AF_INET, abi.SOCK_SEQPACKET, 0, false],
    [abi.AF_INET, abi.SOCK_RDM, 0, false],
  ] as const) {
    t.is(offersSocket(domain, type, protocol), offered, `socket(${domain}, ${type}, ${protocol})`);
  }
});

test('names of modules', (t) => {
  t.true(offersName('TCP_CONGESTION', 'bbr'));
  t.true(offersName('TCP_ULP', 'tls'));
  t.false(offersName('TCP_ULP', 'bbr'));
  t.false(offersName('TCP_CONGESTION', 'constructor'));
});

const LEVELS = [abi.SOL_SOCKET, abi.SOL_IP, abi.SOL_IPV6, abi.SOL_TCP, abi.SOL_UDP, abi.SOL_NETLINK];
/** Names of the options of `level` that Linux offers on some socket. */
function offeredNames(level: number): Set<string> {
  const kinds = [TCP6, { ...TCP6, type: abi.SOCK_DGRAM }, UNIX, NETLINK];
  const numbers = Array.from({ length: 140 }, (_, option) => option).filter((option) =>
    kinds.some(
      (kind) => offersOption(kind, 'getsockopt', level, option) || offersOption(kind, 'setsockopt', level, option),
    ),
  );
  return new Set(numbers.map((option) => `${levelName(level)}/${optionName(level, option)}`));
}

test('every option that Linux offers has a name, so that a report can say what was missing', (t) => {
  const names = LEVELS.flatMap((level) => [...offeredNames(level)]);
  t.true(names.length > 200);
  // Those of netfilter are named as one.
  t.deepEqual(
    names.filter((name) => name.includes('0x') && !/^SOL_IP.*0x[4-6][0-9a-f]$/.test(name)),
    [],
  );
});

const means = (call: string, what: string): string => meaningOf({ call, what, onLinuxToo: false });
test('what a refusal means: by its name, by its call, by its kind', (t) => {
  t.regex(means('setsockopt', 'SOL_TCP/TCP_MD5SIG'), /BGP/);
  t.regex(means('socket', 'AF_PACKET SOCK_RAW 3'), /tcpdump/);
  t.regex(means('socket', 'AF_INET SOCK_RAW IPPROTO_ICMP'), /^No raw sockets/);
  t.regex(means('socket', 'AF_INET SOCK_STREAM IPPROTO_SCTP'), /^No SCTP/);
  t.regex(means('socket', 'AF_LLC SOCK_DGRAM 0'), /^No such socket can be made/);
  t.regex(means('setsockopt', 'SOL_TCP/TCP_CONGESTION bbr'), /congestion control/);
  t.regex(means('setsockopt', 'SOL_IP/0x40'), /no packet filter/);
  t.regex(means('getsockopt', 'SOL_TCP/constructor'), /^The socket works without it/);
  t.regex(means('unshare', 'CLONE_NEWNET'), /^No namespaces/);
  t.regex(means('io_uring_setup', ''), /epoll/);
  t.regex(means('connect', 'a unix socket of the host: /run/docker.sock'), /Docker/);
  t.regex(means('netlink', 'RTM_NEWLINK'), /set when it starts/);
  t.regex(means('netlink', 'RTM_GETTCLASS dump'), /does not tell this/);
  t.regex(means('socket', 'AF_NETLINK SOCK_RAW NETLINK_SOCK_DIAG'), /^ss and its like/);
  t.regex(means('socket', 'AF_NETLINK SOCK_RAW NETLINK_ISCSI'), /^Only the routing family/);
  t.regex(means('fcntl', 'F_SETOWN'), /SIGIO/);
  t.regex(meaningOf({ call: 'getsockopt', what: 'SOL_TCP/TCP_MD5SIG', onLinuxToo: true }), /^Linux refuses it as well/);
});

test('kinds', (t) => {
  t.deepEqual(
    [
      ['getsockopt', 'SOL_IP/IP_TTL'],
      ['ioctl', 'TUNSETIFF'],
      ['fcntl', 'F_SETOWN'],
      ['socketpair', 'AF_INET'],
      ['netlink', 'RTM_NEWADDR'],
      ['sendmsg', 'MSG_CONFIRM'],
      ['sendmmsg', 'SOL_IP/IP_RETOPTS'],
      ['unshare', 'CLONE_NEWNS'],
    ].map(([call = '', what = '']) => kindOf({ call, what })),
    ['option', 'request', 'command', 'socket', 'netlink', 'flag', 'control message', 'call'],
  );
});

test('no socket here knows a request that Linux’s does not', (t) => {
  t.deepEqual(invented(), []);
});
