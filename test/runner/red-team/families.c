/* Sockets that would be the kernel's own. */
#include "red-team.h"

static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_RDM, SOCK_SEQPACKET, SOCK_DCCP, SOCK_PACKET};
static void every_type(int family) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    for (int protocol = 0; protocol < 4; protocol++) {
      must_fail("socket", socket(family, types[i], protocol));
      must_fail("socket with flags", socket(family, types[i] | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
      must_fail("socket with garbage above", syscall(SYS_socket, 0x100000000L | family, types[i], protocol));
    }
}
#define FAMILY(name) static void name(void) { every_type(AF_##name); all_failed(); }
FAMILY(VSOCK) FAMILY(ALG) FAMILY(XDP) FAMILY(TIPC) FAMILY(RDS) FAMILY(KCM) FAMILY(SMC) FAMILY(KEY) FAMILY(BLUETOOTH) FAMILY(CAN) FAMILY(QIPCRTR) FAMILY(PPPOX) FAMILY(RXRPC) FAMILY(NFC) FAMILY(PHONET) FAMILY(LLC)

static void other_families(void) {
  for (int family = -2; family < 64; family++)
    if (family != AF_UNIX && family != AF_INET && family != AF_INET6 && family != AF_NETLINK && family != AF_PACKET) every_type(family);
  all_failed();
}
static void pairs(void) {
  int ends[2];
  for (int family = 2; family < 64; family++) must_fail("socketpair", socketpair(family, SOCK_STREAM, 0, ends));
  all_failed();
}
/* NETLINK_ROUTE is the sandbox's own, and asked whether it shows the host's interfaces in network.c. */
static void netlink(void) {
  for (int protocol = 1; protocol < 64; protocol++) {
    must_fail("netlink", socket(AF_NETLINK, SOCK_RAW, protocol));
    must_fail("netlink", socket(AF_NETLINK, SOCK_DGRAM, protocol));
  }
  all_failed();
}
const struct attempt families[] = {
    {"AF_VSOCK", VSOCK}, {"AF_ALG", ALG}, {"AF_XDP", XDP}, {"AF_TIPC", TIPC}, {"AF_RDS", RDS}, {"AF_KCM", KCM}, {"AF_SMC", SMC}, {"AF_KEY", KEY}, {"AF_BLUETOOTH", BLUETOOTH}, {"AF_CAN", CAN},
    {"AF_QIPCRTR", QIPCRTR}, {"AF_PPPOX", PPPOX}, {"AF_RXRPC", RXRPC}, {"AF_NFC", NFC}, {"AF_PHONET", PHONET}, {"AF_LLC", LLC}, {"every other family", other_families}, {"socketpair of every family", pairs},
    {"netlink but NETLINK_ROUTE", netlink}, {NULL, NULL}};
