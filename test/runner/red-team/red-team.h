/* What the attempts share. Each is a function that runs in a process of its own and ends with one of the two words; see main.c. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>

struct attempt { const char *name; void (*make)(void); };
/* Each file's list ends with a name of NULL. */
extern const struct attempt families[], network[], unix_names[], races[], instructions[], processes[], kernel[], entries[], descriptors[], files[];

/* What the host side prepared, from the environment. */
extern const char *host_abstract, *host_directory, *host_addresses;
extern int host_port, host_supervisor, host_bystander;

/* Says what stopped the attempt, and ends it. */
__attribute__((noreturn, format(printf, 1, 2))) void stopped(const char *format, ...);
/* Says what the guest got, and ends the attempt. */
__attribute__((noreturn, format(printf, 1, 2))) void out(const char *format, ...);
/* The call must have failed; its errno is kept for `all_failed`. */
void must_fail(const char *what, long result);
/* As `must_fail`, of a file that may not exist here. */
int opened(const char *path, int flags);
/* Stopped, by all errnos that `must_fail` has seen. */
__attribute__((noreturn)) void all_failed(void);
long now_ms(void);
/* The address of a unix socket; a name that begins with @ is abstract. */
socklen_t unix_address(struct sockaddr_un *address, const char *name);
/* NAME in the host's directory. */
const char *host_path(const char *name);
/* A new directory of the guest's own. */
const char *own_directory(void);
/* A listener of the guest's own there. */
int own_listener(const char *path, int type);
/* Two ends of a TCP connection over the guest's loopback. */
void tcp_pair(int ends[2]);
/* Octets sent at one end come at the other. */
int carries(int from, int to);
