/*
 * Signals to the process that the thread which runs is told of, while others wait in a receive: whose-signal SECONDS restart|interrupt.
 * Prints ok if each receive ended with octets, or with EINTR where the handlers do not restart calls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define STREAMS 3
static volatile long handled, received, strange;
static volatile int last;

static void handler(int signal) {
    (void)signal;
    __atomic_add_fetch(&handled, 1, __ATOMIC_RELAXED);
}
static long receive(int fd) {
    char octets[64];
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    /* With an address: trapped wherever the data goes. */
    long n = syscall(SYS_recvfrom, fd, octets, sizeof octets, 0, &from, &len);
    if (n > 0) __atomic_add_fetch(&received, n, __ATOMIC_RELAXED);
    if (n < 0 && errno != EINTR) {
        last = errno;
        __atomic_add_fetch(&strange, 1, __ATOMIC_RELAXED);
    }
    return n;
}
static void *reader(void *fd) {
    while (receive((int)(long)fd) != 0) continue;
    return NULL;
}
static void *spinner(void *unused) {
    for (volatile unsigned long i = 0;; i++) continue;
    return unused;
}
static void every_millisecond(clockid_t clock, int signal) {
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = signal};
    struct itimerspec period = {{0, 1000000}, {0, 1000000}};
    timer_t timer;
    if (timer_create(clock, &event, &timer) != 0 || timer_settime(timer, 0, &period, NULL) != 0) abort();
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    struct sigaction action = {.sa_handler = handler, .sa_flags = strcmp(argv[2], "restart") == 0 ? SA_RESTART : 0};
    int signals[] = {SIGUSR1, SIGALRM, SIGPROF};
    for (int i = 0; i < 3; i++) sigaction(signals[i], &action, NULL);

    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0), senders[STREAMS], receivers[STREAMS];
    if (bind(listener, (void *)&name, sizeof name) != 0 || listen(listener, STREAMS) != 0) return 3;
    getsockname(listener, (void *)&name, &len);
    for (int i = 0; i < STREAMS; i++) {
        senders[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(senders[i], (void *)&name, sizeof name) != 0) return 4;
        receivers[i] = accept(listener, NULL, NULL);
    }
    pid_t feeder = fork();
    while (feeder == 0) {
        usleep(20000);
        for (int i = 0; i < STREAMS; i++) send(senders[i], "x", 1, MSG_NOSIGNAL);
    }
    pthread_t thread;
    for (int i = 1; i < STREAMS; i++) pthread_create(&thread, NULL, reader, (void *)(long)receivers[i]);
    pthread_create(&thread, NULL, spinner, NULL);
    every_millisecond(CLOCK_MONOTONIC, SIGUSR1);
    every_millisecond(CLOCK_PROCESS_CPUTIME_ID, SIGALRM);
    struct itimerval period = {{0, 10000}, {0, 10000}};
    setitimer(ITIMER_PROF, &period, NULL);

    time_t end = time(NULL) + atoi(argv[1]);
    while (time(NULL) < end) receive(receivers[0]);
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    kill(feeder, SIGKILL);
    if (strange == 0 && handled > 0 && received > 0) puts("ok");
    else printf("%ld handled, %ld received, %ld other errors, the last %d\n", handled, received, strange, last);
    fflush(stdout);
    _exit(0);
}
