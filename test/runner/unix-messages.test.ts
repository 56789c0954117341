/** Messages on unix sockets of the guest: what Linux does with them, and that none of them leaves the sandbox. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { command, needingInTurn } from '../support/needs.ts';
import { on, onPlanes, python, python3, Running, sandbox } from './sandbox.ts';

const guest = onPlanes(sandbox, python3);

guest('descriptors, long streams, partial sends and SIGPIPE are as on Linux', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import array, errno, os, signal, socket, struct, threading
def fails(code, f, *a):
    try: f(*a)
    except OSError as e: assert e.errno == code, (e, errno.errorcode[code])
    else: assert 0, 'no error'
a, b = socket.socketpair(); r, w = os.pipe()
socket.send_fds(a, [b'hel', b'lo'], [r, w]); msg, fds, _, _ = socket.recv_fds(b, 100, 10); assert msg == b'hello' and len(fds) == 2
os.write(fds[1], b'x'); assert os.read(r, 1) == b'x'
N = 6 << 20; got = bytearray()
def reader():
    while len(got) < N: got.extend(b.recv(1 << 20))
t = threading.Thread(target=reader); t.start(); pattern = os.urandom(N); assert a.sendmsg([pattern[:N // 3], pattern[N // 3:]]) == N; t.join(); assert got == pattern
a.setblocking(False); assert 0 < a.sendmsg([bytes(N)]) < N; fails(errno.EAGAIN, a.sendmsg, [b'z'])
b.close(); fails(errno.EPIPE, a.sendmsg, [b'z'])
if os.fork() == 0:
    signal.signal(signal.SIGPIPE, signal.SIG_DFL); a.sendmsg([b'z']); os._exit(0)
assert os.wait()[1] == signal.SIGPIPE
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
    c, d = socket.socketpair(socket.AF_UNIX, kind); socket.send_fds(c, [b'dg', b'am'], [r]); msg, fds, _, _ = socket.recv_fds(d, 10, 3); assert msg == b'dgam' and len(fds) == 1
s, p = socket.socketpair()
fails(errno.EISCONN, s.sendmsg, [b'x'], [], 0, '/no/such'); fails(errno.EBADF, socket.send_fds, s, [b'x'], [999]); fails(errno.EINVAL, s.sendmsg, [b'x'], [(1, 99, b'')])
p.setsockopt(socket.SOL_SOCKET, 16, 1); me = struct.pack('3i', os.getpid(), os.getuid(), os.getgid())
if os.getuid() == 0:
    s.sendmsg([b'x'], [(1, 2, me)]); assert p.recvmsg(9, 99)[1][0][2] == me
    s.sendmsg([b'x']); assert p.recvmsg(9, 99)[1][0][2] == me
else: fails(errno.EPERM, s.sendmsg, [b'x'], [(1, 2, me)])
# A signal while part is sent: the call comes back and ends with that part. One that comes before any part is sent only starts it anew, so they go on coming.
hits = []; signal.signal(signal.SIGALRM, lambda *_: hits.append(1)); signal.siginterrupt(signal.SIGALRM, False); signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
n = s.sendmsg([bytes(N)]); signal.setitimer(signal.ITIMER_REAL, 0); assert hits and 0 < n < N, n
have = 0; p.setblocking(False)
try:
    while True: have += len(p.recv(1 << 20))
except BlockingIOError: pass
assert have == n, (have, n)
print('ok')
`,
    [],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
});

/** A datagram socket of the host at `name`; the result tells what came. */
async function listenOnHost(name: string): Promise<() => Promise<string>> {
  const text = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print('bound', flush=True); sys.stdin.read(); s.setblocking(False)
try: print(s.recv(99).decode())
except BlockingIOError: print('nothing')`;
  const child = spawn('python3', ['-c', text, name], { stdio: ['pipe', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
  await once(child.stdout, 'data');
  return async () => {
    child.stdin.end();
    await once(child, 'close');
    return said;
  };
}

const RACE = `
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
static int stream, datagram;
static void *flip(void *unused) {
  for (;;) {
    dup2(stream, 100);
    for (volatile int i = 0; i < 2000; i++) ;
    dup2(datagram, 100);
    for (volatile int i = 0; i < 2000; i++) ;
  }
}
int main(int argc, char **argv) {
  int pair[2];
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  stream = pair[0];
  datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
  dup2(stream, 100);
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  strcpy(name.sun_path, argv[1]);
  struct iovec vector = {"escaped", 7};
  struct msghdr message = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &vector, .msg_iovlen = 1};
  pthread_t thread;
  pthread_create(&thread, 0, flip, 0);
  for (time_t end = time(0) + 4; time(0) < end;) sendmsg(100, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  puts("over");
  fflush(stdout);
  _exit(0);
}`;

needingInTurn(
  sandbox,
  python3,
  command('cc'),
)('a datagram socket put in the place of a stream during the call reaches no socket of the host', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'sandsock-test-'));
  const [program, source, name] = ['race', 'race.c', 'host'].map((file) => join(directory, file)) as [
    string,
    string,
    string,
  ];
  try {
    writeFileSync(source, RACE);
    t.is(spawnSync('cc', ['-pthread', '-w', '-o', program, source]).status, 0);
    const host = await listenOnHost(name);
    const run = new Running([program, name], { options: ['--no-gateway'] });
    const { stdout } = await run.end();
    t.is(stdout, 'over\n');
    t.is(await host(), 'bound\nnothing\n');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

guest('the listener sees the user who connects, and the socket file’s mode holds for him', async (t, plane) => {
  const { status, stdout, stderr } = await python(
    `
import os, socket, struct, tempfile
directory = tempfile.mkdtemp(); path = directory + '/s'
l = socket.socket(socket.AF_UNIX); l.bind(path); l.listen()
def peer():
    a, _ = l.accept(); return struct.unpack('3i', a.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1:]
c = socket.socket(socket.AF_UNIX); c.connect(path); assert peer() == (os.getuid(), os.getgid())
if os.getuid() == 0:
    os.chmod(directory, 0o755); os.chmod(path, 0o777)
    go = os.pipe()
    if os.fork() == 0:
        os.setgroups([]); os.setgid(1000); os.setuid(1001)
        c = socket.socket(socket.AF_UNIX); c.connect(path); os.read(go[0], 1)
        try: socket.socket(socket.AF_UNIX).connect(path)
        except PermissionError: os._exit(0)
        os._exit(1)
    got = peer(); assert got == (1001, 1000), got
    os.chmod(path, 0o600); os.write(go[1], b'x'); assert os.wait()[1] == 0
    c = socket.socket(socket.AF_UNIX); c.connect(path); assert peer() == (0, 0)
os.remove(path); os.rmdir(directory)
print('ok')
`,
    [],
    on(plane),
  );
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
});
