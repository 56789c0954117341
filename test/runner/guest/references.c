/*
 * Sockets that many processes and threads hold, duplicate, pass on and drop at random. A socket has a number from its making on, and whoever holds it proves that it is the very one: it keeps its number as an
 * option, and octets that go over a connection say whose they are. A registry has the other end of each and sees it end: not before the last reference was dropped, and soon after.
 *
 * references SECONDS PROCESSES THREADS SEED LATE_MS; run it natively to see what Linux does. Says "begin" and "end" and waits for a line at each, for who wants to look at the supervisor then.
 *
 * References are counted in shared memory: before a call that makes one, and before a call that drops one, so a count of zero means that none is left, or a call away from it. What a table of descriptors
 * holds is known exactly: each of its threads changes only numbers of its own, and fork, exec and exit wait for calls in hand.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 1 << 22, OWNERS = 10, HELD = 20, LOW = 256, RANGE = 16, FDS = LOW + OWNERS * RANGE, TABLES = 256, PROCESSES = 64, THREADS = 8 };
/* Descriptors that every process has. */
enum { SHARED = 600, MAIL_IN, MAIL_OUT, NAMED, WATCH, SAVED = 610, LAST_FIXED = 620 };
enum { PORT = 7000, REGISTRY = 7777 };

enum kind { NONE, FRESH, BUSY, BOUND, DATAGRAM, LISTENER, CONNECTED };
enum { SHUT = 1, HALF = 2, OFFERED = 4, ACCEPTED = 8, STREAM = 16 };
struct object { int refs, kind, flags, parent; long dropped; };
/* A lock that a process may hold over exec, and whose holder may be killed with it. */
struct lock { int value, wanted; };
struct table { struct lock lock; int users, owners; struct { int object; short owner; char cloexec; } fd[FDS]; };
struct process { struct lock gate; int pid; struct { int table, owner; } thread[THREADS]; };
enum what { MAKE, MATURE, CALL_UP, ACCEPT, DUP, DUP2, DUPFD, CLOSE, RANGED, CLOEXEC_FLAG, PROVE, SHUTDOWN, MAIL, MAIL_NAMED, OPEN_MAIL, STEAL, WATCHED, THREAD, FORK, SHARE, UNSHARE, SPAWN, EXEC, KILL, SORTS };
static const char *const names[] = {"make", "mature", "connect", "accept", "dup", "dup2", "dupfd", "close", "close_range", "cloexec", "prove", "shutdown", "mail", "named mail", "open mail", "pidfd_getfd", "watch", "thread", "fork",
                                    "share files", "unshare files", "vfork and exec", "exec", "kill"};
static struct shared {
  int stop, failed, next_id, running, most_processes, most_threads;
  long late_ms, latest, ends, start, seconds, counts[SORTS];
  uint64_t seed;
  char failure[400];
  struct process processes[PROCESSES];
  struct table tables[TABLES];
  struct object objects[MOST];
} *shared;

/* `is_raw`: made by clone(2) itself, of which libc does not know. */
struct task { struct process *process; struct table *table; int slot, owner, is_raw; uint64_t random; };

#define ADD(what, n) __atomic_add_fetch(&(what), n, __ATOMIC_SEQ_CST)
#define LOAD(what) __atomic_load_n(&(what), __ATOMIC_SEQ_CST)
#define STORE(what, value) __atomic_store_n(&(what), value, __ATOMIC_SEQ_CST)
#define SWAPPED(what, from, to) ({ int old = from; __atomic_compare_exchange_n(&(what), &old, to, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); })
#define AGAIN(call) ({ long result; do result = (call); while (result < 0 && errno == EINTR); result; })

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void nap(long us) {
  struct timespec t = {us / 1000000, us % 1000000 * 1000};
  nanosleep(&t, NULL);
}
/* The first failure is the one that is told; everybody goes then. */
static void fail(const char *format, ...) {
  int saved = errno;
  if (!SWAPPED(shared->failed, 0, 1)) return;
  va_list list;
  va_start(list, format);
  int n = vsnprintf(shared->failure, sizeof shared->failure, format, list);
  va_end(list);
  snprintf(shared->failure + n, sizeof shared->failure - n, " (%s), after %ld ms", strerror(saved), now() - shared->start);
  STORE(shared->stop, 1);
}
static uint32_t any(struct task *task, uint32_t below) {
  task->random = task->random * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(task->random >> 33) % below;
}
static unsigned char octet_of(int id) { return (uint32_t)id * 2654435761u >> 24; }

/* Of this process: its locks are another one's soon. */
static int leaving;
static void wait_at(struct lock *lock, int value) {
  struct timespec limit = {0, 5000000};
  while (LOAD(leaving)) pause();
  syscall(SYS_futex, &lock->value, FUTEX_WAIT, value, &limit, NULL, 0);
}
static void wake(struct lock *lock) { syscall(SYS_futex, &lock->value, FUTEX_WAKE, 1 << 30, NULL, NULL, 0); }
static void share_lock(struct lock *lock) {
  for (;;) {
    int value = LOAD(lock->value);
    if (value >= 0 && LOAD(lock->wanted) == 0 && !LOAD(leaving) && SWAPPED(lock->value, value, value + 1)) return;
    wait_at(lock, value);
  }
}
static void unshare_lock(struct lock *lock) {
  if (ADD(lock->value, -1) == 0) wake(lock);
}
static int try_lock(struct lock *lock) { return SWAPPED(lock->value, 0, -1); }
static void take_lock(struct lock *lock) {
  ADD(lock->wanted, 1);
  for (int value = LOAD(lock->value); !try_lock(lock); value = LOAD(lock->value)) if (value != 0) wait_at(lock, value);
  ADD(lock->wanted, -1);
}
static void free_lock(struct lock *lock) { STORE(lock->value, 0), wake(lock); }
static void begin(struct task *task) { share_lock(&task->process->gate), share_lock(&task->table->lock); }
static void finish(struct task *task) { unshare_lock(&task->table->lock), unshare_lock(&task->process->gate); }
static void begin_alone(struct task *task) { take_lock(&task->process->gate), take_lock(&task->table->lock); }
static void finish_alone(struct task *task) { free_lock(&task->table->lock), free_lock(&task->process->gate); }

/* References */

