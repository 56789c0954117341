/* Files that are the kernel's, and devices that are networks. */
#include "red-team.h"

static void written(const char *const *paths) {
  for (; *paths; paths++) {
    int fd = opened(*paths, O_WRONLY);
    if (fd < 0) continue;
    /* What is there already is written once more. */
    char text[256];
    int reader = open(*paths, O_RDONLY);
    ssize_t n = read(reader, text, sizeof text);
    if (n <= 0) out("%s can be opened for writing", *paths);
    must_fail(*paths, write(fd, text, (size_t)n));
  }
  all_failed();
}
static void upcalls(void) {
  static const char *const paths[] = {"/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/proc/sys/kernel/poweroff_cmd", "/proc/sys/kernel/usermodehelper/bset", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/release_agent",
                                      "/sys/fs/cgroup/cgroup.procs", "/sys/fs/cgroup/memory/release_agent", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/fs/binfmt_misc/status", "/sys/module/nfs/parameters/recover_lost_locks", NULL};
  written(paths);
}
static void settings(void) {
  static const char *const paths[] = {"/proc/sys/net/ipv4/ip_forward", "/proc/sys/net/core/somaxconn", "/proc/sys/net/ipv4/conf/all/forwarding", "/proc/sys/kernel/hostname", "/proc/sys/kernel/ns_last_pid", "/proc/sys/kernel/yama/ptrace_scope", "/proc/sys/vm/drop_caches",
                                      "/proc/sys/kernel/sysrq", "/proc/sysrq-trigger", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled", "/proc/irq/default_smp_affinity", "/proc/1/oom_adj_not_there", NULL};
  written(paths);
}
static void memory_files(void) {
  static const char *const paths[] = {"/dev/mem", "/dev/kmem", "/dev/port", NULL};
  for (const char *const *path = paths; *path; path++) must_fail(*path, opened(*path, O_RDONLY));
  char word[8];
  int fd = opened("/proc/kcore", O_RDONLY);
  if (fd >= 0 && read(fd, word, sizeof word) > 0) out("/proc/kcore can be read");
  all_failed();
}
/* A device by its name, or by a node of the guest's own. */
static int device(const char *path, unsigned major_number, unsigned minor_number) {
  static int made;
  char own[64];
  int fd = opened(path, O_RDWR);
  if (fd >= 0) return fd;
  own_directory();
  snprintf(own, sizeof own, "node%d", made++);
  if (mknod(own, S_IFCHR | 0600, makedev(major_number, minor_number))) must_fail("mknod", -1);
  return opened(own, O_RDWR);
}
static void tun(void) {
  struct { char name[16]; short flags; char rest[22]; } request = {.name = "red0", .flags = 0x1002};
  int fd = device("/dev/net/tun", 10, 200);
  /* The filter looks at the request alone, so that any descriptor shows it. */
  if (fd < 0) fd = open("/dev/null", O_RDWR);
  must_fail("TUNSETIFF", ioctl(fd, 0x400454ca, &request));
  must_fail("TUNSETIFF with garbage above", syscall(SYS_ioctl, fd, 0xdead00000000L | 0x400454ca, &request));
  must_fail("TUNSETPERSIST", ioctl(fd, 0x400454cb, 1));
  must_fail("read", read(fd, &request, 0) > 0 ? 1 : -1);
  all_failed();
}
static void vhost(void) {
  static const char *const paths[] = {"/dev/vhost-vsock", "/dev/vhost-net", "/dev/vhost-vdpa-0"};
  static const unsigned minors[] = {241, 238, 239};
  for (int i = 0; i < 3; i++) {
    int fd = device(paths[i], 10, minors[i]);
    if (fd < 0) fd = open("/dev/null", O_RDWR);
    must_fail("VHOST_SET_OWNER", ioctl(fd, 0xaf01));
    uint64_t cid = 77;
    must_fail("VHOST_VSOCK_SET_GUEST_CID", ioctl(fd, 0x4008af60, &cid));
    must_fail("with garbage above", syscall(SYS_ioctl, fd, 0x100000000L | 0xaf01));
  }
  all_failed();
}
static void ppp(void) {
  int unit = -1, fd = device("/dev/ppp", 108, 0);
  if (fd < 0) fd = open("/dev/null", O_RDWR);
  must_fail("PPPIOCNEWUNIT", ioctl(fd, 0xc004743e, &unit));
  int terminal = posix_openpt(O_RDWR | O_NOCTTY);
  for (int discipline = 1; discipline < 32; discipline++) /* SLIP, PPP, CAN and others make interfaces of a terminal */
    if (ioctl(terminal, TIOCSETD, &discipline) == 0 && discipline != 2 && discipline != 19) {
      struct { char name[16]; short flags; char rest[22]; } request = {.flags = 0};
      must_fail("SIOCGIFNAME of a terminal", ioctl(terminal, 0x8910, &request));
    } else if (errno) must_fail("TIOCSETD", -1);
  all_failed();
}
static void fuse(void) {
  int fd = device("/dev/fuse", 10, 229);
  char options[64];
  own_directory();
  mkdir("there", 0700);
  snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
  must_fail("mount", syscall(SYS_mount, "red", "there", "fuse", 0, options));
  all_failed();
}
const struct attempt files[] = {{"files by which the kernel starts programs", upcalls}, {"settings of the kernel", settings}, {"memory of the kernel", memory_files}, {"/dev/net/tun", tun}, {"/dev/vhost-vsock and vhost-net", vhost}, {"ppp and line disciplines", ppp}, {"fuse", fuse}, {NULL, NULL}};
