/** Signals that the supervisor itself gets, at any moment, change nothing for its guest. */
import { fileURLToPath } from 'node:url';
import { command } from '../support/needs.ts';
import { on, onPlanes, python, python3, sandbox } from './sandbox.ts';

const GUEST = `
import os, socket
listener = socket.create_server(('127.0.0.1', 0)); name = listener.getsockname()
for i in range(400):
    fresh = socket.socket(); assert fresh.fileno() > 2, (i, fresh.fileno()); fresh.connect(name)
    taken, _ = listener.accept(); assert taken.fileno() > 2 and taken.getpeername() == fresh.getsockname(), i
    fresh.send(b'x'); assert taken.recv(9) == b'x'; fresh.close(); taken.close()
print('ok')
`;

onPlanes(
  sandbox,
  python3,
  command('perl'),
)('a descriptor arrives whatever signals come', async (t, plane) => {
  const preload = fileURLToPath(new URL('signalled.js', import.meta.url));
  const { status, stdout, stderr } = await python(GUEST, [], { ...on(plane), preload });
  t.deepEqual({ status, stdout, stderr }, { status: 0, stdout: 'ok\n', stderr: '' });
});
