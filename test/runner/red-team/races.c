/*
 * What a call points to changes between the look and the use: a thread writes the permitted and the forbidden in turn while others call. The host side counts who comes; here the name of the peer is asked for.
 */
#include "red-team.h"

static long lasts_ms(void) {
  const char *text = getenv("RED_TEAM_RACE_MS");
  return text ? atol(text) : 700;
}
static volatile int over;
static struct sockaddr_un names[2], shared;
static socklen_t lengths[2];

static void until(void (*call)(void)) {
  long end = now_ms() + lasts_ms();
  while (now_ms() < end) call();
  over = 1;
}
static pthread_t begin(void *(*body)(void *)) {
  pthread_t thread;
  if (pthread_create(&thread, NULL, body, NULL)) out("no thread");
  return thread;
}
static void *flip_name(void *unused) {
  for (unsigned i = 0; !over; i++) memcpy((void *)&shared, &names[i & 1], sizeof shared);
  return unused;
}
static void check_peer(int fd) {
  struct sockaddr_un peer = {0};
  socklen_t len = sizeof peer;
  if (getpeername(fd, (struct sockaddr *)&peer, &len) || len < 3) return;
  /* The host side binds by names without a directory. */
  if (strcmp(peer.sun_path, "docker.sock") == 0 || (peer.sun_path[0] == 0 && strstr(peer.sun_path + 1, host_abstract + 1))) out("connected to the host's %s", peer.sun_path[0] ? peer.sun_path : peer.sun_path + 1);
}
static void connect_once(void) {
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (connect(fd, (struct sockaddr *)&shared, sizeof shared) == 0) check_peer(fd);
  close(fd);
}
static void accept_all(int listener) {
  for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) close(fd);
}
static void *accept_own(void *at) {
  int listener = (int)(intptr_t)at;
  while (!over) {
    poll(&(struct pollfd){listener, POLLIN, 0}, 1, 20);
    accept_all(listener);
  }
  return NULL;
}
/* A listener whose connections are taken off all the time. */
static void listen_here(const char *path) {
  int fd = own_listener(path, SOCK_STREAM);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  pthread_t thread;
  pthread_create(&thread, NULL, accept_own, (void *)(intptr_t)fd);
}
static void between(const char *mine, const char *theirs, void (*call)(void)) {
  lengths[0] = unix_address(&names[0], mine);
  lengths[1] = unix_address(&names[1], theirs);
  memcpy((void *)&shared, &names[0], sizeof shared);
  pthread_t first = begin(flip_name), second = begin(flip_name);
  until(call);
  pthread_join(first, NULL);
  pthread_join(second, NULL);
  stopped("never reached");
}
static void name_in_connect(void) {
  own_directory();
  listen_here("mine");
  between("mine", host_path("docker.sock"), connect_once);
}
static void abstract_in_connect(void) {
  own_directory();
  listen_here("mine");
  char padded[108] = "";
  memcpy(padded, host_abstract, strlen(host_abstract));
  between("mine", padded, connect_once);
}

static void *flip_links(void *unused) {
  while (!over) syscall(SYS_renameat2, AT_FDCWD, "one", AT_FDCWD, "other", 2 /* RENAME_EXCHANGE */);
  return unused;
}
static void links_in_connect(void) {
  own_directory();
  listen_here("mine");
  if (symlink("mine", "one") || symlink(host_path("docker.sock"), "other")) out("no link: %s", strerror(errno));
  unix_address(&shared, "one");
  begin(flip_links);
  until(connect_once);
  stopped("never reached");
}
static void directories_in_connect(void) {
  own_directory();
  mkdir("one", 0700);
  if (symlink(host_directory, "other")) out("no link: %s", strerror(errno));
  listen_here("one/docker.sock");
  unix_address(&shared, "one/docker.sock");
  begin(flip_links);
  until(connect_once);
  stopped("never reached");
}

