/** Which of the sockets that share a port gets what comes: SO_ATTACH_REUSEPORT_CBPF, and who belongs to a group. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import * as c from '../linux.ts';
import { attach, type Instruction, load, program, RETURN_A, returnK } from './filter-kit.ts';

const group = 'reuseport';
const HOST = '127.0.0.1';

/** The first octet of what comes, less '0'. */
const FIRST_DIGIT: readonly Instruction[] = [[0x30, 0, 0, 0], [0x14, 0, 0, 0x30], RETURN_A];
const steer = (a: Kit, fd: number, ...code: readonly Instruction[]): number =>
  attach(a, fd, program(...code), { option: c.SO_ATTACH_REUSEPORT_CBPF });
const unsteer = (a: Kit, fd: number): number => a.setInt(fd, c.SOL_SOCKET, c.SO_DETACH_REUSEPORT_BPF, 0);

interface Held {
  readonly fds: readonly number[];
  readonly port: number;
}
function sharing(a: Kit, type: number): number {
  const fd = a.task.call('socket', c.AF_INET, type | c.SOCK_NONBLOCK, 0);
  a.setInt(fd, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
  return fd;
}
function hold(a: Kit, type: number, count: number): Held {
  const fds: number[] = [];
  let port = 0;
  a.sys.quietly(() => {
    for (let i = 0; i < count; i++) {
      const fd = sharing(a, type);
      a.bind(fd, HOST, port);
      if (type === c.SOCK_STREAM) a.listen(fd, 64);
      port = a.port(fd);
      fds.push(fd);
    }
  });
  return { fds, port };
}
/** Who has a datagram, and which. */
function taken(sys: System, a: Kit, fds: readonly number[]): void {
  const got: string[] = [];
  sys.quietly(() => {
    fds.forEach((fd, i) => {
      for (;;) {
        const at = sys.alloc(8, 'in');
        const len = a.task.call('recvfrom', fd, at, 8, c.MSG_DONTWAIT, 0, 0);
        if (len < 0) break;
        got.push(`${i}: ${String.fromCharCode(...sys.read(at, len))}`);
      }
    });
  });
  sys.record('taken', got.join(', '));
}
/** Each by a socket of its own. */
function sendAll(sys: System, a: Kit, port: number, texts: readonly string[]): void {
  sys.quietly(() => {
    for (const text of texts) a.sendTo(a.udp(), text, HOST, port);
  });
}

conformance('a program says which socket of a port gets a datagram', { group }, (sys) => {
  const a = kit(sys);
  const { fds, port } = hold(a, c.SOCK_DGRAM, 3);
  steer(a, fds[1] as number, ...FIRST_DIGIT);
  sendAll(sys, a, port, ['0a', '1b', '2c', '2d', '0e']);
  taken(sys, a, fds);
  // Beyond the last, and of nothing: the hash chooses, and nothing is lost.
  sys.quietly(() => {
    for (const text of ['3', '9', '/', '']) a.sendTo(a.udp(), text, HOST, port);
  });
  const counts: number[] = [];
  sys.quietly(() => {
    for (const fd of fds) while (a.recv(fd, 8, c.MSG_DONTWAIT) >= 0) counts.push(fd);
  });
  sys.record('lost', 4 - counts.length);
  steer(a, fds[2] as number, [0x80, 0, 0, 0], RETURN_A);
  sendAll(sys, a, port, ['', 'x', 'xy']);
  taken(sys, a, fds);
});

conformance('the program of a port goes with the last that has it, and can be taken away', { group }, (sys) => {
  const a = kit(sys);
  const { fds, port } = hold(a, c.SOCK_DGRAM, 3);
  unsteer(a, fds[0] as number);
  steer(a, fds[0] as number, returnK(2));
  a.close(fds[0] as number);
  // The last takes the place of the one that went.
  sendAll(sys, a, port, ['a']);
  steer(a, fds[1] as number, returnK(0));
  sendAll(sys, a, port, ['b', 'c']);
  steer(a, fds[1] as number, returnK(1));
  sendAll(sys, a, port, ['d', 'e']);
  sys.quietly(() => a.recv(fds[1] as number, 0, c.MSG_DONTWAIT | c.MSG_PEEK));
  const rest = fds.slice(1);
  const late = sharing(a, c.SOCK_DGRAM);
  a.bind(late, HOST, port);
  steer(a, late, returnK(2));
  sendAll(sys, a, port, ['f', 'g']);
  sys.quietly(() => {
    // Of the first datagram only that it came.
    const first = rest.filter((fd) => {
      const at = sys.alloc(1, 'in');
      const len = a.task.call('recvfrom', fd, at, 1, c.MSG_DONTWAIT | c.MSG_PEEK, 0, 0);
      if (len !== 1 || String.fromCharCode(...sys.read(at, 1)) !== 'a') return false;
      a.recv(fd, 1);
      return true;
    });
    sys.record('the first came', first.length);
  });
  taken(sys, a, [...rest, late]);
  unsteer(a, fds[2] as number);
  unsteer(a, late);
});

conformance('who may have a program for a port', { group }, (sys) => {
  const a = kit(sys);
  for (const type of [c.SOCK_DGRAM, c.SOCK_STREAM]) {
    sys.record('type', type);
    const plain = a.task.call('socket', c.AF_INET, type, 0);
    unsteer(a, plain);
    steer(a, plain, returnK(0));
    a.bind(plain, HOST, 0);
    steer(a, plain, returnK(0));
    a.setInt(plain, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
    unsteer(a, plain);
    steer(a, plain, returnK(0));
    if (type === c.SOCK_STREAM) a.listen(plain);
    steer(a, plain, returnK(0));
    unsteer(a, plain);
    unsteer(a, plain);
    const early = sharing(a, type);
    unsteer(a, early);
    steer(a, early, returnK(0));
    a.setInt(early, c.SOL_SOCKET, c.SO_REUSEPORT, 0);
    steer(a, early, returnK(0));
    unsteer(a, early);
    unsteer(a, early);
    unsteer(a, early);
  }
});

conformance('a program that may not run is none for a port either', { group }, (sys) => {
  const a = kit(sys);
  const fd = sharing(a, c.SOCK_DGRAM);
  const { option } = { option: c.SO_ATTACH_REUSEPORT_CBPF };
  attach(a, fd, program(load(1)), { option });
  attach(a, fd, program(returnK(0)), { option, len: 0 });
  a.setInt(fd, c.SOL_SOCKET, option, 1);
  a.getInt(fd, c.SOL_SOCKET, option);
  a.setInt(fd, c.SOL_SOCKET, c.SO_LOCK_FILTER, 1);
  steer(a, fd, returnK(0));
  attach(a, fd, program(load(1)), { option });
  unsteer(a, fd);
  a.task.call('setsockopt', fd, c.SOL_SOCKET, c.SO_DETACH_REUSEPORT_BPF, a.int(0, 'value'), 3);
  const connected = a.pair();
  for (const one of [connected.client, connected.server]) {
    a.setInt(one, c.SOL_SOCKET, c.SO_REUSEPORT, 1);
    steer(a, one, returnK(0));
    unsteer(a, one);
  }
});

conformance('a program that was there before bind counts if its socket is the first of the port', { group }, (sys) => {
  const a = kit(sys);
  const one = sharing(a, c.SOCK_DGRAM);
  const two = sharing(a, c.SOCK_DGRAM);
  steer(a, one, ...FIRST_DIGIT);
  steer(a, two, returnK(0));
  a.bind(one, HOST, 0);
  const port = a.port(one);
  a.bind(two, HOST, port);
  sendAll(sys, a, port, ['1a', '0b', '1c']);
  taken(sys, a, [one, two]);
  unsteer(a, two);
  unsteer(a, one);
});

conformance('a connected socket of a port gets what is its own, the program the rest', { group }, (sys) => {
  const a = kit(sys);
  const { fds, port } = hold(a, c.SOCK_DGRAM, 3);
  const peer = a.udpBound();
  a.connect(fds[0] as number, HOST, peer.port);
  steer(a, fds[1] as number, ...FIRST_DIGIT);
  for (const text of ['0a', '1b', '2c']) a.sendTo(peer.fd, text, HOST, port);
  sendAll(sys, a, port, ['1d', '0e', '1f', '0g']);
  taken(sys, a, fds);
});

conformance('sockets of other addresses are of another group', { group }, (sys) => {
  const a = kit(sys);
  const { fds, port } = hold(a, c.SOCK_DGRAM, 2);
  const wide = [sharing(a, c.SOCK_DGRAM), sharing(a, c.SOCK_DGRAM)];
  for (const fd of wide) a.bind(fd, '0.0.0.0', port);
  steer(a, fds[0] as number, returnK(1));
  steer(a, wide[0] as number, returnK(0));
  sendAll(sys, a, port, ['a', 'b', 'c']);
  sys.quietly(() => {
    for (const text of ['d', 'e']) a.sendTo(a.udp(), text, '127.0.0.2', port);
  });
  taken(sys, a, [...fds, ...wide]);
});

conformance('a program says which listener gets a connection', { group }, (sys) => {
  const a = kit(sys);
  const { fds, port } = hold(a, c.SOCK_STREAM, 3);
  const connections = (): string => {
    const counts: number[] = [];
    sys.quietly(() => {
      for (let i = 0; i < 4; i++) a.connect(a.tcp(), HOST, port);
      for (const fd of fds) {
        let count = 0;
        while (a.accept(fd) >= 0) count++;
        counts.push(count);
      }
    });
    return counts.join(' ');
  };
  steer(a, fds[0] as number, returnK(2));
  sys.record('to 2', connections());
  // Of the SYN it sees what is behind the header: nothing.
  steer(a, fds[1] as number, [0x80, 0, 0, 0], RETURN_A);
  sys.record('by the length', connections());
  // From the header of IP the destination port.
  steer(a, fds[1] as number, [0x28, 0, 0, -0x100000 + 22], [0x15, 0, 1, port], returnK(1), returnK(2));
  sys.record('by the port', connections());
  a.close(fds[0] as number);
  steer(a, fds[2] as number, returnK(0));
  sys.record('once the first is gone', connections());
});
