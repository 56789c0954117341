/**
 * /proc/sys/net: what governs the stack, by the names and in the form of Linux (Documentation/networking/ip-sysctl.rst). The values are those that the code follows, so that a program that
 * reads one knows what it will meet; nothing can be changed. Figures are the constants of that code; what is written out here is a switch (0 for what the stack does not do, 1 for what it always does), or
 * says that there is no limit. A name that is not here means nothing to the stack.
 */
import { SOMAXCONN } from '../../abi/socket.ts';
import { BURST, PER_SECOND } from '../../netstack/icmp/rate-limit.ts';
import { DEFAULT_TTL } from '../../netstack/ip/header.ts';
import { LIFETIME_V4, LIFETIME_V6 } from '../../netstack/ip/reassembly.ts';
import { EPHEMERAL_FIRST, EPHEMERAL_LAST } from '../../netstack/ports.ts';
import { defaultTcpSettings, defaultUdpSettings } from '../../netstack/settings.ts';
import { DUPLICATES } from '../../netstack/tcp/acknowledge.ts';
import { FAST_OPEN_DEFAULT } from '../../netstack/tcp/fast-open.ts';
import { INVALID_INTERVAL, RETRIES, SYN_ACK_RETRIES, SYN_LINEAR, TIME_WAIT } from '../../netstack/tcp/limits.ts';
import { HALF_OPEN_MAX } from '../../netstack/tcp/listener.ts';
import { RECEIVE_LIMIT_MAX, SEND_LIMIT_MAX } from '../../netstack/tcp/tcb.ts';
import { CHALLENGES, TIME_WAIT_BUCKETS } from '../../netstack/tcp/tcp-layer.ts';
import { MAX_GROUPS_V4, MAX_SOURCES_V4 } from '../../netstack/udp/memberships.ts';
import { BUFFER_MAX } from '../options/buffers.ts';

const tcp = defaultTcpSettings();
const udp = defaultUdpSettings();
const PAGE = 4096;
const UNLIMITED = 0xffff_ffff;
const three = (least: number, usual: number, most: number): string => `${least}\t${usual}\t${most}`;

/** Path below /proc/sys/net to the value. */
export const SETTINGS: ReadonlyMap<string, string> = new Map(
  Object.entries({
    'core/rmem_default': udp.receiveBuffer,
    'core/rmem_max': BUFFER_MAX,
    'core/wmem_default': udp.sendBuffer,
    'core/wmem_max': BUFFER_MAX,
    'core/somaxconn': SOMAXCONN,

    'ipv4/icmp_echo_ignore_all': 0,
    'ipv4/icmp_echo_ignore_broadcasts': 1,
    'ipv4/icmp_msgs_burst': BURST,
    'ipv4/icmp_msgs_per_sec': PER_SECOND,
    'ipv4/igmp_max_memberships': MAX_GROUPS_V4,
    'ipv4/igmp_max_msf': MAX_SOURCES_V4,
    'ipv4/ip_default_ttl': DEFAULT_TTL,
    'ipv4/ip_forward': 0,
    'ipv4/ip_local_port_range': `${EPHEMERAL_FIRST}\t${EPHEMERAL_LAST}`,
    'ipv4/ip_no_pmtu_disc': 0,
    'ipv4/ip_nonlocal_bind': 0,
    // The network is the guest's own, so all of its ports are, and anybody may ask for echoes.
    'ipv4/ip_unprivileged_port_start': 0,
    'ipv4/ping_group_range': '0\t2147483647',
    'ipv4/ipfrag_time': LIFETIME_V4,
    'ipv4/tcp_abort_on_overflow': 0,
    'ipv4/tcp_allowed_congestion_control': 'reno cubic',
    'ipv4/tcp_available_congestion_control': 'reno cubic',
    'ipv4/tcp_challenge_ack_limit': CHALLENGES,
    'ipv4/tcp_congestion_control': tcp.congestion,
    'ipv4/tcp_dsack': 0,
    'ipv4/tcp_ecn': 0,
    'ipv4/tcp_fastopen': FAST_OPEN_DEFAULT,
    'ipv4/tcp_fin_timeout': TIME_WAIT / 1e6,
    'ipv4/tcp_frto': 0,
    'ipv4/tcp_invalid_ratelimit': INVALID_INTERVAL / 1000,
    'ipv4/tcp_keepalive_intvl': tcp.keepIntervalSeconds,
    'ipv4/tcp_keepalive_probes': tcp.keepCount,
    'ipv4/tcp_keepalive_time': tcp.keepIdleSeconds,
    'ipv4/tcp_max_syn_backlog': HALF_OPEN_MAX,
    'ipv4/tcp_max_tw_buckets': TIME_WAIT_BUCKETS,
    'ipv4/tcp_moderate_rcvbuf': 1,
    'ipv4/tcp_mtu_probing': 0,
    'ipv4/tcp_notsent_lowat': UNLIMITED,
    'ipv4/tcp_orphan_retries': 0,
    'ipv4/tcp_recovery': 0,
    'ipv4/tcp_reordering': DUPLICATES,
    'ipv4/tcp_retries2': RETRIES,
    'ipv4/tcp_rmem': three(PAGE, tcp.receiveBuffer, RECEIVE_LIMIT_MAX),
    'ipv4/tcp_rto_max_ms': tcp.rtoMaxMs,
    'ipv4/tcp_rto_min_us': tcp.rtoMinUs,
    'ipv4/tcp_sack': 1,
    'ipv4/tcp_slow_start_after_idle': 1,
    'ipv4/tcp_stdurg': 0,
    'ipv4/tcp_syn_linear_timeouts': SYN_LINEAR,
    'ipv4/tcp_syn_retries': tcp.synRetries,
    'ipv4/tcp_synack_retries': SYN_ACK_RETRIES,
    'ipv4/tcp_syncookies': 0,
    'ipv4/tcp_thin_linear_timeouts': 0,
    'ipv4/tcp_timestamps': 1,
    'ipv4/tcp_tw_reuse': 2,
    'ipv4/tcp_window_scaling': 1,
    'ipv4/tcp_wmem': three(PAGE, tcp.sendBuffer, SEND_LIMIT_MAX),

    'ipv6/auto_flowlabels': 1,
    'ipv6/bindv6only': 0,
    'ipv6/ip6frag_time': LIFETIME_V6,
    'ipv6/ip_nonlocal_bind': 0,
    // Addresses come with the link: nothing is asked of routers, and nothing they say is taken.
    'ipv6/conf/all/accept_ra': 0,
    'ipv6/conf/all/autoconf': 0,
    'ipv6/conf/all/disable_ipv6': 0,
    'ipv6/conf/all/forwarding': 0,
    'ipv6/conf/all/hop_limit': DEFAULT_TTL,
    'ipv6/conf/default/accept_ra': 0,
    'ipv6/conf/default/autoconf': 0,
    'ipv6/conf/default/disable_ipv6': 0,
    'ipv6/conf/default/forwarding': 0,
    'ipv6/conf/default/hop_limit': DEFAULT_TTL,
    'ipv6/conf/lo/disable_ipv6': 0,
  }).map(([name, value]) => [name, `${value}\n`]),
);
