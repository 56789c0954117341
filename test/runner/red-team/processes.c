/* Processes of the host, the supervisor first of all, and other namespaces. */
#include "red-team.h"
#include <linux/capability.h>
#include <linux/sched.h>
#include <sys/resource.h>
#include <sys/time.h>

static void by_number(int pid) {
  char buffer[64], path[64];
  struct iovec local = {buffer, sizeof buffer}, remote = {(void *)0x400000, sizeof buffer};
  struct rlimit limit;
  siginfo_t info = {.si_code = SI_QUEUE};
  must_fail("kill", kill(pid, 0));
  must_fail("kill of a thread", syscall(SYS_tgkill, pid, pid, 0));
  must_fail("tkill", syscall(SYS_tkill, pid, 0));
  must_fail("rt_sigqueueinfo", syscall(SYS_rt_sigqueueinfo, pid, SIGUSR2, &info));
  must_fail("pidfd_open", syscall(SYS_pidfd_open, pid, 0));
  must_fail("ptrace seize", ptrace(PTRACE_SEIZE, pid, 0, 0));
  must_fail("ptrace attach", ptrace(PTRACE_ATTACH, pid, 0, 0));
  must_fail("process_vm_readv", process_vm_readv(pid, &local, 1, &remote, 1, 0));
  must_fail("process_vm_writev", process_vm_writev(pid, &local, 1, &remote, 1, 0));
  must_fail("kcmp", syscall(SYS_kcmp, pid, getpid(), 0, 0, 0));
  must_fail("prlimit", prlimit((pid_t)pid, RLIMIT_NOFILE, NULL, &limit));
  must_fail("sched_setscheduler", sched_setscheduler(pid, SCHED_OTHER, &(struct sched_param){0}));
  must_fail("setpriority", setpriority(PRIO_PROCESS, (id_t)pid, 19));
  must_fail("move_pages", syscall(SYS_move_pages, pid, 0, NULL, NULL, NULL, 0));
  must_fail("get_robust_list", syscall(SYS_get_robust_list, pid, buffer, buffer + 8));
  must_fail("setpgid", setpgid(pid, 0));
  must_fail("kill of its group", kill(-pid, 0));
  must_fail("fcntl(F_SETOWN)", fcntl(open("/dev/null", O_RDONLY), F_SETOWN, pid));
  static const char *const parts[] = {"mem", "maps", "root", "cwd", "fd", "ns/net", "ns/pid", "environ", "status", "task", "net/tcp"};
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
    snprintf(path, sizeof path, "/proc/%d/%s", pid, parts[i]);
    must_fail(path, open(path, O_RDONLY));
  }
}
static void supervisor(void) {
  if (host_supervisor <= 0) out("no number of it");
  by_number(host_supervisor);
  all_failed();
}
static void bystander(void) {
  by_number(host_bystander);
  all_failed();
}
/* Every process that it sees is its own. */
static void visible(void) {
  int seen = 0;
  for (int pid = 1; pid < 70000; pid++) {
    char path[64], text[8192] = "";
    snprintf(path, sizeof path, "/proc/%d/environ", pid);
    if (kill(pid, 0) && errno == ESRCH) continue;
    seen++;
    int fd = open(path, O_RDONLY);
    if (fd < 0) out("process %d is another's", pid);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n > 0 && !memmem(text, (size_t)n, "RED_TEAM_PORT", 13)) out("process %d is not of this run", pid);
  }
  stopped("%s", seen < 20 ? "its own alone" : "its own, and many");
}
/* The keeper is the guest's neighbour; it must have no more than the guest. */
static void keeper(void) {
  char text[4096] = "", own[4096] = "";
  int fd = open("/proc/1/status", O_RDONLY), mine = open("/proc/self/status", O_RDONLY);
  if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 || read(mine, own, sizeof own - 1) <= 0) out("it cannot be read");
  static const char *const same[] = {"CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters"};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    char *his = strstr(text, same[i]), *my = strstr(own, same[i]);
    if (!his || !my || strncmp(his, my, strcspn(my, "\n"))) out("its %s differs", same[i]);
  }
  if (!strstr(own, "Seccomp:\t2") || !strstr(own, "NoNewPrivs:\t1")) out("no filter");
  stopped("the same filter and the same capabilities");
}
static void everybody(void) {
  /* Only where the host's processes cannot be seen may it be tried; the bystander outside would die of it. */
  if (host_bystander <= 0 || kill(host_bystander, 0) == 0) out("the host's processes are in sight");
  if (kill(-1, SIGUSR2) && errno != ESRCH && errno != EPERM) out("kill: %s", strerror(errno));
  if (kill(0, SIGUSR2)) out("kill of its own group: %s", strerror(errno));
  setpriority(PRIO_USER, getuid(), 1);
  usleep(100000);
  stopped("told inside alone");
}
static void capabilities(void) {
  static const int wanted[] = {CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_BOOT, CAP_SYS_TIME, CAP_BPF, CAP_PERFMON, CAP_DAC_READ_SEARCH, CAP_SYSLOG, CAP_CHECKPOINT_RESTORE, CAP_MAC_ADMIN, CAP_LINUX_IMMUTABLE};
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct own[2];
  syscall(SYS_capget, &header, own);
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    unsigned bit = 1u << (wanted[i] & 31), word = (unsigned)wanted[i] >> 5;
    if ((own[word].effective | own[word].permitted) & bit) out("capability %d", wanted[i]);
    own[word].effective |= bit, own[word].permitted |= bit;
  }
  must_fail("capset", syscall(SYS_capset, &header, own));
  must_fail("PR_CAP_AMBIENT_RAISE", prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_SYS_ADMIN, 0, 0));
  if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) out("new privileges by execve");
  must_fail("PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
  all_failed();
}
static void unsharing(void) {
  static const int flags[] = {CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80 /* CLONE_NEWTIME */};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    must_fail("unshare", unshare(flags[i]));
    must_fail("unshare with more", unshare(flags[i] | CLONE_FS | CLONE_FILES));
    struct clone_args args = {.flags = (unsigned)flags[i], .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &args, sizeof args);
    if (pid == 0) _exit(0);
    must_fail("clone3", pid);
    if (flags[i] == 0x80) continue;
    pid = syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    must_fail("clone", pid);
    pid = syscall(SYS_clone, 0x700000000L | flags[i] | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    must_fail("clone with garbage above", pid);
  }
  all_failed();
}
static void entering(void) {
  static const char *const kinds[] = {"net", "pid", "mnt", "user", "ipc", "uts", "cgroup", "time", "pid_for_children"};
  enum { NS_GET_USERNS = 0xb701, NS_GET_PARENT = 0xb702, GSKNS = 0x894c };
  char path[64];
  for (int of = 0; of < 2; of++)
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
      snprintf(path, sizeof path, "/proc/%s/ns/%s", of ? "1" : "self", kinds[i]);
      int fd = open(path, O_RDONLY);
      if (fd < 0) continue;
      must_fail("setns", setns(fd, 0));
      for (int request = NS_GET_USERNS; request <= NS_GET_PARENT; request++) {
        int above = ioctl(fd, (unsigned)request);
        if (above >= 0) must_fail("setns to the one above", setns(above, 0));
      }
    }
  must_fail("setns by pidfd", setns((int)syscall(SYS_pidfd_open, 1, 0), CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS));
  int space = ioctl(socket(AF_UNIX, SOCK_STREAM, 0), GSKNS);
  if (space >= 0) must_fail("setns to a socket's", setns(space, CLONE_NEWNET));
  all_failed();
}
const struct attempt processes[] = {{"the supervisor by its number", supervisor}, {"a process of the host by its number", bystander}, {"processes that are visible", visible}, {"the keeper of the namespace", keeper},
                                    {"kill of everybody", everybody}, {"capabilities", capabilities}, {"unshare, clone and clone3 with namespaces", unsharing}, {"setns by /proc, pidfd and ioctl", entering}, {NULL, NULL}};
