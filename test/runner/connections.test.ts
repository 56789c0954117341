/** Connections that come and go leave nothing in the supervisor: its descriptors are as many afterwards as before. SANDSOCK_TEST_CONNECTIONS says how many. */
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { needingInTurn } from '../support/needs.ts';
import { on, PLANES, python3, Running, sandbox } from './sandbox.ts';

const COUNT = Number(process.env['SANDSOCK_TEST_CONNECTIONS'] ?? 400);
const MS_EACH = 20;
/** A process that has ended is forgotten, with the pidfd of each thread, once many have (seccomp-platform.ts); 16 of them are made here. */
const TOLERANCE = 20;

/** Ends of all kinds: both close, one resets, one is refused, one is closed while it connects, one is listened on and left, one is a child's to close. */
const GUEST = `
import os, signal, socket, struct, sys, threading
l = socket.create_server(('127.0.0.1', 0), backlog=100); name = l.getsockname(); free = socket.socket(); free.bind(('127.0.0.1', 0))
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
def serve():
    while True:
        s, _ = l.accept()
        with s:
            try:
                if d := s.recv(9): s.send(d)
            except OSError: pass
threading.Thread(target=serve, daemon=True).start()
def one(i):
    s = socket.socket(); kind = i % 8
    if kind == 5: s.setblocking(False)
    if kind in (5, 6): s.connect_ex(name if kind == 5 else free.getsockname())
    elif kind == 7: s.listen()
    else:
        s.connect(name); s.send(b'%d' % i); s.recv(9)
        if kind == 4: s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        if kind == 3: s.shutdown(2)
        if kind == 2 and i % 64 == 2 and i < 1000 and os.fork() == 0: s.send(b'child'); os._exit(0)
    s.close(); u = socket.socket(type=socket.SOCK_DGRAM); u.connect(name); u.send(b'x'); u.close()
for i in range(64): one(i)
print('ready', flush=True); sys.stdin.readline()
for i in range(int(sys.argv[1])): one(i)
print('done', flush=True); sys.stdin.readline()
`;

const descriptors = (pid: number): number => readdirSync(`/proc/${pid}/fd`).length;

/** Until it has been the same for some time. */
async function settled(pid: number): Promise<number> {
  let last = -1;
  for (let same = 0; same < 5; await delay(50)) {
    const now = descriptors(pid);
    same = now === last ? same + 1 : 0;
    last = now;
  }
  return last;
}

for (const plane of PLANES)
  needingInTurn(sandbox, python3)(`${COUNT} connections leave no descriptor behind (${plane})`, async (t) => {
    const limitMs = 30_000 + COUNT * MS_EACH;
    t.timeout(limitMs);
    const running = new Running(['python3', '-c', GUEST, `${COUNT}`], { ...on(plane), limitMs });
    const pid = running.child.pid ?? 0;
    await running.says('ready');
    const before = await settled(pid);
    running.child.stdin?.write('\n');
    await running.says('done');
    const after = await settled(pid);
    running.child.stdin?.end('\n');
    const { status, stderr } = await running.end();
    t.is(status, 0, stderr);
    t.true(after - before <= TOLERANCE, `${before} before, ${after} after`);
  });
