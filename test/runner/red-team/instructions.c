/*
 * Where a call is let through by having the thread make it again, another can be made in its place: the octets of the syscall instruction are memory, which another thread turns into a jump to a call of its own.
 */
#include "red-team.h"

static int plain;
static struct sockaddr_un host;

#ifdef __x86_64__
enum { PAGE = 4096, CALL_AT = 12, OTHER_AT = 64 };
typedef long (*call)(long nr, long a, long b, long c);
static const uint16_t SYSCALL = 0x050f, JUMP = 0xeb | (OTHER_AT - (CALL_AT + 2)) << 8;
static unsigned char *code;
static volatile int over;

static void write_code(void) {
  /* mov rax, rdi; mov rdi, rsi; mov rsi, rdx; mov rdx, rcx; syscall; ret */
  static const unsigned char any[] = {0x48, 0x89, 0xf8, 0x48, 0x89, 0xf7, 0x48, 0x89, 0xd6, 0x48, 0x89, 0xca, 0x0f, 0x05, 0xc3};
  unsigned char other[] = {0xbf, 0, 0, 0, 0, 0x48, 0xbe, 0, 0, 0, 0, 0, 0, 0, 0, 0xba, 0, 0, 0, 0, 0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
  /* mov edi, plain; mov rsi, &host; mov edx, sizeof host; mov eax, connect; syscall; ret */
  int length = sizeof host, nr = SYS_connect;
  void *address = &host;
  memcpy(other + 1, &plain, 4);
  memcpy(other + 7, &address, 8);
  memcpy(other + 16, &length, 4);
  memcpy(other + 21, &nr, 4);
  code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) out("no memory for code: %s", strerror(errno));
  memcpy(code, any, sizeof any);
  memcpy(code + OTHER_AT, other, sizeof other);
}
static void put(uint16_t instruction) { __atomic_store_n((uint16_t *)(void *)(code + CALL_AT), instruction, __ATOMIC_SEQ_CST); }

static int ends[2];
static void fill(int fd) {
  static char octets[65536];
  for (int quiet = 0; quiet < 3; quiet++) {
    while (send(fd, octets, sizeof octets, MSG_DONTWAIT) > 0) quiet = 0;
    usleep(50000);
  }
  while (send(fd, octets, 1, MSG_DONTWAIT) > 0);
}
static void *rewrite_and_break(void *unused) {
  usleep(200000);
  put(JUMP);
  shutdown(ends[0], SHUT_WR);
  return unused;
}
static long wait_there(void) {
  tcp_pair(ends);
  fill(ends[0]);
  struct iovec data = {"x", 1};
  struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1};
  pthread_t thread;
  pthread_create(&thread, NULL, rewrite_and_break, NULL);
  return ((call)(void *)code)(SYS_sendmsg, ends[0], (long)&message, 0);
}

static void *rewrite(void *unused) {
  for (unsigned i = 0; !over; i++) {
    put(i & 1 ? SYSCALL : JUMP);
    for (volatile unsigned wait = i % 997; wait > 0; wait--);
  }
  return unused;
}
static void make_there(void) {
  const char *text = getenv("RED_TEAM_RACE_MS");
  pthread_t thread;
  pthread_create(&thread, NULL, rewrite, NULL);
  for (long end = now_ms() + (text ? atol(text) : 700); now_ms() < end;) {
    long fd = ((call)(void *)code)(SYS_socket, AF_INET, SOCK_STREAM, 0);
    if (fd > 2 && fd != plain) close((int)fd);
    if (getpeername(plain, (struct sockaddr *)&(struct sockaddr_un){0}, &(socklen_t){sizeof host}) == 0) out("connected to the host's %s", host.sun_path);
  }
}
#else
/* Its instructions are those of x86_64. */
static void write_code(void) {}
static long wait_there(void) { return -EPIPE; }
static void make_there(void) {}
#endif

static void prepare(void) {
  plain = socket(AF_UNIX, SOCK_STREAM, 0);
  unix_address(&host, host_path("docker.sock"));
  write_code();
}
static void waiting(void) {
  prepare();
  long result = wait_there();
  errno = (int)-result;
  must_fail("the call in its place", result < 0 ? -1 : result);
  if (getpeername(plain, (struct sockaddr *)&(struct sockaddr_un){0}, &(socklen_t){sizeof host}) == 0) out("connected to the host's %s", host.sun_path);
  all_failed();
}
/* In a process of its own: one that does something else than it was made to is killed. */
static void entering(void) {
  prepare();
  pid_t pid = fork();
  if (pid == 0) {
    make_there();
    _exit(0);
  }
  while (waitpid(pid, NULL, 0) < 0 && errno == EINTR);
  if (getpeername(plain, (struct sockaddr *)&(struct sockaddr_un){0}, &(socklen_t){sizeof host}) == 0) out("connected to the host's %s", host.sun_path);
  stopped("never reached");
}
const struct attempt instructions[] = {{"a call that waits, its instruction rewritten", waiting}, {"race: instructions rewritten as a descriptor enters", entering}, {NULL, NULL}};
