/** TCP_INFO as transcripts show it: the fields that do not depend on how fast or how large things are. */
import type { Show } from './body.ts';
import * as c from './linux.ts';

export type TcpInfoField = keyof typeof c.tcpInfo.fields;
/** Counts that follow from what was asked for alone. */
export const TCP_INFO_COUNTS: readonly TcpInfoField[] = [
  'state',
  'ca_state',
  'retransmits',
  'probes',
  'backoff',
  'options',
  'unacked',
  'sacked',
  'lost',
  'retrans',
  'reordering',
  'snd_ssthresh',
  'total_retrans',
  'max_pacing_rate',
  'bytes_acked',
  'bytes_received',
  'notsent_bytes',
  'data_segs_in',
  'data_segs_out',
  'delivered',
  'delivered_ce',
  'bytes_sent',
  'bytes_retrans',
  'dsack_dups',
  'reord_seen',
  'rcv_ooopack',
  'rehash',
  'total_rto',
  'total_rto_recoveries',
];

export const asTcpInfo =
  (fields: readonly TcpInfoField[]): Show =>
  (b) =>
    fields
      .map((field) => [field, c.tcpInfo.fields[field].get(b, c.tcpInfo.offset[field])] as const)
      .filter(([, value]) => value !== 0)
      .map(([field, value]) => `${field}=${value}`)
      .join(' ');
