/** Why an operation of the stack failed. The socket layer maps each to one errno, exhaustively. */
export type NetError =
  | 'address-family' // EAFNOSUPPORT
  | 'address-in-use' // EADDRINUSE
  | 'address-not-available' // EADDRNOTAVAIL
  | 'already-connected' // EISCONN
  | 'broken-pipe' // EPIPE
  | 'connection-aborted' // ECONNABORTED
  | 'connection-refused' // ECONNREFUSED
  | 'connection-reset' // ECONNRESET
  | 'destination-required' // EDESTADDRREQ
  | 'host-unreachable' // EHOSTUNREACH
  | 'invalid' // EINVAL
  | 'message-size' // EMSGSIZE
  | 'network-unreachable' // ENETUNREACH
  | 'no-buffers' // ENOBUFS
  | 'no-device' // ENODEV (no interface of that index, or none that leads to a group)
  | 'no-protocol-option' // ENOPROTOOPT (ICMP protocol unreachable)
  | 'not-connected' // ENOTCONN
  | 'permission' // EACCES (broadcast without permission, prohibited route)
  | 'protocol' // EPROTO
  | 'timed-out' // ETIMEDOUT
  | 'would-block'; // EAGAIN
