import test from 'ava';
import * as abi from '../../src/abi/index.ts';
import { StraceFormatter } from '../../src/syscalls/strace.ts';
import { inet6, quote } from '../../src/syscalls/strace-values.ts';
import { FakeSocket, gives, takes } from './fake-socket.ts';
import { BASE, END, type World, world } from './world.ts';

const A = BASE;
const B = BASE + 0x1000;
const C = BASE + 0x2000;
const in4 = abi.sockaddrIn.encode({ family: abi.AF_INET, port: 80, addr: 0x5db8d822, zero: new Uint8Array(8) });
const int = (x: number): Uint8Array => Uint8Array.of(x, x >> 8, x >> 16, x >> 24);

function traced(): World & { readonly lines: string[]; readonly socket: FakeSocket; readonly s: number } {
  const w = world();
  const formatter = new StraceFormatter('x86_64');
  const lines: string[] = [];
  let text = '';
  w.emulator.dispatcher.observer = {
    answering: (task, result) => {
      text = formatter.call(task, result);
    },
    answered: (task, result) => lines.push(`${text} ${formatter.result(task.result ?? result)}`),
  };
  const socket = new FakeSocket();
  return { ...w, lines, socket, s: w.fd(socket) };
}

test('socket, bind, connect, shutdown', (t) => {
  const w = traced();
  w.socket.onConnect.says(-abi.Errno.ECONNREFUSED);
  w.socket.onBind.says(0);
  w.socket.onShutdown.says(0);
  w.call('socket', abi.AF_INET, abi.SOCK_STREAM | abi.SOCK_CLOEXEC, abi.IPPROTO_TCP);
  w.call('connect', w.s, w.put(A, in4), 16);
  w.call('connect', w.s, 8, 16);
  w.call('bind', w.s, 0, 16);
  w.call('shutdown', w.s, 1);
  w.call('listen', 77, 5);
  t.deepEqual(w.lines, [
    'socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, IPPROTO_TCP) = 1',
    'connect(0, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("93.184.216.34")}, 16) = -1 ECONNREFUSED (Connection refused)',
    'connect(0, 0x8, 16) = -1 EFAULT (Bad address)',
    'bind(0, NULL, 16) = -1 EFAULT (Bad address)',
    'shutdown(0, SHUT_WR) = 0',
    'listen(77, 5) = -1 EBADF (Bad file descriptor)',
  ]);
});

test('addresses of the other families', (t) => {
  const w = traced();
  w.socket.onBind.says(-abi.Errno.EAFNOSUPPORT);
  const bind = (bytes: Uint8Array): void => void w.call('bind', w.s, w.put(A, bytes), bytes.length);
  bind(
    abi.sockaddrIn6.encode({
      family: abi.AF_INET6,
      port: 53,
      flowinfo: 7,
      addr: Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
      scopeId: 2,
    }),
  );
  bind(Uint8Array.of(1, 0, ...Buffer.from('/run/x\0')));
  bind(Uint8Array.of(1, 0, 0, ...Buffer.from('abc')));
  bind(Uint8Array.of(1, 0));
  bind(abi.sockaddrNl.encode({ family: abi.AF_NETLINK, pad: 0, pid: 5, groups: 0x11 }));
  bind(Uint8Array.of(0, 0, 1, 2));
  bind(Uint8Array.of(2, 0, 0, 80));
  bind(Uint8Array.of(2));
  bind(
    abi.sockaddrLl.encode({
      family: abi.AF_PACKET,
      protocol: 0x800,
      ifindex: 3,
      hatype: 0,
      pkttype: 0,
      halen: 0,
      addr: new Uint8Array(8),
    }),
  );
  t.deepEqual(
    w.lines.map((line) => line.replace(/, \d+\) = .*$/, '').replace('bind(0, ', '')),
    [
      '{sa_family=AF_INET6, sin6_port=htons(53), sin6_flowinfo=htonl(7), inet_pton(AF_INET6, "fe80::1", &sin6_addr), sin6_scope_id=2}',
      '{sa_family=AF_UNIX, sun_path="/run/x"}',
      '{sa_family=AF_UNIX, sun_path=@"abc"}',
      '{sa_family=AF_UNIX}',
      '{sa_family=AF_NETLINK, nl_pid=5, nl_groups=00000011}',
      '{sa_family=AF_UNSPEC, sa_data="\\1\\2"}',
      '{sa_family=AF_INET, sa_data="\\0P"}',
      '"\\2"',
      '{sa_family=AF_PACKET, sll_protocol=htons(0x800), sll_ifindex=3}',
    ],
  );
});

