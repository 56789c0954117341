/** What the guest's program leaves behind: the sandbox lives until the last process ends, or ends with the program, as it is told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { command, needingInTurn } from '../support/needs.ts';
import { cli, namespaces, on, onPlanes, python, python3, Running, run, sandbox } from './sandbox.ts';

const isolated = needingInTurn(sandbox, namespaces);
const KILLED = ['--no-gateway', '--kill-on-exit'];

isolated('with --kill-on-exit what the program leaves behind ends with it', async (t) => {
  const running = new Running(['sh', '-c', 'setsid sleep 300 & echo ready; exit 4'], { input: '', options: KILLED });
  t.is((await running.end()).status, 4);
  t.deepEqual(await running.gone(), []);
});

needingInTurn(sandbox)(
  'without it the sandbox lives until the last has ended; the status is the program’s',
  async (t) => {
    const text =
      '(sleep 0.3; echo second; (setsid sh -c "sleep 0.3; echo third; (sleep 0.3; echo last) &") &) & echo first; exit 6';
    const running = new Running(['sh', '-c', text], { input: '', options: ['--no-gateway'] });
    const { status, stdout, stderr } = await running.end();
    t.deepEqual({ status, stdout, stderr }, { status: 6, stdout: 'first\nsecond\nthird\nlast\n', stderr: '' });
    t.deepEqual(await running.gone(), []);
  },
);

/** A daemon as daemon(7) tells it, which serves after its program has ended, and who calls it. */
const DAEMON = `
import os, socket, sys, time
listener = socket.create_server(('127.0.0.1', 0))
if os.fork() == 0:
    os.setsid()
    if os.fork() > 0: os._exit(0)
    while os.getppid() != 1: time.sleep(0.02)
    for _ in range(2):
        peer, _ = listener.accept(); peer.sendall(peer.recv(99).upper()); peer.close()
    os._exit(0)
if os.fork() == 0:
    while os.getppid() != 1: time.sleep(0.02)
    for word in (b'one', b'two'):
        with socket.create_connection(listener.getsockname()) as s: s.sendall(word); print(s.recv(99).decode(), flush=True)
    os._exit(0)
os.wait(); print('program ends', flush=True); os._exit(7)
`;

onPlanes(
  sandbox,
  namespaces,
  python3,
)('a daemon serves on when its program has ended', async (t, plane) => {
  const { status, stdout, stderr } = await python(DAEMON, [], on(plane));
  t.deepEqual({ status, stdout, stderr }, { status: 7, stdout: 'program ends\nONE\nTWO\n', stderr: '' });
});

isolated('what ends after the program is reaped, however much it is', async (t) => {
  const text = '(for i in $(seq 60); do (sleep 0.1 &); done; sleep 1; ls -d /proc/[0-9]* | wc -l) & exit 0';
  const { status, stdout } = await run(['sh', '-c', text]);
  t.is(status, 0);
  // The keeper, the subshell, ls and wc; and perhaps one that is about to be reaped.
  t.true(Number(stdout) <= 5, stdout);
});

isolated('a signal to sandsock ends what the program left behind', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    const running = new Running(['sh', '-c', 'setsid sleep 300 & echo ready; exit 3'], { options: ['--no-gateway'] });
    await running.says('ready');
    await delay(300);
    running.child.kill(signal);
    t.is((await running.end()).status, 3, signal);
    t.deepEqual(await running.gone(), [], signal);
  }
});

/** A user namespace in which no other namespace can be made. */
const WITHOUT = 'echo 0 > /proc/sys/user/max_pid_namespaces; echo 0 > /proc/sys/user/max_net_namespaces; exec "$@"';
const LAST = '(sleep 0.5; echo last) & echo first; exit 3';

needingInTurn(sandbox, command('unshare'))('so it is where no namespace can be had', async (t) => {
  const argv = ['--user', '--map-root-user', 'sh', '-c', WITHOUT, 'sh', process.execPath, cli, 'run', '--no-gateway'];
  const child = spawn('unshare', [...argv, '--', 'sh', '-c', LAST], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [said, warned] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (more: string) => (said += more));
  child.stderr.setEncoding('utf8').on('data', (more: string) => (warned += more));
  const [status] = (await once(child, 'close')) as [number | null];
  t.regex(warned, /weaker isolation/);
  t.deepEqual({ status, said }, { status: 3, said: 'first\nlast\n' });
});
