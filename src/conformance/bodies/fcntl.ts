/** fcntl(2) on sockets: owners and signals, locks, leases, what only other files have. */
import { conformance, type System } from '../body.ts';
import { type Kit, kit } from '../kit.ts';
import { NOWHERE } from '../layout.ts';
import * as c from '../linux.ts';

const group = 'fcntl';

/** struct f_owner_ex. */
function owner(sys: System, type: number, pid: number): number {
  const at = sys.alloc(8, 'owner');
  sys.put(c.i32, at, type);
  sys.put(c.i32, at + 4, pid);
  return at;
}
const call = (a: Kit, fd: number, command: number, argument: number): number =>
  a.task.call('fcntl', fd, command, argument);

conformance('fcntl: F_SETOWN takes processes, groups and nobody', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  call(a, fd, c.F_GETOWN, 0);
  for (const pid of [0, 0x7fff_0000, -0x7fff_0000, -0x8000_0000]) {
    call(a, fd, c.F_SETOWN, pid);
    call(a, fd, c.F_GETOWN, 0);
  }
});

conformance('fcntl: F_SETOWN_EX and F_GETOWN_EX', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  const get = (): number => call(a, fd, c.F_GETOWN_EX, sys.alloc(8, 'got'));
  get();
  for (const type of [0, 1, 2]) {
    call(a, fd, c.F_SETOWN_EX, owner(sys, type, 0));
    get();
  }
  for (const type of [0, 1, 2]) call(a, fd, c.F_SETOWN_EX, owner(sys, type, 0x7fff_0000));
  call(a, fd, c.F_SETOWN_EX, owner(sys, 3, 0));
  call(a, fd, c.F_SETOWN_EX, owner(sys, -1, 0));
  call(a, fd, c.F_SETOWN_EX, owner(sys, 1, -5));
  call(a, fd, c.F_SETOWN_EX, NOWHERE);
  call(a, fd, c.F_GETOWN_EX, NOWHERE);
  get();
});

conformance('fcntl: F_SETSIG takes signals, F_GETSIG tells', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  call(a, fd, c.F_GETSIG, 0);
  for (const signal of [12, 64, 65, -1, 1000, 0]) {
    call(a, fd, c.F_SETSIG, signal);
    call(a, fd, c.F_GETSIG, 0);
  }
});

conformance('fcntl: duplicates and children share owner and signal', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const copy = a.task.call('dup', fd);
  call(a, fd, c.F_SETSIG, 40);
  call(a, copy, c.F_GETSIG, 0);
  const child = sys.process('child');
  child.call('fcntl', fd, c.F_SETSIG, 41);
  call(a, copy, c.F_GETSIG, 0);
  call(a, a.udp(), c.F_GETSIG, 0);
});

conformance('fcntl: F_SETFL with O_ASYNC', { group }, (sys) => {
  const a = kit(sys);
  for (const fd of [a.udp(), a.tcp()]) {
    call(a, fd, c.F_SETFL, c.O_ASYNC);
    call(a, fd, c.F_GETFL, 0);
    call(a, fd, c.F_SETFL, c.O_ASYNC | c.O_NONBLOCK | c.O_APPEND);
    call(a, fd, c.F_GETFL, 0);
    call(a, fd, c.F_SETFL, 0);
    call(a, fd, c.F_GETFL, 0);
    // O_DIRECT is for files that can, O_NOATIME for who owns them.
    call(a, fd, c.F_SETFL, 0x4000);
    call(a, fd, c.F_SETFL, -1);
    call(a, fd, c.F_GETFL, 0);
  }
});

conformance('fcntl: O_ASYNC on an accepted socket is not inherited', { group }, (sys) => {
  const a = kit(sys);
  const { fd, port } = a.listener();
  call(a, fd, c.F_SETFL, c.O_ASYNC | c.O_NONBLOCK);
  const client = a.tcp();
  a.connect(client, '127.0.0.1', port);
  call(a, a.accept(fd), c.F_GETFL, 0);
});

conformance('fcntl: leases, notices, seals, hints and pipes are for other files', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.tcp();
  for (const command of [
    c.F_SETLEASE,
    c.F_GETLEASE,
    c.F_NOTIFY,
    c.F_GETPIPE_SZ,
    c.F_SETPIPE_SZ,
    c.F_ADD_SEALS,
    c.F_GET_SEALS,
    c.F_CREATED_QUERY,
    c.F_GET_RW_HINT,
    c.F_GETOWNER_UIDS,
    13,
    14,
    1029,
    1037,
    9999,
  ]) {
    for (const argument of [0, 2, NOWHERE]) call(a, fd, command, argument);
  }
});

conformance('fcntl: read and write hints of a socket', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const hint = (value: number): number => {
    const at = sys.alloc(8, 'hint');
    sys.put(c.u64, at, value);
    return at;
  };
  call(a, fd, c.F_GET_RW_HINT, hint(9));
  for (const value of [0, 1, 5, 6, 77]) call(a, fd, c.F_SET_RW_HINT, hint(value));
  call(a, fd, c.F_GET_RW_HINT, hint(9));
});

conformance('fcntl: F_DUPFD at its limits', { group }, (sys) => {
  const a = kit(sys);
  const fd = a.udp();
  const limits = sys.alloc(16, 'rlimit');
  sys.put(c.u64, limits, 10);
  sys.put(c.u64, limits + 8, 1024);
  a.task.call('prlimit64', 0, c.RLIMIT_NOFILE, limits, 0);
  for (const least of [-1, 9, 9, 10, 11]) call(a, fd, c.F_DUPFD, least);
  call(a, fd, c.F_DUPFD_CLOEXEC, 5);
  call(a, fd, c.F_DUPFD_QUERY, 9);
  call(a, fd, c.F_DUPFD_QUERY, 77);
  call(a, 77, c.F_DUPFD_QUERY, fd);
  a.task.call('dup2', fd, 10);
  a.task.call('dup2', fd, 9);
  a.task.call('dup3', fd, 10, 0);
});
