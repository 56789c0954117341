/** Who may hold a port beside whom: bind(2) and listen(2) over families, addresses, SO_REUSEADDR, SO_REUSEPORT, IPV6_V6ONLY and states. */
import { conformance } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'bind conflicts';

interface Holder {
  readonly host: string;
  readonly v6Only?: true;
}
const HOLDERS: readonly Holder[] = [
  { host: '0.0.0.0' },
  { host: '127.0.0.1' },
  { host: '127.0.0.2' },
  { host: '::' },
  { host: '::', v6Only: true },
  { host: '::1' },
  { host: '::ffff:127.0.0.1' },
];
type Reuse = 'none' | 'address' | 'port' | 'both';
const says = ({ host, v6Only }: Holder): string => (v6Only === true ? `${host} alone` : host);

/** A socket with those options, bound; its result. */
function hold(a: Kit, { host, v6Only }: Holder, type: number, port: number, reuse: Reuse): { fd: number; ok: boolean } {
  const fd = a.task.call('socket', host.includes(':') ? c.AF_INET6 : c.AF_INET, type, 0);
  if (v6Only === true) a.setInt(fd, c.SOL_IPV6, c.IPV6_V6ONLY, 1);
  if (reuse === 'address' || reuse === 'both') a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  if (reuse === 'port' || reuse === 'both') a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  return { fd, ok: a.bind(fd, host, port) === 0 };
}

/** Each pair of holders, the first of which has the port; recorded as one line per pair. */
function matrix(a: Kit, type: number, first: Reuse, second: Reuse, listens: boolean): void {
  const { sys } = a;
  for (const one of HOLDERS) {
    const row: string[] = [];
    for (const other of HOLDERS) {
      sys.quietly(() => {
        const mine = hold(a, one, type, 0, first);
        if (listens) a.listen(mine.fd);
        const theirs = hold(a, other, type, a.port(mine.fd), second);
        let word = theirs.ok ? 'yes' : 'no';
        if (theirs.ok && type === c.SOCK_STREAM && !listens) {
          // Two that are bound may yet not both listen.
          const firstListens = a.listen(mine.fd) === 0;
          word += firstListens && a.listen(theirs.fd) === 0 ? ', both listen' : ', one listens';
        }
        row.push(`${says(other)}: ${word}`);
        a.close(theirs.fd);
        a.close(mine.fd);
      });
    }
    sys.record(`beside ${says(one)}`, row.join('; '));
  }
}

const PAIRS: ReadonlyArray<readonly [Reuse, Reuse]> = [
  ['none', 'none'],
  ['address', 'none'],
  ['none', 'address'],
  ['address', 'address'],
  ['port', 'none'],
  ['none', 'port'],
  ['port', 'port'],
  ['address', 'port'],
  ['both', 'both'],
];
for (const [first, second] of PAIRS) {
  const reuse = `reuse ${first} and ${second}`;
  conformance(`bind: TCP, ${reuse}`, { group }, (sys) => matrix(kit(sys), c.SOCK_STREAM, first, second, false));
  conformance(`bind: beside a listener, ${reuse}`, { group }, (sys) =>
    matrix(kit(sys), c.SOCK_STREAM, first, second, true),
  );
  conformance(`bind: UDP, ${reuse}`, { group }, (sys) => matrix(kit(sys), c.SOCK_DGRAM, first, second, false));
}