static void more(int id) {
  if (ADD(shared->objects[id].refs, 1) == 1) fail("socket %d had no reference", id);
}
static void less(int id) {
  if (ADD(shared->objects[id].refs, -1) == 0) STORE(shared->objects[id].dropped, now());
}
static void put(struct task *task, int fd, int id, int cloexec) {
  if (fd < 0 || fd >= FDS) { fail("descriptor %d", fd); return; }
  struct table *table = task->table;
  if (table->fd[fd].object != 0) fail("descriptor %d was given twice: for %d while it is %d", fd, id, table->fd[fd].object);
  table->fd[fd].object = id, table->fd[fd].owner = task->owner, table->fd[fd].cloexec = cloexec;
}
static int take_out(struct table *table, int fd) {
  int id = table->fd[fd].object;
  table->fd[fd].object = 0;
  less(id);
  return id;
}
/* One of the task's own descriptors that has a socket, or with `kind` one of those; -1 if there is none. */
static int mine(struct task *task, int kind) {
  int start = any(task, FDS);
  for (int i = 0; i < FDS; i++) {
    int fd = (start + i) % FDS, id = task->table->fd[fd].object;
    if (id != 0 && task->table->fd[fd].owner == task->owner && (kind == NONE || LOAD(shared->objects[id].kind) == kind)) return fd;
  }
  return -1;
}
static int held(struct task *task) {
  int count = 0;
  for (int fd = 0; fd < FDS; fd++) count += task->table->fd[fd].object != 0 && task->table->fd[fd].owner == task->owner;
  return count;
}
/* A number that no other task gets; alone it may take 0, 1 and 2 as well. */
static int own_number(struct task *task) {
  if (LOAD(task->table->users) == 1 && any(task, 8) == 0) return any(task, 3);
  return LOW + task->owner * RANGE + any(task, RANGE);
}
static int new_table(void) {
  for (int i = 0; i < TABLES; i++)
    if (SWAPPED(shared->tables[i].users, 0, 1)) {
      shared->tables[i].lock = (struct lock){0, 0};
      shared->tables[i].owners = 0;
      return i;
    }
  return -1;
}
static int index_of(struct table *table) { return table - shared->tables; }
/* A second table with the same descriptors, of which each is a reference more. */
static int copy_table(struct table *table) {
  int i = new_table();
  if (i < 0) return i;
  memcpy(shared->tables[i].fd, table->fd, sizeof table->fd);
  for (int fd = 0; fd < FDS; fd++) if (table->fd[fd].object != 0) more(table->fd[fd].object);
  return i;
}
static void empty_table(struct table *table) {
  for (int fd = 0; fd < FDS; fd++) if (table->fd[fd].object != 0) take_out(table, fd);
}
/* Before one that uses it goes, with its lock; true for the last. */
static int leave_table(struct table *table) {
  if (LOAD(table->users) > 1) return ADD(table->users, -1), 0;
  empty_table(table);
  return 1;
}
/* Another may have it from now on. */
static void free_table(struct table *table, int is_last) {
  free_lock(&table->lock);
  if (is_last) STORE(table->users, 0);
}
static int new_owner(struct table *table) {
  for (int i = 0; i < OWNERS; i++) {
    int owners = LOAD(table->owners);
    if (!(owners & 1 << i) && SWAPPED(table->owners, owners, owners | 1 << i)) return i;
  }
  return -1;
}
static void end_owner(struct table *table, int owner) { __atomic_and_fetch(&table->owners, ~(1 << owner), __ATOMIC_SEQ_CST); }
static struct process *new_process(void) {
  if (ADD(shared->running, 1) > shared->most_processes) { ADD(shared->running, -1); return NULL; }
  for (int i = 0; i < PROCESSES; i++) {
    struct process *process = &shared->processes[i];
    if (!SWAPPED(process->pid, 0, -1)) continue;
    for (int k = 0; k < THREADS; k++) process->thread[k].table = -1;
    STORE(process->gate.wanted, 0);
    STORE(process->gate.value, 0);
    return process;
  }
  ADD(shared->running, -1);
  return NULL;
}
/* Its gate is shut, and stays so until another has the place. */
static void end_process(struct process *process) { STORE(process->pid, 0), ADD(shared->running, -1); }
static void undo_process(struct process *process) { take_lock(&process->gate), end_process(process); }

/* Sockets */

