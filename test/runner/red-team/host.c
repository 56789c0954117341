/*
 * The host's side of the red team: services as a host has them, which tell whoever comes. Arguments: a directory, an abstract name (without its first octet), the addresses of this host, and the command that is to
 * be kept in. Its input is a unix socket of the host's, and it is left sockets of the host's on further numbers. Says `reached NAME` for each connection and message, and at the end what became of the bystander, a
 * process that ends by any signal; its status is the command's.
 */
#include "red-team.h"

static struct pollfd all[16];
static const char *names[16];
static int count;
static void add(const char *name, int fd) {
  names[count] = name;
  all[count++] = (struct pollfd){fd, POLLIN, 0};
}
static int bound(int type, const char *name, int abstract) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path + abstract, sizeof address.sun_path - 1, "%s", name);
  socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
  if (abstract) len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1);
  int fd = socket(AF_UNIX, type, 0);
  if (bind(fd, (struct sockaddr *)&address, len) || (type != SOCK_DGRAM && listen(fd, 64))) perror(name), exit(1);
  if (!abstract) chmod(name, 0777);
  return fd;
}
static int port(int family, int type, int number) {
  struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)number), .sin6_addr = in6addr_any};
  struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number)};
  int fd = socket(family, type, 0), one = 1;
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
  if (family == AF_INET6 ? bind(fd, (struct sockaddr *)&six, sizeof six) : bind(fd, (struct sockaddr *)&four, sizeof four)) return -1;
  if (type == SOCK_STREAM) listen(fd, 64);
  return fd;
}
static pid_t bystander;
static void set(const char *name, const char *value) { setenv(name, value, 1); }
static void set_number(const char *name, int value) {
  char text[16];
  snprintf(text, sizeof text, "%d", value);
  set(name, text);
}
/* In the place of the command: with descriptors that a careless caller leaves. */
__attribute__((noreturn)) static void become(char **argv, int number) {
  char name[128];
  snprintf(name, sizeof name, "@%s", argv[2]);
  set("RED_TEAM_ABSTRACT", name);
  set("RED_TEAM_DIRECTORY", argv[1]);
  set("RED_TEAM_ADDRESSES", argv[3]);
  set_number("RED_TEAM_PORT", number);
  set_number("RED_TEAM_SUPERVISOR", getpid());
  set_number("RED_TEAM_BYSTANDER", bystander);
  dup2(socket(AF_UNIX, SOCK_DGRAM, 0), 0);
  for (int fd = 100; fd < 100 + count; fd++) dup2(all[fd - 100].fd, fd);
  dup2(socket(AF_INET, SOCK_STREAM, 0), 99);
  for (int i = 0; i < count; i++) fcntl(all[i].fd, F_SETFD, FD_CLOEXEC);
  execvp(argv[4], argv + 4);
  perror(argv[4]);
  _exit(127);
}
static void serve(int i) {
  int type;
  char buffer[256];
  struct sockaddr_storage from;
  socklen_t size = sizeof type, from_len = sizeof from;
  getsockopt(all[i].fd, SOL_SOCKET, SO_TYPE, &type, &size);
  if (type == SOCK_STREAM) {
    int fd = accept(all[i].fd, NULL, NULL);
    if (write(fd, "the host\n", 9) < 0) perror("write");
    close(fd);
  } else {
    recvfrom(all[i].fd, buffer, sizeof buffer, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);
    sendto(all[i].fd, "the host\n", 9, MSG_DONTWAIT, (struct sockaddr *)&from, from_len);
  }
  printf("reached %s\n", names[i]);
}
int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc < 5 || chdir(argv[1])) return 1;
  char datagrams[128];
  snprintf(datagrams, sizeof datagrams, "%s-dgram", argv[2]);
  add("the abstract name", bound(SOCK_STREAM, argv[2], 1));
  add("the abstract name of datagrams", bound(SOCK_DGRAM, datagrams, 1));
  static const char *const streams[] = {"docker.sock", "system_bus_socket", "nscd", "io.systemd.Resolve"};
  for (int i = 0; i < 4; i++) add(streams[i], bound(SOCK_STREAM, streams[i], 0));
  add("log", bound(SOCK_DGRAM, "log", 0));
  chmod("log", 0777);
  struct sockaddr_in at;
  socklen_t len = sizeof at;
  int tcp = port(AF_INET, SOCK_STREAM, 0);
  getsockname(tcp, (struct sockaddr *)&at, &len);
  int number = ntohs(at.sin_port);
  add("TCP", tcp);
  add("UDP", port(AF_INET, SOCK_DGRAM, number));
  add("TCP over IPv6", port(AF_INET6, SOCK_STREAM, number));
  add("UDP over IPv6", port(AF_INET6, SOCK_DGRAM, number));
  setvbuf(stdout, NULL, _IOLBF, 0);
  bystander = fork();
  if (bystander == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) pause();
  }
  pid_t command = fork();
  if (command == 0) become(argv, number);
  for (int status; waitpid(command, &status, WNOHANG) == 0;) {
    poll(all, (nfds_t)count, 50);
    for (int i = 0; i < count; i++)
      if (all[i].revents & POLLIN) serve(i);
  }
  poll(all, (nfds_t)count, 300);
  for (int i = 0; i < count; i++)
    if (all[i].revents & POLLIN) serve(i);
  puts(waitpid(bystander, NULL, WNOHANG) == 0 ? "bystander lives" : "bystander died");
  kill(bystander, SIGKILL);
}
