/** What a connection gets of its listener, as it is when the connection is made (sk_clone_lock), not when it is accepted. */
import { AF_INET6 } from '../abi/socket.ts';
import { OptionState, type OptionTarget } from './options/target.ts';

interface Listening {
  readonly options: OptionState;
  readonly receiveTimeoutUs: number;
  readonly sendTimeoutUs: number;
}

export class Inherited implements Listening {
  readonly options: OptionState;
  readonly receiveTimeoutUs: number;
  readonly sendTimeoutUs: number;

  constructor({ options, receiveTimeoutUs, sendTimeoutUs }: Listening) {
    this.options = OptionState.from(options);
    this.receiveTimeoutUs = receiveTimeoutUs;
    this.sendTimeoutUs = sendTimeoutUs;
  }
}

/** What multicast would have is that of the segment that made the connection (tcp_v4_syn_recv_sock, tcp_v6_syn_recv_sock). */
export function inheritArrival({ domain, options, tcp }: OptionTarget): void {
  if (tcp === undefined) return;
  const { arrivalHops, arrivalInterface } = tcp;
  if (tcp.remoteAddress.isV4) options.multicastTtl = arrivalHops;
  if (domain !== AF_INET6) return;
  options.multicastHops = arrivalHops;
  options.multicastInterface6 = arrivalInterface;
}
