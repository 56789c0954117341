/*
 * Numbered calls over loopback, under a timer in each process: octets of streams, datagrams and connections have their number, and each must come once and in order.
 * numbered restart|interrupt CALLS HERTZ SEED; run it natively to see what Linux does. Prints a line for each sort of call: how many, and how many were EINTR, EAGAIN and short.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { WRITE, WRITEV, SEND, SENDTO, SENDMSG, SENDMMSG, READ, READV, RECV, RECVFROM, RECVMSG, RECVMMSG, PEEK, WAITALL, ACCEPT, CONNECT, POLL, SORTS };
static const char *const names[] = {"write", "writev", "send", "sendto", "sendmsg", "sendmmsg", "read", "readv", "recv", "recvfrom", "recvmsg", "recvmmsg",
                                    "peek", "waitall", "accept", "connect", "poll"};
enum { MOST = 4096, WINDOW = 16, LAST = 0x7fffffff };
struct counts { long calls, interrupted, again, brief; };
static struct shared { struct counts counts[2][SORTS]; long phase, signals; } *shared;
static long hertz;
static int restarts;
static __thread uint64_t random_state;

#define ADD(what) __atomic_add_fetch(&(what), 1, __ATOMIC_RELAXED)
static uint32_t any(uint32_t below) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33) % below;
}
static void tick(int number) { (void)number; ADD(shared->signals); }
__attribute__((noreturn)) static void fail(const char *format, ...) {
  int saved = errno;
  va_list list;
  va_start(list, format);
  vfprintf(stderr, format, list);
  fprintf(stderr, ": %s\n", strerror(saved));
  kill(0, SIGKILL);
  _exit(1);
}
static void set_timer(long rate) {
  struct itimerval every = {{0, rate ? 1000000 / rate : 0}, {0, rate ? 1000000 / rate : 0}};
  setitimer(ITIMER_REAL, &every, NULL);
}
/* Calls that on Linux never end with EINTR may do so in a sandbox, and have done nothing then (docs/decisions/0018). */
#define AGAIN(call) ({ long result; do result = (call); while (result < 0 && errno == EINTR); result; })
/* Counts a call of that sort; true if it is to be made again at once. */
static int counted(int sort, int waits, ssize_t n, size_t wanted) {
  struct counts *c = &shared->counts[!waits][sort];
  ADD(c->calls);
  ADD(shared->phase);
  if (n >= 0) {
    if ((size_t)n < wanted) ADD(c->brief);
    return 0;
  }
  if (errno == EINTR) return ADD(c->interrupted), 1;
  if (errno == EAGAIN) return ADD(c->again), 0;
  fail("%s", names[sort]);
}
static void wait_for(int fd, int events) {
  struct pollfd one = {fd, events, 0};
  while (counted(POLL, 1, poll(&one, 1, -1), 0)) continue;
}
static unsigned char octet(long at) { return (uint32_t)(at >> 2) * 2654435761u >> 8 * (at & 3); }
static int is_nonblocking(int fd) { return (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0; }

static void gather(struct iovec iov[3], unsigned char *buffer, size_t len) {
  size_t first = any(len + 1), second = any(len - first + 1);
  iov[0] = (struct iovec){buffer, first};
  iov[1] = (struct iovec){buffer + first, second};
  iov[2] = (struct iovec){buffer + first + second, len - first - second};
}
/* In three messages of thirds; the sum of what was moved. */
static ssize_t many(int fd, unsigned char *buffer, size_t len, int flags, int receives) {
  struct iovec iov[3];
  struct mmsghdr messages[3] = {0};
  size_t third = len / 3;
  ssize_t sum = 0;
  for (int i = 0; i < 3; i++) {
    iov[i] = (struct iovec){buffer + i * third, i == 2 ? len - 2 * third : third};
    messages[i].msg_hdr.msg_iov = &iov[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  int n = receives ? recvmmsg(fd, messages, 3, flags | MSG_WAITFORONE, NULL) : sendmmsg(fd, messages, 3, flags);
  if (n < 0) return n;
  for (int i = 0; i < n; i++) {
    /* What came may not fill its part. */
    memmove(buffer + sum, buffer + i * third, messages[i].msg_len);
    sum += messages[i].msg_len;
  }
  return sum;
}
static ssize_t put(int fd, int sort, unsigned char *buffer, size_t len, int flags) {
  struct iovec iov[3];
  gather(iov, buffer, len);
  struct msghdr message = {.msg_iov = iov, .msg_iovlen = 3};
  switch (sort) {
    case WRITE: return write(fd, buffer, len);
    case WRITEV: return writev(fd, iov, 3);
    case SEND: return send(fd, buffer, len, flags);
    case SENDTO: return sendto(fd, buffer, len, flags | MSG_NOSIGNAL, NULL, 0);
    case SENDMSG: return sendmsg(fd, &message, flags);
    default: return many(fd, buffer, len, flags, 0);
  }
}
static ssize_t get(int fd, int sort, unsigned char *buffer, size_t len, int flags) {
  struct iovec iov[3];
  struct sockaddr_in from;
  socklen_t from_len = sizeof from;
  gather(iov, buffer, len);
  struct msghdr message = {.msg_iov = iov, .msg_iovlen = 3, .msg_name = &from, .msg_namelen = sizeof from};
  switch (sort) {
    case READ: return read(fd, buffer, len);
    case READV: return readv(fd, iov, 3);
    case RECV: return recv(fd, buffer, len, flags);
    case RECVFROM: return recvfrom(fd, buffer, len, flags, (struct sockaddr *)&from, &from_len);
    case RECVMSG: return recvmsg(fd, &message, flags);
    case PEEK: return recv(fd, buffer, len, flags | MSG_PEEK);
    case WAITALL: return recv(fd, buffer, len, flags | MSG_WAITALL);
    default: return many(fd, buffer, len, flags, 1);
  }
}
/* One call in four does not wait, where its sort has flags. */
static int flags_of(int sort) { return sort != WRITE && sort != WRITEV && sort != READ && sort != READV && any(4) == 0 ? MSG_DONTWAIT : 0; }

static void give_stream(int fd, long calls) {
  static __thread unsigned char buffer[MOST];
  long at = 0;
  int waits = !is_nonblocking(fd);
  while (__atomic_load_n(&shared->phase, __ATOMIC_RELAXED) < calls) {
    int sort = WRITE + any(SENDMMSG - WRITE + 1), flags = flags_of(sort);
    size_t len = 3 + any(3000);
    for (size_t i = 0; i < len; i++) buffer[i] = octet(at + i);
    ssize_t n = put(fd, sort, buffer, len, flags);
    if (counted(sort, waits && !flags, n, len)) continue;
    if (n < 0) wait_for(fd, POLLOUT);
    else at += n;
  }
  /* How many there were is their last eight octets. */
  for (ssize_t done = 0, n; done < 8; done += n > 0 ? n : 0) {
    n = put(fd, SEND, (unsigned char *)&at + done, 8 - done, MSG_NOSIGNAL);
    if (!counted(SEND, waits, n, 8 - done) && n < 0) wait_for(fd, POLLOUT);
  }
  if (AGAIN(shutdown(fd, SHUT_WR)) < 0) fail("shutdown");
}
static void take_stream(int fd) {
  static __thread unsigned char buffer[MOST], seen[MOST];
  unsigned char last[8];
  long at = 0;
  ssize_t peeked = 0;
  int waits = !is_nonblocking(fd);
  for (;;) {
    int sort = READ + any(WAITALL - READ + 1), flags = flags_of(sort);
    size_t len = 3 + any(3000);
    ssize_t n = get(fd, sort, buffer, len, flags);
    if (counted(sort, waits && !flags, n, len)) continue;
    if (n == 0) break;
    if (n < 0) wait_for(fd, POLLIN);
    /* What was seen stays until it is taken. */
    if (n > 0 && memcmp(buffer, seen, n < peeked ? n : peeked) != 0) fail("%s: not what was peeked at %ld", names[sort], at);
    if (n > 0) peeked = 0;
    if (n > 0 && sort == PEEK) {
      memcpy(seen, buffer, n);
      peeked = n;
      continue;
    }
    /* The eight before the end are told apart when it is there. */
    for (ssize_t i = 0; i < n; i++, at++) {
      if (at >= 8 && last[at & 7] != octet(at - 8)) fail("%s: octet %ld of a stream is another", names[sort], at - 8);
      last[at & 7] = buffer[i];
    }
  }
  unsigned char tail[8];
  for (int i = 0; i < 8; i++) tail[i] = last[(at + i) & 7];
  long told;
  memcpy(&told, tail, 8);
  if (told != at - 8) fail("%ld octets of a stream of %ld", at - 8, told);
}

static void give_datagrams(int fd, long calls) {
  unsigned char buffer[3][1200];
  int waits = !is_nonblocking(fd);
  uint32_t next = 0, answer;
  for (int ends = 0; !ends;) {
    ends = __atomic_load_n(&shared->phase, __ATOMIC_RELAXED) >= calls;
    for (uint32_t stop = next + WINDOW; next < stop;) {
      static const int sorts[] = {WRITE, WRITEV, SEND, SENDTO, SENDMSG, SENDMMSG};
      int sort = sorts[any(stop - next >= 3 ? 6 : 5)], flags = flags_of(sort);
      size_t len[3];
      struct iovec iov[3];
      struct mmsghdr messages[3] = {0};
      for (int i = 0; i < 3; i++) {
        uint32_t number = ends && next + i + 1 == stop ? LAST : next + i;
        len[i] = 4 + any(1197);
        memcpy(buffer[i], &number, 4);
        for (size_t k = 4; k < len[i]; k++) buffer[i][k] = octet((long)number * 7 + k);
        iov[i] = (struct iovec){buffer[i], len[i]};
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
      }
      ssize_t n = sort == SENDMMSG ? sendmmsg(fd, messages, 3, flags) : put(fd, sort, buffer[0], len[0], flags);
      if (counted(sort, waits && !flags, n, sort == SENDMMSG ? 3 : len[0])) continue;
      if (n < 0) wait_for(fd, POLLOUT);
      else next += sort == SENDMMSG ? n : 1;
    }
    for (;;) {
      ssize_t n = recv(fd, &answer, 4, 0);
      if (counted(RECV, waits, n, 4)) continue;
      if (n >= 0) break;
      wait_for(fd, POLLIN);
    }
    if (answer != next) fail("answer %u where %u datagrams went", answer, next);
  }
}
static void is_datagram(const unsigned char *buffer, ssize_t n, uint32_t expected, int sort) {
  uint32_t number;
  memcpy(&number, buffer, 4);
  if (n < 4 || (number != expected && (number != LAST || (expected & (WINDOW - 1)) != WINDOW - 1)))
    fail("%s: datagram %u where %u was to come", names[sort], number, expected);
  for (ssize_t k = 4; k < n; k++)
    if (buffer[k] != octet((long)number * 7 + k)) fail("%s: datagram %u has other octets", names[sort], number);
}
static void take_datagrams(int fd) {
  unsigned char buffer[3][1200];
  int waits = !is_nonblocking(fd), last = 0;
  for (uint32_t next = 0; !last;) {
    static const int sorts[] = {READ, READV, RECV, RECVFROM, RECVMSG, PEEK, RECVMMSG};
    int sort = sorts[any(7)], flags = flags_of(sort);
    struct iovec iov[3];
    struct mmsghdr messages[3] = {0};
    for (int i = 0; i < 3; i++) {
      iov[i] = (struct iovec){buffer[i], 1200};
      messages[i].msg_hdr.msg_iov = &iov[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    int is_many = sort == RECVMMSG;
    ssize_t n = is_many ? recvmmsg(fd, messages, 3, flags | MSG_WAITFORONE, NULL) : get(fd, sort, buffer[0], 1200, flags);
    if (counted(sort, waits && !flags, n, 0)) continue;
    if (n < 0) { wait_for(fd, POLLIN); continue; }
    int count = is_many ? n : 1;
    for (int i = 0; i < count; i++) {
      uint32_t number;
      is_datagram(buffer[i], is_many ? messages[i].msg_len : n, next, sort);
      memcpy(&number, buffer[i], 4);
      if (sort == PEEK) break;
      last |= number == LAST;
      next++;
      if (next % WINDOW != 0) continue;
      for (;;) {
        ssize_t sent = send(fd, &next, 4, 0);
        if (counted(SEND, waits, sent, 4)) continue;
        if (sent >= 0) break;
        wait_for(fd, POLLOUT);
      }
    }
  }
}

static int bound(int type, struct sockaddr_in *name) {
  socklen_t len = sizeof *name;
  int fd = AGAIN(socket(AF_INET, type, 0));
  *name = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0 || AGAIN(bind(fd, (struct sockaddr *)name, len)) < 0 || AGAIN(getsockname(fd, (struct sockaddr *)name, &len)) < 0) fail("a socket");
  return fd;
}
static void join(int fd, const struct sockaddr_in *name) {
  int waits = !is_nonblocking(fd), error = 0;
  socklen_t len = sizeof error;
  for (;;) {
    ssize_t n = connect(fd, (const struct sockaddr *)name, sizeof *name);
    /* An attempt that was interrupted goes on. */
    if (n < 0 && errno == EISCONN) n = 0;
    if (n < 0 && (errno == EINPROGRESS || errno == EALREADY)) errno = EAGAIN;
    if (counted(CONNECT, waits, n, 0)) continue;
    if (n == 0) return;
    wait_for(fd, POLLOUT);
    AGAIN(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
    errno = error;
    if (error != 0) fail("connect");
  }
}
static int next_connection(int listener) {
  int waits = !is_nonblocking(listener);
  for (;;) {
    int fd = any(2) ? accept(listener, NULL, NULL) : accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (counted(ACCEPT, waits, fd, 0)) continue;
    if (fd >= 0) return fd;
    wait_for(listener, POLLIN);
  }
}
static void nonblocking(int fd) { fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK); }
static void pair_of_streams(int ends[2], int nonblock) {
  struct sockaddr_in name;
  int listener = bound(SOCK_STREAM, &name);
  if (AGAIN(listen(listener, 8)) < 0) fail("listen");
  ends[0] = AGAIN(socket(AF_INET, SOCK_STREAM, 0));
  join(ends[0], &name);
  ends[1] = next_connection(listener);
  close(listener);
  if (nonblock) nonblocking(ends[0]), nonblocking(ends[1]);
}
static void pair_of_datagrams(int ends[2], int nonblock) {
  struct sockaddr_in first, second;
  ends[0] = bound(SOCK_DGRAM, &first);
  ends[1] = bound(SOCK_DGRAM, &second);
  if (connect(ends[0], (struct sockaddr *)&second, sizeof second) < 0 || connect(ends[1], (struct sockaddr *)&first, sizeof first) < 0) fail("connect");
  if (nonblock) nonblocking(ends[0]), nonblocking(ends[1]);
}
static void exact(int fd, int receives, uint32_t *number) {
  int waits = !is_nonblocking(fd);
  for (;;) {
    ssize_t n = receives ? recv(fd, number, 4, 0) : send(fd, number, 4, MSG_NOSIGNAL);
    if (counted(receives ? RECV : SEND, waits, n, 4)) continue;
    if (n == 4) return;
    if (n >= 0) fail("%zd octets of a number", n);
    wait_for(fd, receives ? POLLIN : POLLOUT);
  }
}
static void call_up(const struct sockaddr_in *name, int nonblock, long calls) {
  struct linger reset = {1, 0};
  for (uint32_t number = 0, answer; number != LAST;) {
    if (__atomic_load_n(&shared->phase, __ATOMIC_RELAXED) >= calls) number = LAST;
    int fd = AGAIN(socket(AF_INET, SOCK_STREAM | (nonblock ? SOCK_NONBLOCK : 0), 0));
    if (fd < 0) fail("socket");
    join(fd, name);
    exact(fd, 0, &number);
    exact(fd, 1, &answer);
    if (answer != ~number) fail("answer %u to connection %u", answer, number);
    AGAIN(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset));
    close(fd);
    if (number != LAST) number++;
  }
}
static void answer_calls(int listener) {
  for (uint32_t next = 0, number; next != LAST; next = number == LAST ? LAST : next + 1) {
    int fd = next_connection(listener);
    exact(fd, 1, &number);
    if (number != next && number != LAST) fail("connection %u where %u was to come", number, next);
    number = ~number;
    exact(fd, 0, &number);
    number = ~number;
    close(fd);
  }
}

enum what { STREAM, DATAGRAMS, CONNECTIONS };
static uint64_t seed;
static pid_t forked(void) {
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) { seed = seed * 31 + getpid(); random_state = seed; set_timer(hertz); }
  return child;
}
/* Giver and taker, each a process with a timer. */
static void start(enum what what, int nonblock, long calls) {
  int ends[2] = {-1, -1};
  struct sockaddr_in name;
  if (what == STREAM) pair_of_streams(ends, nonblock);
  else if (what == DATAGRAMS) pair_of_datagrams(ends, nonblock);
  else {
    ends[1] = bound(SOCK_STREAM, &name);
    if (listen(ends[1], 8) < 0) fail("listen");
    if (nonblock) nonblocking(ends[1]);
  }
  for (int taker = 0; taker < 2; taker++) {
    if (forked() != 0) continue;
    if (ends[!taker] >= 0) close(ends[!taker]);
    if (what == STREAM) taker ? take_stream(ends[1]) : give_stream(ends[0], calls);
    else if (what == DATAGRAMS) taker ? take_datagrams(ends[1]) : give_datagrams(ends[0], calls);
    else taker ? answer_calls(ends[1]) : call_up(&name, nonblock, calls);
    _exit(0);
  }
  if (ends[0] >= 0) close(ends[0]);
  close(ends[1]);
}
static void finish(const char *name) {
  int status;
  static long before;
  while (wait(&status) > 0) if (status != 0) fail("%s: status %d", name, status);
  fprintf(stderr, "%s: %ld calls, %ld signals\n", name, shared->phase, shared->signals - before);
  before = shared->signals;
  shared->phase = 0;
}
static long thread_calls;
static void *giving(void *fd) { random_state = seed + 1; give_stream(*(int *)fd, thread_calls); return NULL; }
static void *taking(void *fd) { random_state = seed + 2; take_stream(*(int *)fd); return NULL; }
/* Two threads of one process: a signal is for whichever. */
static void threads(long calls) {
  if (forked() != 0) return;
  int ends[2];
  pthread_t one, other;
  thread_calls = calls;
  pair_of_streams(ends, 0);
  pthread_create(&one, NULL, giving, &ends[0]);
  pthread_create(&other, NULL, taking, &ends[1]);
  pthread_join(one, NULL);
  pthread_join(other, NULL);
  _exit(0);
}

int main(int argc, char **argv) {
  if (argc != 5) return 2;
  long calls = atol(argv[2]), part = calls / 8;
  hertz = atol(argv[3]);
  seed = random_state = strtoull(argv[4], NULL, 0);
  restarts = strcmp(argv[1], "restart") == 0;
  setpgid(0, 0);
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  struct sigaction action = {.sa_handler = tick, .sa_flags = restarts ? SA_RESTART : 0};
  sigaction(SIGALRM, &action, NULL);
  start(STREAM, 0, part), finish("stream");
  start(STREAM, 1, part), finish("stream, non-blocking");
  start(DATAGRAMS, 0, part), finish("datagrams");
  start(DATAGRAMS, 1, part), finish("datagrams, non-blocking");
  start(CONNECTIONS, 0, part), finish("connections");
  start(CONNECTIONS, 1, part), finish("connections, non-blocking");
  start(STREAM, 0, part), start(DATAGRAMS, 0, part), start(STREAM, 1, part), start(CONNECTIONS, 0, part), finish("all at once");
  threads(part), finish("threads");
  for (int waits = 0; waits < 2; waits++)
    for (int sort = 0; sort < SORTS; sort++) {
      struct counts *c = &shared->counts[!waits][sort];
      if (c->calls > 0) printf("%s %s %ld %ld %ld %ld\n", names[sort], waits ? "waits" : "tries", c->calls, c->interrupted, c->again, c->brief);
    }
  puts("ok");
  return 0;
}
