/* Interfaces of the kernel that all share: each acts outside of the sandbox, or hides calls from the filter. */
#include "red-team.h"
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <linux/reboot.h>
#include <linux/seccomp.h>
#include <sys/fanotify.h>
#include <sys/io.h>
#include <sys/klog.h>
#include <sys/swap.h>

static void io_uring(void) {
  char parameters[256] = {0};
  must_fail("io_uring_setup", syscall(425, 8, parameters));
  for (int fd = 0; fd < 64; fd++) {
    must_fail("io_uring_enter", syscall(426, fd, 1, 0, 0, 0, 0));
    must_fail("io_uring_register", syscall(427, fd, 0, 0, 0));
  }
  must_fail("io_uring_register without one", syscall(427, -1, 0, 0, 0));
  all_failed();
}
static void userfault(void) {
  must_fail("userfaultfd", syscall(SYS_userfaultfd, 0));
  must_fail("userfaultfd for its own", syscall(SYS_userfaultfd, 1));
  int fd = opened("/dev/userfaultfd", O_RDWR);
  if (fd < 0) fd = open("/dev/null", O_RDWR);
  must_fail("its device", ioctl(fd, 0xaa00, 0));
  all_failed();
}
static void bpf(void) {
  struct bpf_insn program[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K}, {.code = BPF_JMP | BPF_EXIT}};
  union bpf_attr load = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (uintptr_t)program, .license = (uintptr_t) "GPL"};
  union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1};
  must_fail("BPF_PROG_LOAD", syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load));
  must_fail("BPF_MAP_CREATE", syscall(SYS_bpf, BPF_MAP_CREATE, &map, sizeof map));
  all_failed();
}
static void perf(void) {
  struct perf_event_attr event = {.type = PERF_TYPE_SOFTWARE, .size = sizeof event, .config = PERF_COUNT_SW_CPU_CLOCK, .exclude_kernel = 1};
  must_fail("perf_event_open", syscall(SYS_perf_event_open, &event, 0, -1, -1, 0));
  must_fail("perf_event_open of a processor", syscall(SYS_perf_event_open, &event, -1, 0, -1, 0));
  all_failed();
}
/* A key of type dns_resolver makes the kernel start a program of the host that asks a name server. */
static void keys(void) {
  must_fail("request_key", syscall(SYS_request_key, "dns_resolver", "example.org", "", KEY_SPEC_SESSION_KEYRING));
  must_fail("request_key of a user's", syscall(SYS_request_key, "user", "sandsock", "", KEY_SPEC_USER_KEYRING));
  must_fail("add_key", syscall(SYS_add_key, "user", "sandsock", "x", 1, KEY_SPEC_USER_KEYRING));
  for (long operation = 0; operation < 40; operation++) must_fail("keyctl", syscall(SYS_keyctl, operation, KEY_SPEC_USER_KEYRING, 0, 0, 0));
  all_failed();
}
static void modules(void) {
  must_fail("init_module", syscall(SYS_init_module, "x", 1, ""));
  must_fail("finit_module", syscall(SYS_finit_module, open("/dev/null", O_RDONLY), "", 0));
  must_fail("delete_module", syscall(SYS_delete_module, "no_such_module", O_NONBLOCK));
  must_fail("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0));
  must_fail("kexec_file_load", syscall(SYS_kexec_file_load, -1, -1, 0, NULL, 0));
  all_failed();
}
static void machine(void) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  must_fail("clock_settime", clock_settime(CLOCK_REALTIME, &now));
  must_fail("reboot", syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, NULL));
  must_fail("swapon", swapon("/dev/null", 0));
  must_fail("acct", acct("/dev/null"));
  must_fail("iopl", iopl(3));
  must_fail("ioperm", ioperm(0x70, 2, 1));
  must_fail("syslog", klogctl(5, NULL, 0));
  must_fail("sethostname", sethostname("red", 3));
  must_fail("setdomainname", setdomainname("red", 3));
  must_fail("vhangup", vhangup());
  all_failed();
}
static void mounts(void) {
  own_directory();
  mkdir("there", 0700);
  must_fail("mount", syscall(SYS_mount, "none", "there", "tmpfs", 0, NULL));
  must_fail("mount of /proc", syscall(SYS_mount, "none", "there", "proc", 0, NULL));
  must_fail("bind", syscall(SYS_mount, "/", "there", NULL, 4096, NULL));
  must_fail("remount", syscall(SYS_mount, NULL, "/proc/sys", NULL, 32 | 4096, NULL));
  must_fail("umount of /proc", syscall(SYS_umount2, "/proc", 2));
  must_fail("pivot_root", syscall(SYS_pivot_root, ".", "."));
  must_fail("open_tree", syscall(428, AT_FDCWD, "/", 1));
  must_fail("move_mount", syscall(429, -1, "", AT_FDCWD, "there", 4));
  must_fail("fsopen", syscall(430, "tmpfs", 0));
  must_fail("fsconfig", syscall(431, 0, 6, NULL, NULL, 0));
  must_fail("fsmount", syscall(432, 0, 0, 0));
  must_fail("fspick", syscall(433, AT_FDCWD, "/", 0));
  uint64_t attributes[4] = {0, 1, 0, 0};
  must_fail("mount_setattr", syscall(442, AT_FDCWD, "/proc/sys", 0, attributes, sizeof attributes));
  must_fail("open_tree_attr", syscall(467, AT_FDCWD, "/", 1, attributes, sizeof attributes));
  all_failed();
}
static void handles(void) {
  struct { struct file_handle handle; unsigned char bytes[128]; } root = {.handle = {.handle_bytes = 128}};
  int mount;
  if (name_to_handle_at(AT_FDCWD, "/", &root.handle, &mount, 0)) must_fail("name_to_handle_at", -1);
  must_fail("open_by_handle_at", open_by_handle_at(open("/", O_RDONLY), &root.handle, O_RDONLY));
  must_fail("fanotify that decides", fanotify_init(FAN_CLASS_CONTENT, O_RDWR));
  int watch = fanotify_init(FAN_REPORT_FID, 0);
  if (watch >= 0) must_fail("fanotify of a file system", fanotify_mark(watch, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, "/"));
  all_failed();
}
static const struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}, notify[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF)};
static long install(const struct sock_filter *filter, unsigned flags) {
  struct sock_fprog program = {1, (struct sock_filter *)filter};
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
static void own_listener_of_calls(void) {
  must_fail("a second listener", install(notify, SECCOMP_FILTER_FLAG_NEW_LISTENER));
  must_fail("a second listener for all threads", install(notify, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH));
  all_failed();
}
/* A filter of its own comes on top: nothing that it says widens the first. */
static void own_filters(void) {
  if (install(allow, 0) || install(allow, SECCOMP_FILTER_FLAG_TSYNC)) out("no filter of its own: %s", strerror(errno));
  must_fail("AF_VSOCK", socket(AF_VSOCK, SOCK_STREAM, 0));
  must_fail("io_uring_setup", syscall(425, 8, NULL));
  all_failed();
}
static void diversion(void) {
  char selector = 0;
  must_fail("PTRACE_O_SUSPEND_SECCOMP", ptrace(PTRACE_SEIZE, getppid(), 0, 1 << 21));
  /* Syscall user dispatch comes before filters: what it lets through they see all the same. */
  if (prctl(59, 1, 0, 0, &selector)) must_fail("syscall user dispatch", -1);
  must_fail("AF_VSOCK", socket(AF_VSOCK, SOCK_STREAM, 0));
  all_failed();
}
/* A tracer rewrites number and arguments of a call between its entry and the filter. */
static void rewritten(void) {
#ifdef __x86_64__
  pid_t pid = fork();
  if (pid == 0) {
    if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(errno);
    raise(SIGSTOP);
    long fd = syscall(SYS_getppid);
    _exit(fd == -1 ? 100 : 0);
  }
  int status;
  waitpid(pid, &status, 0);
  if (WIFEXITED(status)) {
    errno = WEXITSTATUS(status);
    must_fail("PTRACE_TRACEME", -1);
    all_failed();
  }
  ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  for (int changed = 0;;) {
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
    if (waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status)) break;
    struct user_regs_struct registers;
    ptrace(PTRACE_GETREGS, pid, 0, &registers);
    if (!changed && registers.orig_rax == SYS_getppid) {
      registers.orig_rax = SYS_socket, registers.rdi = AF_VSOCK, registers.rsi = SOCK_STREAM, registers.rdx = 0;
      ptrace(PTRACE_SETREGS, pid, 0, &registers);
      changed = 1;
    } else if (changed == 1 && registers.orig_rax == SYS_socket) {
      errno = (int)-(long)registers.rax;
      must_fail("a rewritten call", (long)registers.rax < 0 ? -1 : (long)registers.rax);
      changed = 2;
    }
  }
  all_failed();
#else
  stopped("EAFNOSUPPORT");
#endif
}
static void typed(void) {
  char c = 'x';
  int master = posix_openpt(O_RDWR | O_NOCTTY);
  grantpt(master);
  unlockpt(master);
  setsid();
  int terminal = open(ptsname(master), O_RDWR);
  must_fail("TIOCSTI on its own terminal", ioctl(terminal, TIOCSTI, &c));
  for (int fd = 0; fd < 3; fd++) {
    must_fail("TIOCSTI", ioctl(fd, TIOCSTI, &c));
    must_fail("TIOCSTI with garbage above", syscall(SYS_ioctl, fd, 0x500000000L | TIOCSTI, &c));
    must_fail("TIOCLINUX", ioctl(fd, TIOCLINUX, "\3"));
  }
  all_failed();
}
const struct attempt kernel[] = {{"io_uring", io_uring}, {"userfaultfd", userfault}, {"bpf", bpf}, {"perf_event_open", perf}, {"keys", keys}, {"modules and kexec", modules}, {"clock, host name, swap, ports, reboot", machine}, {"mounts", mounts},
                                 {"file handles and fanotify", handles}, {"a seccomp listener of its own", own_listener_of_calls}, {"seccomp filters of its own", own_filters}, {"filters suspended or gone around", diversion}, {"a call rewritten by a tracer", rewritten},
                                 {"TIOCSTI and TIOCLINUX", typed}, {NULL, NULL}};