conformance('bind: SO_REUSEADDR set and cleared after bind counts', { group }, (sys) => {
  const a = kit(sys);
  const one = a.tcp();
  a.bind(one, '127.0.0.1', 0);
  const port = a.port(one);
  const two = a.tcp();
  a.setInt(two, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(two, '127.0.0.1', port);
  a.setInt(one, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(two, '127.0.0.1', port);
  a.setInt(one, c.SOL_SOCKET, c.SO_REUSEADDR, 0);
  const three = a.tcp();
  a.setInt(three, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(three, '127.0.0.1', port);
});

conformance('bind: SO_REUSEPORT set and cleared after bind', { group }, (sys) => {
  const a = kit(sys);
  const one = a.tcp();
  a.bind(one, '127.0.0.1', 0);
  const port = a.port(one);
  a.setInt(one, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  const two = a.tcp();
  a.setInt(two, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  a.bind(two, '127.0.0.1', port);
  const first = a.tcp();
  a.setInt(first, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  a.bind(first, '127.0.0.1', 0);
  const other = a.port(first);
  a.setInt(first, c.SOL_SOCKET, c.SO_REUSEPORT, 0);
  const second = a.tcp();
  a.setInt(second, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  a.bind(second, '127.0.0.1', other);
});

conformance('bind: a second listener on a shared port', { group }, (sys) => {
  const a = kit(sys);
  const [one, two] = [a.tcp(), a.tcp()];
  for (const fd of [one, two]) a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(one, '127.0.0.1', 0);
  a.bind(two, '127.0.0.1', a.port(one));
  a.listen(one);
  a.listen(two);
  a.poll(two);
  a.close(one);
  a.listen(two);
});

conformance('bind: the port of an accepted connection', { group }, (sys) => {
  const a = kit(sys);
  for (const reuse of [0, 1]) {
    const { server, listener, port, client } = a.pair();
    a.close(listener);
    const fd = a.tcp();
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, reuse);
    a.bind(fd, '127.0.0.1', port);
    a.listen(fd);
    a.close(server);
    a.close(client);
    a.close(fd);
  }
});

conformance('bind: with SO_REUSEADDR on all, beside an accepted connection', { group }, (sys) => {
  const a = kit(sys);
  const listener = a.tcp();
  a.setInt(listener, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(listener, '127.0.0.1', 0);
  a.listen(listener);
  const port = a.port(listener);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  const server = a.accept(listener);
  a.getInt(server, c.SOL_SOCKET, c.SO_REUSEADDR);
  a.close(listener);
  const fd = a.tcp();
  a.bind(fd, '127.0.0.1', port);
  a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(fd, '127.0.0.1', port);
  a.listen(fd);
});

conformance('bind: the port that connect chose', { group }, (sys) => {
  const a = kit(sys);
  const { client } = a.pair();
  const port = a.port(client);
  for (const reuse of [0, 1]) {
    const fd = a.tcp();
    a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, reuse);
    a.bind(fd, '127.0.0.1', port);
    a.bind(fd, '127.0.0.2', port);
  }
});

conformance('bind: one port from two sockets to two peers', { group }, (sys) => {
  const a = kit(sys);
  const [one, two] = [a.listener(), a.listener()];
  const [p, q] = [a.tcp(), a.tcp()];
  for (const fd of [p, q]) a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(p, '127.0.0.1', 0);
  a.bind(q, '127.0.0.1', a.port(p));
  a.connect(p, '127.0.0.1', one.port);
  a.connect(q, '127.0.0.1', one.port);
  a.connect(q, '127.0.0.1', two.port);
  a.port(q);
});

conformance('bind: a device apart from none and from another', { group }, (sys) => {
  const a = kit(sys);
  const lo = a.octets('lo\0', 'device');
  const on = (device: boolean): number => {
    const fd = a.tcp();
    if (device) a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_BINDTODEVICE, lo, 3);
    return fd;
  };
  const one = on(true);
  a.bind(one, '127.0.0.1', 0);
  const port = a.port(one);
  a.bind(on(true), '127.0.0.1', port);
  a.bind(on(false), '127.0.0.1', port);
  a.bind(on(false), '0.0.0.0', port);
});

conformance('bind: twice', { group }, (sys) => {
  const a = kit(sys);
  for (const type of [c.SOCK_STREAM, c.SOCK_DGRAM]) {
    const fd = a.task.call('socket', c.AF_INET, type, 0);
    a.bind(fd, '127.0.0.1', 0);
    a.bind(fd, '127.0.0.1', 0);
    a.bind(fd, '0.0.0.0', 0);
    a.bind(fd, '192.0.2.1', 0);
  }
});

conformance('bind: the port is free again when its last holder is closed', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  const copy = a.task.call('dup', fd);
  a.close(fd);
  const other = a.tcp();
  a.bind(other, '127.0.0.1', port);
  a.close(copy);
  a.bind(other, '127.0.0.1', port);
  a.listen(other);
});

conformance('bind: UDP sockets that share a port, the last one gets what is sent', { group }, (sys) => {
  const a = kit(sys);
  const fds = [a.udp(), a.udp(), a.udp()];
  for (const fd of fds) a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(fds[0] as number, '127.0.0.1', 0);
  const port = a.port(fds[0] as number);
  a.bind(fds[1] as number, '127.0.0.1', port);
  a.bind(fds[2] as number, '0.0.0.0', port);
  const sender = a.udp();
  a.sendTo(sender, 'one', '127.0.0.1', port);
  for (const fd of fds) a.recv(fd, 10, c.MSG_DONTWAIT);
  a.close(fds[1] as number);
  a.sendTo(sender, 'two', '127.0.0.1', port);
  for (const fd of [fds[0] as number, fds[2] as number]) a.recv(fd, 10, c.MSG_DONTWAIT);
});

conformance('bind: SO_REUSEPORT spreads connections and datagrams, and loses none', { group }, (sys) => {
  const a = kit(sys);
  for (const type of [c.SOCK_STREAM, c.SOCK_DGRAM]) {
    const fds: number[] = [];
    let port = 0;
    sys.quietly(() => {
      for (let i = 0; i < 4; i++) {
        const { fd } = hold(a, { host: '127.0.0.1' }, type | c.SOCK_NONBLOCK, port, 'port');
        if (type === c.SOCK_STREAM) a.listen(fd, 64);
        port = a.port(fd);
        fds.push(fd);
      }
    });
    const counts = fds.map(() => 0);
    sys.quietly(() => {
      for (let i = 0; i < 64; i++) {
        const client = a.task.call('socket', c.AF_INET, type, 0);
        a.connect(client, '127.0.0.1', port);
        if (type === c.SOCK_DGRAM) a.send(client, 'x');
      }
      fds.forEach((fd, i) => {
        const take = (): number => (type === c.SOCK_STREAM ? a.accept(fd) : a.recv(fd, 10));
        while (take() >= 0) (counts[i] as number)++;
      });
    });
    sys.record(
      'taken',
      counts.reduce((sum, n) => sum + n, 0),
    );
    sys.record(
      'each has some',
      counts.every((n) => n > 0),
    );
  }
});

conformance('bind: a listener that goes moves no connection to its sisters', { group }, (sys) => {
  const a = kit(sys);
  const fds: number[] = [];
  let port = 0;
  for (let i = 0; i < 2; i++) {
    const { fd } = hold(a, { host: '127.0.0.1' }, c.SOCK_STREAM | c.SOCK_NONBLOCK, port, 'port');
    a.listen(fd);
    port = a.port(fd);
    fds.push(fd);
  }
  const clients: number[] = [];
  sys.quietly(() => {
    for (let i = 0; i < 8; i++) {
      const client = a.tcp();
      a.connect(client, '127.0.0.1', port);
      clients.push(client);
    }
  });
  a.close(fds[0] as number);
  let left = 0;
  let reset = 0;
  sys.quietly(() => {
    while (a.accept(fds[1] as number) >= 0) left++;
    for (const client of clients) if (a.recv(client, 1, c.MSG_DONTWAIT) === -104) reset++;
  });
  sys.record('accepted or reset', left + reset);
});
