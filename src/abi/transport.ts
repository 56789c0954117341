/** Constants of tcp(7) and udp(7): options of levels SOL_TCP and SOL_UDP, TCP states (include/uapi/linux/tcp.h, udp.h, include/net/tcp_states.h). */

// Options of level SOL_TCP.
export const TCP_NODELAY = 1;
export const TCP_MAXSEG = 2;
export const TCP_CORK = 3;
export const TCP_KEEPIDLE = 4;
export const TCP_KEEPINTVL = 5;
export const TCP_KEEPCNT = 6;
export const TCP_SYNCNT = 7;
export const TCP_LINGER2 = 8;
export const TCP_DEFER_ACCEPT = 9;
export const TCP_WINDOW_CLAMP = 10;
export const TCP_INFO = 11;
export const TCP_QUICKACK = 12;
export const TCP_CONGESTION = 13;
export const TCP_MD5SIG = 14;
export const TCP_THIN_LINEAR_TIMEOUTS = 16;
export const TCP_THIN_DUPACK = 17;
export const TCP_USER_TIMEOUT = 18;
export const TCP_REPAIR = 19;
export const TCP_REPAIR_QUEUE = 20;
export const TCP_QUEUE_SEQ = 21;
export const TCP_REPAIR_OPTIONS = 22;
export const TCP_FASTOPEN = 23;
export const TCP_TIMESTAMP = 24;
export const TCP_NOTSENT_LOWAT = 25;
export const TCP_CC_INFO = 26;
export const TCP_SAVE_SYN = 27;
export const TCP_SAVED_SYN = 28;
export const TCP_REPAIR_WINDOW = 29;
export const TCP_FASTOPEN_CONNECT = 30;
export const TCP_ULP = 31;
export const TCP_MD5SIG_EXT = 32;
export const TCP_FASTOPEN_KEY = 33;
export const TCP_FASTOPEN_NO_COOKIE = 34;
export const TCP_ZEROCOPY_RECEIVE = 35;
export const TCP_INQ = 36;
export const TCP_CM_INQ = 36;
export const TCP_TX_DELAY = 37;
export const TCP_AO_ADD_KEY = 38;
export const TCP_AO_DEL_KEY = 39;
export const TCP_AO_INFO = 40;
export const TCP_AO_GET_KEYS = 41;
export const TCP_AO_REPAIR = 42;
export const TCP_IS_MPTCP = 43;
export const TCP_RTO_MAX_MS = 44;
export const TCP_RTO_MIN_US = 45;
export const TCP_DELACK_MAX_US = 46;

// tcpi_state.
export const TCP_ESTABLISHED = 1;
export const TCP_SYN_SENT = 2;
export const TCP_SYN_RECV = 3;
export const TCP_FIN_WAIT1 = 4;
export const TCP_FIN_WAIT2 = 5;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE = 7;
export const TCP_CLOSE_WAIT = 8;
export const TCP_LAST_ACK = 9;
export const TCP_LISTEN = 10;
export const TCP_CLOSING = 11;

// tcpi_ca_state.
export const TCP_CA_Open = 0;
export const TCP_CA_Disorder = 1;
export const TCP_CA_CWR = 2;
export const TCP_CA_Recovery = 3;
export const TCP_CA_Loss = 4;

// Options of level SOL_UDP.
export const UDP_CORK = 1;
export const UDPLITE_SEND_CSCOV = 10;
export const UDPLITE_RECV_CSCOV = 11;
export const UDP_ENCAP = 100;
export const UDP_NO_CHECK6_TX = 101;
export const UDP_NO_CHECK6_RX = 102;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;

// Values of UDP_ENCAP.
export const UDP_ENCAP_ESPINUDP_NON_IKE = 1;
export const UDP_ENCAP_ESPINUDP = 2;
export const UDP_ENCAP_L2TPINUDP = 3;
export const UDP_ENCAP_GTP0 = 4;
export const UDP_ENCAP_GTP1U = 5;
export const UDP_ENCAP_RXRPC = 6;

// Attributes of SCM_TIMESTAMPING_OPT_STATS.
export const TCP_NLA_PAD = 0;
export const TCP_NLA_BUSY = 1;
export const TCP_NLA_RWND_LIMITED = 2;
export const TCP_NLA_SNDBUF_LIMITED = 3;
export const TCP_NLA_DATA_SEGS_OUT = 4;
export const TCP_NLA_TOTAL_RETRANS = 5;
export const TCP_NLA_PACING_RATE = 6;
export const TCP_NLA_DELIVERY_RATE = 7;
export const TCP_NLA_SND_CWND = 8;
export const TCP_NLA_REORDERING = 9;
export const TCP_NLA_MIN_RTT = 10;
export const TCP_NLA_RECUR_RETRANS = 11;
export const TCP_NLA_DELIVERY_RATE_APP_LMT = 12;
export const TCP_NLA_SNDQ_SIZE = 13;
export const TCP_NLA_CA_STATE = 14;
export const TCP_NLA_SND_SSTHRESH = 15;
export const TCP_NLA_DELIVERED = 16;
export const TCP_NLA_DELIVERED_CE = 17;
export const TCP_NLA_BYTES_SENT = 18;
export const TCP_NLA_BYTES_RETRANS = 19;
export const TCP_NLA_DSACK_DUPS = 20;
export const TCP_NLA_REORD_SEEN = 21;
export const TCP_NLA_SRTT = 22;
export const TCP_NLA_TIMEOUT_REHASH = 23;
export const TCP_NLA_BYTES_NOTSENT = 24;
export const TCP_NLA_EDT = 25;
export const TCP_NLA_TTL = 26;

// tcpi_options.
export const TCPI_OPT_TIMESTAMPS = 1;
export const TCPI_OPT_SACK = 2;
export const TCPI_OPT_WSCALE = 4;
export const TCPI_OPT_ECN = 8;
export const TCPI_OPT_ECN_SEEN = 16;
export const TCPI_OPT_SYN_DATA = 32;
