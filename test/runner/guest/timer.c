/*
 * Streams both ways over one connection, in two processes, each under a timer of its own that interrupts its calls. Every octet is compared with what belongs at its offset.
 * timer HOST PORT OCTETS HERTZ restart|interrupt; run it natively to see what Linux does.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD = 1048583, MOST = 200000 };
static unsigned char octets[PERIOD + MOST], room[MOST];
static volatile sig_atomic_t ticks;
static long total, hertz, interruptions, calls, shorts;
static int fd, restarts;

static void tick(int signal_number) { (void)signal_number; ticks++; }
static void fail(const char *what, long at) { fprintf(stderr, "%s at %ld: %s\n", what, at, strerror(errno)); exit(1); }
static double seconds(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }

static void fill(uint32_t x) {
  for (int i = 0; i < PERIOD; i += 4) {
    x = x * 1664525u + 1013904223u;
    for (int k = 0; k < 4 && i + k < PERIOD; k++) octets[i + k] = x >> (8 * k);
  }
  memcpy(octets + PERIOD, octets, MOST);
}
static void set_timer(long rate) {
  struct itimerval every = {{0, rate ? 1000000 / rate : 0}, {0, rate ? 1000000 / rate : 0}};
  setitimer(ITIMER_REAL, &every, NULL);
}
static double begin(uint32_t seed) {
  struct sigaction action = {.sa_handler = tick, .sa_flags = restarts ? SA_RESTART : 0};
  fill(seed);
  sigaction(SIGALRM, &action, NULL);
  set_timer(hertz);
  return seconds();
}
static void finish(const char *name, double start) {
  double took = seconds() - start;
  set_timer(0);
  printf("%s %ld octets in %.2f s, %d signals (%.0f a second), %ld calls, %ld short, %ld with EINTR\n", name, total, took, (int)ticks,
         ticks / took, calls, shorts, interruptions);
  fflush(stdout);
}
static int retry(void) {
  if (errno != EINTR) return 0;
  interruptions++;
  return !restarts;
}

static void give(void) {
  long at = 0, want = 1;
  double start = begin(1);
  while (at < total) {
    want = (want * 7 + 4096) % MOST + 1;
    long most = want < total - at ? want : total - at, n = send(fd, octets + at % PERIOD, most, 0);
    calls++;
    if (n < 0 && retry()) continue;
    if (n <= 0) fail("send", at);
    if (n < most) shorts++;
    at += n;
  }
  finish("sent", start);
  if (shutdown(fd, SHUT_WR) < 0) fail("shutdown", at);
}
static void take(void) {
  long at = 0, n;
  double start = begin(2);
  while ((n = recv(fd, room, MOST, 0)) != 0) {
    calls++;
    if (n < 0 && retry()) continue;
    if (n < 0) fail("recv", at);
    if (memcmp(room, octets + at % PERIOD, n) != 0) { fprintf(stderr, "other octets at %ld\n", at); exit(1); }
    at += n;
  }
  finish("received", start);
  if (at != total) fail("the end", at);
}

int main(int argc, char **argv) {
  if (argc != 6) return 2;
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  int status;
  inet_pton(AF_INET, argv[1], &name.sin_addr);
  total = atol(argv[3]);
  hertz = atol(argv[4]);
  restarts = strcmp(argv[5], "restart") == 0;
  fd = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(fd, (struct sockaddr *)&name, sizeof name) < 0) fail("connect", 0);
  pid_t child = fork();
  if (child == 0) { take(); return 0; }
  give();
  if (waitpid(child, &status, 0) != child || status != 0) return 1;
  puts("ok");
  return 0;
}
