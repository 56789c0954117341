/** On a terminal: Python's pty gives one, with the sandbox in its foreground. No guest uses a socket: the plane is the default. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'ava';
import { needingInTurn } from '../support/needs.ts';
import { cli, python3, sandbox } from './sandbox.ts';

const onTerminal = needingInTurn(sandbox, python3);

/** Waits for words of the output, then types. Arguments: pairs of (what to wait for, what to type), then --, then the command. Prints the output and the status. */
const TYPIST = `
import os, pty, sys, select, time, signal
at = sys.argv.index('--'); script = sys.argv[1:at]; argv = sys.argv[at+1:]
pid, fd = pty.fork()
if pid == 0: os.execvp(argv[0], argv)
out = b''; end = time.time() + 25
while time.time() < end:
    if script and script[0].encode() in out:
        os.write(fd, script[1].encode().decode('unicode_escape').encode()); out += b'<typed>'; script = script[2:]
    r, _, _ = select.select([fd], [], [], 0.1)
    if r:
        try: d = os.read(fd, 4096)
        except OSError: break
        if not d: break
        out += d
else: os.kill(pid, signal.SIGKILL)
sys.stdout.write(out.decode(errors='replace')); sys.stdout.write('STATUS %d' % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
/** Gives the terminal another size when the command, its arguments, has said that it is ready. */
const RESIZER = `
import fcntl, os, pty, struct, sys
pid, fd = pty.fork()
if pid == 0: os.execvp(sys.argv[1], sys.argv[1:])
out = b''
while True:
    try: d = os.read(fd, 4096)
    except OSError: break
    if not d: break
    out += d
    if b'ready' in out: fcntl.ioctl(fd, 0x5414, struct.pack('HHHH', 41, 123, 0, 0))
sys.stdout.write(out.decode() + 'STATUS %d' % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;
async function type(script: readonly string[], command: readonly string[]): Promise<string> {
  const argv = ['-c', TYPIST, ...script, '--', process.execPath, cli, 'run', '--no-gateway', '--', ...command];
  const child = spawn('python3', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  await once(child, 'close');
  return text;
}

onTerminal('standard descriptors are the terminal, and its size and name are seen', async (t) => {
  const text = await type([], ['sh', '-c', 'test -t 0 && test -t 1 && test -t 2 && tty && exit 4']);
  t.regex(text, /\/dev\/pts\/\d+/);
  t.regex(text, /STATUS 4$/);
});

onTerminal('Ctrl-C reaches the guest, once, and does not end the supervisor first', async (t) => {
  const guest = `n=0; trap 'n=$((n+1)); echo got $n; sleep 0.3; exit $((40+n))' INT; echo ready; while :; do sleep 0.05; done`;
  const text = await type(['ready', '\\x03'], ['sh', '-c', guest]);
  t.regex(text, /got 1/);
  t.notRegex(text, /got 2/);
  t.regex(text, /STATUS 41$/);
});

onTerminal('Ctrl-C ends a guest that does nothing about it: 130', async (t) => {
  t.regex(await type(['ready', '\\x03'], ['sh', '-c', 'echo ready; exec sleep 30']), /STATUS 130$/);
});

onTerminal('Ctrl-D is the end of the input', async (t) => {
  const text = await type(['ready', 'line\\n', 'line', '\\x04'], ['sh', '-c', 'echo ready; cat; echo end; exit 6']);
  t.regex(text, /end/);
  t.regex(text, /STATUS 6$/);
});

onTerminal('an interactive shell has job control', async (t) => {
  const lines = ['P> ', 'sleep 30 & sleep 0.5; kill %1; echo R$((1+1))\\n', 'R2', 'exit\\n'];
  const text = await type(lines, ['env', 'PS1=P> ', 'sh', '-i']);
  t.regex(text, /R2/);
  t.notRegex(text, /STATUS -9$/);
});

onTerminal('a new size of the terminal reaches the guest', async (t) => {
  const guest = `trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.05; done`;
  const resize = ['-c', RESIZER, process.execPath, cli, 'run', '--no-gateway', '--', 'sh', '-c', guest];
  const child = spawn('python3', resize, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (more: string) => (text += more));
  await once(child, 'close');
  t.regex(text, /ready\s+41 123\s+STATUS 5$/);
});

test('the typist waits before it types', (t) => {
  t.true(TYPIST.includes('select'));
});