static struct sockaddr_in address_of(int id, int port) {
  return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(0x7f000000 | id)};
}
static int new_id(int kind, int flags) {
  int id = ADD(shared->next_id, 1);
  if (id >= MOST) { STORE(shared->stop, 1); return 0; }
  shared->objects[id] = (struct object){.refs = 1, .kind = BUSY, .flags = flags};
  STORE(shared->objects[id].kind, kind);
  return id;
}
static void number_it(int fd, int id) {
  struct timeval number = {id, 0};
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &number, sizeof number) < 0) fail("numbering %d, descriptor %d", id, fd);
}
static void frame_of(int id, uint32_t frame[2]) { frame[0] = id, frame[1] = ~id; }
static int send_frame(struct task *task, int fd, int id) {
  uint32_t frame[2];
  frame_of(id, frame);
  struct iovec iov = {frame, 8};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
  switch (any(task, 4)) {
    case 0: return send(fd, frame, 8, MSG_NOSIGNAL | MSG_DONTWAIT);
    case 1: return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    case 2: return writev(fd, &iov, 1);
    default: return write(fd, frame, 8);
  }
}
static void make(struct task *task) {
  static const int kinds[] = {FRESH, FRESH, BOUND, DATAGRAM, LISTENER};
  int kind = kinds[any(task, 5)], cloexec = any(task, 3) == 0;
  int fd = AGAIN(socket(AF_INET, (kind == DATAGRAM ? SOCK_DGRAM : SOCK_STREAM) | (cloexec ? SOCK_CLOEXEC : 0), 0));
  if (fd < 0) { fail("socket"); return; }
  int id = new_id(BUSY, kind == DATAGRAM ? 0 : STREAM);
  if (id == 0) { close(fd); return; }
  struct sockaddr_in name = address_of(id, PORT);
  if (kind != FRESH && bind(fd, (struct sockaddr *)&name, sizeof name) < 0) fail("bind of %d", id);
  if (kind == LISTENER && (listen(fd, 4) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)) fail("listen of %d", id);
  number_it(fd, id);
  put(task, fd, id, cloexec);
  STORE(shared->objects[id].kind, kind);
}
/* One that was made before, by whomever, is connected by whoever has it. */
static void mature(struct task *task) {
  int fd = mine(task, FRESH);
  if (fd < 0) return;
  int id = task->table->fd[fd].object;
  struct object *object = &shared->objects[id];
  if (!SWAPPED(object->kind, FRESH, BUSY)) return;
  struct sockaddr_in nowhere = address_of(1, 1), name = address_of(1, REGISTRY);
  if (any(task, 4) == 0 && (connect(fd, (struct sockaddr *)&nowhere, sizeof nowhere) == 0 || errno != ECONNREFUSED)) fail("%d reached nobody's port", id);
  if (AGAIN(connect(fd, (struct sockaddr *)&name, sizeof name)) < 0 && errno != EISCONN) fail("connect of %d", id);
  if (send_frame(task, fd, id) != 8) fail("first frame of %d", id);
  STORE(object->kind, CONNECTED);
}
static void call_up(struct task *task) {
  int cloexec = any(task, 3) == 0, fd = AGAIN(socket(AF_INET, SOCK_STREAM | (cloexec ? SOCK_CLOEXEC : 0), 0)), id = fd < 0 ? 0 : new_id(BUSY, STREAM);
  if (id == 0) { if (fd < 0) fail("socket"); else close(fd); return; }
  struct sockaddr_in name = address_of(1, REGISTRY);
  if (any(task, 2)) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct pollfd one = {fd, POLLOUT, 0};
    if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0 && (errno != EINPROGRESS || AGAIN(poll(&one, 1, 10000)) != 1)) fail("connect of %d, not waiting", id);
    fcntl(fd, F_SETFL, 0);
  } else if (AGAIN(connect(fd, (struct sockaddr *)&name, sizeof name)) < 0 && errno != EISCONN) fail("connect of %d", id);
  number_it(fd, id);
  if (send_frame(task, fd, id) != 8) fail("first frame of %d", id);
  put(task, fd, id, cloexec);
  STORE(shared->objects[id].kind, CONNECTED);
}
static void accept_one(struct task *task) {
  int listener = mine(task, LISTENER);
  if (listener < 0) return;
  int cloexec = any(task, 2), fd = cloexec ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : accept(listener, NULL, NULL);
  if (fd < 0) { if (errno != EAGAIN && errno != EINTR) fail("accept by %d", task->table->fd[listener].object); return; }
  struct pollfd one = {fd, POLLIN, 0};
  uint32_t frame[2] = {0, 0}, wanted[2];
  if (AGAIN(poll(&one, 1, 10000)) != 1 || read(fd, frame, 8) != 8) { fail("an accepted connection does not say its number"); return; }
  frame_of(frame[0], wanted);
  struct object *object = &shared->objects[frame[0] < MOST ? frame[0] : 0];
  if (frame[1] != wanted[1] || object->parent != task->table->fd[listener].object) fail("%u was accepted by %d and belongs to %d", frame[0], task->table->fd[listener].object, object->parent);
  number_it(fd, frame[0]);
  STORE(object->refs, 1);
  __atomic_or_fetch(&object->flags, ACCEPTED, __ATOMIC_SEQ_CST);
  put(task, fd, frame[0], cloexec);
  STORE(object->kind, CONNECTED);
}

/* Proofs */

static void prove_octets(struct task *task, int fd, int id, struct object *object) {
  unsigned char got[64];
  int flags = LOAD(object->flags);
  if (any(task, 2) && LOAD(object->kind) == CONNECTED) {
    int n = send_frame(task, fd, id);
    if (n != 8 && !(n < 0 && (errno == EAGAIN || (errno == EPIPE && (LOAD(object->flags) & SHUT))))) fail("frame of %d: %d", id, n);
    return;
  }
  int n = any(task, 2) ? recv(fd, got, sizeof got, MSG_DONTWAIT) : recvfrom(fd, got, sizeof got, MSG_DONTWAIT, NULL, NULL);
  if (n == 0 && (LOAD(object->flags) & HALF) == 0) fail("%d ended here, flags %d", id, flags);
  if (n < 0 && errno != EAGAIN) fail("recv of %d, flags %d", id, LOAD(object->flags));
  for (int i = 0; i < n; i++) if (got[i] != octet_of(id)) { fail("%d got octets of another", id); return; }
}
static void prove_fd(struct task *task, int fd, int id) {
  struct timeval number = {-1, 0};
  socklen_t len = sizeof number;
  struct object *object = &shared->objects[id];
  if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &number, &len) < 0 || number.tv_sec != id) fail("descriptor %d is %ld where it is %d, kind %d, refs %d", fd, (long)number.tv_sec, id, LOAD(object->kind), LOAD(object->refs));
  int kind = LOAD(object->kind);
  if (kind == CONNECTED || kind == DATAGRAM) prove_octets(task, fd, id, object);
  if (kind == BOUND || kind == LISTENER) {
    struct sockaddr_in name = {0};
    len = sizeof name;
    if (getsockname(fd, (struct sockaddr *)&name, &len) < 0 || ntohl(name.sin_addr.s_addr) != (uint32_t)(0x7f000000 | id)) fail("descriptor %d has the name of %x where it is %d", fd, ntohl(name.sin_addr.s_addr), id);
  }
}
static void prove(struct task *task) {
  int fd = mine(task, NONE);
  if (fd >= 0) prove_fd(task, fd, task->table->fd[fd].object);
}
static void end_sending(struct task *task) {
  int fd = mine(task, CONNECTED);
  if (fd < 0 || any(task, 4) != 0) return;
  struct object *object = &shared->objects[task->table->fd[fd].object];
  __atomic_or_fetch(&object->flags, SHUT, __ATOMIC_SEQ_CST);
  if (shutdown(fd, SHUT_WR) < 0 && (errno != ENOTCONN || (LOAD(object->flags) & HALF) == 0)) fail("shutdown of %d, flags %d", task->table->fd[fd].object, LOAD(object->flags));
}

/* Descriptors */

