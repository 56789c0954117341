/** The host's end of every measurement: one connection after the other, blocking calls only. Prints its port; ends with its parent. */
import { arena } from '../src/host/libc.ffi.ts';
import { accept, close, endWithParent, listen, receive, receiveAll, sendAll } from './calls.ts';
import { BUFFER_OCTETS, fillPattern, Mode, REQUEST_OCTETS, readRequest } from './protocol.ts';
import { drain, pour } from './transfer.ts';

const outgoing = arena(BUFFER_OCTETS);
const incoming = arena(BUFFER_OCTETS);
const view = new DataView(incoming.bytes.buffer);
fillPattern(outgoing.bytes);

function serve(fd: number): void {
  receiveAll(fd, incoming.address, REQUEST_OCTETS);
  const { mode, verify, amount } = readRequest(view);
  if (mode === Mode.Upload) {
    const taken = drain(fd, incoming, amount, verify);
    view.setFloat64(0, taken);
    sendAll(fd, incoming.address, 8);
  } else if (mode === Mode.Download) pour(fd, outgoing, amount);
  else while (receive(fd, incoming.address, 1) === 1) sendAll(fd, incoming.address, 1);
}

endWithParent();
const listener = listen('127.0.0.1');
process.stdout.write(`${listener.port}\n`, () => {
  for (;;) {
    const fd = accept(listener.fd);
    try {
      serve(fd);
    } catch (error) {
      process.stderr.write(`bench server: ${String(error)}\n`);
    }
    close(fd);
  }
});