static int sender;
static struct iovec data = {"race", 4};
static struct msghdr message;
static struct mmsghdr messages[2];
static void sendto_once(void) { sendto(sender, "race", 4, MSG_DONTWAIT, (struct sockaddr *)&shared, sizeof shared); }
static void sendmsg_once(void) {
  message = (struct msghdr){&shared, sizeof shared, &data, 1, NULL, 0, 0};
  sendmsg(sender, &message, MSG_DONTWAIT);
}
static void sendmmsg_once(void) {
  messages[0].msg_hdr = messages[1].msg_hdr = (struct msghdr){&shared, sizeof shared, &data, 1, NULL, 0, 0};
  sendmmsg(sender, messages, 2, MSG_DONTWAIT);
}
static void sending(void (*call)(void)) {
  own_directory();
  int mine = own_listener("mine", SOCK_DGRAM);
  sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  shutdown(mine, SHUT_WR);
  between("mine", host_path("log"), call);
}
static void name_in_sendto(void) { sending(sendto_once); }
static void name_in_sendmsg(void) { sending(sendmsg_once); }
static void name_in_sendmmsg(void) { sending(sendmmsg_once); }

/* The pointer in the header changes, and not what it leads to. */
static void *flip_header(void *unused) {
  for (unsigned i = 0; !over; i++) {
    message.msg_name = &names[i & 1];
    message.msg_namelen = i & 2 ? sizeof names[0] : 0;
  }
  return unused;
}
static void header_once(void) { sendmsg(sender, &message, MSG_DONTWAIT); }
static void header_in_sendmsg(void) {
  own_directory();
  own_listener("mine", SOCK_DGRAM);
  sender = socket(AF_UNIX, SOCK_DGRAM, 0);
  unix_address(&names[0], "mine");
  unix_address(&names[1], host_path("log"));
  message = (struct msghdr){&names[0], sizeof names[0], &data, 1, NULL, 0, 0};
  begin(flip_header);
  until(header_once);
  stopped("never reached");
}