static void duplicate(struct task *task) {
  int fd = mine(task, NONE);
  if (fd < 0) return;
  int id = task->table->fd[fd].object;
  more(id);
  int copy = dup(fd);
  if (copy < 0) { fail("dup of %d", fd); return; }
  put(task, copy, id, 0);
}
static void duplicate_onto(struct task *task) {
  int fd = mine(task, NONE), to = any(task, 3) ? own_number(task) : mine(task, NONE), cloexec = any(task, 2) ? O_CLOEXEC : 0;
  if (fd < 0 || to < 0 || (task->table->fd[to].object != 0 && task->table->fd[to].owner != task->owner)) return;
  int id = task->table->fd[fd].object;
  if (fd == to) return;
  more(id);
  if (task->table->fd[to].object != 0) take_out(task->table, to);
  if ((cloexec ? dup3(fd, to, cloexec) : dup2(fd, to)) != to) { fail("dup of %d onto %d", fd, to); return; }
  put(task, to, id, cloexec != 0);
}
static void duplicate_above(struct task *task) {
  int fd = mine(task, NONE), cloexec = any(task, 2);
  if (fd < 0) return;
  int id = task->table->fd[fd].object;
  more(id);
  int copy = fcntl(fd, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, any(task, 64));
  if (copy < 0) { fail("F_DUPFD of %d", fd); return; }
  put(task, copy, id, cloexec);
}
static void close_one(struct task *task) {
  int fd = mine(task, NONE);
  if (fd < 0) return;
  take_out(task->table, fd);
  if (close(fd) < 0) fail("close of %d", fd);
}
/* The range is the task's own, whatever it holds there. */
static void close_some(struct task *task) {
  int first = LOW + task->owner * RANGE + any(task, RANGE), last = LOW + task->owner * RANGE + RANGE - 1, mark = any(task, 2);
  for (int fd = first; fd <= last; fd++) {
    if (task->table->fd[fd].object == 0) continue;
    if (task->table->fd[fd].owner != task->owner) return;
  }
  for (int fd = first; fd <= last; fd++) {
    if (task->table->fd[fd].object == 0) continue;
    if (mark) task->table->fd[fd].cloexec = 1;
    else take_out(task->table, fd);
  }
  if (syscall(SYS_close_range, first, last, mark ? CLOSE_RANGE_CLOEXEC : 0) < 0) fail("close_range");
}
static void mark_one(struct task *task) {
  int fd = mine(task, NONE), cloexec = any(task, 2);
  if (fd < 0) return;
  if (fcntl(fd, F_SETFD, cloexec ? FD_CLOEXEC : 0) < 0) fail("F_SETFD");
  task->table->fd[fd].cloexec = cloexec;
}

/* Passing on: what is on its way is a reference like a descriptor. */

static struct sockaddr_un mail_name(socklen_t *len) {
  struct sockaddr_un name = {.sun_family = AF_UNIX};
  *len = offsetof(struct sockaddr_un, sun_path) + 1 + snprintf(name.sun_path + 1, 90, "references-%ld", shared->start);
  return name;
}
static void mail(struct task *task, int named) {
  int fds[3], ids[3], count = 0;
  for (int wanted = 1 + any(task, 3); count < wanted; count++) {
    fds[count] = mine(task, NONE);
    if (fds[count] < 0) return;
    ids[count] = task->table->fd[fds[count]].object;
  }
  char control[CMSG_SPACE(sizeof fds)] = {0};
  struct iovec iov = {ids, count * sizeof *ids};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof *fds)};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  struct sockaddr_un name;
  if (named) name = mail_name(&message.msg_namelen), message.msg_name = &name;
  header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(count * sizeof *fds);
  memcpy(CMSG_DATA(header), fds, count * sizeof *fds);
  for (int i = 0; i < count; i++) more(ids[i]);
  int from = named ? socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : MAIL_IN;
  if (AGAIN(sendmsg(from, &message, MSG_DONTWAIT)) < 0) {
    if (errno != EAGAIN && errno != ETOOMANYREFS) fail("sendmsg with %d descriptors, %d", count, named);
    for (int i = 0; i < count; i++) less(ids[i]);
  } else if (any(task, 2)) {
    /* Only the message has them now. */
    for (int i = 0; i < count; i++) {
      if (task->table->fd[fds[i]].object == 0) continue;
      take_out(task->table, fds[i]);
      close(fds[i]);
    }
  }
  if (named) close(from);
}
static int open_mail(struct task *task, int from) {
  int fds[3], ids[3], cloexec = any(task, 2);
  char control[CMSG_SPACE(sizeof fds)] = {0};
  struct iovec iov = {ids, sizeof ids};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  int n = AGAIN(recvmsg(from, &message, MSG_DONTWAIT | (cloexec ? MSG_CMSG_CLOEXEC : 0))), count = n / (int)sizeof *ids;
  if (n <= 0) { if (errno != EAGAIN) fail("recvmsg"); return 0; }
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_len != CMSG_LEN(count * sizeof *fds) || (message.msg_flags & MSG_CTRUNC)) { fail("%d descriptors were to come", count); return 0; }
  memcpy(fds, CMSG_DATA(header), count * sizeof *fds);
  for (int i = 0; i < count; i++) put(task, fds[i], ids[i], cloexec);
  for (int i = 0; i < count; i++) prove_fd(task, fds[i], ids[i]);
  return 1;
}
/* From another process, while it does nothing to its descriptors. */
static void steal(struct task *task) {
  struct process *from = &shared->processes[any(task, PROCESSES)];
  if (from == task->process || LOAD(from->pid) <= 0 || !try_lock(&from->gate)) return;
  int pid = LOAD(from->pid), index = pid > 0 ? from->thread[0].table : -1;
  struct table *table = index < 0 || index == index_of(task->table) ? NULL : &shared->tables[index];
  if (table != NULL && try_lock(&table->lock)) {
    int start = any(task, FDS), fd = -1;
    for (int i = 0; i < FDS && fd < 0; i++) if (table->fd[(start + i) % FDS].object != 0) fd = (start + i) % FDS;
    int pidfd = fd < 0 ? -1 : syscall(SYS_pidfd_open, pid, 0);
    if (pidfd >= 0) {
      int id = table->fd[fd].object;
      more(id);
      int copy = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
      if (copy < 0) less(id);
      if (copy < 0 && errno != EPERM && errno != ESRCH) fail("pidfd_getfd of descriptor %d of %d", fd, pid);
      if (copy >= 0) put(task, copy, id, 1), prove_fd(task, copy, id);
      close(pidfd);
    }
    free_lock(&table->lock);
  }
  free_lock(&from->gate);
}

/* Threads and processes */