test('data is shown as far as it was moved, and cut', (t) => {
  const w = traced();
  w.socket.onReceive.says(gives('hi\n'), -abi.Errno.EAGAIN);
  w.socket.onSend.says(takes(100));
  w.call('recvfrom', w.s, A, 100, abi.MSG_DONTWAIT | abi.MSG_PEEK, 0, 0);
  w.call('recvfrom', w.s, A, 100, abi.MSG_DONTWAIT, 0, 0);
  w.call('sendto', w.s, w.put(A, 'x'.repeat(40)), 40, abi.MSG_NOSIGNAL, 0, 0);
  w.call('write', w.s, END, 3);
  t.deepEqual(w.lines, [
    'recvfrom(0, "hi\\n", 100, MSG_PEEK|MSG_DONTWAIT, NULL, NULL) = 3',
    'recvfrom(0, 0x10000, 100, MSG_DONTWAIT, NULL, NULL) = -1 EAGAIN (Resource temporarily unavailable)',
    `sendto(0, "${'x'.repeat(32)}"..., 40, MSG_NOSIGNAL, NULL, 0) = 40`,
    'write(0, 0x20000, 3) = -1 EFAULT (Bad address)',
  ]);
});

test('options', (t) => {
  const w = traced();
  const set = (level: number, option: number, value: Uint8Array): void =>
    void w.call('setsockopt', w.s, level, option, w.put(A, value), value.length);
  w.socket.onSetOption.says(0);
  w.socket.onGetOption.says((_l, _o, out) => {
    out[0] = 111;
    return 4;
  });
  set(abi.SOL_SOCKET, abi.SO_REUSEADDR, int(1));
  set(abi.SOL_SOCKET, abi.SO_LINGER, abi.linger.encode({ onoff: 1, linger: 5 }));
  set(abi.SOL_SOCKET, abi.SO_RCVTIMEO, abi.timeval.encode({ sec: 1, usec: 500 }));
  set(abi.SOL_TCP, abi.TCP_CONGESTION, Uint8Array.from(Buffer.from('reno')));
  set(abi.SOL_TCP, abi.TCP_NODELAY, int(1));
  set(77, 5, Uint8Array.of(1, 2));
  w.call('getsockopt', w.s, abi.SOL_SOCKET, abi.SO_ERROR, A, w.put(B, int(4)));
  w.call('getsockopt', w.s, abi.SOL_SOCKET, abi.SO_ERROR, A, 0);
  t.deepEqual(w.lines.slice(0, 7), [
    'setsockopt(0, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0',
    'setsockopt(0, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=5}, 8) = 0',
    'setsockopt(0, SOL_SOCKET, SO_RCVTIMEO, {tv_sec=1, tv_usec=500}, 16) = 0',
    'setsockopt(0, SOL_TCP, TCP_CONGESTION, "reno", 4) = 0',
    'setsockopt(0, SOL_TCP, TCP_NODELAY, [1], 4) = 0',
    'setsockopt(0, 0x4d, 0x5, "\\1\\2", 2) = 0',
    'getsockopt(0, SOL_SOCKET, SO_ERROR, [111], [4]) = 0',
  ]);
  t.regex(w.lines[7] ?? '', /SO_ERROR, 0x10000, NULL\) = -1 EFAULT/);
});

test('messages', (t) => {
  const w = traced();
  w.put(A, 'helloworld');
  w.put(B, abi.iovec.encode({ base: A, len: 5 }));
  w.put(B + 16, abi.iovec.encode({ base: A + 5, len: 5 }));
  const control = new abi.CmsgWriter().begin(new Uint8Array(64), 64);
  const bytes = new Uint8Array(24);
  control.begin(bytes, 24).putInt(abi.SOL_IP, abi.IP_TTL, 64);
  w.put(C + 512, bytes);
  w.put(C + 600, in4);
  const header = { name: C + 600, namelen: 16, iov: B, iovlen: 2, control: C + 512, controllen: 24, flags: 0 };
  w.put(C, abi.msghdr.encode(header));
  w.put(C + 64, abi.mmsghdr.encode({ hdr: { ...header, name: 0, namelen: 0, control: 0, controllen: 0 }, len: 9 }));
  w.put(
    C + 128,
    abi.mmsghdr.encode({
      hdr: { ...header, iov: 0, iovlen: 0, name: 0, namelen: 0, control: 0, controllen: 0 },
      len: 9,
    }),
  );
  w.socket.onSend.says(takes(100));
  w.call('sendmsg', w.s, C, abi.MSG_DONTWAIT);
  w.call('sendmmsg', w.s, C + 64, 2, 0);
  w.socket.onReceive.says(gives('hello'), gives('hello'), -abi.Errno.EAGAIN);
  w.socket.onGetOption.says(4);
  w.call('recvmmsg', w.s, C + 64, 2, abi.MSG_DONTWAIT, 0);
  w.call('recvmsg', w.s, 16, 0);
  w.call('readv', w.s, B, 2);
  t.deepEqual(
    w.lines.slice(0, 3),
    [
      'sendmsg(0, {msg_name={sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("93.184.216.34")}, msg_namelen=16, msg_iov=[{iov_base="hello", iov_len=5}, {iov_base="world", iov_len=5}], msg_iovlen=2, msg_control=[{cmsg_len=20, cmsg_level=SOL_IP, cmsg_type=IP_TTL, cmsg_data=[64]}], msg_controllen=24, msg_flags=0}, MSG_DONTWAIT) = 10',
      'sendmmsg(0, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="hello", iov_len=5}, {iov_base="world", iov_len=5}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, msg_len=10}, {msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=NULL, msg_iovlen=0, msg_controllen=0, msg_flags=0}, msg_len=0}], 2, 0) = 2',
      'recvmmsg(0, [{msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="hello", iov_len=5}, {iov_base=0x10005, iov_len=5}], msg_iovlen=2, msg_controllen=0, msg_flags=0}, msg_len=5}, {msg_hdr={msg_name=NULL, msg_namelen=0, msg_iov=NULL, msg_iovlen=0, msg_controllen=0, msg_flags=0}, msg_len=0}], 2, MSG_DONTWAIT, NULL) = 2',
    ].map((line) => line),
  );
  t.is(w.lines[3], 'recvmsg(0, 0x10, 0) = -1 EFAULT (Bad address)');
});

