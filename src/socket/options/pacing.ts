/** SOL_SOCKET: SO_MAX_PACING_RATE (socket(7)). A stream is paced by its own clock, as Linux does without the fq queueing discipline; for datagrams the rate is kept, as there. */
import { Errno } from '../../abi/errno.ts';
import { SO_MAX_PACING_RATE } from '../../abi/socket.ts';
import { u32, u64 } from '../../abi/struct.ts';
import { type OptionRow, writeOctets } from './row.ts';
import type { OptionState } from './target.ts';

/** ~0UL: not paced. Numbers of 64 bits from 2^53 on are Infinity here (abi/struct.ts), which no link comes near. */
const UNLIMITED = Number.POSITIVE_INFINITY;
const U32_MAX = 0xffff_ffff;

const scratch = new Uint8Array(u64.size);
function writeRate({ pacingRate }: OptionState, out: Uint8Array): number {
  if (pacingRate === UNLIMITED) scratch.fill(0xff);
  else u64.put(scratch, 0, pacingRate);
  if (out.length >= u64.size) return writeOctets(out, scratch);
  // A caller with 32 bits: as much as they can say.
  if (pacingRate > U32_MAX) scratch.fill(0xff);
  return writeOctets(out.subarray(0, u32.size), scratch);
}

export const PACING_ROW: OptionRow = {
  option: SO_MAX_PACING_RATE,
  name: 'SO_MAX_PACING_RATE',
  get: ({ options }, out) => writeRate(options, out),
  set: (socket, value) => {
    if (value.length < u32.size) return -Errno.EINVAL;
    const { options, tcp } = socket;
    if (value.length === u64.size) options.pacingRate = u64.get(value, 0);
    else {
      const rate = u32.get(value, 0);
      options.pacingRate = rate === U32_MAX ? UNLIMITED : rate;
    }
    if (tcp !== undefined) tcp.settings.pacingRate = options.pacingRate;
    socket.optionsChanged();
    return 0;
  },
};
