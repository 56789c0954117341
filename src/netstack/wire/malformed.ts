/** Why octets from outside are not what they claim to be. Each parse returns one of these, or undefined for sound input; none throws. */
export type Malformed =
  | 'truncated' // fewer octets than the smallest header
  | 'bad-version'
  | 'bad-length' // a length field contradicts the octets there are
  | 'bad-checksum'
  | 'bad-value'; // a field holds what the protocol forbids
