/**
 * /proc/net/tcp, tcp6, udp, udp6, udplite, icmp, icmp6, raw and raw6: a line for each socket of a protocol (net/ipv4/tcp_ipv4.c, udp.c, ping.c, raw.c, net/ipv6/tcp_ipv6.c,
 * datagram.c), in the stack's order where Linux has that of its hash tables.
 *
 * The column `inode` is what fstat(2) and /proc/PID/fd say of the descriptor, so that who looks for a socket's process finds it. What stands for an address of the kernel is a hash, as
 * there. References count the tables and timers that hold a socket: they are those of Linux for a socket at rest.
 */
import { TCP_CLOSE, TCP_ESTABLISHED, TCP_TIME_WAIT } from '../../abi/transport.ts';
import type { IpAddress } from '../../netstack/address.ts';
import { type DatagramRow, RowTimer, type SocketRow, type TcpRow } from '../../netstack/rows.ts';
import { stateNumber } from '../options/tcp-info.ts';
import { address4, address6, hex, hexLower, padded, right } from './format.ts';

/** What the lines of a socket need beside its row. */
export interface Names {
  /** Of the socket's descriptors; 0 where it has none. */
  inodeOf(id: number): number;
  /** A number that names the socket and tells nothing. */
  pointerOf(id: number): number;
}

/** Octets of a line of each family, those of IPv6 end where they end. */
const TCP_LINE = 150;
const DATAGRAM_LINE = 128;

/** Linux counts time in these files by the hundredth of a second (USER_HZ). */
const TICK_US = 10_000;
const ticks = (us: number): number => Math.floor(us / TICK_US);
const ticksLeft = (us: number): number => Math.ceil(us / TICK_US);

const COLUMNS4 = 'local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const COLUMNS6 =
  'local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

const name = (address: IpAddress, port: number, family: number): string =>
  `${family === 4 ? address4(address) : address6(address)}:${hex(port, 4)}`;
const names = ({ family, localAddress, localPort, remoteAddress, remotePort }: SocketRow): string =>
  `${name(localAddress, localPort, family)} ${name(remoteAddress, remotePort, family)}`;
const pointer = (value: number): string => hexLower(value, 16);

export function tcpFile(rows: Iterable<TcpRow>, family: number, by: Names): string {
  const lines = [padded(`  sl  ${family === 4 ? COLUMNS4 : COLUMNS6}`, family === 4 ? TCP_LINE : 0)];
  for (const row of rows) {
    if (row.family !== family) continue;
    const line = `${right(lines.length - 1, 4)}: ${names(row)} ${tcpLine(row, by)}`;
    lines.push(padded(line, family === 4 ? TCP_LINE : 0));
  }
  return lines.join('');
}
function tcpLine(row: TcpRow, by: Names): string {
  const when = `${hex(row.timer, 2)}:${hex(ticksLeft(row.timerLeft), 8)}`;
  const state = row.kind === 'time-wait' && row.state === 'TIME-WAIT' ? TCP_TIME_WAIT : stateNumber(row.state);
  if (row.kind === 'time-wait') return `${hex(state, 2)} ${QUEUES} ${when} 00000000     0        0 0 3 ${end(row, by)}`;
  if (row.kind === 'request') {
    const timeouts = hex(row.timeouts, 8);
    return `${hex(state, 2)} ${QUEUES} ${when} ${timeouts} ${right(row.owner, 5)}        0 0 1 ${end(row, by)}`;
  }
  const queues = `${hex(row.sendQueue, 8)}:${hex(row.receiveQueue, 8)}`;
  const { probes, owner, timeouts } = row;
  const inode = row.isOrphan ? 0 : by.inodeOf(row.id);
  const references = 1 + Number(row.timer !== RowTimer.None);
  const acknowledging = `${ticks(row.acknowledgmentDelay)} ${row.quickAcks * 2 + Number(row.isInteractive)}`;
  const threshold = row.state === 'LISTEN' ? row.fastOpenQueue : (row.slowStartThreshold ?? -1);
  const flow = `${ticks(row.retransmissionTimeout)} ${acknowledging} ${row.congestionWindow} ${threshold}`;
  return `${hex(state, 2)} ${queues} ${when} ${hex(timeouts, 8)} ${right(owner, 5)} ${right(probes, 8)} ${inode} ${references} ${end(row, by)} ${flow}`;
}
const QUEUES = '00000000:00000000';
const end = ({ id }: SocketRow, by: Names): string => pointer(by.pointerOf(id));

/** Slots of a hash table of Linux's, one of which the first column names. */
const SLOTS = 16_384;
const PING_SLOTS = 64;

export type DatagramFile = 'udp' | 'icmp' | 'raw';

/** @param kind whose layout: the head of udp has a wider first column, that of raw ends where it ends. */
export function datagramFile(kind: DatagramFile, rows: Iterable<DatagramRow>, family: number, by: Names): string {
  const slot = kind === 'udp' && family === 4 ? '   sl ' : '  sl ';
  const columns = `${slot} ${family === 4 ? COLUMNS4 : COLUMNS6} ref pointer drops`;
  const lines = [padded(columns, family === 4 && kind !== 'raw' ? DATAGRAM_LINE : 0)];
  for (const row of rows) {
    if (row.family !== family) continue;
    const state = row.isConnected ? TCP_ESTABLISHED : TCP_CLOSE;
    const queues = `00000000:${hex(row.receiveQueue, 8)}`;
    const bucket = row.localPort % (kind === 'udp' ? SLOTS : PING_SLOTS);
    const line = `${right(bucket, 5)}: ${names(row)} ${hex(state, 2)} ${queues} 00:00000000 00000000 ${right(row.owner, 5)}        0 ${by.inodeOf(row.id)} 2 ${end(row, by)} ${row.drops}`;
    lines.push(padded(line, family === 4 ? DATAGRAM_LINE : 0));
  }
  return lines.join('');
}