test('poll, select, epoll, descriptors', (t) => {
  const w = traced();
  w.socket.events = abi.POLLIN;
  w.put(A, abi.pollfd.encode({ fd: w.s, events: abi.POLLIN | abi.POLLOUT, revents: 0 }));
  w.call('poll', A, 1, 1000);
  w.put(A, abi.timespec.encode({ sec: 1, nsec: 5000 }));
  w.call('ppoll', 0, 0, A, 0, 8);
  w.emulator.interrupt(w.task, true);
  w.put(B, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0));
  w.call('select', 1, B, 0, 0, 0);
  w.call('epoll_create1', abi.EPOLL_CLOEXEC);
  w.put(
    C,
    abi.epollEventAmd64.encode({ events: abi.EPOLLIN | abi.EPOLLET, data: Uint8Array.of(9, 0, 0, 0, 0, 0, 0, 0) }),
  );
  w.call('epoll_ctl', 1, abi.EPOLL_CTL_ADD, w.s, C);
  w.call('epoll_wait', 1, C, 4, -1);
  w.call('fcntl', w.s, abi.F_SETFL, abi.O_RDWR | abi.O_NONBLOCK);
  w.call('fcntl', w.s, abi.F_GETFL, 0);
  w.call('fcntl', w.s, abi.F_SETFD, 1);
  w.call('fcntl', w.s, abi.F_DUPFD, 5);
  w.socket.onIoctl.says(7);
  w.call('ioctl', w.s, abi.FIONREAD, A);
  w.call('ioctl', w.s, abi.SIOCGIFCONF, A);
  w.call('dup3', w.s, 9, abi.O_CLOEXEC);
  t.deepEqual(
    w.lines.filter((line) => !line.startsWith('ppoll')),
    [
      'poll([{fd=0, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 1000) = 1',
      'select(1, [0], NULL, NULL, NULL) = 1',
      'epoll_create1(O_CLOEXEC) = 1',
      'epoll_ctl(1, EPOLL_CTL_ADD, 0, {events=EPOLLIN|EPOLLET, data=9}) = 0',
      'epoll_wait(1, [{events=EPOLLIN, data=9}], 4, -1) = 1',
      'fcntl(0, F_SETFL, O_RDWR|O_NONBLOCK) = 0',
      'fcntl(0, F_GETFL) = 2050',
      'fcntl(0, F_SETFD, FD_CLOEXEC) = 0',
      'fcntl(0, F_DUPFD, 5) = 5',
      'ioctl(0, FIONREAD, [7]) = 0',
      'ioctl(0, SIOCGIFCONF, 0x10000) = 7',
      'dup3(0, 9, O_CLOEXEC) = 9',
    ].map((line) => line.replace('SIOCGIFCONF, 0x10000) = 7', 'SIOCGIFCONF, 0x10000) = 0')),
  );
  t.regex(
    w.lines.find((line) => line.startsWith('ppoll')) ?? '',
    /^ppoll\(\[\], 0, \{tv_sec=1, tv_nsec=5000\}, NULL, 8\) = -1 EINTR/,
  );
});

test('results', (t) => {
  const f = new StraceFormatter('arm64');
  t.is(f.result(0), '= 0');
  t.is(f.result(-512), '= ? ERESTARTSYS (To be restarted if SA_RESTART is set)');
  t.is(f.result(-abi.Errno.EUCLEAN), '= -1 EUCLEAN (Structure needs cleaning)');
});

const text = (...groups: number[]): string => inet6(Uint8Array.from(groups.flatMap((g) => [g >> 8, g & 255])));

test('strings and IPv6 texts', (t) => {
  t.is(quote(Uint8Array.of(0, 49, 1, 34, 92, 255, 9)), '"\\0001\\1\\"\\\\\\377\\t"');
  t.is(text(0, 0, 0, 0, 0, 0, 0, 0), '::');
  t.is(text(1, 0, 0, 2, 0, 0, 0, 3), '1:0:0:2::3');
  t.is(text(1, 2, 3, 4, 5, 6, 7, 8), '1:2:3:4:5:6:7:8');
  t.is(text(1, 0, 3, 4, 5, 6, 7, 8), '1:0:3:4:5:6:7:8');
});