/* A number that leads to a unix socket, to one of the sandbox's, and to nothing in turn, while others name the host by it. */
static int number, sources[3];
static void *flip_number(void *unused) {
  for (unsigned i = 0; !over; i++) dup2(sources[i % 3], number);
  return unused;
}
static void *name_by_number(void *unused) {
  struct sockaddr_un path, name;
  struct sockaddr_in inet = {.sin_family = AF_INET, .sin_port = htons((uint16_t)host_port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  unix_address(&path, host_path("docker.sock"));
  socklen_t len = unix_address(&name, host_abstract);
  struct msghdr out_of = {&path, sizeof path, &data, 1, NULL, 0, 0};
  while (!over) {
    if (connect(number, (struct sockaddr *)&path, sizeof path) == 0 || connect(number, (struct sockaddr *)&name, len) == 0) out("connect by a number that changes");
    if (connect(number, (struct sockaddr *)&inet, sizeof inet) == 0) out("connect by a number that changes, to a port");
    sendto(number, "race", 4, MSG_DONTWAIT | MSG_NOSIGNAL, (struct sockaddr *)&path, sizeof path);
    sendmsg(number, &out_of, MSG_DONTWAIT | MSG_NOSIGNAL);
    bind(number, (struct sockaddr *)&path, sizeof path);
  }
  return unused;
}
static void still(void) { usleep(20000); }
static void numbers(void) {
  sources[0] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sources[1] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  sources[2] = open("/dev/null", O_RDWR);
  number = dup(sources[2]);
  pthread_t threads[] = {begin(flip_number), begin(name_by_number), begin(name_by_number)};
  until(still);
  for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
  int ends[2];
  tcp_pair(ends);
  stopped(carries(ends[0], ends[1]) ? "never reached" : "never reached, but the stack is silent");
}

/* A connection that is over makes a send fail at once; by the time that the kernel would see to it, its number leads to a socket without a peer, and its message has a name. */
static void *flip_number_and_header(void *unused) {
  for (unsigned i = 0; !over; i++) {
    dup2(sources[i & 1], number);
    message.msg_namelen = i & 1 ? sizeof names[0] : 0;
  }
  return unused;
}
static void broken_once(void) { sendmsg(number, &message, MSG_DONTWAIT); }
static void broken(void) {
  int pair[2];
  tcp_pair(pair);
  shutdown(pair[0], SHUT_WR);
  sources[0] = pair[0];
  sources[1] = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  number = dup(pair[0]);
  unix_address(&names[0], host_path("log"));
  message = (struct msghdr){&names[0], 0, &data, 1, NULL, 0, 0};
  pthread_t thread = begin(flip_number_and_header);
  until(broken_once);
  pthread_join(thread, NULL);
  stopped("never reached");
}

/* Internet addresses: the destination changes while it is looked at. */
static struct sockaddr_in address;
static void *flip_destination(void *unused) {
  for (unsigned i = 0; !over; i++) {
    address.sin_addr.s_addr = htonl(i & 1 ? INADDR_LOOPBACK : 0x0a000203);
    address.sin_port = htons((uint16_t)(i & 1 ? host_port : 9));
    address.sin_family = i % 5 ? AF_INET : AF_UNIX;
  }
  return unused;
}
static void destination_once(void) {
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  connect(fd, (struct sockaddr *)&address, sizeof address);
  send(fd, "race", 4, MSG_DONTWAIT);
  sendto(fd, "race", 4, MSG_DONTWAIT, (struct sockaddr *)&address, sizeof address);
  close(fd);
}
static void destinations(void) {
  address.sin_family = AF_INET;
  begin(flip_destination);
  until(destination_once);
  stopped("never reached");
}

/* Memory that comes and goes under a call. */
static char *area;
enum { AREA = 1 << 16 };
static void *flip_memory(void *unused) {
  while (!over) {
    mprotect(area, AREA, PROT_NONE);
    mprotect(area, AREA, PROT_READ | PROT_WRITE);
    madvise(area, AREA, MADV_DONTNEED);
  }
  return unused;
}
static int ends[2];
static void memory_once(void) {
  struct mmsghdr *list = (struct mmsghdr *)area;
  send(ends[0], area, AREA, MSG_DONTWAIT | MSG_NOSIGNAL);
  recv(ends[1], area, AREA, MSG_DONTWAIT);
  sendmmsg(ends[0], list, 100, MSG_DONTWAIT | MSG_NOSIGNAL);
  recvmmsg(ends[1], list, 100, MSG_DONTWAIT, NULL);
  setsockopt(ends[0], SOL_SOCKET, SO_LINGER, area, AREA);
  getsockopt(ends[0], SOL_SOCKET, SO_LINGER, area, (socklen_t *)(area + 4096));
  bind(ends[0], (struct sockaddr *)area, 128);
}
static void memory(void) {
  area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  tcp_pair(ends);
  begin(flip_memory);
  until(memory_once);
  int fresh[2];
  tcp_pair(fresh);
  stopped(carries(fresh[0], fresh[1]) ? "the supervisor serves on" : "the stack is silent");
}

/* Threads that end within their calls: their ids may be another's before the supervisor looks. */
static void *die_in_call(void *unused) {
  (void)unused;
  char buffer[8];
  recv(ends[1], buffer, sizeof buffer, 0);
  connect(ends[1], (struct sockaddr *)&names[1], sizeof names[1]);
  return NULL;
}
static void death_once(void) {
  pid_t pid = fork();
  if (pid == 0) {
    for (int i = 0; i < 4; i++) begin(die_in_call);
    pthread_t last = begin(name_by_number);
    usleep(500);
    over = 1;
    (void)last;
    _exit(0);
  }
  waitpid(pid, NULL, 0);
}
static void deaths(void) {
  unix_address(&names[1], host_path("docker.sock"));
  tcp_pair(ends);
  number = ends[1];
  until(death_once);
  int fresh[2];
  tcp_pair(fresh);
  stopped(carries(fresh[0], fresh[1]) ? "the supervisor serves on" : "the stack is silent");
}
const struct attempt races[] = {{"race: path in connect", name_in_connect}, {"race: abstract name in connect", abstract_in_connect}, {"race: symbolic links exchanged", links_in_connect}, {"race: directories exchanged", directories_in_connect},
                                {"race: name in sendto", name_in_sendto}, {"race: name in sendmsg", name_in_sendmsg}, {"race: name in sendmmsg", name_in_sendmmsg}, {"race: msghdr rewritten", header_in_sendmsg},
                                {"race: what a descriptor number leads to", numbers}, {"race: a broken connection and its message", broken}, {"race: internet destination", destinations}, {"race: memory unmapped and protected", memory}, {"race: threads that die in their calls", deaths}, {NULL, NULL}};
