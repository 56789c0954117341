/** Tests that need an address of this host that is not its loopback's, and that a guest's own link does not have either. */
import { networkInterfaces } from 'node:os';
import type { Need } from '../support/needs.ts';

const found = Object.values(networkInterfaces())
  .flatMap((all) => all ?? [])
  .find(
    ({ family, internal, address }) =>
      family === 'IPv4' && !internal && !address.startsWith('169.254.') && !address.startsWith('10.0.2.'),
  );

export const ownAddress: Need & { readonly address: string } = {
  what: 'an IPv4 address beside the loopback',
  present: found !== undefined,
  address: found?.address ?? '',
};
