/* Descriptors that are not the guest's, and what else can be done with those of the sandbox's that it has. */
#include "red-team.h"
#include <dirent.h>
#include <linux/aio_abi.h>
#include <sys/sendfile.h>

enum { NUMBERS = 65536 };
/* What a supervisor or its caller may have left open. */
static void guessing(void) {
  char buffer[1];
  for (int fd = 3; fd < NUMBERS; fd++) {
    must_fail("fcntl", fcntl(fd, F_GETFD));
    must_fail("read", read(fd, buffer, 1));
    must_fail("write", write(fd, "x", 1));
    must_fail("recvmsg", recv(fd, buffer, 1, MSG_DONTWAIT));
    must_fail("send", send(fd, "x", 1, MSG_DONTWAIT));
  }
  all_failed();
}
/* Sockets and files without a name, but the three that the guest was given. */
static int is_foreign(const char *target) {
  char own[64], name[64];
  for (int fd = 0; fd < 3; fd++) {
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(name, own, sizeof own - 1);
    if (n > 0 && (own[n] = 0, strcmp(own, target) == 0)) return 0;
  }
  return strncmp(target, "socket:", 7) == 0 || strncmp(target, "anon_inode:", 11) == 0 || strncmp(target, "/memfd:", 7) == 0;
}
static void by_proc(void) {
  DIR *proc = opendir("/proc");
  int looked = 0;
  for (struct dirent *process; (process = readdir(proc));) {
    char path[PATH_MAX], target[PATH_MAX];
    if (process->d_name[0] < '0' || process->d_name[0] > '9') continue;
    snprintf(path, sizeof path, "/proc/%s/fd", process->d_name);
    DIR *table = opendir(path);
    if (!table) { must_fail(path, -1); continue; }
    for (struct dirent *entry; (entry = readdir(table));) {
      ssize_t n = readlinkat(dirfd(table), entry->d_name, target, sizeof target - 1);
      if (n <= 0) continue;
      target[n] = 0;
      looked++;
      if (is_foreign(target)) out("%s/%s is %s", path, entry->d_name, target);
    }
    closedir(table);
  }
  stopped("%s", looked ? "nothing but the guest’s own" : "nothing to be seen");
}
static void by_pidfd(void) {
  for (int pid = 1; pid < 5000; pid++) {
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) { must_fail("pidfd_open", -1); continue; }
    for (int fd = 0; fd < 1024; fd++) {
      char name[64], target[PATH_MAX];
      int copy = (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
      if (copy < 0) continue;
      snprintf(name, sizeof name, "/proc/self/fd/%d", copy);
      ssize_t n = readlink(name, target, sizeof target - 1);
      if (n > 0 && (target[n] = 0, is_foreign(target)) && pid != getpid()) out("descriptor %d of process %d is %s", fd, pid, target);
      close(copy);
    }
    close(pidfd);
  }
  all_failed();
}
/* Descriptors sent by a socket that the guest was given as its input. */
static void by_rights(void) {
  char octet, control[CMSG_SPACE(64 * sizeof(int))];
  struct iovec data = {&octet, 1};
  for (int fd = 0; fd < 3; fd++) {
    struct msghdr message = {NULL, 0, &data, 1, control, sizeof control, 0};
    if (recvmsg(fd, &message, MSG_DONTWAIT | MSG_PEEK) >= 0 && CMSG_FIRSTHDR(&message)) out("a control message at %d", fd);
  }
  stopped("none comes");
}

