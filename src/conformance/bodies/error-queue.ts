/** The error queue of datagram sockets: ip(7) IP_RECVERR, ipv6(7) IPV6_RECVERR, recvmsg(2) MSG_ERRQUEUE. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { asMmsghdrs, asSockaddr, asText } from '../show.ts';

const group = 'error queue';

const FAMILIES = [
  { name: 'IPv4', family: c.AF_INET, host: '127.0.0.1', level: c.SOL_IP, option: c.IP_RECVERR },
  { name: 'IPv6', family: c.AF_INET6, host: '::1', level: c.SOL_IPV6, option: c.IPV6_RECVERR },
] as const;

/** recvmsg(MSG_ERRQUEUE) with all there is to see. */
function readError(sys: System, a: Kit, fd: number, room: { octets?: number; control?: number; flags?: number } = {}) {
  const { octets = 32, control = 160, flags = 0 } = room;
  const name = sys.alloc(64, 'name', asSockaddr);
  const iov = octets === 0 ? [] : ([[sys.alloc(octets, 'in', asText), octets]] as const);
  return a.task.call(
    'recvmsg',
    fd,
    a.msghdr({ name, namelen: 64, iov, control: a.controlRoom(200), controllen: control }),
    c.MSG_ERRQUEUE | flags,
  );
}
/** A port of this host at which nobody is. */
function deadPort(sys: System, a: Kit, host: string): number {
  let port = 0;
  sys.quietly(() => {
    const bound = a.udpBound(host);
    port = bound.port;
    a.close(bound.fd);
  });
  return port;
}

for (const { name, family, host, level, option } of FAMILIES) {
  conformance(
    `error queue over ${name}: a refused datagram, its octets, where it went and who said so`,
    { group },
    (sys) => {
      const a = kit(sys);
      const port = deadPort(sys, a, host);
      const fd = a.udp(0, family);
      a.setInt(fd, level, option, 1);
      readError(sys, a, fd);
      a.sendTo(fd, 'hello', host, port);
      a.poll(fd);
      readError(sys, a, fd);
      a.poll(fd);
      readError(sys, a, fd);
      a.error(fd);
    },
  );
  conformance(`error queue over ${name}: of a connected socket, and SO_ERROR beside it`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    a.connect(fd, host, port);
    a.send(fd, 'one');
    a.error(fd);
    a.poll(fd);
    a.recv(fd, 8, c.MSG_DONTWAIT);
    readError(sys, a, fd);
    a.error(fd);
    a.send(fd, 'two');
    a.send(fd, 'three');
    a.send(fd, 'four');
    a.poll(fd);
    readError(sys, a, fd);
    a.poll(fd);
    a.error(fd);
    readError(sys, a, fd);
    a.error(fd);
  });
  conformance(`error queue over ${name}: the next error follows the one that was read`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    a.sendTo(fd, 'one', host, port);
    a.error(fd);
    a.sendTo(fd, 'two', host, port);
    a.error(fd);
    a.sendTo(fd, '', host, port);
    a.error(fd);
    readError(sys, a, fd);
    a.error(fd);
    readError(sys, a, fd);
    a.sendTo(fd, 'x', host, port);
    readError(sys, a, fd);
    readError(sys, a, fd);
    a.error(fd);
    a.poll(fd);
  });
  conformance(`error queue over ${name}: rooms too small`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    const once = (room: { octets?: number; control?: number; flags?: number }): void => {
      a.sendTo(fd, 'hello', host, port);
      a.error(fd);
      readError(sys, a, fd, room);
    };
    once({ octets: 3 });
    once({ octets: 0 });
    once({ octets: 3, flags: c.MSG_TRUNC });
    for (const control of [0, 8, 16, 20, 32, 40, 47, 48, 60, 64]) once({ control });
    once({ flags: c.MSG_PEEK });
    once({ flags: c.MSG_DONTWAIT | c.MSG_OOB });
  });
  conformance(`error queue over ${name}: by recvfrom and recvmmsg, and with bad pointers`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    for (const text of ['one', 'two', 'three', 'four', 'five']) {
      a.sendTo(fd, text, host, port);
      a.error(fd);
    }
    a.recvFrom(fd, 16, c.MSG_ERRQUEUE);
    const at = sys.alloc(64 * 2, 'mmsg', asMmsghdrs);
    for (let i = 0; i < 2; i++) a.putMsghdr(at + 64 * i, { iov: [[sys.alloc(8, 'in', asText), 8]] });
    a.task.call('recvmmsg', fd, at, 2, c.MSG_ERRQUEUE, 0);
    a.task.call('recvmsg', fd, a.msghdr({ iov: [[0x10, 4]] }), c.MSG_ERRQUEUE);
    a.task.call('recvmsg', fd, a.msghdr({ iov: [[0x10, 4]] }), c.MSG_ERRQUEUE);
    readError(sys, a, fd);
  });
  conformance(`error queue over ${name}: what else is asked for comes before the error`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    const more =
      family === c.AF_INET
        ? [c.IP_PKTINFO, c.IP_RECVTTL, c.IP_RECVTOS, c.IP_RECVORIGDSTADDR]
        : [c.IPV6_RECVPKTINFO, c.IPV6_RECVHOPLIMIT, c.IPV6_RECVTCLASS, c.IPV6_2292HOPLIMIT];
    for (const one of more) {
      a.setInt(fd, level, one, 1);
      a.sendTo(fd, 'hello', host, port);
      readError(sys, a, fd);
    }
    a.setInt(fd, c.SOL_SOCKET, c.SO_TIMESTAMP, 1);
    a.sendTo(fd, 'hello', host, port);
    readError(sys, a, fd);
  });
  conformance(`error queue over ${name}: switching it off empties it`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.sendTo(fd, 'unheard', host, port);
    a.poll(fd);
    a.setInt(fd, level, option, 1);
    a.sendTo(fd, 'one', host, port);
    a.setInt(fd, level, option, 0);
    a.poll(fd);
    readError(sys, a, fd);
    a.error(fd);
    a.setInt(fd, level, option, 1);
    readError(sys, a, fd);
  });
  conformance(`error queue over ${name}: the buffer bounds it`, { group }, (sys) => {
    const a = kit(sys);
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    a.setInt(fd, c.SOL_SOCKET, c.SO_RCVBUF, 2000);
    let kept = 0;
    sys.quietly(() => {
      for (let i = 0; i < 12; i++) {
        a.sendTo(fd, 'x', host, port);
        a.error(fd);
      }
      while (readError(sys, a, fd) >= 0) kept++;
    });
    sys.record('kept', kept);
  });
  conformance(
    `error queue over ${name}: a datagram too long for its path is an error of this host`,
    { group },
    (sys) => {
      const a = kit(sys);
      const discover = family === c.AF_INET ? c.IP_MTU_DISCOVER : c.IPV6_MTU_DISCOVER;
      const fd = a.udp(0, family);
      const to = a.name(host, 9);
      const big = sys.alloc(65_600, 'big');
      a.setInt(fd, level, discover, c.IP_PMTUDISC_DO);
      const send = (len: number): number => a.task.call('sendto', fd, big, len, 0, to.at, to.len);
      send(65_520);
      readError(sys, a, fd);
      a.setInt(fd, level, option, 1);
      send(65_520);
      a.poll(fd);
      a.error(fd);
      readError(sys, a, fd);
      a.poll(fd);
      send(65_536);
      readError(sys, a, fd);
      a.task.call('connect', fd, to.at, to.len);
      a.task.call('sendto', fd, big, 65_520, 0, 0, 0);
      a.setInt(fd, level, family === c.AF_INET ? c.IP_PKTINFO : c.IPV6_RECVPKTINFO, 1);
      readError(sys, a, fd);
    },
  );
  conformance(`error queue over ${name}: a reader that waits is told by the queue, not by data`, { group }, (sys) => {
    const a = kit(sys);
    const b = kit(sys, 'b');
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    a.bind(fd, host, 0);
    b.startRecv(fd, 8);
    a.sendTo(fd, 'hello', host, port);
    b.task.finish();
    readError(sys, a, fd);
  });
  conformance(`error queue over ${name}: a poller that waits for nothing sees it`, { group }, (sys) => {
    const a = kit(sys);
    const b = kit(sys, 'b');
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    b.task.start('poll', b.pollfds([[fd, 0]]), 1, -1);
    a.sendTo(fd, 'hello', host, port);
    b.task.finish();
    readError(sys, a, fd);
    const epfd = a.epoll();
    a.watch(epfd, fd, c.EPOLLET | c.EPOLLIN);
    a.ready(epfd);
    a.sendTo(fd, 'one', host, port);
    a.ready(epfd);
    a.sendTo(fd, 'lost to the error', host, port);
    a.sendTo(fd, 'two', host, port);
    a.ready(epfd);
    readError(sys, a, fd);
    a.ready(epfd);
  });
}

