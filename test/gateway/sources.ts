/** Tests that run with one of the two sources: peeking needs a kernel that can. */
import { hasPeekOffset } from '../../src/gateway/process.ts';
import { type Declare, type Need, needing } from '../support/needs.ts';

const peekOffset: Need = { what: 'SO_PEEK_OFF for TCP (Linux 6.9)', present: hasPeekOffset() };
export const withSource = (source: 'peek' | 'queue', ...more: readonly Need[]): Declare =>
  needing(...(source === 'peek' ? [peekOffset] : []), ...more);
