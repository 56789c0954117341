/** Numbers of Linux's TCP (Documentation/networking/ip-sysctl.rst) that more than one file needs. Times in microseconds. */
export const RTO_MAX = 120_000_000;
export const RTO_INITIAL = 1_000_000;
/** TCP_TIMEOUT_MIN: two ticks of CONFIG_HZ 250. */
export const TIMEOUT_MIN = 8000;
/** tcp_retries2, tcp_orphan_retries (0 stands for 8), tcp_synack_retries. */
export const RETRIES = 15;
export const ORPHAN_RETRIES = 8;
export const SYN_ACK_RETRIES = 5;
/** tcp_syn_linear_timeouts: SYNs that go out at the initial interval before it doubles, on top of the retries allowed. */
export const SYN_LINEAR = 4;
/** TCP_TIMEWAIT_LEN; also the longest stay of an orphan in FIN-WAIT-2 (tcp_fin_timeout). */
export const TIME_WAIT = 60_000_000;
export const DELAYED_ACK = 40_000;
/** TCP_DELACK_MAX. */
export const DELAYED_ACK_MAX = 200_000;
/** Of CONFIG_HZ 250. */
export const TICK = 4000;
export const CORK = 200_000;
/** tcp_invalid_ratelimit: answers of one connection to segments outside its window. */
export const INVALID_INTERVAL = 500_000;
/** RFC 7323 5.5: a timestamp older than this says nothing. */
export const PAWS_EXPIRES = 24 * 24 * 3600 * 1_000_000;
/** Immediate ACKs at the start of a stream (TCP_MAX_QUICKACKS). */
export const QUICK_ACKS = 16;
/** Octets of GSO data that one ACK may cover. */
export const ACK_EVERY = 131_072;
