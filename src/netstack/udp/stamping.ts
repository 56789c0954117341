/** Transmit timestamps of datagrams (Documentation/networking/timestamping.rst): which there are, and what is told with them. */
import type { Packet } from '../packet.ts';
import * as ethernet from '../wire/ethernet.ts';

/** SOF_TIMESTAMPING_* as far as the stack looks at them. */
export const Stamping = { TxSoftware: 2, OptId: 0x80, TxSched: 0x100, OptTsOnly: 0x800 } as const;
/** Stamps that are given: there is no hardware to give others, and no peer that acknowledges. */
export const STAMPS = Stamping.TxSoftware | Stamping.TxSched;
/** SCM_TSTAMP_*. */
export const StampKind = { Sent: 0, Sched: 1 } as const;

/** The packet as it leaves, behind the header of a link whose stations have no addresses, as those of loopback. */
export function frameOf(packet: Packet): Uint8Array {
  const frame = new Uint8Array(ethernet.HEADER_LEN + packet.length);
  frame[ethernet.HEADER_LEN - 2] = packet.ethertype >>> 8;
  frame[ethernet.HEADER_LEN - 1] = packet.ethertype & 0xff;
  frame.set(packet.bytes.subarray(packet.at, packet.end), ethernet.HEADER_LEN);
  return frame;
}