static void run(struct task *task);
static void *thread(void *argument) {
  struct task task = *(struct task *)argument;
  run(&task);
  share_lock(&task.process->gate), take_lock(&task.table->lock);
  end_owner(task.table, task.owner);
  free_table(task.table, leave_table(task.table));
  STORE(task.process->thread[task.slot].table, -1);
  unshare_lock(&task.process->gate);
  return NULL;
}
static void start_thread(struct task *task) {
  int slot = 1;
  while (slot < shared->most_threads && !SWAPPED(task->process->thread[slot].table, -1, -2)) slot++;
  int owner = slot >= shared->most_threads ? -1 : new_owner(task->table);
  if (owner < 0) { if (slot < shared->most_threads) STORE(task->process->thread[slot].table, -1); return; }
  static struct task children[THREADS];
  struct task *child = &children[slot];
  pthread_t id;
  pthread_attr_t attributes;
  *child = *task;
  child->slot = slot, child->owner = owner, child->random += 77 * any(task, 1 << 30);
  ADD(task->table->users, 1);
  task->process->thread[slot].owner = owner;
  STORE(task->process->thread[slot].table, index_of(task->table));
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 128 << 10);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  if (pthread_create(&id, &attributes, thread, child) != 0) fail("pthread_create");
  pthread_attr_destroy(&attributes);
}
/* What its threads' tables hold goes with the process, but `table`, which stays to its caller. With all of its locks. */
static void leave_other_tables(struct process *process, struct table *table, int slot) {
  for (int i = 0; i < THREADS; i++) {
    int index = process->thread[i].table;
    if (i == slot || index < 0) continue;
    struct table *other = &shared->tables[index];
    if (other != table) take_lock(&other->lock);
    end_owner(other, process->thread[i].owner);
    if (other != table) free_table(other, leave_table(other));
    else leave_table(other);
    process->thread[i].table = -1;
  }
}
__attribute__((noreturn)) static void leave(struct task *task) {
  begin_alone(task);
  struct process *process = task->process;
  leave_other_tables(process, task->table, task->slot);
  end_owner(task->table, task->owner);
  free_table(task->table, leave_table(task->table));
  STORE(leaving, 1);
  end_process(process);
  if (any(task, 3) == 0) kill(getpid(), SIGKILL);
  _exit(0);
}
static void enter(struct task *task, struct process *process, struct table *table, int owner) {
  task->process = process, task->table = table, task->slot = 0, task->owner = owner;
  task->random = task->random * 31 + syscall(SYS_gettid);
  process->thread[0].owner = task->owner;
  process->thread[0].table = index_of(table);
  STORE(process->pid, getpid());
}
static void own_all(struct task *task) {
  for (int fd = 0; fd < FDS; fd++) task->table->fd[fd].owner = task->owner;
}
static void fork_one(struct task *task) {
  begin_alone(task);
  struct process *process = new_process();
  if (process == NULL) { finish_alone(task); return; }
  int index = copy_table(task->table);
  pid_t child = index < 0 ? -1 : fork();
  if (child < 0 && index >= 0) fail("fork");
  if (child < 0) undo_process(process);
  if (child == 0) {
    struct task own = *task;
    enter(&own, process, &shared->tables[index], new_owner(&shared->tables[index]));
    own_all(&own);
    run(&own);
    leave(&own);
  }
  finish_alone(task);
}
/* A process that shares the table, but not the memory. */
static void share_files(struct task *task) {
  begin_alone(task);
  struct process *process = new_process();
  if (process == NULL) { finish_alone(task); return; }
  struct task own = *task;
  ADD(task->table->users, 1);
  int owner = new_owner(task->table);
  pid_t child = owner < 0 ? -1 : syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
  if (child == 0) {
    enter(&own, process, own.table, owner);
    own.is_raw = 1;
    run(&own);
    leave(&own);
  }
  if (child < 0) ADD(task->table->users, -1), undo_process(process);
  if (child < 0 && owner >= 0) fail("clone with CLONE_FILES");
  finish_alone(task);
}
/* The table's users may be threads of the same process, or other processes. */
static int unshare_files(struct task *task) {
  int index = copy_table(task->table);
  if (index < 0) return 0;
  int how = any(task, 2);
  if ((how ? unshare(CLONE_FILES) : syscall(SYS_close_range, LAST_FIXED + 5, ~0U, CLOSE_RANGE_UNSHARE)) < 0) fail("unshare of the table, %d", how);
  struct table *old = task->table;
  leave_table(old);
  end_owner(old, task->owner);
  task->table = &shared->tables[index];
  task->owner = new_owner(task->table);
  task->process->thread[task->slot].owner = task->owner;
  task->process->thread[task->slot].table = index;
  free_lock(&old->lock);
  own_all(task);
  return 1;
}
static void unshare_one(struct task *task) {
  begin_alone(task);
  if (LOAD(task->table->users) > 1 && unshare_files(task)) free_lock(&task->process->gate);
  else finish_alone(task);
}
static void drop_marked(struct table *table) {
  for (int fd = 0; fd < FDS; fd++) if (table->fd[fd].object != 0 && table->fd[fd].cloexec) take_out(table, fd);
}
static void exec_as(struct task *task, struct process *process, int table, int lock) {
  char words[5][24];
  char *argv[] = {"references", "heir", words[0], words[1], words[2], words[3], NULL};
  snprintf(words[0], 24, "%d", (int)(process - shared->processes));
  snprintf(words[1], 24, "%d", table);
  snprintf(words[2], 24, "%d", lock);
  snprintf(words[3], 24, "%llu", (unsigned long long)task->random + 1);
  execv("/proc/self/exe", argv);
  fail("execv");
  _exit(1);
}
static void spawn(struct task *task) {
  begin_alone(task);
  struct process *process = new_process();
  if (process == NULL) { finish_alone(task); return; }
  int index = copy_table(task->table);
  struct task own = *task;
  pid_t child = index < 0 ? -1 : vfork();
  if (child < 0 && index >= 0) fail("vfork");
  if (child < 0) undo_process(process);
  if (child == 0) {
    drop_marked(&shared->tables[index]);
    exec_as(&own, process, index, -1);
  }
  any(task, 2);
  finish_alone(task);
}
/* Threads end with exec, and a table that others share is left to them; they wait until that is so. */
static void exec_one(struct task *task) {
  struct process *process = task->process;
  begin_alone(task);
  int old = index_of(task->table), index = old;
  int threads = 0;
  for (int i = 0; i < THREADS; i++) threads += process->thread[i].table == old;
  if (LOAD(task->table->users) > threads) {
    index = copy_table(task->table);
    if (index < 0) { finish_alone(task); return; }
    leave_table(task->table);
  }
  end_owner(task->table, task->owner);
  leave_other_tables(process, task->table, task->slot);
  process->thread[task->slot].table = -1;
  drop_marked(&shared->tables[index]);
  exec_as(task, process, index, old);
}
static void kill_one(struct task *task) {
  struct process *victim = &shared->processes[any(task, PROCESSES)];
  if (victim == task->process || LOAD(victim->pid) <= 0 || !try_lock(&victim->gate)) return;
  int pid = LOAD(victim->pid), index = pid > 0 ? victim->thread[0].table : -1;
  if (index < 0 || index == index_of(task->table) || !try_lock(&shared->tables[index].lock)) { free_lock(&victim->gate); return; }
  struct table *table = &shared->tables[index];
  int others = 0;
  for (int i = 1; i < THREADS; i++) others += victim->thread[i].table != -1 && victim->thread[i].table != index;
  int pidfd = others > 0 ? -1 : syscall(SYS_pidfd_open, pid, 0);
  if (pidfd >= 0) {
    leave_other_tables(victim, table, 0);
    end_owner(table, victim->thread[0].owner);
    int is_last = leave_table(table);
    kill(pid, SIGKILL);
    struct pollfd one = {pidfd, POLLIN, 0};
    AGAIN(poll(&one, 1, -1));
    close(pidfd);
    free_table(table, is_last);
    end_process(victim);
    return;
  }
  free_lock(&table->lock), free_lock(&victim->gate);
}

