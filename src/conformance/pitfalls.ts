/**
 * Cases in which another well-known user-space kernel answers otherwise than Linux 6.18 does, found by reading its source and measuring the host. Each row
 * has a body of its own (`pitfall: n`); a test checks that none is missing.
 */
export interface Pitfall {
  readonly number: number;
  readonly linux: string;
}
export const PITFALLS: readonly Pitfall[] = [
  { number: 1, linux: 'socket(AF_INET, SOCK_STREAM, IPPROTO_UDP) is EPROTONOSUPPORT' },
  { number: 2, linux: 'AF_INET with SOCK_RDM or SOCK_SEQPACKET is ESOCKTNOSUPPORT' },
  { number: 3, linux: 'AF_UNIX with SOCK_RDM is ESOCKTNOSUPPORT' },
  { number: 4, linux: 'AF_PACKET with SOCK_STREAM is ESOCKTNOSUPPORT' },
  { number: 5, linux: 'a ping socket outside ping_group_range is EACCES' },
  { number: 6, linux: 'a fresh TCP socket polls OUT, WRNORM and HUP' },
  { number: 7, linux: 'after a refused connect whose SO_ERROR was read, connect is ECONNABORTED once, then works' },
  { number: 8, linux: 'connect on a listening socket is EISCONN' },
  { number: 9, linux: 'accept with a bad name pointer is EFAULT and loses the connection' },
  { number: 10, linux: 'a sockaddr longer than 128 octets is EINVAL' },
  { number: 11, linux: 'bind of AF_INET takes AF_UNSPEC with 0.0.0.0' },
  { number: 12, linux: 'bind of AF_INET6 takes 24 to 27 octets' },
  { number: 13, linux: 'TCP_SYNCNT is 1..127' },
  { number: 14, linux: 'TCP_MAXSEG is 88..32767' },
  { number: 15, linux: 'TCP_DEFER_ACCEPT reads back in steps of retransmission' },
  { number: 16, linux: 'the floors of SO_SNDBUF and SO_RCVBUF are 4608 and 2304' },
  { number: 17, linux: 'default buffers are 16384 and 131072 for TCP, 212992 for UDP' },
  { number: 18, linux: 'getsockopt with a short length cuts the value' },
  { number: 19, linux: 'an unknown option of a known level is ENOPROTOOPT both ways' },
  { number: 20, linux: 'an unknown level, or SOL_UDP on TCP, is ENOPROTOOPT' },
  { number: 21, linux: 'a control message that does not fit leaves its header and a partial payload, and MSG_CTRUNC' },
  { number: 22, linux: 'control pending and no room for any is MSG_CTRUNC' },
  { number: 23, linux: 'send ignores control messages of foreign levels' },
  { number: 24, linux: 'recvmmsg takes MSG_PEEK, MSG_WAITFORONE and unknown flags' },
  { number: 25, linux: 'UDP send takes MSG_MORE, which corks, and refuses MSG_OOB' },
  { number: 26, linux: 'TCP recv with MSG_OOB and no urgent data is EINVAL' },
  { number: 27, linux: 'a backlog of n admits n + 1 connections' },
  { number: 28, linux: 'IP_PKTINFO and IP_TTL control messages on send are honoured' },
];
