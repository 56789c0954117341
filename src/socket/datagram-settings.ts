/** What of a datagram socket's options its endpoint works by. */
import { AF_INET } from '../abi/socket.ts';
import { IpAddress } from '../netstack/address.ts';
import type { UdpSettings } from '../netstack/endpoint.ts';
import { asksOfHeaders } from './control/headers.ts';
import type { OptionState } from './options/target.ts';

export function applyDatagramOptions(options: OptionState, settings: UdpSettings, domain: number): void {
  settings.keepsHeaders = asksOfHeaders(options);
  settings.placesDatagrams = options.packetInfo || options.packetInfo6;
  settings.multicastTtl = options.multicastTtl;
  settings.multicastLoop = options.multicastLoop;
  settings.multicastInterface = options.multicastInterface;
  settings.multicastSource =
    options.multicastInterfaceAddress === 0 ? undefined : IpAddress.v4(options.multicastInterfaceAddress);
  settings.multicastAll = options.multicastAll ?? domain === AF_INET;
  settings.multicastHops = options.multicastHops;
  settings.multicastLoop6 = options.multicastLoop6;
  settings.multicastInterface6 = options.multicastInterface6;
  settings.multicastAll6 = options.multicastAll6;
  settings.noChecksum6 = options.noChecksum6Sent;
  settings.takesNoChecksum6 = options.noChecksum6Received;
  settings.mark = options.mark;
  settings.priority = options.priority;
  settings.segment = options.segment;
  settings.coalesce = options.coalesce;
  settings.timestamping = options.timestampingFlags;
  settings.dontFragment6 = options.dontFragment6;
  settings.receivePathMtu = options.receivePathMtu;
  settings.autoFlowLabel = options.autoFlowLabel;
  settings.fragmentSize6 = options.fragmentSize6;
}
