/** One request and its answer over a connection of its own. */
import { connect, type NetConnectOpts } from 'node:net';

const SILENCE_MS = 1000;

/** The answer as latin1, once it is `complete`; without that, all up to the end of the connection. */
export function exchange(
  where: NetConnectOpts,
  request: string,
  complete: (answer: string) => boolean = () => false,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(where, () => socket.write(request));
    socket.setTimeout(SILENCE_MS, () => socket.destroy(new Error('no answer')));
    socket.setEncoding('latin1').on('data', (piece: string) => {
      answer += piece;
      if (complete(answer)) socket.destroy();
    });
    socket.once('error', reject).once('close', () => resolve(answer));
  });
}
