/* The host's unix sockets: names like those of docker, D-Bus, nscd and resolved, made by the host side, and the real ones where there are any. */
#include "red-team.h"
#include <sys/param.h>

static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM};

static void connect_all(const char *name) {
  struct sockaddr_un address;
  socklen_t len = unix_address(&address, name);
  for (int i = 0; i < 3; i++) {
    int fd = socket(AF_UNIX, types[i], 0);
    must_fail(name, connect(fd, (struct sockaddr *)&address, len));
    close(fd);
  }
}
static void send_all(const char *name) {
  struct sockaddr_un address;
  socklen_t len = unix_address(&address, name);
  struct iovec data = {"out", 3};
  struct msghdr message = {&address, len, &data, 1, NULL, 0, 0};
  struct mmsghdr messages = {message, 0};
  int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
  must_fail("sendto", sendto(fd, "out", 3, 0, (struct sockaddr *)&address, len));
  must_fail("sendmsg", sendmsg(fd, &message, 0));
  must_fail("sendmmsg", sendmmsg(fd, &messages, 1, 0));
  int ends[2], one = 1;
  char control[CMSG_SPACE(sizeof(int))] = {0};
  socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  *rights = (struct cmsghdr){CMSG_LEN(sizeof one), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(rights), &ends[0], sizeof one);
  must_fail("sendmsg with a descriptor", sendmsg(fd, &message, 0));
}
static void abstract_connect(void) {
  connect_all(host_abstract);
  all_failed();
}
static void abstract_send(void) {
  char name[128];
  snprintf(name, sizeof name, "%s-dgram", host_abstract);
  send_all(name);
  all_failed();
}
/* Names that systems have listening. */
static void abstract_known(void) {
  static const char *const known[] = {"@/tmp/.X11-unix/X0", "@/tmp/dbus-session", "@/tmp/.ICE-unix/1", "@/org/kernel/linux/storage/multipathd", "@ISCSIADM_ABSTRACT_NAMESPACE", "@/containerd-shim/moby"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) connect_all(known[i]);
  all_failed();
}
static void path_connect(void) {
  static const char *const names[] = {"docker.sock", "system_bus_socket", "nscd", "io.systemd.Resolve"};
  for (int i = 0; i < 4; i++) connect_all(host_path(names[i]));
  all_failed();
}
/* Every other way to write the same name. */
static void path_aliases(void) {
  char name[PATH_MAX];
  const char *host = host_path("docker.sock");
  own_directory();
  if (symlink(host, "symbolic") || symlink("symbolic", "twice")) out("no link: %s", strerror(errno));
  connect_all("symbolic");
  connect_all("twice");
  if (link(host, "hard") == 0) connect_all("hard");
  connect_all("../docker.sock");
  static const char *const roots[] = {"/proc/self/root", "/proc/1/root", "/proc/thread-self/root", "/proc/self/cwd/..", "/proc/1/cwd/..", "/"};
  for (int i = 0; i < 6; i++) {
    snprintf(name, sizeof name, "%s%s", roots[i], strstr(roots[i], "cwd") ? "/docker.sock" : host);
    connect_all(name);
  }
  int there = open(host, O_PATH);
  snprintf(name, sizeof name, "/proc/self/fd/%d", there);
  connect_all(name);
  int folder = open(host_directory, O_PATH | O_DIRECTORY);
  snprintf(name, sizeof name, "/proc/self/fd/%d/docker.sock", folder);
  connect_all(name);
  must_fail("open of a socket", open(host, O_RDWR));
  all_failed();
}
static void path_send(void) {
  send_all(host_path("log"));
  all_failed();
}
/* A name that was the guest's own becomes the host's. */
static void path_replaced(void) {
  own_directory();
  own_listener("mine", SOCK_STREAM);
  if (rename("mine", "away") || symlink(host_path("docker.sock"), "mine")) out("no link: %s", strerror(errno));
  connect_all("mine");
  unlink("mine");
  if (link(host_path("docker.sock"), "mine") == 0) connect_all("mine");
  all_failed();
}
static void path_chroot(void) {
  if (chroot(host_directory)) stopped("chroot: %s", strerrorname_np(errno));
  connect_all("/docker.sock");
  connect_all("docker.sock");
  all_failed();
}
static void path_known(void) {
  static const char *const known[] = {"/run/docker.sock", "/var/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock", "/run/dbus/system_bus_socket", "/run/systemd/resolve/io.systemd.Resolve",
                                      "/run/systemd/private", "/run/systemd/journal/socket", "/run/systemd/journal/stdout", "/run/systemd/notify", "/dev/log", "/run/nscd/socket", "/var/run/nscd/socket", "/run/udev/control", "/run/lvm/lvmpolld.socket",
                                      "/run/snapd.socket", "/run/acpid.socket", "/run/avahi-daemon/socket", "/run/postgresql/.s.PGSQL.5432", "/run/mysqld/mysqld.sock", "/tmp/.X11-unix/X0", "/run/x.sock"};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) connect_all(known[i]);
  char name[PATH_MAX];
  snprintf(name, sizeof name, "/run/user/%d/bus", getuid());
  connect_all(name);
  if (getenv("SSH_AUTH_SOCK")) connect_all(getenv("SSH_AUTH_SOCK"));
  all_failed();
}
/* A connection that the supervisor makes for the guest must not lead to the supervisor. */
static void peer_pidfd(void) {
  enum { PASSPIDFD = 76, PEERPIDFD = 77 };
  own_directory();
  own_listener("mine", SOCK_STREAM);
  struct sockaddr_un address;
  int fd = socket(AF_UNIX, SOCK_STREAM, 0), value, one = 1;
  socklen_t len = sizeof value;
  if (connect(fd, (struct sockaddr *)&address, unix_address(&address, "mine"))) out("not even its own: %s", strerror(errno));
  must_fail("SO_PEERPIDFD", getsockopt(fd, SOL_SOCKET, PEERPIDFD, &value, &len));
  must_fail("SO_PASSPIDFD", setsockopt(fd, SOL_SOCKET, PASSPIDFD, &one, sizeof one));
  all_failed();
}
/* A socket of the host's, which a caller left as standard input, finds names of the host. */
static void inherited(void) {
  char name[128];
  snprintf(name, sizeof name, "%s-dgram", host_abstract);
  const char *names[] = {name, host_path("log"), "@guest"};
  for (int i = 0; i < 3; i++) {
    struct sockaddr_un address;
    socklen_t len = unix_address(&address, names[i]);
    struct iovec data = {"out", 3};
    struct msghdr message = {&address, len, &data, 1, NULL, 0, 0};
    struct mmsghdr messages = {message, 0};
    must_fail("sendto", sendto(0, "out", 3, 0, (struct sockaddr *)&address, len));
    must_fail("sendmsg", sendmsg(0, &message, 0));
    must_fail("sendmmsg", sendmmsg(0, &messages, 1, 0));
    must_fail("connect", connect(0, (struct sockaddr *)&address, len));
    if (i != 1) must_fail("bind", bind(0, (struct sockaddr *)&address, len));
  }
  all_failed();
}
const struct attempt unix_names[] = {{"abstract names: connect", abstract_connect}, {"abstract names: send", abstract_send}, {"abstract names that systems use", abstract_known}, {"path names: connect", path_connect},
                                     {"path names: links, /proc/self/root, O_PATH", path_aliases}, {"path names: send", path_send}, {"path names: a name of one’s own replaced", path_replaced}, {"path names: chroot", path_chroot},
                                     {"path names that systems use", path_known}, {"a unix socket of the host as its input", inherited}, {"SO_PEERPIDFD and SO_PASSPIDFD", peer_pidfd}, {NULL, NULL}};
