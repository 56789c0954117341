/**
 * `server.js tcp|udp ADDRESS PORT`: the other end of the client's measurements, one connection after the other, blocking calls only. Says `ready` when it listens; ends
 * with its parent.
 */
import { addressOf, arena } from '../src/host/libc.ffi.ts';
import {
  accept,
  bindDatagrams,
  close,
  endWithParent,
  listen,
  receive,
  receiveAll,
  receiveRequest,
  reply,
  sendAll,
  shutdownSending,
} from './calls.ts';
import {
  Arrivals,
  BUFFER_OCTETS,
  DATAGRAM_OCTETS,
  Datagram,
  fillPattern,
  Mode,
  REQUEST_OCTETS,
  readRequest,
} from './protocol.ts';
import { drain, flood, pour } from './transfer.ts';

const [protocol = '', address = '', port = ''] = process.argv.slice(2);
const incoming = arena(BUFFER_OCTETS);
const view = new DataView(incoming.bytes.buffer);

function serveConnection(fd: number, pattern: typeof incoming): void {
  receiveAll(fd, incoming.address, REQUEST_OCTETS);
  const { mode, verify, ms } = readRequest(view);
  if (mode === Mode.Upload) {
    const taken = drain(fd, incoming, verify);
    view.setFloat64(0, taken);
    sendAll(fd, incoming.address, 8);
  } else if (mode === Mode.Download) {
    pour(fd, pattern, ms);
    shutdownSending(fd);
    receive(fd, incoming.address, 1); // until the client has everything
  } else while (receive(fd, incoming.address, 1) === 1) sendAll(fd, incoming.address, 1);
}

function serveConnections(listener: number): never {
  const pattern = arena(BUFFER_OCTETS);
  fillPattern(pattern.bytes);
  for (;;) {
    const fd = accept(listener);
    try {
      serveConnection(fd, pattern);
    } catch (error) {
      process.stderr.write(`bench server: ${String(error)}\n`);
    }
    close(fd);
  }
}

function serveDatagrams(fd: number): never {
  const outgoing = new Uint8Array(DATAGRAM_OCTETS);
  const out = { address: addressOf(outgoing), bytes: outgoing };
  let arrivals = new Arrivals();
  for (;;) {
    const len = receiveRequest(fd, incoming.address, BUFFER_OCTETS);
    const kind = view.getUint8(0);
    if (kind === Datagram.Numbered) {
      arrivals.take(view);
      continue;
    }
    if (kind === Datagram.Flood) {
      flood(out, view.getUint32(4), (at, octets) => reply(fd, at, octets));
      continue;
    }
    if (kind === Datagram.Reset) arrivals = new Arrivals();
    if (kind === Datagram.Count) view.setUint32(8, arrivals.count);
    reply(fd, incoming.address, len);
  }
}

endWithParent();
const fd = protocol === 'udp' ? bindDatagrams(address, Number(port)) : listen(address, Number(port));
process.stdout.write('ready\n', () => {
  if (protocol === 'udp') serveDatagrams(fd);
  else serveConnections(fd);
});