/* Waits for whatever a few numbers lead to, while others change that; without the locks. */
static void watch(struct task *task) {
  struct epoll_event events[8] = {{.events = EPOLLIN | EPOLLOUT | (any(task, 2) ? EPOLLET : 0)}};
  struct pollfd some[6];
  fd_set set;
  struct timeval limit = {0, any(task, 20000)};
  for (int i = 0; i < 6; i++) some[i] = (struct pollfd){i < 3 ? (int)any(task, FDS) : mine(task, NONE), POLLIN, 0};
  switch (any(task, 4)) {
    case 0: poll(some, 6, any(task, 20)); break;
    case 1: FD_ZERO(&set); if (some[5].fd >= 0) FD_SET(some[5].fd, &set); select(FDS, &set, NULL, NULL, &limit); break;
    case 2: for (int i = 0; i < 6; i++) epoll_ctl(WATCH, any(task, 3) ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, some[i].fd, events); break;
    default: epoll_wait(WATCH, events, 8, any(task, 20));
  }
}

static void close_or(struct task *task, void (*otherwise)(struct task *)) { held(task) >= HELD ? close_one(task) : otherwise(task); }
static enum what choose(struct task *task) {
  static const int weights[SORTS] = {6, 5, 8, 10, 10, 10, 4, 16, 2, 3, 20, 3, 8, 4, 10, 4, 4, 3, 2, 1, 1, 1, 1, 1};
  int sum = 0, at;
  for (int i = 0; i < SORTS; i++) sum += weights[i];
  at = any(task, sum);
  for (int i = 0;; at -= weights[i++]) if (at < weights[i]) return i;
}
static void step(struct task *task, enum what what) {
  switch (what) {
    case MAKE: close_or(task, make); break;
    case MATURE: mature(task); break;
    case CALL_UP: close_or(task, call_up); break;
    case ACCEPT: close_or(task, accept_one); break;
    case DUP: close_or(task, duplicate); break;
    case DUP2: close_or(task, duplicate_onto); break;
    case DUPFD: close_or(task, duplicate_above); break;
    case CLOSE: close_one(task); break;
    case RANGED: close_some(task); break;
    case CLOEXEC_FLAG: mark_one(task); break;
    case PROVE: prove(task); break;
    case SHUTDOWN: end_sending(task); break;
    case MAIL: mail(task, 0); break;
    case MAIL_NAMED: mail(task, 1); break;
    case OPEN_MAIL: if (held(task) < HELD) open_mail(task, any(task, 2) ? MAIL_OUT : NAMED); break;
    case STEAL: close_or(task, steal); break;
    case THREAD: start_thread(task); break;
    case KILL: kill_one(task); break;
    default: break;
  }
}
static void run(struct task *task) {
  for (int left = 20 + any(task, 300); left > 0 && !LOAD(shared->stop); left--) {
    enum what what = choose(task);
    if (task->is_raw && (what == THREAD || what == FORK)) continue;
    ADD(shared->counts[what], 1);
    if (what == WATCHED) watch(task);
    else if (what == FORK) fork_one(task);
    else if (what == SHARE) share_files(task);
    else if (what == UNSHARE) unshare_one(task);
    else if (what == SPAWN) spawn(task);
    else if (what == EXEC) { if (any(task, 4) == 0) exec_one(task); }
    else begin(task), step(task, what), finish(task);
  }
}

/* The registry: the other ends */

struct end { int fd, id, eof, connecting; long asked; };
static struct end ends[8192];
static int end_count, watched[65536], watched_count, last_seen = 1;

