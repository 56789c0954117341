/** What a connection gets of its listener, as it is when the connection is made (sk_clone_lock), not when it is accepted. */
import { OptionState } from './options/target.ts';

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
