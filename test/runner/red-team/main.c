/*
 * Tries to leave the sandbox by every way that is known here. Prints a line for each attempt: its name, `stopped` or `OUT`, and by what or where, separated by tabs. An attempt has a process of its own, so that
 * one which is killed stops no other. Arguments: names of attempts, all of them by default. What the host side prepared (host.c) is in the environment.
 */
#include "red-team.h"
#include <stdarg.h>

const char *host_abstract, *host_directory, *host_addresses;
int host_port, host_supervisor, host_bystander;
static const char *current;
static unsigned char seen[4096];

static void say(const char *word, const char *format, va_list list) {
  char detail[1024], line[1400];
  vsnprintf(detail, sizeof detail, format, list);
  int n = snprintf(line, sizeof line, "%s\t%s\t%s\n", current, word, detail);
  if (write(1, line, (size_t)n) < 0) _exit(2);
  _exit(0);
}
void stopped(const char *format, ...) { va_list list; va_start(list, format); say("stopped", format, list); abort(); }
void out(const char *format, ...) { va_list list; va_start(list, format); say("OUT", format, list); abort(); }
void must_fail(const char *what, long result) {
  if (result >= 0) out("%s gave %ld", what, result);
  if (errno > 0 && errno < (int)sizeof seen) seen[errno] = 1;
}
int opened(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC);
  if (fd < 0) seen[errno] = 1;
  return fd;
}
void all_failed(void) {
  char text[512] = "";
  for (int i = 1; i < (int)sizeof seen; i++)
    if (seen[i]) {
      const char *name = strerrorname_np(i);
      size_t at = strlen(text);
      snprintf(text + at, sizeof text - at, "%s%s", at ? " " : "", name ? name : "?");
    }
  stopped("%s", text);
}
long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
socklen_t unix_address(struct sockaddr_un *address, const char *name) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  strncpy(address->sun_path, name, sizeof address->sun_path - 1);
  if (name[0] != '@') return sizeof *address;
  address->sun_path[0] = 0;
  return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
}
const char *host_path(const char *name) {
  static char paths[8][PATH_MAX];
  static int next;
  char *path = paths[next++ % 8];
  snprintf(path, PATH_MAX, "%s/%s", host_directory, name);
  return path;
}
const char *own_directory(void) {
  static char path[PATH_MAX];
  snprintf(path, sizeof path, "%s/guest-XXXXXX", host_directory);
  if (!mkdtemp(path) || chdir(path)) out("no directory of its own: %s", strerror(errno));
  return path;
}
int own_listener(const char *path, int type) {
  struct sockaddr_un address;
  int fd = socket(AF_UNIX, type, 0);
  if (bind(fd, (struct sockaddr *)&address, unix_address(&address, path)) || (type != SOCK_DGRAM && listen(fd, 4096)))
    out("the guest cannot even bind %s: %s", path, strerror(errno));
  return fd;
}
void tcp_pair(int ends[2]) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof at;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  ends[0] = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(listener, (struct sockaddr *)&at, len) || listen(listener, 1) || getsockname(listener, (struct sockaddr *)&at, &len) || connect(ends[0], (struct sockaddr *)&at, len)) out("the stack does not connect any more: %s", strerror(errno));
  ends[1] = accept(listener, NULL, NULL);
  close(listener);
}
int carries(int from, int to) {
  char c = 0;
  return send(from, "x", 1, MSG_NOSIGNAL) == 1 && recv(to, &c, 1, 0) == 1 && c == 'x';
}

static int number(const char *name) {
  const char *value = getenv(name);
  return value ? atoi(value) : 0;
}
static const char *text(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}
static void run(const struct attempt *attempt) {
  current = attempt->name;
  pid_t pid = fork();
  if (pid == 0) {
    alarm(15);
    attempt->make();
    out("came to its end");
  }
  int status;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR);
  if (!WIFSIGNALED(status)) return;
  printf("%s\tstopped\tkilled by SIG%s\n", attempt->name, sigabbrev_np(WTERMSIG(status)));
  fflush(stdout);
}
int main(int argc, char **argv) {
  host_abstract = text("RED_TEAM_ABSTRACT");
  host_directory = text("RED_TEAM_DIRECTORY");
  host_addresses = text("RED_TEAM_ADDRESSES");
  host_port = number("RED_TEAM_PORT");
  host_supervisor = number("RED_TEAM_SUPERVISOR");
  host_bystander = number("RED_TEAM_BYSTANDER");
  signal(SIGUSR2, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  const struct attempt *lists[] = {families, network, unix_names, races, instructions, processes, kernel, entries, descriptors, files};
  for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
    for (const struct attempt *one = lists[i]; one->name; one++) {
      int wanted = argc == 1;
      for (int j = 1; j < argc; j++) wanted |= strcmp(argv[j], one->name) == 0;
      if (wanted) run(one);
    }
}