static void answers(const char *after) {
  int fresh[2];
  tcp_pair(fresh);
  if (!carries(fresh[0], fresh[1]) || !carries(fresh[1], fresh[0])) out("the stack is silent after %s", after);
}
/* The kernel's own calls on the unix socket that stands for one of ours. */
static void placeholder_transfers(void) {
  int ends[2], pipes[2], file = memfd_create("red", 0), fresh = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), datagram = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  tcp_pair(ends);
  for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFL, O_NONBLOCK);
  if (pipe2(pipes, O_NONBLOCK) || ftruncate(file, 1 << 20)) out("no pipe");
  static char garbage[65536];
  memset(garbage, 0xa5, sizeof garbage);
  struct iovec data = {garbage, sizeof garbage};
  int all[] = {ends[0], ends[1], fresh, datagram};
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < 4; i++) {
      lseek(file, 0, SEEK_SET);
      sendfile(all[i], file, NULL, sizeof garbage);
      sendfile(file, all[i], NULL, sizeof garbage);
      sendfile(all[i], all[(i + 1) % 4], NULL, sizeof garbage);
      vmsplice(pipes[1], &data, 1, SPLICE_F_NONBLOCK | SPLICE_F_GIFT);
      vmsplice(all[i], &data, 1, SPLICE_F_NONBLOCK);
      splice(pipes[0], NULL, all[i], NULL, sizeof garbage, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
      splice(all[i], NULL, pipes[1], NULL, sizeof garbage, SPLICE_F_NONBLOCK);
      splice(all[i], NULL, all[(i + 1) % 4], NULL, sizeof garbage, SPLICE_F_NONBLOCK);
      tee(all[i], pipes[1], sizeof garbage, SPLICE_F_NONBLOCK);
      if (copy_file_range(file, NULL, all[i], NULL, sizeof garbage, 0) >= 0) out("copy_file_range to a socket");
      if (mmap(NULL, 4096, PROT_READ, MAP_SHARED, all[i], 0) != MAP_FAILED) out("a socket mapped");
      if (ftruncate(all[i], 0) == 0 || lseek(all[i], 0, SEEK_CUR) >= 0) out("a socket with a position");
    }
  answers("transfers");
  stopped("the stack serves on");
}
static void placeholder_aio(void) {
  aio_context_t context = 0;
  if (syscall(SYS_io_setup, 64, &context)) stopped("io_setup: %s", strerrorname_np(errno));
  int ends[2], fresh = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0);
  tcp_pair(ends);
  for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFL, O_NONBLOCK);
  fcntl(fresh, F_SETFL, O_NONBLOCK), fcntl(datagram, F_SETFL, O_NONBLOCK);
  static char garbage[65536];
  int all[] = {ends[0], ends[1], fresh, datagram};
  for (int round = 0; round < 20; round++)
    for (int i = 0; i < 4; i++) {
      struct iocb write = {.aio_fildes = (unsigned)all[i], .aio_lio_opcode = IOCB_CMD_PWRITE, .aio_buf = (uintptr_t)garbage, .aio_nbytes = sizeof garbage}, look = write;
      look.aio_lio_opcode = IOCB_CMD_PREAD;
      struct iocb *list[] = {&write, &look};
      struct io_event events[2];
      struct timespec brief = {0, 1000000};
      syscall(SYS_io_submit, context, 2, list);
      syscall(SYS_io_getevents, context, 0, 2, events, &brief);
    }
  answers("aio");
  stopped("the stack serves on");
}
static void placeholder_rights(void) {
  int ends[2], over[2], fd = open("/dev/null", O_RDONLY);
  tcp_pair(ends);
  char control[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec data = {"x", 1};
  struct msghdr message = {NULL, 0, &data, 1, control, sizeof control, 0};
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  *rights = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
  memcpy(CMSG_DATA(rights), &fd, sizeof fd);
  ssize_t sent = sendmsg(ends[0], &message, MSG_DONTWAIT);
  char received[256], octet;
  struct iovec into = {&octet, 1};
  struct msghdr answer = {NULL, 0, &into, 1, received, sizeof received, 0};
  if (sent > 0 && recvmsg(ends[1], &answer, 0) >= 0 && CMSG_FIRSTHDR(&answer)) out("descriptors cross a TCP connection");
  /* It may give what it has to its own, and only what it gave arrives. */
  socketpair(AF_UNIX, SOCK_STREAM, 0, over);
  memcpy(CMSG_DATA(rights), &ends[1], sizeof fd);
  if (sendmsg(over[0], &message, 0) != 1) out("not even to itself: %s", strerror(errno));
  answer = (struct msghdr){NULL, 0, &into, 1, received, sizeof received, 0};
  if (recvmsg(over[1], &answer, 0) != 1 || !CMSG_FIRSTHDR(&answer) || CMSG_FIRSTHDR(&answer)->cmsg_len != CMSG_LEN(sizeof fd)) out("it received something else");
  answers("rights");
  stopped("the stack serves on");
}
/* Names of other families, and what only a unix socket answers. */
static void placeholder_as_unix(void) {
  struct sockaddr_un address;
  int ends[2], fresh = socket(AF_INET, SOCK_STREAM, 0), datagram = socket(AF_INET, SOCK_DGRAM, 0), value;
  tcp_pair(ends);
  int all[] = {ends[0], fresh, datagram};
  const char *names[] = {host_abstract, host_path("docker.sock"), host_path("log")};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++) {
      socklen_t len = unix_address(&address, names[j]), size = sizeof value;
      must_fail("connect", connect(all[i], (struct sockaddr *)&address, len));
      must_fail("bind", bind(all[i], (struct sockaddr *)&address, len));
      if (i) must_fail("sendto", sendto(all[i], "x", 1, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&address, len));
      must_fail("SO_PEERPIDFD", getsockopt(all[i], SOL_SOCKET, 77, &value, &size));
      must_fail("SIOCUNIXFILE", ioctl(all[i], 0x89e0));
      char path[64];
      snprintf(path, sizeof path, "/proc/self/fd/%d", all[i]);
      must_fail("open again", open(path, O_RDWR));
    }
  answers("names");
  all_failed();
}
const struct attempt descriptors[] = {{"numbers 3 to 65535", guessing}, {"/proc/PID/fd of every process", by_proc}, {"pidfd_getfd of every process", by_pidfd}, {"descriptors sent to it", by_rights}, {"sendfile, splice, vmsplice, copy_file_range on sockets", placeholder_transfers},
                                      {"asynchronous I/O on sockets", placeholder_aio}, {"SCM_RIGHTS on sockets", placeholder_rights}, {"sockets taken for unix sockets", placeholder_as_unix}, {NULL, NULL}};