static void ended(struct end *end, const char *how) {
  struct object *object = &shared->objects[end->id];
  int refs = LOAD(object->refs), flags = LOAD(object->flags);
  if (end->id != 0) {
    if (refs > 0 && !end->eof) fail("%d ended early (%s) with %d references, flags %d", end->id, how, refs, flags);
    if (refs > 0 && end->eof) fail("%d refuses octets (%s) with %d references, flags %d", end->id, how, refs, flags);
    if ((flags & OFFERED) && !(flags & ACCEPTED)) {
      if (LOAD(shared->objects[object->parent].refs) > 0) fail("%d was dropped before it was accepted by %d (%s)", end->id, object->parent, how);
      STORE(object->dropped, now());
    }
    long late = refs > 0 ? 0 : now() - LOAD(object->dropped);
    if (late > shared->latest) shared->latest = late;
    ADD(shared->ends, 1);
  }
  close(end->fd);
  *end = ends[--end_count];
}
static void take_octets(struct end *end) {
  uint32_t frames[512], wanted[2];
  int n = recv(end->fd, frames, sizeof frames, MSG_DONTWAIT);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) { ended(end, strerror(errno)); return; }
  if (n % 8 != 0) fail("%d sent %d octets", end->id, n);
  for (int i = 0; i < n / 8; i++) {
    if (end->id == 0 && frames[2 * i] < MOST) end->id = frames[2 * i];
    frame_of(end->id, wanted);
    if (memcmp(&frames[2 * i], wanted, 8) != 0) fail("a frame of %u over the connection of %d", frames[2 * i], end->id);
  }
  if (n > 0) return;
  if (!(LOAD(shared->objects[end->id].flags) & SHUT)) ended(end, "end");
  else end->eof = 1;
}
static void give_octets(struct end *end, int count) {
  unsigned char octets[16];
  memset(octets, octet_of(end->id), sizeof octets);
  if (send(end->fd, octets, count, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && (errno == EPIPE || errno == ECONNRESET) && end->eof) ended(end, "send");
}
static void called_up(struct end *end) {
  int error = 0;
  socklen_t len = sizeof error;
  struct object *object = &shared->objects[end->id];
  getsockopt(end->fd, SOL_SOCKET, SO_ERROR, &error, &len);
  uint32_t frame[2];
  frame_of(end->id, frame);
  end->connecting = 0;
  if (error == 0 && send(end->fd, frame, 8, MSG_NOSIGNAL) == 8) return;
  if (LOAD(shared->objects[object->parent].refs) > 0) errno = error, fail("listener %d refuses %d", object->parent, end->id);
  STORE(object->dropped, now());
  ended(end, "refused");
}
/* A call to that listener; whoever accepts it has a socket more. */
static void offer(int listener) {
  if (end_count > 6000) return;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), id = fd < 0 ? 0 : new_id(BUSY, STREAM | OFFERED);
  if (id == 0) { close(fd); return; }
  struct sockaddr_in name = address_of(listener, PORT);
  STORE(shared->objects[id].refs, 0);
  STORE(shared->objects[id].parent, listener);
  int failed = connect(fd, (struct sockaddr *)&name, sizeof name) < 0 ? errno : 0, refs = LOAD(shared->objects[listener].refs);
  if (failed != 0 && failed != EINPROGRESS) {
    errno = failed;
    if (refs > 0) fail("listener %d refuses with %d references", listener, refs);
    STORE(shared->objects[id].dropped, now());
    close(fd);
    return;
  }
  ends[end_count++] = (struct end){.fd = fd, .id = id, .connecting = 1};
}
/* Whether nobody has its name any more; a listener's may still be that of what it accepted, so it is called. */
static int is_free(int id, int kind) {
  struct sockaddr_in name = address_of(id, PORT);
  int fd = socket(AF_INET, (kind == DATAGRAM ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK, 0), error = 0;
  socklen_t len = sizeof error;
  struct pollfd one = {fd, POLLOUT, 0};
  if (kind != LISTENER) error = bind(fd, (struct sockaddr *)&name, sizeof name) < 0 ? errno : 0;
  else if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) {
    error = errno;
    if (errno == EINPROGRESS && poll(&one, 1, 500) == 1) getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
  }
  close(fd);
  return error == (kind == LISTENER ? ECONNREFUSED : 0);
}
/* True when it is over with that socket. */
static int look_at(struct task *task, int id) {
  struct object *object = &shared->objects[id];
  int kind = LOAD(object->kind);
  if (kind == NONE || kind == BUSY) return (LOAD(object->flags) & OFFERED) != 0;
  if (kind == CONNECTED) return 1;
  if (kind == FRESH) return LOAD(object->refs) == 0;
  long dropped = LOAD(object->dropped), waits = dropped == 0 ? 0 : now() - dropped;
  if (dropped == 0 && any(task, 10) != 0) return 0;
  if (kind == LISTENER && dropped == 0) {
    if (any(task, 3) == 0) offer(id);
    return 0;
  }
  if (kind == DATAGRAM && dropped == 0) {
    static int sender = -1;
    unsigned char octets[4];
    struct sockaddr_in name = address_of(id, PORT);
    memset(octets, octet_of(id), sizeof octets);
    if (sender < 0) sender = socket(AF_INET, SOCK_DGRAM, 0);
    sendto(sender, octets, 4, MSG_DONTWAIT, (struct sockaddr *)&name, sizeof name);
  }
  int over = is_free(id, kind), refs = LOAD(object->refs);
  if (over && refs > 0) fail("the name of %d is free with %d references, kind %d", id, refs, kind);
  if (over) {
    if (waits > shared->latest) shared->latest = waits;
    ADD(shared->ends, 1);
    return 1;
  }
  if (waits > shared->late_ms) fail("the name of %d is taken %ld ms after its end, kind %d", id, waits, kind);
  return 0;
}
static void look_around(struct task *task) {
  for (int next = LOAD(shared->next_id); last_seen < next && watched_count < 65536;) watched[watched_count++] = ++last_seen;
  for (int at = watched_count - 1; at >= 0; at--) if (look_at(task, watched[at])) watched[at] = watched[--watched_count];
}
static void ask_some(struct task *task) {
  for (int i = 0; i < end_count; i++) {
    struct end *end = &ends[i];
    struct object *object = &shared->objects[end->id];
    /* One that waits to be accepted lives as long as its listener. */
    int queued = (LOAD(object->flags) & (OFFERED | ACCEPTED)) == OFFERED;
    long dropped = LOAD(shared->objects[queued ? object->parent : end->id].dropped);
    if (end->id == 0 || end->connecting || LOAD(object->kind) == BUSY) dropped = queued ? dropped : 0;
    if (end->eof && (LOAD(object->flags) & HALF)) {
      /* Both ways are shut, and nothing is seen of it any more here. */
      close(end->fd);
      *end = ends[--end_count];
      continue;
    }
    struct pollfd one = {end->fd, POLLIN, 0};
    /* What is shut tells its end only to who sends. */
    if (end->eof && dropped != 0 && end->asked == 0) end->asked = now();
    if (end->eof) dropped = end->asked;
    if (dropped != 0 && now() - dropped > shared->late_ms && (end->eof || poll(&one, 1, 0) == 0)) { fail("%d has not ended %ld ms after its last reference, flags %d, eof %d", end->id, now() - dropped, LOAD(object->flags), end->eof); return; }
    if (end->id == 0 || end->connecting || queued || LOAD(object->kind) != CONNECTED) continue;
    if (end->eof ? dropped != 0 || any(task, 20) == 0 : any(task, 40) == 0) give_octets(end, end->eof ? 1 : 1 + any(task, 16));
    else if (any(task, 200) == 0 && !(LOAD(object->flags) & HALF)) {
      __atomic_or_fetch(&object->flags, HALF, __ATOMIC_SEQ_CST);
      shutdown(end->fd, SHUT_WR);
    }
  }
}
static void take_calls(int listener) {
  for (int fd; end_count < 8000 && (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) ends[end_count++] = (struct end){.fd = fd};
}
static void registry(struct task *task, int listener) {
  static struct pollfd polled[8193];
  for (long over = 0, last = 0; !LOAD(shared->failed);) {
    int n = end_count;
    polled[n] = (struct pollfd){listener, POLLIN, 0};
    for (int i = 0; i < n; i++) polled[i] = (struct pollfd){ends[i].eof ? -1 : ends[i].fd, ends[i].connecting ? POLLOUT : POLLIN, 0};
    if (poll(polled, n + 1, 10) < 0 && errno != EINTR) fail("poll");
    /* From behind: what ends is replaced by the last. */
    for (int i = n - 1; i >= 0; i--) {
      if (polled[i].revents == 0) continue;
      if (ends[i].connecting) called_up(&ends[i]);
      else take_octets(&ends[i]);
    }
    if (polled[n].revents) take_calls(listener);
    if (now() - last < 20) continue;
    last = now();
    look_around(task), ask_some(task);
    /* The processes are gone: all has to end. */
    if (LOAD(shared->stop) < 2) continue;
    if (over == 0) over = last;
    int open = end_count;
    for (int i = 0; i < end_count; i++) if (ends[i].id == 0) open--;
    if (open == 0 && watched_count == 0) return;
    if (last - over > 2 * shared->late_ms) { fail("%d connections and %d names are left at the end; the first is %d", end_count, watched_count, end_count ? ends[0].id : watched[0]); return; }
  }
}

/* Start and end */

static void high(int fd, int number) {
  if (fd < 0 || dup2(fd, number) < 0) { perror("a descriptor for all"); exit(2); }
  close(fd);
}
static void set_up(void) {
  struct rlimit limit;
  int ends[2];
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  high(memfd_create("references", 0), SHARED);
  if (ftruncate(SHARED, sizeof *shared) < 0) perror("ftruncate"), exit(2);
  socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
  high(ends[0], MAIL_IN), high(ends[1], MAIL_OUT);
  high(socket(AF_UNIX, SOCK_DGRAM, 0), NAMED);
  high(epoll_create1(0), WATCH);
}
static void map(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, SHARED, 0);
  if (shared == MAP_FAILED) perror("mmap"), exit(2);
}
/* The first of a family: it holds nothing. */
static void found(struct task *task) {
  struct process *process = new_process();
  int index = process == NULL ? -1 : new_table();
  if (process != NULL && index < 0) undo_process(process);
  if (index < 0) return;
  memset(shared->tables[index].fd, 0, sizeof shared->tables[index].fd);
  pid_t child = fork();
  any(task, 2);
  if (child != 0) return;
  for (int fd = 0; fd < 3; fd++) close(fd);
  close(SAVED);
  enter(task, process, &shared->tables[index], new_owner(&shared->tables[index]));
  run(task);
  leave(task);
}
static int heir(char **argv) {
  struct task task = {.random = strtoull(argv[5], NULL, 10)};
  struct process *process = &shared->processes[atoi(argv[2])];
  struct table *table = &shared->tables[atoi(argv[3])];
  int locked = atoi(argv[4]);
  table->owners = 0;
  enter(&task, process, table, new_owner(table));
  own_all(&task);
  STORE(process->gate.wanted, 0);
  if (locked >= 0) free_lock(&shared->tables[locked].lock), free_lock(&process->gate);
  for (int fd = 0; fd < FDS; fd++) if (table->fd[fd].object != 0) begin(&task), prove_fd(&task, fd, table->fd[fd].object), finish(&task);
  run(&task);
  leave(&task);
}
static void settle(const char *word) {
  char line[80];
  puts(word);
  fflush(stdout);
  if (fgets(line, sizeof line, stdin) == NULL) line[0] = 0;
}
static void conduct(struct task *task) {
  while (!LOAD(shared->stop)) {
    found(task);
    while (waitpid(-1, NULL, WNOHANG) > 0) continue;
    nap(5000);
    if (now() - shared->start > shared->seconds * 1000) STORE(shared->stop, 1);
  }
  int status, child;
  /* The registry is the last; whoever stays longer than that is stuck. */
  for (long end = now() + 20000; LOAD(shared->running) > 0 && now() < end; nap(1000)) while ((child = waitpid(-1, &status, WNOHANG)) > 0) continue;
  if (LOAD(shared->running) > 0) fail("%d processes do not end", LOAD(shared->running));
}

