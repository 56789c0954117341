/* The host's own ports, through the sandbox's stack and by frames made by hand. What is sent without an answer the host side counts. */
#include "red-team.h"
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <netpacket/packet.h>

enum { MOST = 64 };
struct target { struct sockaddr_in6 address; socklen_t len; };
static int parse(const char *text, struct target *target) {
  memset(target, 0, sizeof *target);
  struct sockaddr_in *four = (struct sockaddr_in *)&target->address;
  if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
    four->sin_family = AF_INET;
    four->sin_port = htons((uint16_t)host_port);
    target->len = sizeof *four;
    return 1;
  }
  if (inet_pton(AF_INET6, text, &target->address.sin6_addr) != 1) return 0;
  target->address.sin6_family = AF_INET6;
  target->address.sin6_port = htons((uint16_t)host_port);
  target->len = sizeof target->address;
  return 1;
}
/* Forms in which the host's own addresses can be written, and those that the host really has. */
static int targets(struct target *list) {
  static const char *const forms[] = {"127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.2.2", "10.0.2.3", "10.0.2.255", "255.255.255.255", "169.254.169.254", "169.254.1.1", "224.0.0.1", "240.0.0.1", "::1", "::", "::ffff:127.0.0.1", "::ffff:10.0.2.2",
                                      "::127.0.0.1", "64:ff9b::127.0.0.1", "2002:7f00:1::", "fd00::2", "fd00:ec2::254", "ff02::1", "fe80::1"};
  int n = 0;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) n += parse(forms[i], &list[n]);
  char all[4096];
  snprintf(all, sizeof all, "%s", host_addresses);
  for (char *one = strtok(all, " "); one && n < MOST; one = strtok(NULL, " ")) n += parse(one, &list[n]);
  return n;
}
static void tcp(void) {
  struct target list[MOST];
  struct pollfd waiting[MOST];
  int n = targets(list);
  for (int i = 0; i < n; i++) {
    waiting[i] = (struct pollfd){socket(list[i].address.sin6_family, SOCK_STREAM | SOCK_NONBLOCK, 0), POLLOUT, 0};
    if (connect(waiting[i].fd, (struct sockaddr *)&list[i].address, list[i].len) == 0 || errno == EINPROGRESS) continue;
    must_fail("connect", -1);
    waiting[i].fd = -1;
  }
  for (long end = now_ms() + 1500; now_ms() < end;)
    if (poll(waiting, (nfds_t)n, 200) > 0)
      for (int i = 0; i < n; i++) {
        if (waiting[i].fd < 0 || !(waiting[i].revents & (POLLOUT | POLLERR | POLLHUP))) continue;
        int error = 0;
        char greeting[16] = "";
        socklen_t len = sizeof error;
        getsockopt(waiting[i].fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (!error && (poll(&(struct pollfd){waiting[i].fd, POLLIN, 0}, 1, 300), recv(waiting[i].fd, greeting, sizeof greeting - 1, MSG_DONTWAIT)) > 0) out("target %d answers %s", i, greeting);
        errno = error;
        if (error) must_fail("connect", -1);
        waiting[i].fd = -1;
      }
  all_failed();
}
static void udp(void) {
  struct target list[MOST];
  int n = targets(list), sent = 0, one = 1;
  int four = socket(AF_INET, SOCK_DGRAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
  setsockopt(four, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
  for (int i = 0; i < n; i++) sent += sendto(list[i].len == sizeof list[i].address ? six : four, "udp", 3, 0, (struct sockaddr *)&list[i].address, list[i].len) == 3;
  struct pollfd answers[] = {{four, POLLIN, 0}, {six, POLLIN, 0}};
  char text[16] = "";
  if (poll(answers, 2, 700) > 0 && (recv(four, text, sizeof text - 1, MSG_DONTWAIT) > 0 || recv(six, text, sizeof text - 1, MSG_DONTWAIT) > 0)) out("an answer: %s", text);
  stopped("sent, and nobody answers");
}
static uint16_t checksum(const void *data, size_t len) {
  const uint16_t *word = data;
  uint32_t sum = 0;
  for (; len > 1; len -= 2) sum += *word++;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return (uint16_t)~sum;
}
struct packet { struct iphdr ip; struct udphdr udp; char data[4]; } __attribute__((packed));
static struct packet datagram(const char *from, uint32_t to) {
  struct packet packet = {{.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP, .tot_len = htons(sizeof packet), .daddr = to}, {{{htons(53), htons((uint16_t)host_port), htons(12), 0}}}, "raw"};
  inet_pton(AF_INET, from, &packet.ip.saddr);
  packet.ip.check = checksum(&packet.ip, sizeof packet.ip);
  return packet;
}
static const char *const sources[] = {"10.0.2.15", "10.0.2.2", "127.0.0.1", "0.0.0.0", "169.254.169.254"};
static void raw(void) {
  struct target list[MOST];
  int n = targets(list), fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
  if (fd < 0) stopped("%s", strerrorname_np(errno));
  for (size_t s = 0; s < sizeof sources / sizeof *sources; s++)
    for (int i = 0; i < n; i++) {
      if (list[i].address.sin6_family != AF_INET) continue;
      struct packet packet = datagram(sources[s], ((struct sockaddr_in *)&list[i].address)->sin_addr.s_addr);
      sendto(fd, &packet, sizeof packet, 0, (struct sockaddr *)&list[i].address, list[i].len);
    }
  usleep(300000);
  stopped("sent, and nobody answers");
}
static void frames(void) {
  struct target list[MOST];
  int n = targets(list), fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  if (fd < 0) stopped("%s", strerrorname_np(errno));
  unsigned char frame[14 + sizeof(struct packet)] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x55, 0x0a, 0, 2, 15, 8, 0};
  static const unsigned char gateway[6] = {0x52, 0x55, 0x0a, 0, 2, 2};
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6};
  for (int index = 1; index < 4; index++)
    for (int direct = 0; direct < 2; direct++)
      for (size_t s = 0; s < sizeof sources / sizeof *sources; s++)
        for (int i = 0; i < n; i++) {
          if (list[i].address.sin6_family != AF_INET) continue;
          struct packet packet = datagram(sources[s], ((struct sockaddr_in *)&list[i].address)->sin_addr.s_addr);
          memcpy(frame + 14, &packet, sizeof packet);
          if (direct) memcpy(frame, gateway, 6);
          at.sll_ifindex = index;
          sendto(fd, frame, sizeof frame, 0, (struct sockaddr *)&at, sizeof at);
        }
  usleep(300000);
  stopped("sent, and nobody answers");
}
/* Interfaces of the host must not be there, by any of the ways to ask. */
static void interfaces(void) {
  struct if_nameindex *all = if_nameindex();
  for (struct if_nameindex *one = all; one && one->if_index; one++)
    if (strcmp(one->if_name, "lo") && strcmp(one->if_name, "eth0")) out("interface %s", one->if_name);
  int fd = socket(AF_INET, SOCK_DGRAM, 0), local = socket(AF_UNIX, SOCK_DGRAM, 0), given[] = {fd, local, 0};
  for (int i = 0; i < 3; i++) {
    struct ifreq list[32];
    struct ifconf all_of = {.ifc_len = sizeof list, .ifc_req = list};
    if (ioctl(given[i], SIOCGIFCONF, &all_of)) must_fail("SIOCGIFCONF", -1), all_of.ifc_len = 0;
    for (int j = 0; j < all_of.ifc_len / (int)sizeof *list; j++)
      if (strcmp(list[j].ifr_name, "lo") && strcmp(list[j].ifr_name, "eth0")) out("interface %s at socket %d", list[j].ifr_name, i);
    for (unsigned long request = 0x8b00; request < 0x8c00; request++) must_fail("a wireless request", ioctl(given[i], request, list));
    must_fail("SIOCGSKNS", ioctl(given[i], 0x894c));
  }
  for (int index = 3; index < 64; index++) {
    struct ifreq request = {.ifr_ifindex = index};
    must_fail("SIOCGIFNAME", ioctl(fd, SIOCGIFNAME, &request));
    must_fail("SIOCGIFNAME of a unix socket", ioctl(local, SIOCGIFNAME, &request));
  }
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = 0};
  must_fail("SIOCSIFFLAGS", ioctl(fd, SIOCSIFFLAGS, &request));
  must_fail("SIOCSIFFLAGS of a unix socket", ioctl(local, SIOCSIFFLAGS, &request));
  all_failed();
}
const struct attempt network[] = {{"TCP to the host’s own addresses", tcp}, {"UDP to the host’s own addresses", udp}, {"raw packets with foreign sources", raw}, {"frames made by hand", frames}, {"the host’s interfaces", interfaces}, {NULL, NULL}};
