/* Other doors to the kernel's calls, and numbers that nobody has looked at. */
#include "red-team.h"

static void x32(void) {
  for (long number = 0; number < 1024; number++) must_fail("an x32 call", syscall(0x40000000 + number, AF_INET, SOCK_STREAM, 0, 0, 0, 0));
  must_fail("an x32 number with garbage above", syscall(0x140000029, AF_INET, SOCK_STREAM, 0));
  all_failed();
}
/* int 0x80: socket and connect are one call there, socketcall(2), whose arguments lie in memory. */
#ifdef __x86_64__
static long int80(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
  return result;
}
#else
static long int80(long number, long a, long b, long c) { (void)number, (void)a, (void)b, (void)c; raise(SIGSYS); return -1; }
#endif
static void entry80(long number, long a, long b, long c) {
  long result = int80(number, a, b, c);
  errno = (int)-result;
  must_fail("int 0x80", result < 0 ? -1 : result);
  stopped("%s, and lives", strerrorname_np((int)-result));
}
static void socketcall(void) {
  uint32_t *arguments = mmap((void *)0x10000000, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  arguments[0] = AF_VSOCK, arguments[1] = SOCK_STREAM, arguments[2] = 0;
  entry80(102, 1, (long)arguments, 0);
}
static void socket80(void) { entry80(359, AF_INET, SOCK_STREAM, 0); }
static void harmless80(void) { entry80(20, 0, 0, 0); }

static void future(void) {
  for (long number = 470; number < 4096; number++) must_fail("a number of later", syscall(number, 0, 0, 0, 0, 0, 0));
  all_failed();
}
static void gap(void) {
#ifdef __x86_64__
  for (long number = 337; number < 424; number++) must_fail("a number of nobody", syscall(number, 0, 0, 0, 0, 0, 0));
#endif
  for (long number = 512; number < 548; number++) must_fail("a number of x32 without its bit", syscall(number, AF_INET, SOCK_STREAM, 0, 0, 0, 0));
  all_failed();
}
static void wrong(void) {
  static const long numbers[] = {-1, -2, -4096, INT_MIN, INT_MAX, 0x3fffffff, 0x7fffffff, 0x80000029, 0xbfffffff, 0xc0000029};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) must_fail("a wrong number", syscall(numbers[i], AF_INET, SOCK_STREAM, 0));
  all_failed();
}
const struct attempt entries[] = {{"x32 numbers", x32}, {"int 0x80: socketcall", socketcall}, {"int 0x80: socket", socket80}, {"int 0x80: getpid", harmless80}, {"numbers of later kernels", future}, {"numbers of nobody", gap}, {"negative and huge numbers", wrong}, {NULL, NULL}};