int main(int argc, char **argv) {
  if (argc == 6 && strcmp(argv[1], "heir") == 0) return map(), heir(argv);
  if (argc != 6) return 2;
  set_up();
  map();
  shared->seconds = atol(argv[1]), shared->most_processes = atoi(argv[2]), shared->most_threads = atoi(argv[3]), shared->seed = strtoull(argv[4], NULL, 0), shared->late_ms = atol(argv[5]);
  shared->next_id = 1;
  for (int i = 0; i < PROCESSES; i++) shared->processes[i].gate.value = -1;
  struct task task = {.random = shared->seed};
  /* What a supervisor makes once and keeps it has made then. */
  struct sockaddr_in itself = address_of(2, PORT);
  char octet;
  int first = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(first, (struct sockaddr *)&itself, sizeof itself) < 0 || sendto(first, "x", 1, 0, (struct sockaddr *)&itself, sizeof itself) != 1 || recv(first, &octet, 1, 0) != 1) perror("a datagram"), exit(2);
  close(first);
  settle("begin");
  shared->start = now();
  socklen_t len;
  struct sockaddr_un mail_box = mail_name(&len);
  struct sockaddr_in name = address_of(1, REGISTRY);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (bind(NAMED, (struct sockaddr *)&mail_box, len) < 0 || bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 128) < 0) perror("the registry"), exit(2);
  pid_t keeper = fork();
  if (keeper == 0) {
    registry(&task, listener);
    _exit(0);
  }
  close(listener);
  pid_t conductor = fork();
  if (conductor == 0) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    conduct(&task);
    /* What nobody opened. */
    struct process *process = new_process();
    int index = process == NULL ? -1 : new_table();
    if (index >= 0) {
      memset(shared->tables[index].fd, 0, sizeof shared->tables[index].fd);
      enter(&task, process, &shared->tables[index], new_owner(&shared->tables[index]));
      for (int from = MAIL_OUT; from <= NAMED; from++) while (begin(&task), open_mail(&task, from)) { while (held(&task)) close_one(&task); finish(&task); }
    }
    _exit(0);
  }
  waitpid(conductor, NULL, 0);
  STORE(shared->stop, 2);
  waitpid(keeper, NULL, 0);
  long left = 0;
  for (int id = 1; id < LOAD(shared->next_id) && id < MOST; id++) left += LOAD(shared->objects[id].refs) != 0;
  if (left != 0) fail("%ld sockets have references at the end", left);
  printf("%d sockets, %ld ends seen, the latest after %ld ms\n", LOAD(shared->next_id) - 1, shared->ends, shared->latest);
  for (int i = 0; i < SORTS; i++) printf("%s %ld%s", names[i], shared->counts[i], i + 1 < SORTS ? ", " : "\n");
  if (shared->failed) printf("failed: %s\n", shared->failure);
  settle("end");
  return shared->failed;
}
