/** sandsock as a library. */
export { IpAddress } from './netstack/address.ts';