conformance('error queue: IPv4 errors of an AF_INET6 socket', { group }, (sys) => {
  const a = kit(sys);
  const port = deadPort(sys, a, '127.0.0.1');
  const fd = a.udp(0, c.AF_INET6);
  const send = (): void => {
    a.sendTo(fd, 'hello', '::ffff:127.0.0.1', port);
    a.poll(fd);
    a.error(fd);
    readError(sys, a, fd);
  };
  send();
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVERR, 1);
  send();
  a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 1);
  send();
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVPKTINFO, 1);
  a.setInt(fd, c.SOL_IP, c.IP_RECVTTL, 1);
  send();
  a.setInt(fd, c.SOL_IPV6, c.IPV6_RECVERR, 0);
  send();
});
conformance('error queue: only errors of the family that asked', { group }, (sys) => {
  const a = kit(sys);
  const port = deadPort(sys, a, '::1');
  const fd = a.udp(0, c.AF_INET6);
  a.setInt(fd, c.SOL_IP, c.IP_RECVERR, 1);
  a.sendTo(fd, 'hello', '::1', port);
  a.poll(fd);
  readError(sys, a, fd);
});
conformance('error queue: a stream has one that stays empty', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  a.setInt(client, c.SOL_IP, c.IP_RECVERR, 1);
  readError(sys, a, client);
  a.recv(client, 8, c.MSG_ERRQUEUE);
  const fresh = a.tcp();
  a.setInt(fresh, c.SOL_IP, c.IP_RECVERR, 1);
  a.connect(fresh, '127.0.0.1', 9);
  readError(sys, a, fresh);
  a.error(fresh);
});
conformance('error queue: of long datagrams as much as the report quotes', { group }, (sys) => {
  const a = kit(sys);
  for (const { host, family, level, option } of FAMILIES) {
    const port = deadPort(sys, a, host);
    const fd = a.udp(0, family);
    a.setInt(fd, level, option, 1);
    const big = a.octets(
      Uint8Array.from({ length: 4000 }, (_, i) => i),
      'big',
    );
    const to = a.name(host, port);
    for (const len of [500, 520, 521, 548, 1184, 1185, 4000]) {
      a.task.call('sendto', fd, big, len, 0, to.at, to.len);
      a.error(fd);
      a.task.call('recvfrom', fd, sys.alloc(4000, 'in'), 4000, c.MSG_ERRQUEUE, 0, 0);
    }
  }
});
