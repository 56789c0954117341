/** What is said when no port is left, and when one is again: with a range of few ports (IP_LOCAL_PORT_RANGE). */
import { conformance } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';

const group = 'exhaustion';
const FIRST = 40_000;

/** A socket that chooses among `count` ports. */
function narrow(a: Kit, type: number, count: number): number {
  const fd = a.task.call('socket', c.AF_INET, type, 0);
  a.setInt(fd, c.SOL_IP, c.IP_LOCAL_PORT_RANGE, ((FIRST + count - 1) * 65_536 + FIRST) | 0);
  return fd;
}

conformance('exhaustion: TCP, connect is EADDRNOTAVAIL until a port is free', { group }, (sys) => {
  const a = kit(sys);
  const { fd: listener, port } = a.listener();
  const clients = [0, 1].map(() => {
    const client = narrow(a, c.SOCK_STREAM, 2);
    sys.record('connect', a.connect(client, '127.0.0.1', port));
    return client;
  });
  const late = narrow(a, c.SOCK_STREAM, 2);
  a.connect(late, '127.0.0.1', port);
  a.error(late);
  a.poll(late);
  // Another peer is another connection.
  const other = a.listener();
  a.connect(late, '127.0.0.1', other.port);
  const last = narrow(a, c.SOCK_STREAM, 2);
  a.connect(last, '127.0.0.1', port);
  // A reset leaves nothing behind, not even TIME-WAIT.
  const linger = sys.alloc(8, 'linger');
  sys.put(c.linger, linger, { onoff: 1, linger: 0 });
  a.task.call('setsockopt', clients[0] as number, c.SOL_SOCKET, c.SO_LINGER, linger, 8);
  a.close(clients[0] as number);
  a.connect(last, '127.0.0.1', port);
  a.accept(listener);
});

conformance('exhaustion: TCP, bind and listen are EADDRINUSE', { group }, (sys) => {
  const a = kit(sys);
  const fds = [0, 1, 2].map(() => narrow(a, c.SOCK_STREAM, 2));
  for (const fd of fds.slice(0, 2)) a.bind(fd, '127.0.0.1', 0);
  a.bind(fds[2] as number, '127.0.0.1', 0);
  a.listen(fds[2] as number);
  a.bind(fds[2] as number, '127.0.0.2', 0);
  const more = narrow(a, c.SOCK_STREAM, 2);
  a.listen(more);
  a.setInt(more, c.SOL_SOCKET, c.SO_REUSEADDR, 1);
  a.bind(more, '127.0.0.1', 0);
});

conformance('exhaustion: UDP, bind is EADDRINUSE, connect and send are EAGAIN', { group }, (sys) => {
  const a = kit(sys);
  const { port } = a.udpBound();
  for (let i = 0; i < 2; i++) a.bind(narrow(a, c.SOCK_DGRAM, 2), '0.0.0.0', 0);
  const late = narrow(a, c.SOCK_DGRAM, 2);
  a.bind(late, '0.0.0.0', 0);
  a.sendTo(late, 'x', '127.0.0.1', port);
  a.connect(late, '127.0.0.1', port);
});

conformance('exhaustion: a port that only connects use is shared between peers', { group }, (sys) => {
  const a = kit(sys);
  const b = kit(sys, 'b');
  const listeners = [0, 1, 2].map(() => a.listener());
  for (const { port } of listeners) {
    const client = narrow(a, c.SOCK_STREAM, 1);
    a.connect(client, '127.0.0.1', port);
    a.port(client);
  }
  const bound = narrow(a, c.SOCK_STREAM, 1);
  a.bind(bound, '127.0.0.1', 0);
  const waiting = listeners[0] as { fd: number; port: number };
  a.accept(waiting.fd);
  const late = a.tcp();
  b.task.start('accept4', waiting.fd, 0, 0, c.SOCK_CLOEXEC);
  a.connect(late, '127.0.0.1', waiting.port);
  b.task.finish();
});

conformance('exhaustion: IP_BIND_ADDRESS_NO_PORT shares a port that bind would have taken', { group }, (sys) => {
  const a = kit(sys);
  const listeners = [0, 1].map(() => a.listener());
  for (const { port } of listeners) {
    const client = narrow(a, c.SOCK_STREAM, 1);
    a.setInt(client, c.SOL_IP, c.IP_BIND_ADDRESS_NO_PORT, 1);
    a.bind(client, '127.0.0.1', 0);
    a.connect(client, '127.0.0.1', port);
    a.port(client);
  }
});
