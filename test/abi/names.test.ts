import { strictEqual } from 'node:assert';
import test from 'ava';
import * as fc from 'fast-check';
import * as abi from '../../src/abi/index.ts';

test('names of numbers', (t) => {
  t.is(abi.familyName(abi.AF_INET), 'AF_INET');
  t.is(abi.familyName(99), '0x63');
  t.is(abi.socketTypeName(abi.SOCK_STREAM | abi.SOCK_CLOEXEC), 'SOCK_STREAM|SOCK_CLOEXEC');
  t.is(abi.protocolName(abi.AF_INET, 6), 'IPPROTO_TCP');
  t.is(abi.protocolName(abi.AF_NETLINK, 9), 'NETLINK_AUDIT');
  t.is(abi.protocolName(abi.AF_UNIX, 3), '3');
  t.is(abi.levelName(6), 'SOL_TCP');
  t.is(abi.ioctlName(0x8912), 'SIOCGIFCONF');
  t.is(abi.fcntlName(3), 'F_GETFL');
  t.true(abi.isFcntlCommand(8));
  t.false(abi.isFcntlCommand(99));
  t.is(abi.shutdownName(1), 'SHUT_WR');
  t.is(abi.epollOperationName(1), 'EPOLL_CTL_ADD');
  t.is(abi.signalName(abi.SIGURG), 'SIGURG');
  t.is(abi.signalName(34), 'SIGRT_2');
  t.is(abi.signalName(65), '0x41');
  t.is(abi.tcpStateName(10), 'TCP_LISTEN');
  t.is(abi.errorOriginName(2), 'SO_EE_ORIGIN_ICMP');
  t.is(abi.errnoName(-111), 'ECONNREFUSED');
  t.is(abi.errorText(-111), 'Connection refused');
  t.is(abi.errorText(abi.Errno.EUCLEAN), 'Structure needs cleaning');
  t.is(abi.errorText(4000), undefined);
});

test('options by level, and control messages where they differ from the option of that number', (t) => {
  for (const [level, option, name] of [
    [abi.SOL_SOCKET, 2, 'SO_REUSEADDR'],
    [abi.SOL_SOCKET, 27, 'SO_DETACH_FILTER'],
    [abi.SOL_IP, 20, 'IP_RECVORIGDSTADDR'],
    [abi.SOL_IP, 80, 'SO_ORIGINAL_DST'],
    [abi.SOL_IPV6, 16, 'IPV6_UNICAST_HOPS'],
    [abi.SOL_IPV6, 42, 'MCAST_JOIN_GROUP'],
    [abi.SOL_TCP, 1, 'TCP_NODELAY'],
    [abi.SOL_TCP, 36, 'TCP_INQ'],
    [abi.SOL_UDP, 103, 'UDP_SEGMENT'],
    [abi.SOL_NETLINK, 11, 'NETLINK_EXT_ACK'],
    [abi.SOL_PACKET, 18, 'PACKET_FANOUT'],
    [abi.SOL_RAW, 1, 'ICMP_FILTER'],
    [abi.SOL_ICMPV6, 1, 'ICMPV6_FILTER'],
    [77, 1, '0x1'],
    [abi.SOL_TCP, -1, '-1'],
  ] as const) {
    t.is(abi.optionName(level, option), name);
  }
  for (const [level, type, name] of [
    [abi.SOL_SOCKET, 1, 'SCM_RIGHTS'],
    [abi.SOL_SOCKET, 29, 'SO_TIMESTAMP_OLD'],
    [abi.SOL_SOCKET, 999, '0x3e7'],
    [abi.SOL_IP, 8, 'IP_PKTINFO'],
    [abi.SOL_IP, 20, 'IP_ORIGDSTADDR'],
    [abi.SOL_IPV6, 50, 'IPV6_PKTINFO'],
    [abi.SOL_TCP, 36, 'TCP_CM_INQ'],
    [abi.SOL_UDP, 104, 'UDP_GRO'],
  ] as const) {
    t.is(abi.controlTypeName(level, type), name);
  }
});

test('flags', (t) => {
  t.is(abi.messageFlagNames(0x42), 'MSG_PEEK|MSG_DONTWAIT');
  t.is(abi.messageFlagNames(0), '0');
  t.is(abi.messageFlagNames(0x10000042), 'MSG_PEEK|MSG_DONTWAIT|0x10000000');
  t.is(abi.openFlagNames(0x80801), 'O_WRONLY|O_NONBLOCK|O_CLOEXEC');
  t.is(abi.openFlagNames(2), 'O_RDWR');
  t.is(abi.descriptorFlagNames(0x800), 'O_NONBLOCK');
  t.is(abi.socketFlagNames(0x80800), 'SOCK_NONBLOCK|SOCK_CLOEXEC');
  t.is(abi.pollNames(5), 'POLLIN|POLLOUT');
  t.is(abi.epollNames(0x80000001), 'EPOLLIN|EPOLLET');
  t.is(abi.interfaceFlagNames(0x49), 'IFF_UP|IFF_LOOPBACK|IFF_RUNNING');
  t.is(abi.timestampingFlagNames(0x18), 'SOF_TIMESTAMPING_RX_SOFTWARE|SOF_TIMESTAMPING_SOFTWARE');
  t.is(abi.namespaceFlagNames(0x40000000), 'CLONE_NEWNET');
});

test('and back', (t) => {
  t.is(abi.constant('SO_REUSEADDR'), 2);
  t.is(abi.constant('ECONNREFUSED'), 111);
  t.is(abi.constant('toString'), undefined);
  t.is(abi.flagsFrom('MSG_PEEK|0x40'), 0x42);
  t.is(abi.flagsFrom('EPOLLIN|EPOLLET'), 0x80000001);
  t.is(abi.flagsFrom('0'), 0);
  t.is(abi.flagsFrom('MSG_PEEK|NOTHING'), undefined);
});

test('every name is a constant of the number that it was made from', (t) => {
  const kinds = [
    abi.familyName,
    abi.levelName,
    abi.shutdownName,
    abi.epollOperationName,
    abi.fcntlName,
    abi.ioctlName,
    abi.tcpStateName,
    abi.errorOriginName,
    (n: number) => abi.protocolName(abi.AF_INET, n),
    (n: number) => abi.protocolName(abi.AF_NETLINK, n),
    ...[0, 1, 6, 17, 41, 58, 255, 263, 270].map((level) => (n: number) => abi.optionName(level, n)),
  ];
  for (const nameOf of kinds) {
    for (let number = 0; number < 0x10_000; number++) {
      const name = nameOf(number);
      // A failing assertion in a loop of a million is dear.
      strictEqual(abi.flagsFrom(name), number, name);
    }
  }
  t.pass();
});

test('flags that are shown read as what they were', (t) => {
  const kinds = [abi.messageFlagNames, abi.openFlagNames, abi.pollNames, abi.epollNames, abi.interfaceFlagNames];
  fc.assert(
    fc.property(fc.constantFrom(...kinds), fc.nat(0xffffffff), (show, value) => {
      t.is(abi.flagsFrom(show(value)), value);
    }),
  );
});

test('every error has a text', (t) => {
  for (const [name, code] of Object.entries(abi.Errno)) {
    t.is(abi.errnoName(code), name);
    t.true((abi.errorText(code)?.length ?? 0) > 3, name);
  }
});
